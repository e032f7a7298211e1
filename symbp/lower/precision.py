"""Constants as precise as the other arrays: NumPy's have 64 bits, and one such array widens all that it meets."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import replace

from symbp.lower.array import ATOM, COMPARISONS, Array, opaque

_WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
# What takes a constant as places, in comparisons, or as it is.
_UNTOUCHED = {"", "pick", "rows", "one_hot", "add_rows", *COMPARISONS.values()}


def in_precision(a: Array, variables: Container[str]) -> Array:
    """The tree with arrays that hold none of these variables converted to DTYPE, so that 32 bits stay 32 bits."""
    if _is_constant(a, variables):
        return _converted(a)
    args = tuple(
        x if a.op in _UNTOUCHED and _is_constant(x, variables) else in_precision(x, variables) for x in a.args
    )
    same = all(x is y for x, y in zip(args, a.args, strict=True))
    whole = a if same else replace(a, args=args)
    numbers = a.op == "where" and not any(x.dims for x in a.args[1:])  # np.where(x > 0, 1, 0.2)
    return _converted(whole) if numbers else whole


def _is_constant(a: Array, variables: Container[str]) -> bool:
    return not any(word in variables for word in _WORD.findall(a.code))


def _converted(a: Array) -> Array:
    if not a.dims or a.boolean or "DTYPE" in a.code:
        return a
    return replace(opaque("{}.astype(DTYPE)", a, axes=a.axes, level=ATOM), op="astype", shape=a.shape)
