"""Where a long formula may be broken, and breaking it.

Printers put an invisible character before a sign (kind SIGN) and between factors (kind FACTOR); its code says how deep
in brackets it stands. `split` cuts a formula at the shallowest of them into lines no wider than asked for. The marks of
`marked` stay where they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable

SIGN, FACTOR = 0xE000, 0xE400
_DEEPEST = 0xFF
_MARKS = re.compile("[\ue000-\ue5ff]")
_ALL = re.compile("[\ue000-\ue7ff]")


def mark(kind: int) -> str:
    """A place where a line may end."""
    return chr(kind)


def deeper(text: str) -> str:
    """The text with its marks one level further in."""
    return _MARKS.sub(lambda m: m[0] if (ord(m[0]) & _DEEPEST) == _DEEPEST else chr(ord(m[0]) + 1), text)


def unbroken(text: str) -> str:
    """The text on one line, with other marks."""
    return _MARKS.sub("", text)


def unmarked(text: str) -> str:
    """The text on one line, without any mark."""
    return _ALL.sub("", text)


def split(text: str, width: float, measure: Callable[[str], float], times: str) -> list[tuple[int, str]]:
    """The lines, each with the depth in brackets of the place where it starts; the first with 0.

    times: what a line starts with that begins with a factor. A line that has no mark in it stays as wide as it is.
    """
    pieces = _pieces(text)
    sizes = [measure(piece) for _, piece in pieces]
    lines: list[tuple[int, str]] = []
    start, used, k = 0, 0.0, 0
    while k < len(pieces):
        if used + sizes[k] > width and k > start:
            cut = _cut(pieces, sizes, start, k, width)
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
    """The piece that the next line starts with: outside of brackets if that leaves a line that isn't very short."""
    best, highest, filled = end, -1e9, 0.0
    for k in range(start + 1, end + 1):
        filled += sizes[k - 1]
        score = filled / width - 0.45 * (pieces[k][0] & _DEEPEST) - 2 * max(0.0, 0.25 - filled / width)
        if score > highest:
            best, highest = k, score
    return best


def _line(pieces: list[tuple[int, str]], start: int, end: int, times: str) -> tuple[int, str]:
    head = times if start and pieces[start][0] >= FACTOR else ""
    return pieces[start][0] & _DEEPEST, head + "".join(piece for _, piece in pieces[start:end]).strip()
