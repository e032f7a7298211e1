"""Marking what is repeated: the same colour, or the same number in a circle, for the same value wherever it occurs.

Printers put an invisible character in front of a marked part and one behind it; `coloured` and `circled` turn them into
LaTeX and text, line by line, so that a part may be broken over lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from symbp.expr import Access, Call, Expr
from symbp.show.formulas.printer import Printer
from symbp.show.formulas.products import Piece
from symbp.show.names.symbols import Names
from symbp.show.styles.style import ATOM, Style

FIRST, END = 0xE600, 0xE7FF
_MARK = re.compile("[\ue600-\ue7ff]")
# Dark enough to read on white, after Okabe and Ito, which people with colour blindness tell apart.
COLOURS = ("0072B2", "C44E00", "007A5E", "A03070", "2E6FD0", "8C6D00", "5B3BA6", "7A1F2B")
DEFINED = "".join(rf"\definecolor{{reuse{k}}}{{HTML}}{{{c}}}" for k, c in enumerate(COLOURS))


def opened(number: int) -> str:
    """What stands in front of the part with this number."""
    return chr(FIRST + number)


def marked(text: str, number: int) -> str:
    return f"{opened(number)}{text}{chr(END)}"


def coloured(lines: Sequence[str]) -> list[str]:
    """LaTeX lines with colours in place of marks: what is open at a line's end goes on behind the next one's &."""
    return _replaced(lines, lambda n: rf"{{\color{{reuse{n % len(COLOURS)}}}", "}", again=True)


def circled(lines: Sequence[str]) -> list[str]:
    """Text lines with numbers in circles in front of what is marked."""
    return _replaced(lines, circle, "", again=False)


def circle(number: int) -> str:
    """The number, from 0, in a circle."""
    return chr(0x2460 + number) if number < 20 else f"({number + 1})"


def _replaced(lines: Sequence[str], start: Callable[[int], str], end: str, again: bool) -> list[str]:
    out, open_now = [], list[int]()
    for line in lines:
        at = 1 if again and line.startswith("&") else 0
        text = line[:at] + ("".join(start(n) for n in open_now) if again else "")
        for m in _MARK.finditer(line):
            text += line[at : m.start()]
            at = m.end()
            if ord(m[0]) == END:
                open_now.pop()
                text += end
            else:
                open_now.append(ord(m[0]) - FIRST)
                text += start(open_now[-1])
        out.append(text + line[at:] + (end * len(open_now) if again else ""))
    return out


class Marking(Printer):
    """Writes expressions with those in `values` marked by their numbers, and accesses to the names in `tensors`."""

    def __init__(self, names: Names, style: Style, values: Mapping[Expr, int], tensors: Mapping[str, int]) -> None:
        super().__init__(names, style)
        self.values, self.tensors = values, tensors

    def convert(self, e: Expr) -> Piece:
        text, binding = super().convert(e)
        number = self.values.get(e)
        if number is None and isinstance(e, Access):
            number = self.tensors.get(e.label)
        if number is None:
            return text, binding
        if binding < ATOM:
            text, binding = self.style.brackets(text), ATOM
        return marked(text, number), binding

    def enclosing(self, f: Call) -> str:
        text, number = super().enclosing(f), self.values.get(f)
        return text if number is None else marked(text, number)
