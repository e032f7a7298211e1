"""The memory of an emitted module's training step, to the byte, without running it on numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from symbp.emit.arguments import arguments_of
from symbp.emit.context import module_context
from symbp.emit.loading import load_module
from symbp.emit.meta import Account, MetaArray
from symbp.emit.meta_numpy import MetaNumPy, given
from symbp.emit.render import render_module
from symbp.program import Program, Tensor
from symbp.schedule.lifetimes import number


@dataclass(frozen=True)
class Footprint:
    """Bytes of arrays that a step holds at most, gradients included, parameters and batch not.

    line: of the module's text in which they are first held.
    """

    peak: int
    gradients: int
    line: str


def footprint(text: str, program: Program, sizes: Mapping[str, int]) -> Footprint:
    """Of the module that `generate` wrote for the program; sizes: those of the data, the others are 1.

    In the fast style the arrays of a workspace are counted, which are there between steps too.
    """
    name = "footprint"
    module = load_module(text, name)
    account = Account(f"<{name}>")
    numpy = module.__dict__["np"] = MetaNumPy(account)
    module.__dict__["empty"] = numpy.empty  # what the fast style's own adds, up to 64 numbers an array, isn't counted
    dtype = np.dtype(module.DTYPE)
    params = {t.name: _given(account, t, dtype, sizes) for t in (*program.parameters, *program.state)}
    arguments = [_given(account, t, dtype, sizes) for t in arguments_of(program).all]
    if hasattr(module, "workspace"):
        flat = given(account, (sum(params[t.name].size for t in program.parameters),), dtype)
        grads = {"": numpy.empty_like(flat)}
        state = [{t.name: params[t.name] for t in program.state}] if program.state else []
        found = module.workspace(flat, grads[""], *state, *arguments)(*arguments)
    else:
        found = module.loss_and_grads(params, *arguments)
        grads = found[1]
    gradients = sum(g.nbytes for g in grads.values())
    del found
    lines = text.splitlines()
    return Footprint(account.peak, gradients, lines[account.line - 1].strip() if account.line else "")


def module_footprints(program: Program, sizes: Mapping[str, int], dtype: str) -> dict[str, Footprint]:
    """Of the modules in both styles."""
    return {
        style: footprint(render_module(module_context(program, ("sgd",), dtype, 1e-3, "net.py", style)), program, sizes)
        for style in ("readable", "fast")
    }


def _given(account: Account, t: Tensor, dtype: Any, sizes: Mapping[str, int]) -> MetaArray:
    shape = tuple(number(s, sizes) for s in t.shape)
    return given(account, shape, np.intp if t.dtype == "int" else dtype)
