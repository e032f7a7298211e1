"""The HTML page of a derivation, a file that opens offline. The template owns its structure, the text is made here."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from html import escape

from markupsafe import Markup

from symbp.blocks import form
from symbp.count.algebra.polynomial import ZERO
from symbp.emit.templates import templates, templates_folder
from symbp.errors import SymbpError
from symbp.program import Program
from symbp.report.account import Account, Entry, account
from symbp.report.amounts import amount, times
from symbp.report.naive import Naive, naive
from symbp.report.steps_page import steps_page
from symbp.report.words import WORDS
from symbp.show.derivation import Derivation
from symbp.show.formulas.formula import Formula
from symbp.show.formulas.printer import Printer
from symbp.show.graph import graph
from symbp.show.graph.picture import picture
from symbp.show.graph.svg import SHARED, drawing
from symbp.show.pages.mathml import MathML
from symbp.show.steps.step import Step
from symbp.show.styles.latex import Latex
from symbp.show.words import LANGUAGES


@dataclass(frozen=True)
class Facts:
    """What is known of a step beside its formulas, as text; "" where there is nothing to say."""

    shape: str
    cost: str
    saves: str
    code: str
    within: Markup


@dataclass(frozen=True)
class Item:
    """One stop on the way: the equations of a tensor of the forward pass, or a step of the derivation.

    names: of the tensors and entries computed here. reuse, written: operations so far, with reuse and with every
    gradient written out; ratio: of the two. form: equal for the same in an equal block. reads: names of what is
    read. again: the anchor of the first equal one, "" if there's none before. uses: where what is computed is read, as
    (anchor, what that is called).
    """

    anchor: str
    stage: str
    title: Markup
    prose: Markup
    formulas: Markup
    names: str
    facts: Facts
    reuse: str
    written: str
    ratio: str
    form: str
    reads: frozenset[str]
    again: str = ""
    uses: tuple[tuple[str, str], ...] = ()


def page(program: Program, d: Derivation, sizes: Mapping[str, int] | None = None, language: str = "") -> str:
    """The page. d: a derivation of the program's gradients; by another method than reverse accumulation its steps only.

    sizes: as for `account`. language: of the page's own words, that of the derivation if left out. Raises SymbpError
    for an unknown language.
    """
    words = WORDS.get(language or d.language)
    if words is None:
        raise SymbpError(f"the page knows no language {language!r}: use {' or '.join(WORDS)}")
    if d.method != "reverse":
        return steps_page(d, words)
    known = account(program, d, sizes)
    return _Page(d, known, words, language or d.language).render(naive(program, dict(known.sizes) or None))


class _Page:
    def __init__(self, d: Derivation, known: Account, words: Mapping[str, str], language: str) -> None:
        self.d, self.account, self.words, self.language = d, known, words, language
        self.said, self.math = LANGUAGES[d.language], MathML(d.names)
        assert d.names is not None and d.network is not None
        self.printer = Printer(d.names, Latex())
        self.graph = graph(d)
        folded = self.graph.folded
        adjoints = {p.wrt: n for n, p in d.names.derivatives.items() if p.of == d.network.loss}
        self.like = {**folded, **{adjoints[a]: adjoints[b] for a, b in folded.items() if {a, b} <= adjoints.keys()}}

    def render(self, beside: Naive | None) -> str:
        """The whole file."""
        environment = templates(html=True)
        drawn, said = self.graph, self.said
        p = picture(drawn)
        script = environment.get_template("derivation.js").render()
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        font = base64.b64encode((templates_folder() / "math.woff2").read_bytes()).decode()
        items = _with_repeats(self.used(self.summed([*self.forward(), *self.backward()])))
        return environment.get_template("derivation.html.j2").render(
            words=self.words, language=self.language, title=self.d.title,
            heading=said["title"].format(said["derivation"], ""),
            graph_title=said["title_end"].format(self.words["graph"]),
            subtitle=said["and_also"].format(said[f"method_{self.d.method}"], said[f"level_{self.d.level}"]),
            css=Markup(environment.get_template("derivation.css").render() + SHARED), font=font, js=Markup(script),
            digest=digest,
            graph=Markup(drawing(p, self.math)), graph_width=f"{p.width * 16:.0f}", graph_height=f"{p.height * 16:.0f}",
            wide=p.wide, folded={**self.like, **self.helpers()},
            frames=[self.words["folded"].format(f.count) for f in drawn.frames],
            items=items, forward=self.runs(items, "forward"), backward=self.runs(items, "backward"),
            rows=self.symbols(),
            notes=self.sentences(self.d.notes), intro=self.sentences(self.d.intro),
            updates=self.display(self.d.updates), update_words=self.said["state_updates"],
            summary=self.display(self.d.summary), sizes=self.sizes(), costs=self.costs(),
            naive=None if beside is None else self.beside(beside), steps_heading=self.said[f"steps_{self.d.method}"],
            symbol_words=[self.said[k] for k in ("symbol", "name", "shape", "role")],
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------- pieces

    def sentences(self, said: Iterable[object]) -> Markup:
        return Markup(self.said["between"].join(self.math.sentence(s.latex) for s in said))  # type: ignore[attr-defined]

    def display(self, shown: tuple[Formula, ...]) -> Markup:
        return Markup(self.math.formulas(shown)) if shown else Markup("")

    def group(self, name: str) -> str:
        """The tensor that an entry belongs to."""
        assert self.d.names is not None
        t = self.d.names.tensors[name]
        return t.entry[0] if t.entry else name

    def symbol(self, tensor: str) -> Markup:
        return Markup(self.math.sentence(self.printer.style.math(self.printer.name(tensor))))

    def sizes(self) -> str:
        given = ", ".join(f"{name} = {value}" for name, value in self.account.sizes.items())
        said = [self.words["sizes"].format(given)] if given else []
        letters = any(e.operations is not None and e.operations.sizes for e in self.account.entries.values())
        said += [self.words["closed"]] if letters else []
        said += [] if all(e.exact for e in self.account.entries.values()) else [self.words["bound"]]
        return " ".join(said)

    def facts(self, tensor: str) -> Facts:
        e = self.account.entries[tensor]
        within = Markup(self.words["within"]).format(self.symbol(e.within)) if e.within else Markup("")
        saves = amount(e.saves) if e.saves else ""
        return Facts(e.shape if e.shape != "()" else self.said["scalar"], amount(e.operations), saves,
                     "\n".join(e.code), within)  # fmt: skip

    def helpers(self) -> dict[str, str]:
        """Names for parts of steps that the graph has no node for, each with a tensor there that it is made of."""
        nodes = self.graph.nodes
        out: dict[str, str] = {}
        for f in (f for step in self.d.steps if step.rule == "title_helper" for f in step.formulas):
            read = [self.like.get(name, name) for name in sorted(f.value.tensors)]
            if f.name not in nodes and (drawn := [name for name in read if name in nodes]):
                out[f.name] = drawn[0]
        return out

    def symbols(self) -> list[tuple[str, Markup, str, Markup, Markup]]:
        """Rows of the table of symbols, each with the tensor's name in front; those of equal blocks once."""
        return [
            (r.name, Markup(self.math.sentence(r.symbol.latex)), r.name, self.sentences([r.shape]),
             self.sentences([r.role]))
            for r in self.d.symbols if r.name not in self.like
        ]  # fmt: skip

    # -------------------------------------------------------------------------------------------- items

    def forward(self) -> list[Item]:
        """A stop for each tensor of the network, all its entries together."""
        groups: dict[str, list[Formula]] = {}
        for f in self.d.definitions:
            groups.setdefault(self.group(f.name), []).append(f)
        out = []
        for tensor, formulas in groups.items():
            first, last = formulas[0].number, formulas[-1].number
            key = "equations" if first == last else "equations_range"
            title = Markup(self.said["title"]).format(self.words[key].format(first, last), self.symbol(tensor))
            out.append(self.item(f"equation-{first}", "forward", title, Markup(""), tuple(formulas), tensor))
        return out

    def backward(self) -> list[Item]:
        return [self.step(s) for s in self.d.steps]

    def runs(self, items: list[Item], stage: str) -> list[tuple[Markup, list[Item]]]:
        """The items of a stage in runs: those of an equal block under a heading that refers to the first one's."""
        place = {item.anchor: n for n, item in enumerate(items)}
        runs: list[list[Item]] = []
        for item in (i for i in items if i.stage == stage):
            before = runs[-1][-1] if runs else None
            follows = before is not None and place.get(item.again, -1) == place.get(before.again, -2) + 1
            if before is not None and (follows or not (item.again or before.again)):
                runs[-1].append(item)
            else:
                runs.append([item])
        return [(self.reference(run, items, place) if run[0].again else Markup(""), run) for run in runs]

    def reference(self, run: list[Item], items: list[Item], place: Mapping[str, int]) -> Markup:
        first, last = (items[place[run[k].again]] for k in (0, -1))
        link = Markup('<a href="#{}">{}</a>')
        to = link.format(first.anchor, first.title) if first is last else Markup("{} – {}").format(
            link.format(first.anchor, first.title), link.format(last.anchor, last.title)
        )  # fmt: skip
        own = run[0].title if len(run) == 1 else Markup("{} – {}").format(run[0].title, run[-1].title)
        return Markup("{}<br>{} {}").format(own, self.words["again"], to)

    def step(self, s: Step) -> Item:
        title = Markup(self.said["title"]).format(self.said["step"].format(s.number), self.sentences([s.title]))
        return self.item(f"step-{s.number}", "backward", title, self.sentences(s.prose), s.formulas, s.quantity)

    def item(
        self, anchor: str, stage: str, title: Markup, prose: Markup, formulas: tuple[Formula, ...], tensor: str
    ) -> Item:
        names = " ".join(dict.fromkeys([*(f.name for f in formulas), tensor]))

        def called(name: str) -> str:
            return self.like.get(name, name)

        same = list(map(called, names.split()))  # equations of the forward pass by the very search for equal blocks
        same += [form(f.target, f.value, called) for f in formulas] if stage == "backward" else []
        return Item(
            anchor, stage, title, prose, self.display(formulas), names, self.facts(tensor), "", "", "", "\n".join(same),
            frozenset[str]().union(*(f.value.tensors for f in formulas)),
        )  # fmt: skip

    def used(self, items: list[Item]) -> list[Item]:
        """The items, each with those that read what it computes."""
        users: dict[str, dict[str, str]] = {}
        for item in items:
            kind, number = item.anchor.split("-")
            called = self.said["step"].format(number) if kind == "step" else self.said["equation"].format(number)
            for name in item.reads:
                users.setdefault(name, {})[item.anchor] = called
        out = []
        for item in items:
            found = {a: c for name in item.names.split() for a, c in users.get(name, {}).items() if a != item.anchor}
            order = [i.anchor for i in items if i.anchor in found]
            out.append(replace(item, uses=tuple((a, found[a]) for a in order)))
        return out

    def summed(self, items: list[Item]) -> list[Item]:
        """The items with the operations so far: each tensor counts once."""
        reuse, written, exact = self.account.other, ZERO, True
        counted: set[str] = set()
        out = []
        gradients = {e.name for e in self.account.entries.values() if e.expanded is not None}
        for item in items:
            for tensor in dict.fromkeys(map(self.group, item.names.split())):
                e = self.account.entries[tensor]
                if tensor not in counted:
                    counted.add(tensor)
                    reuse = reuse + (e.operations or ZERO)
                    written, exact = written + (e.expanded or ZERO), exact and e.exact
            ratio = times(self.words, written, reuse) if gradients else ""
            out.append(replace(item, reuse=amount(reuse), written=amount(written, exact) if gradients else "",
                               ratio=ratio))  # fmt: skip
        return out

    # ------------------------------------------------------------------------------------- naive and reuse

    def costs(self) -> list[tuple[Markup, str, str, str]]:
        """(symbol, with reuse, written out, what reuse saves) of each gradient; all of them last."""
        found = [e for e in self.account.entries.values() if e.expanded is not None]
        if not found:
            return []
        rows = [(self.symbol(e.name), *self.amounts(e)) for e in found]
        total = sum((e.expanded for e in found if e.expanded is not None), ZERO)
        exact = all(e.exact for e in found)
        last = (Markup(escape(self.words["total"])), amount(self.account.operations), amount(total, exact),
                times(self.words, total, self.account.operations))  # fmt: skip
        return [*rows, last]

    def amounts(self, e: Entry) -> tuple[str, str, str]:
        return amount(e.operations), amount(e.expanded, e.exact), amount(e.saves)

    def beside(self, n: Naive) -> dict[str, object]:
        """One derivative written out, and the same with reuse, as the template wants it."""
        assert n.reuse.names is not None
        write, printer = MathML(n.reuse.names), Printer(n.reuse.names, Latex())
        rows = [(Markup(left), Markup(right)) for left, right in write.lines(n.left, [[("=", n.written)]], 40.0)]
        shown = tuple(f for s in n.reuse.steps for f in s.formulas)
        short = tuple(replace(f, sides=(f.sides[0], f.sides[-1]), number=None) for f in (*n.definitions, *shown))
        return {
            "help": Markup(escape(self.words["compare_help"])).format(Markup(write.formula(n.wrt, False))),
            "rows": rows,
            "reuse": Markup(write.formulas(short, 30.0)),
            "operations": f"{n.operations:,}",
            "reuse_operations": f"{n.reuse_operations:,}",
            "marks": [
                (k, name, Markup(write.formula(printer.name(name), False)), self.words["occurs"].format(times))
                for k, (name, times) in enumerate(n.repeated)
            ],
        }


def _with_repeats(items: list[Item]) -> list[Item]:
    """The items, those of equal blocks with a reference to the first."""
    first: dict[str, str] = {}
    anchors = [first.setdefault(item.form, item.anchor) for item in items]
    return [replace(i, again=a if a != i.anchor else "") for i, a in zip(items, anchors, strict=True)]
