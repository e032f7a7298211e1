"""Amounts of operations as people read them: numbers, closed forms in the sizes, and how many times as many."""

from __future__ import annotations

from collections.abc import Mapping

from symbp.count.algebra.polynomial import Polynomial
from symbp.count.tables.table import figure

LONG = 60  # characters of a closed form that is printed whole
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def amount(n: Polynomial | None, exact: bool = True) -> str:
    """A number, a closed form such as 12·B² + 3·B, or the leading term of a long one; "" for None."""
    if n is None:
        return ""
    if not n.sizes:
        text = figure(n.number)
    else:
        whole = _closed(n)
        text = whole if len(whole) <= LONG else f"{_closed(n.leading)} + …"
    return text if exact else f"≤ {text}"


def times(words: Mapping[str, str], more: Polynomial, less: Polynomial) -> str:
    """How many times as many the first is, "" where it isn't more or sizes are letters."""
    if more.sizes or less.sizes or not less or more.number <= less.number:
        return ""
    tenths = 10 * more.number // less.number
    return words["times"].format(f"{tenths / 10:,.1f}" if tenths < 10**7 else figure(tenths // 10))


def _closed(n: Polynomial) -> str:
    pieces = n.text("·", "^{}").split("^")
    out = pieces[0]
    for piece in pieces[1:]:
        digits = len(piece) - len(piece.lstrip("0123456789"))
        out += piece[:digits].translate(_RAISED) + piece[digits:]
    return out.replace("-", "−")
