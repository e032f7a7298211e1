"""Long lines of code over several: broken at the outermost operators of lowest rank, or inside the longest brackets."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

WIDTH = 100  # a statement is broken beyond this
_RANKS = ((" if ", " else "), (" + ", " - "), (" * ", " / ", " @ "))


def break_line(line: str, width: int = WIDTH) -> list[str]:
    """An assignment as lines of at most so many columns, as far as its parts can be separated."""
    if len(line) <= width:
        return [line]
    name, code = line.split(" = ", 1)
    first, *rest = _fit(code, width - len(name) - 3, width, bracketed=False)
    return [f"{name} = {first}", *rest]


def break_call(left: str, function: str, arguments: str, width: int = WIDTH) -> list[str]:
    """`left = function(arguments)`, names in rows where it is long."""
    line = f"{left} = {function}({arguments})"
    if len(line) <= width:
        return [line]
    above, below = (textwrap.wrap(t, width, initial_indent="    ", subsequent_indent="    ") for t in (left, arguments))
    return ["(", *above, f") = {function}(", *below, ")"]


def _fit(code: str, room: int, width: int, bracketed: bool) -> list[str]:
    """The code as lines: the first has `room` columns, the others `width`. bracketed: brackets stand around it."""
    if len(code) <= room:
        return [code]
    for signs in _RANKS:
        pieces = _split(code, signs)
        if len(pieces) > 1:
            inner = width if bracketed else width - 4
            lines = _joined([_piece(p, inner) for p in pieces], inner)
            return lines if bracketed else ["(", *(f"    {line}" for line in lines), ")"]
    group = max(_groups(code), key=lambda g: g[1] - g[0], default=None)
    if group is None or group[1] - group[0] < 8:
        return [code]
    start, end = group
    arguments = [a.strip() for a in _split(code[start + 1 : end], (",",))]
    arguments = [a.removeprefix(",").strip() for a in arguments]
    out = [code[: start + 1]]
    several = len(arguments) > 1
    for a in arguments:
        if a:
            lines = _fit(a, width - 5, width - 4, bracketed=True)
            out += [f"    {line}" for line in lines[:-1]] + [f"    {lines[-1]}{',' if several else ''}"]
    return [*out, *_fit(code[end:], width, width, bracketed)]


def _piece(piece: str, width: int) -> list[str]:
    """An operand with the operator in front of it."""
    sign, space, rest = piece.partition(" ") if piece[:1] in "+-*/@ie" else ("", "", piece)
    if space and sign in ("+", "-", "*", "/", "@", "if", "else"):
        first, *others = _fit(rest, width - len(sign) - 1, width, bracketed=True)
        return [f"{sign} {first}", *others]
    return _fit(piece, width, width, bracketed=True)


def _joined(pieces: Sequence[list[str]], width: int) -> list[str]:
    """The pieces' lines; short ones share a line."""
    out: list[str] = []
    for lines in pieces:
        if out and len(lines) == 1 and len(out[-1]) + 1 + len(lines[0]) <= width and not out[-1].endswith("("):
            out[-1] += " " + lines[0]
        else:
            out += lines
    return out


def _outside(code: str) -> Iterator[tuple[int, int]]:
    """(position, depth of brackets) of every character that stands in no string."""
    depth, quote = 0, ""
    for n, c in enumerate(code):
        if quote:
            quote = "" if c == quote else quote
            continue
        if c in "\"'":
            quote = c
            continue
        depth -= c in ")]}"
        yield n, depth
        depth += c in "([{"


def _split(code: str, signs: Sequence[str]) -> list[str]:
    """The code split before every sign that stands outside of brackets; a leading blank is dropped."""
    cuts = [n for n, depth in _outside(code) if depth == 0 and n and any(code.startswith(s, n) for s in signs)]
    return [code[a:b].strip() for a, b in zip([0, *cuts], [*cuts, len(code)], strict=True)]


def _groups(code: str) -> Iterator[tuple[int, int]]:
    """(start, end) of the outermost brackets."""
    start = -1
    for n, depth in _outside(code):
        if depth == 0 and code[n] in "([{":
            start = n
        elif depth == 0 and code[n] in ")]}" and start >= 0:
            yield start, n
            start = -1
