"""Emitted modules in this process: loading one, and its gradients for the checks."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from symbp.emit import generate
from symbp.emit.arguments import arguments_of
from symbp.program import Program


def load_module(text: str, name: str = "emitted") -> ModuleType:
    """The module of a text that `generate` wrote."""
    module = ModuleType(name)
    exec(compile(text, f"<{name}>", "exec"), module.__dict__)
    return module


def module_gradients(program: Program, values: Mapping[str, Any]) -> dict[str, Any]:
    """The loss and d_<parameter> as the emitted module computes them at these values."""
    module = load_module(generate(program))
    params = {p.name: values[p.name] for p in (*program.parameters, *program.state)}
    arguments = [values[t.name] for t in arguments_of(program).all]
    value, grads, *_ = module.loss_and_grads(params, *arguments)
    return {str(program.loss): value, **{f"d_{name}": g for name, g in grads.items()}}
