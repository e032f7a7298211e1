"""The point at which a derivation's numbers are worked out: a file of arrays, a network file's own, or random ones."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from symbp.check import check_facts, random_values
from symbp.errors import SymbpError
from symbp.program import Program
from symbp.python_file import run_file

DECIMALS = 2  # of random values: they are to be read


def point(program: Program, text: str, net: str) -> dict[str, Any]:
    """The values that `--at` names: of all inputs, parameters and state.

    text: an .npz file with an array a tensor; `file`, for the dictionary `point` that a Python file NET defines; or
    `seed:N` for random values of two decimals, one sample. Raises SymbpError where there are none, or one is missing.
    """
    if text.startswith("seed:"):
        return seeded(program, text.removeprefix("seed:"))
    values = _of_file(net) if text == "file" else _of_archive(Path(text))
    for t in program.tensors.values():
        if t.role != "computed" and t.name not in values:
            have = ", ".join(sorted(values)) or "nothing"
            raise SymbpError(f"--at {text}: it holds no values of the {t.role} {t.name}, but {have}")
    known = {n: v for n, v in values.items() if n in program.tensors and program.tensors[n].role != "computed"}
    check_facts(program, known)
    return known


def seeded(program: Program, seed: str) -> dict[str, Any]:
    """Random values, one sample where the batch has no size."""
    if not (seed.isascii() and seed.isdigit()):
        raise SymbpError(f"--at seed:{seed}: write a whole number, as in --at seed:0")
    of_parameters = {s.label for t in program.parameters for s in t.shape if not s.args}
    sizes = {name: 1 for name in program.size_names if name not in of_parameters}
    values = random_values(program, int(seed), sizes)
    facts = {a.label for left, right in program.facts for a in (left + right).accesses}
    return {n: v if n in facts or v.dtype.kind == "i" else np.round(v, DECIMALS) for n, v in values.items()}


def _of_archive(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SymbpError(
            f"--at {path}: there is no such file; write an .npz file, seed:0, or file for NET's own `point`"
        )
    try:
        with np.load(path, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (ValueError, OSError, AttributeError, zipfile.BadZipFile):
        raise SymbpError(f"--at {path}: this is no .npz file of arrays; numpy.savez writes one") from None


def _of_file(net: str) -> dict[str, Any]:
    found = vars(run_file(Path(net))).get("point") if net.endswith(".py") else None
    if not isinstance(found, dict):
        raise SymbpError(f"--at file: {net} is no Python file that defines `point`, a dictionary of arrays by name")
    return {name: np.asarray(value) for name, value in found.items()}
