"""A derivation as plain text."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from symbp.show.fold.folded import Folded, parts
from symbp.show.formulas.formula import Formula, Said
from symbp.show.formulas.marked import circled
from symbp.show.styles import breaks
from symbp.show.styles.text import filled, width
from symbp.show.words import LANGUAGES

if TYPE_CHECKING:
    from symbp.show.result import Derivation

INDENT = 4
INDEX_COLUMNS = 60  # of the index form, where the matrix form stands beside it
GUTTER = "  | "
DEEPEST = 8  # columns by which a continued line is indented at most


def page(d: Derivation, columns: int) -> str:
    """The whole derivation in lines of at most so many columns, as far as formulas can be broken."""
    words = LANGUAGES[d.language]
    title = words["title"].format(words["derivation"], d.title)
    what = words["and_also"].format(words[f"method_{d.method}"], words[f"level_{d.level}"])
    out: list[str] = [title, "=" * int(width(title)), what]
    if d.point:
        out += [*heading(words["point"]), *formulas(d.point, columns)]
    out += heading(words["network"])
    out += definitions(d.shown_definitions, columns, words["between"])
    if d.updates:
        out += ["", words["state_updates"], "", *definitions(d.shown_updates, columns, words["between"])]
    if d.notes:
        out += ["", *paragraph(d.notes, columns, words["between"])]
    out += heading(words["symbols"])
    out += table(
        [
            (words["symbol"], words["name"], words["shape"], words["role"]),
            *((r.symbol.text, r.name, r.shape.text, r.role.text) for r in d.shown_symbols),
        ]
    )
    out += heading(words[f"steps_{d.method}"])
    out += paragraph(d.intro, columns, words["between"])
    for step in d.shown_steps:
        if isinstance(step, Folded):
            out += ["", *paragraph(step.said, columns, words["between"])]
            continue
        out += ["", words["title"].format(words["step"].format(step.number), step.title.text)]
        if step.prose:
            out += [f"  {line}" for line in paragraph(step.prose, columns - 2, words["between"])]
        out += formulas(step.formulas, columns)
    if d.summary:
        out += heading(words["summary"])
        out += formulas(d.shown_summary, columns)
        out += ["", words["fold_summary"]] if d.folded else []
    return "\n".join(line.rstrip() for line in circled(out)) + "\n"


def definitions(shown: list[Formula | Folded], columns: int, between: str) -> list[str]:
    """Formulas, and sentences for those that are folded."""
    out: list[str] = []
    for part in parts(shown):
        if isinstance(part, Folded):
            out += [f"  {line}" for line in paragraph(part.said, columns - 2, between)]
        else:
            out += formulas(part, columns)
    return out


def heading(text: str) -> list[str]:
    return ["", text, "-" * int(width(text)), ""]


def paragraph(sentences: tuple[Said, ...], columns: int, between: str) -> list[str]:
    """Sentences filled to lines."""
    return filled(between.join(s.text for s in sentences), columns)


def formulas(shown: tuple[Formula, ...], columns: int) -> list[str]:
    """Formulas, numbered if they have numbers, each on one line if it fits."""
    out: list[str] = []
    for f in shown:
        number = f"({f.number})" if f.number is not None else ""
        pad = " " * INDENT if not number else f"{number:>{INDENT + 1}} "
        out += beside(f, pad, columns) if f.beside else formula(f, pad, columns)
    return out


def formula(f: Formula, pad: str, columns: int) -> list[str]:
    """left = side = side, broken at the equals signs, then inside of the sides."""
    left = breaks.unbroken(f.sides[0].text)
    whole = pad + left + "".join(f" {sign} {breaks.unbroken(s.text)}" for sign, s in f.chain)
    if width(whole) <= columns:
        return [whole]
    start = int(width(pad) + width(left))
    out: list[str] = []
    for group in f.groups:
        together = "".join(f" {sign} {breaks.unbroken(s.text)}" for sign, s in group)
        head = " " * start if out else pad + left
        if start + width(together) <= columns:
            out.append(head + together)
            continue
        for sign, side in group:
            lines = breaks.split(side.text, columns - start - 3 - DEEPEST, width, "")
            out.append(f"{' ' * start if out else pad + left} {sign} {lines[0][1]}")
            out += [" " * (start + 5 + min(depth, DEEPEST - 2)) + line for depth, line in lines[1:]]
    return out


def beside(f: Formula, pad: str, columns: int) -> list[str]:
    """The index form on the left, the matrix form on the right where there is room, else below."""
    room = columns - INDEX_COLUMNS - len(GUTTER)
    left, right = formula(f, pad, INDEX_COLUMNS), formula(f.in_matrices, "", room)
    if max(map(width, left)) <= INDEX_COLUMNS and max(map(width, right)) <= room:
        rows = zip_longest(left, right, fillvalue="")
        return [a + " " * (INDEX_COLUMNS - int(width(a))) + GUTTER + b for a, b in rows]
    below = formula(f.in_matrices, " " * (INDENT + 4) + GUTTER.lstrip(), columns)
    return [*formula(f, pad, columns), *below]


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Columns side by side."""
    widths = [max(int(width(row[k])) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "  ".join(cell + " " * (w - int(width(cell))) for cell, w in zip(row, widths, strict=True)) for row in rows
    ]
    return ["  " + line for line in [lines[0], "  ".join("-" * w for w in widths), *lines[1:]]]
