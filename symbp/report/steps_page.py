"""The page of a derivation by another method than reverse accumulation: its steps, without costs, code and script."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace

from markupsafe import Markup

from symbp.emit.templates import templates, templates_folder
from symbp.show.derivation import Derivation
from symbp.show.formulas.formula import Formula, Said
from symbp.show.formulas.marked import COLOURS, END, FIRST
from symbp.show.graph import graph
from symbp.show.graph.picture import picture
from symbp.show.graph.svg import SHARED, drawing
from symbp.show.pages.mathml import MathML
from symbp.show.styles.latex_tree import CLOSE, OPEN
from symbp.show.words import LANGUAGES

# Marks of what is repeated, as the derivation has them -> as latex_tree reads them.
_MARKS = {FIRST + k: OPEN + k % len(COLOURS) for k in range(END - FIRST)} | {END: CLOSE}


def steps_page(d: Derivation, words: Mapping[str, str]) -> str:
    """The page. words: its own, in the language of the derivation."""
    said, environment, math = LANGUAGES[d.language], templates(html=True), MathML(d.names)
    drawn = graph(d)
    p = picture(drawn)

    def sentences(*parts: Said) -> Markup:
        written = said["between"].join(math.sentence(s.latex.translate(_MARKS)) for s in parts)
        for k in range(len(COLOURS)):
            written = written.replace(chr(OPEN + k), f'<span class="mark r{k}">')
        return Markup(written.replace(chr(CLOSE), "</span>"))

    def display(shown: tuple[Formula, ...]) -> Markup:
        return Markup(math.formulas(tuple(map(_marked, shown)))) if shown else Markup("")

    steps = [
        (f"step-{s.number}", Markup(said["title"]).format(said["step"].format(s.number), sentences(s.title)),
         sentences(*s.prose), display(s.formulas))
        for s in d.steps
    ]  # fmt: skip
    return environment.get_template("steps.html.j2").render(
        words=words, language=d.language, title=d.title, heading=said["title"].format(said["derivation"], ""),
        graph_title=said["title_end"].format(words["graph"]),
        subtitle=said["and_also"].format(said[f"method_{d.method}"], said[f"level_{d.level}"]),
        css=Markup(environment.get_template("derivation.css").render() + SHARED),
        font=base64.b64encode((templates_folder() / "math.woff2").read_bytes()).decode(),
        graph=Markup(drawing(p, math)), graph_width=f"{p.width * 16:.0f}", graph_height=f"{p.height * 16:.0f}",
        frames=[words["folded"].format(f.count) for f in drawn.frames],
        network=display(d.definitions), notes=sentences(*d.notes), updates=display(d.updates),
        update_words=said["state_updates"], steps_heading=said[f"steps_{d.method}"], intro=sentences(*d.intro),
        steps=steps, summary=display(d.summary), network_words=said["network"],
        symbol_words=[said[k] for k in ("symbol", "name", "shape", "role")],
        rows=[(sentences(r.symbol), r.name, sentences(r.shape), sentences(r.role)) for r in d.symbols],
    )  # fmt: skip


def _marked(f: Formula) -> Formula:
    return replace(f, sides=tuple(replace(s, latex=s.latex.translate(_MARKS)) for s in f.sides))
