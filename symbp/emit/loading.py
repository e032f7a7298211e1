"""Emitted modules in this process."""

from __future__ import annotations

from types import ModuleType


def load_module(text: str, name: str = "emitted") -> ModuleType:
    """The module of a text that `generate` wrote."""
    module = ModuleType(name)
    exec(compile(text, f"<{name}>", "exec"), module.__dict__)
    return module
