"""One table of figures, as text, CSV, LaTeX and HTML."""

from __future__ import annotations

import csv
import io
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap

WIDTH = 100
NARROW = 72
LONG = 10**15

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """A title, a header, rows of words and numbers (None: there is none), and lines below.

    long: whole numbers from here on are shown as 1.28e34 where people read them.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    long: int = LONG

    def text(self) -> str:
        """At most `width()` columns: what doesn't fit is left out from the right, which a last line says."""
        cells = [[shown(c, self.long) for c in row] for row in self.rows]
        header = list(self.header)
        left_out: list[str] = []
        while len(aligned(header, cells)[0]) > width() and len(header) > 2:
            left_out.insert(0, header.pop())
            cells = [row[:-1] for row in cells]
        lines = [self.title, "", *aligned(header, cells)]
        notes = [*self.notes, *([f"Not shown here: {', '.join(left_out)}; --csv has all."] if left_out else [])]
        if notes:
            lines += ["", *(part for note in notes for part in wrap(note, width()))]
        return "\n".join(line.rstrip() for line in lines)

    def csv(self) -> str:
        """Numbers in full, without separators; an empty cell where there is none."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows(["" if c is None else c for c in row] for row in self.rows)
        return out.getvalue().rstrip("\n")

    def latex(self) -> str:
        """A tabular, for \\usepackage{booktabs}."""
        columns = "l" + "r" * (len(self.header) - 1)
        body = [" & ".join(_latex(shown(c, self.long)) for c in row) + r" \\" for row in self.rows]
        head = " & ".join(map(_latex, self.header)) + r" \\"
        return "\n".join([rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule",
                          r"\end{tabular}"])  # fmt: skip


    def html(self) -> str:
        """A table with its notes below; every word is escaped."""
        head = "".join(f'<th scope="col">{escape(h)}</th>' for h in self.header)
        rows = (
            "".join(
                f'<th scope="row">{text}</th>' if n == 0 else f"<td>{text}</td>"
                for n, text in enumerate(escape(shown(c, self.long)) for c in row)
            )
            for row in self.rows
        )
        body = "\n".join(f"<tr>{row}</tr>" for row in rows)
        notes = "\n".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return (
            f'<table class="data figures"><caption>{escape(self.title)}</caption>\n<thead><tr>{head}</tr></thead>\n'
            f"<tbody>\n{body}\n</tbody></table>\n{notes}"
        )

    _repr_html_ = html


def width() -> int:
    """Columns of text: WIDTH, or those of a narrower terminal down to NARROW."""
    return max(NARROW, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)) if sys.stdout.isatty() else WIDTH


def shown(cell: Cell, long: int = LONG) -> str:
    """A cell as people read it."""
    if cell is None:
        return "-"
    if isinstance(cell, int):
        return figure(cell, long)
    if isinstance(cell, float):
        return f"{cell:,.1f}"
    return cell


def figure(n: int, long: int = LONG) -> str:
    """A whole number: 7,008, or 1.28e163."""
    if n < long:
        return f"{n:,}"
    exponent = n.bit_length() * 30103 // 100000  # str() of long integers is slow, and float() ends at 1e308
    while 10 ** (exponent + 1) <= n:
        exponent += 1
    while 10**exponent > n:
        exponent -= 1
    digits = str(n // 10 ** (exponent - 2))
    return f"{digits[0]}.{digits[1:]}e{exponent}"


def aligned(header: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right, a rule below the header."""
    widths = [max(len(row[n]) for row in (header, *body)) for n in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        right = (c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))
        return "  ".join([cells[0].ljust(widths[0]), *right])

    return [line(header), "-" * len(line(header)), *map(line, body)]


FORMULA = re.compile(r"(<= )?(?=.*(\*|\^|\de\d))[\w,.*^()/+\- ]+")  # a closed form, or 1.28e34


def _latex(text: str) -> str:
    if FORMULA.fullmatch(text):
        return _formula(text)
    for plain, written in (("\\", r"\textbackslash{}"), ("_", r"\_"), ("%", r"\%"), ("&", r"\&"), ("#", r"\#"),
                           ("^", r"\^{}"), ("<=", r"$\le$"), ("~", r"\~{}")):  # fmt: skip
        text = text.replace(plain, written)
    return text


def _formula(text: str) -> str:
    """3.34e28*B*T^26 + ... (2 more) as mathematics."""
    text, more, _ = text.partition(" + ... (")
    text = re.sub(r"(?<=\w) (?=[\w(])", "*", text)  # B T^2
    text = re.sub(r"(\d)e(\d+)", r"\1 \\cdot 10^{\2}", text).replace("<=", r"\le")
    text = re.sub(r"\^(\w+)", r"^{\1}", text).replace(",", "{,}").replace("*", r" \, ")
    dots = r" + \dots" if more else ""
    return f"${text}{dots}$"
