"""Derivations and programs as HTML with MathML, for notebooks: the steps, without pictures or scripts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from symbp.show.pages.mathml import MathML
from symbp.show.words import LANGUAGES

if TYPE_CHECKING:
    from symbp.show.result import Derivation

STYLE = """<style>
.symbp table.formulas { border: 0; margin: .3em 0 .3em 1.5em; } .symbp table.formulas tr { background: none; }
.symbp table.formulas td { border: 0; padding: .2em .1em; text-align: left; white-space: nowrap; font-size: inherit; }
.symbp table.formulas td:first-child { text-align: right; } .symbp td.number { padding-left: 2em; opacity: .6; }
.symbp .display { overflow-x: auto; } .symbp math { font-size: 1.1em; }
.symbp .cases mtd { text-align: left; }
</style>"""


def derivation_html(d: Derivation) -> str:
    """The network and the steps."""
    words, write = LANGUAGES[d.language], MathML()
    what = words["and_also"].format(words[f"method_{d.method}"], words[f"level_{d.level}"])
    out = [f"<h3>{words['title'].format(words['derivation'], '')}<code>{escape(d.title)}</code></h3>"]
    out += [f"<p>{what}</p>", write.formulas(d.definitions)]
    if d.updates:
        out += [f"<p>{words['state_updates']}</p>", write.formulas(d.updates)]
    for step in d.every_step:
        title = words["title"].format(words["step"].format(step.number), write.sentence(step.title.latex))
        head = f"<b>{words['title_end'].format(title)}</b>"
        prose = words["between"].join(write.sentence(p.latex) for p in step.prose)
        out += [f"<p>{head} {prose}</p>", write.formulas(step.formulas)]
    return f'{STYLE}<div class="symbp">{"".join(out)}</div>'
