"""A derivation as Markdown that GitHub renders: formulas within sentences in dollars, others in fenced `math` blocks.

Markdown takes a backslash in front of punctuation for its own, so inside of dollars there is none; where there has to
be one, GitHub's form of dollars with backquotes is used. A fenced block is left as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from symbp.show.fold.folded import Folded, parts
from symbp.show.formulas.formula import Formula, Said
from symbp.show.pages.latex import aligned_rows
from symbp.show.words import LANGUAGES

if TYPE_CHECKING:
    from symbp.show.result import Derivation

_INLINE = re.compile(r"\$([^$]+)\$")
_ESCAPE = re.compile(r"\\[^A-Za-z0-9\s]")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!$~&])")


def page(d: Derivation) -> str:
    """The whole derivation."""
    words = LANGUAGES[d.language]
    out = [f"# {words['title'].format(words['derivation'], plain(d.title))}", ""]
    out += [words["and_also"].format(words[f"method_{d.method}"], words[f"level_{d.level}"]) + words["stop"], ""]
    if d.point:
        out += [f"## {words['point']}", "", *block(d.point)]
    out += [f"## {words['network']}", ""]
    out += definitions(d, d.shown_definitions)
    if d.updates:
        out += [words["state_updates"], "", *definitions(d, d.shown_updates)]
    out += [sentences(d, d.notes), ""] if d.notes else []
    out += [f"## {words['symbols']}", "", *table(d), ""]
    out += [f"## {words[f'steps_{d.method}']}", "", sentences(d, d.intro), ""]
    for step in d.shown_steps:
        if isinstance(step, Folded):
            out += [sentences(d, step.said), ""]
            continue
        title = words["title"].format(words["step"].format(step.number), inline(step.title.latex))
        out += [f"### {title}", ""]
        out += [sentences(d, step.prose), ""] if step.prose else []
        out += block(step.formulas)
    if d.summary:
        out += [f"## {words['summary']}", "", *block(d.shown_summary)]
        out += [words["fold_summary"]] if d.folded else []
    return "\n".join(out).rstrip() + "\n"


def definitions(d: Derivation, shown: list[Formula | Folded]) -> list[str]:
    """Formulas in blocks, and sentences for those that are folded."""
    out: list[str] = []
    for part in parts(shown):
        out += [sentences(d, part.said), ""] if isinstance(part, Folded) else block(part)
    return out


def block(formulas: tuple[Formula, ...]) -> list[str]:
    """Formulas in one display."""
    return ["```math", r"\begin{aligned}", *aligned_rows(formulas), r"\end{aligned}", "```", ""]


def sentences(d: Derivation, said: tuple[Said, ...]) -> str:
    return inline(LANGUAGES[d.language]["between"].join(s.latex for s in said))


def inline(latex: str) -> str:
    """A sentence with formulas in dollars; Chinese characters next to them are kept off by blanks."""

    def formula(m: re.Match[str]) -> str:
        inside = m[1].replace(r"\,", " ")
        before, behind = (
            " " if wide > "\u2fff" else ""
            for wide in (m.string[m.start() - 1 : m.start()], m.string[m.end() : m.end() + 1])
        )
        return before + (f"$`{inside}`$" if _ESCAPE.search(inside) else f"${inside}$") + behind

    return _INLINE.sub(formula, latex.replace("--", "–").replace(r"\dots", "…"))


def plain(text: str) -> str:
    """Text in which nothing is Markdown."""
    return _SPECIAL.sub(r"\\\1", text)


def table(d: Derivation) -> list[str]:
    """The table of symbols."""
    words = LANGUAGES[d.language]
    head = [words[k] for k in ("symbol", "name", "shape", "role")]
    rows = [
        (inline(r.symbol.latex), f"`{r.name}`", inline(r.shape.latex), inline(r.role.latex)) for r in d.shown_symbols
    ]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * 4, *rows)]
