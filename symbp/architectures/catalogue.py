"""Layers and losses of the library by snake_case name, and their options as their definitions declare them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from symbp import layers
from symbp.architectures.fields import ACTIVATIONS
from symbp.functions import TABLE
from symbp.layers import LOSSES, Activation, Layer, Loss

REQUIRED = inspect.Parameter.empty
WORDS = {  # what an option that is a text may say
    "activation": ACTIVATIONS,
    "function": ACTIVATIONS,
    "gate": ACTIVATIONS,
    "targets": ("integer", "soft"),
}
HIDDEN = ("names",)  # options that tell one- and two-dimensional forms of a class apart
NAMES = {"FiLM": "film", "PReLU": "prelu", "ResNetBlock": "resnet_block", "SwiGLU": "swiglu"}
TYPES = {  # annotation -> what it is called
    bool: "true or false",
    int: "whole number",
    str: "word",
    Any: "number",
    Layer: "layer",
    Loss: "loss",
    tuple[Layer, ...]: "layers",
    tuple[Any, ...]: "numbers",
    tuple[Any, int] | None: "[length, width]",
}


@dataclass(frozen=True)
class Option:
    """type: one of TYPES. default: REQUIRED where there is none. words: those that a word may be."""

    name: str
    type: str
    default: Any = REQUIRED
    words: tuple[str, ...] = ()

    @property
    def least(self) -> int:
        """The smallest value of a whole number: zero where that means that there is none of it."""
        return 0 if self.default == 0 else 1


@dataclass(frozen=True)
class Kind:
    """A layer or a loss. spread: its option whose values stand before the others, as Residual's layers do."""

    name: str
    about: str
    options: dict[str, Option]
    build: Callable[..., Any]
    spread: str = ""

    def make(self, given: dict[str, Any]) -> Any:
        rest = {name: value for name, value in given.items() if name != self.spread}
        return self.build(*given.get(self.spread, ()), **rest)


def snake_case(name: str) -> str:
    """BatchNorm -> batch_norm, RMSNorm -> rms_norm, Conv2D -> conv2d."""
    return NAMES.get(name) or re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def kind_of(name: str, made: type, build: Callable[..., Any], defaults: Any = None) -> Kind:
    """The kind of a class. defaults: an instance whose values are its options' defaults."""
    found = inspect.signature(made, eval_str=True).parameters.values()
    options, spread = {}, ""
    for p in found:
        several = p.kind is p.VAR_POSITIONAL
        spread = p.name if several else spread
        kind = TYPES[p.annotation] + "s" * several
        default = p.default if defaults is None else getattr(defaults, p.name)
        if p.name not in HIDDEN:
            options[p.name] = Option(p.name, kind, default, WORDS[p.name] if p.annotation is str else ())
    about = (inspect.getdoc(made) or "").splitlines()[0]
    return Kind(name, about, options, build, spread)


def _named_loss(name: str, loss: Any) -> Kind:
    return kind_of(name, type(loss), partial(replace, loss), loss)


def _activation(name: str) -> Kind:
    row = TABLE[name]
    options = {"arguments": Option("arguments", "numbers", ())} if row.arity > 1 else {}
    return Kind(name, "an activation, elementwise", options, partial(Activation, name))


def _classes(base: type) -> Iterable[type]:
    found = (getattr(layers, name) for name in layers.__all__)
    return (c for c in found if inspect.isclass(c) and issubclass(c, base) and c not in (base, Activation))


LAYERS: dict[str, Kind] = {
    kind.name: kind
    for kind in (*(kind_of(snake_case(c.__name__), c, c) for c in _classes(Layer)), *map(_activation, ACTIVATIONS))
}
LOSS_KINDS: dict[str, Kind] = {
    **{name: _named_loss(name, loss) for name, loss in LOSSES.items()},
    **{name: kind_of(name, c, c) for c in _classes(Loss) if (name := snake_case(c.__name__)) not in LOSSES},
}


def option_text(option: Option) -> str:
    """units: whole number; stride: whole number = 1."""
    default = "" if option.default is REQUIRED else f" = {default_text(option.default)}"
    words = "activation" if option.words == ACTIVATIONS else " or ".join(f'"{w}"' for w in option.words)
    return f"{option.name}: {words or option.type}{default}"


def default_text(value: Any) -> str:
    """A default as TOML writes it; a fraction as a fraction."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not value[:1].isdigit():
        return f'"{value}"'
    return {"None": "none", "()": "[]"}.get(str(value), str(value))


def table(kinds: Iterable[Kind]) -> str:
    """The kinds as a table in Markdown, those that read the same in one row."""
    rows: dict[tuple[str, str], list[str]] = {}
    for kind in kinds:
        options = "; ".join(f"`{option_text(o)}`" for o in kind.options.values())
        rows.setdefault((options, kind.about.replace("|", r"\|")), []).append(f"`{kind.name}`")
    lines = ["| kind | options | what it computes |", "| --- | --- | --- |"]
    lines += [f"| {', '.join(names)} | {options} | {about} |" for (options, about), names in rows.items()]
    return "\n".join(lines)
