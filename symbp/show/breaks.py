"""Where a long formula may be broken, and breaking it.

Printers put an invisible character before a sign (kind SIGN) and between factors (kind FACTOR); its code says how deep
in brackets it stands. `split` cuts a formula at the shallowest of them into lines no wider than asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable

SIGN, FACTOR = 0xE000, 0xE400
_DEEPEST = 0x3FF
_MARKS = re.compile("[\ue000-\ue7ff]")


def mark(kind: int) -> str:
    """A place where a line may end."""
    return chr(kind)


def deeper(text: str) -> str:
    """The text with its marks one level further in."""
    return _MARKS.sub(lambda m: m[0] if (ord(m[0]) & _DEEPEST) == _DEEPEST else chr(ord(m[0]) + 1), text)


def unmarked(text: str) -> str:
    """The text on one line."""
    return _MARKS.sub("", text)


def split(text: str, width: float, measure: Callable[[str], float], times: str, first: float = 0.0) -> list[str]:
    """The lines. first: what already stands on the first line; times: what a line starts with that begins with a factor.

    A line that has no mark in it stays as wide as it is.
    """
    pieces = _pieces(text)
    sizes = [measure(piece) for _, piece in pieces]
    lines: list[str] = []
    start, used, k = 0, first, 0
    while k < len(pieces):
        if used + sizes[k] > width and k > start:
            cut = _cut(pieces, sizes, start, k, width if lines else width - first)
            lines.append(_line(pieces, start, cut, times))
            start, k, used = cut, cut, 0.0
        used += sizes[k]
        k += 1
    lines.append(_line(pieces, start, len(pieces), times))
    return lines


def _pieces(text: str) -> list[tuple[int, str]]:
    """(mark in front, 0 for the first; text) of each unbreakable piece."""
    out: list[tuple[int, str]] = []
    at, before = 0, 0
    for m in _MARKS.finditer(text):
        out.append((before, text[at : m.start()]))
        at, before = m.end(), ord(m[0])
    return [*out, (before, text[at:])]


def _cut(pieces: list[tuple[int, str]], sizes: list[float], start: int, end: int, width: float) -> int:
    """The piece that the next line starts with: the shallowest mark that leaves the line at least a third full."""
    best, filled = end, 0.0
    level = pieces[end][0] & _DEEPEST
    for k in range(start + 1, end + 1):
        filled += sizes[k - 1]
        here = pieces[k][0] & _DEEPEST
        if (filled >= width / 3 or here == 0) and here <= level:
            best, level = k, here
    return best


def _line(pieces: list[tuple[int, str]], start: int, end: int, times: str) -> str:
    head = times if start and pieces[start][0] >= FACTOR else ""
    return head + "".join(piece for _, piece in pieces[start:end]).strip()
