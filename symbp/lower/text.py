"""Pieces of NumPy code with the axes of the arrays that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symbp.expr import Expr, Index

Axes = tuple[Index, ...]
# How tightly a text binds, as in Python's grammar.
OR, COMPARE, SUM, MATMUL, PRODUCT, SIGN, POWER, ATOM = range(8)  # a @ b stands in brackets inside a product


@dataclass(frozen=True)
class Text:
    """Code of an array over these axes, in this order. binds: a level above. boolean: it holds truth values."""

    code: str
    axes: Axes = ()
    binds: int = ATOM
    boolean: bool = False

    def at(self, level: int) -> str:
        """The code, in brackets where something that binds at this level needs them."""
        return self.code if self.binds >= level else f"({self.code})"


# ------------------------------------------------------------------------------------------------- axes


def own(e: Expr, order: Sequence[Index]) -> Axes:
    """The expression's free indices in the given order."""
    return tuple(i for i in order if i in e.free)


def without(axes: Axes, gone: Sequence[Index]) -> Axes:
    return tuple(i for i in axes if i not in gone)


def axis_argument(axes: Axes, over: Sequence[Index]) -> str:
    """The text of `axis=...` for a reduction over these indices; nothing where all axes go."""
    positions = [n for n, i in enumerate(axes) if i in over]
    if len(positions) == len(axes):
        return ""
    return f"axis={positions[0]}" if len(positions) == 1 else f"axis=({', '.join(map(str, positions))})"


def arrange(text: Text, order: Axes) -> Text:
    """The array with its axes in the given order."""
    wanted = tuple(i for i in order if i in text.axes)
    if wanted == text.axes:
        return text
    if len(wanted) == 2:
        return Text(f"{text.at(ATOM)}.T", wanted)
    positions = ", ".join(str(text.axes.index(i)) for i in wanted)
    return Text(f"{text.at(ATOM)}.transpose({positions})", wanted)


def spread(text: Text, onto: Axes) -> Text:
    """The array so that it broadcasts over the axes `onto`, which it has in that order."""
    if not text.axes:
        return text
    first = onto.index(text.axes[0])
    if onto[first:] == text.axes:
        return text
    slots = ", ".join(":" if i in text.axes else "None" for i in onto[first:])
    return Text(f"{text.at(ATOM)}[{slots}]", text.axes, ATOM, text.boolean)
