"""An emitted module's gradients in this process, for the checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symbp.emit import generate
from symbp.emit.arguments import arguments_of
from symbp.emit.loading import load_module
from symbp.program import Program

__all__ = ["load_module", "module_gradients"]


def module_gradients(program: Program, values: Mapping[str, Any]) -> dict[str, Any]:
    """The loss and d_<parameter> as the emitted module computes them at these values."""
    module = load_module(generate(program))
    params = {p.name: values[p.name] for p in (*program.parameters, *program.state)}
    arguments = [values[t.name] for t in arguments_of(program).all]
    value, grads, *_ = module.loss_and_grads(params, *arguments)
    return {str(program.loss): value, **{f"d_{name}": g for name, g in grads.items()}}
