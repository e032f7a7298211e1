"""Emission: a Program becomes one standalone NumPy module that trains it.

The mathematics comes from `symbp.lower`, line by line; the file's structure from the templates.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from symbp.emit.budget import within_budget
from symbp.emit.context import Step, derived, module_context
from symbp.emit.module import ModuleContext
from symbp.emit.render import render_module
from symbp.errors import SymbpError
from symbp.lower import explanation, lower, workspace
from symbp.program import Program

__all__ = ["ModuleContext", "explain", "generate", "module_context", "render_module", "write_whole"]

STYLES = ("readable", "fast")


def generate(
    program: Program,
    path: str | os.PathLike[str] | None = None,
    *,
    optimizers: tuple[str, ...] = ("adam", "momentum", "sgd"),
    dtype: str = "float64",
    learning_rate: float = 1e-3,
    style: str = "readable",
    parallel: str | None = None,
    memory_budget: int | None = None,
    sizes: Mapping[str, int] | None = None,
) -> str:
    """The text of a module with init_params, forward, loss, loss_and_grads, train, predict and a command line.

    path: where to write it, whole or not at all. optimizers: those to include, the first the default.
    dtype: "float64" or "float32". style: "readable", or "fast": the gradient works in arrays that are made once.
    parallel: "mpi" for a module whose batches are shared among the ranks of MPI, "processes" for one that forks
    processes to share them (fast style only). memory_budget: bytes that the arrays
    of a step may take at the given sizes of the data, gradients included, parameters and batch not; values are computed
    twice where that is needed. Raises SymbpError for a program that can't be trained, or shared, as it stands, or for a
    budget that no schedule found holds.
    """
    if style not in STYLES:
        raise SymbpError(f"style is {style!r}: it must be {' or '.join(STYLES)}")
    name = "net.py" if path is None else Path(path).name
    if memory_budget is not None and parallel:
        raise SymbpError("a memory budget is for modules of one process: leave out memory_budget or parallel")

    def written(step: Step | None = None) -> str:
        return render_module(module_context(program, optimizers, dtype, learning_rate, name, style, parallel, step))

    if memory_budget is None:
        text = written()
    else:
        text = within_budget(program, derived(program, style), memory_budget, sizes or {}, dtype, written)
    if path is not None:
        write_whole(Path(path), text)
    return text


def explain(program: Program, style: str = "readable") -> str:
    """A table of the lines that compute the loss and its gradients: which rule made each, and what that saves."""
    backward = derived(program, style)
    return explanation(workspace(backward) if style == "fast" else lower(backward))


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes the file, text as UTF-8, in one step: a failure leaves what was there before.

    Raises SymbpError if there is no folder.
    """
    if not path.parent.is_dir():
        raise SymbpError(f"there is no folder {path.parent} to write {path.name} to: make it first")
    handle, temporary = tempfile.mkstemp(dir=path.parent or Path("."), prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
