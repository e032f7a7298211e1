"""Formulas and sentences as HTML with native MathML, made of their LaTeX. Everything that is text comes out escaped.

Tensors in formulas carry their name (`data-q`), so that a page can light all places where one of them is used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from symbp.show.formulas.formula import Formula
from symbp.show.formulas.printer import Printer
from symbp.show.names.symbols import Names
from symbp.show.styles import breaks
from symbp.show.styles.latex import Latex
from symbp.show.styles.latex_tree import EMPTY, Node, read, row
from symbp.show.styles.latex_width import width

Sides = Sequence[tuple[str, str]]  # of a formula behind its first side: (sign, LaTeX)

ROOM = 46.0  # em of a line of formulas
_SIZES = (0.0, 1.2, 1.8, 2.4, 3.0)  # em of a bracket
_OPENING = ("(", "[", "{")
_BRACKETS = (*_OPENING, ")", "]", "}", "|", "‖")
_LIMITS = ("∑", "max", "min")
_ESCAPED = re.compile(r"\\([&%#_{}$])|\\(?:dots|ldots)\b ?|--")


class Tags:
    """Which tensor a symbol stands for. names: of a derivation; None where nothing is to be found."""

    def __init__(self, names: Names | None = None) -> None:
        self.symbols: dict[tuple[str, str], dict[str, tuple[str, int]]] = {}
        self.derivatives: dict[tuple[str, str], str] = {}
        if names is None:
            return
        printer = Printer(names, Latex())
        for name, partial in names.derivatives.items():
            self.derivatives[partial.of, partial.wrt] = name
        for name in names.meaning:
            base, below, above = _symbol(read(printer.name(name)))
            if name in names.tensors and base:
                rank = len(names.tensors[name].indices)
                self.symbols.setdefault((base, above), {})[below] = (name, rank)

    def of(self, node: Node) -> str:
        """The tensor that a piece of a formula stands for, "" if none."""
        if node.kind == "fraction":
            top, bottom = (_differential(part) for part in node.parts)
            if top is None or bottom is None:
                return ""
            return self.derivatives.get((self.of(top), self.of(bottom)), "")
        base, below, above = _symbol(node)
        for powered in (above, "") if above.isdigit() else (above,):
            known = self.symbols.get((base, powered), {})
            for own, (name, rank) in sorted(known.items(), key=lambda kv: -len(kv[0])):
                if below == own or (rank and (not own or below.startswith(f"{own},,"))):
                    return name
        return ""


def _symbol(node: Node) -> tuple[str, str, str]:
    """Its nucleus, what is below and what is above, without a transpose."""
    if node.kind != "scripts":
        return (node.key, "", "") if node.kind in ("letter", "word", "accent") else ("", "", "")
    base, below, above = node.parts
    return base.key, below.key, above.key.removesuffix("⊤").rstrip(",")


def _differential(node: Node) -> Node | None:
    """x of a differential ∂x."""
    found = node.kind == "row" and len(node.parts) == 2 and node.parts[0].text == "∂"
    return node.parts[1] if found else None


class MathML:
    """Writes formulas and sentences as HTML."""

    def __init__(self, names: Names | None = None) -> None:
        self.tags = Tags(names)
        self.open: list[str] = []  # marks that the line before has left open

    # -------------------------------------------------------------------------------- formulas and text

    def formula(self, latex: str, display: bool = True, continued: bool = False) -> str:
        """One line as a <math> element. continued: it goes on with a line before."""
        tree = read(breaks.unmarked(latex))
        inside = self.items(tree.parts if tree.kind == "row" else (tree,), True, continued)
        style = ' displaystyle="true"' if display else ""
        return f"<math{style}>{inside}</math>"

    def sentence(self, latex: str) -> str:
        """Words with $formulas$ in between."""
        parts = latex.split("$")
        return "".join(self.formula(p, False) if k % 2 else escape(plain_words(p)) for k, p in enumerate(parts))

    def formulas(self, shown: Sequence[Formula], room: float = ROOM) -> str:
        """Formulas below each other, aligned at their first equals signs; long ones are broken."""
        rows = []
        for f in shown:
            number = f'<td class="number">({f.number})</td>' if f.number is not None else '<td class="number"></td>'
            lines = self.lines(f.sides[0].latex, _groups(f), room)
            lines += self.lines(f.beside[0].latex, _groups(f.in_matrices), room) if f.beside else []
            for k, (left, right) in enumerate(lines):
                rows.append(f"<tr><td>{left}</td><td>{right}</td>{number if not k else '<td></td>'}</tr>")
        return f'<div class="display"><table class="formulas">{"".join(rows)}</table></div>'

    def lines(self, left: str, groups: Sequence[Sides], room: float = ROOM) -> list[tuple[str, str]]:
        """(left, right) of each line of a formula: one line where it fits, else one a group, a side, or less.

        groups: (sign, side) in LaTeX, in pieces that go together on a line where that's wide enough.
        """
        taken = width(left)
        first = self.formula(left)
        sides = [side for group in groups for side in group]
        if taken + _together(sides) <= room:
            return [(first, self.row_of(sides))]
        out: list[tuple[str, str]] = []
        for group in groups:
            if taken + _together(group) <= room:
                out.append(("" if out else first, self.row_of(group)))
                continue
            for sign, side in group:
                split = breaks.split(side, max(room - taken - 5.4, 12.0), width, r"{}\cdot ")
                out.append(("" if out else first, self.row_of([(sign, split[0][1])])))
                for depth, line in split[1:]:
                    indent = f'<span class="indent" style="padding-left:{1.5 + min(depth, 5) / 2:g}em">'
                    out.append(("", f"{indent}{self.formula(line, continued=True)}</span>"))
        return out

    def row_of(self, sides: Sides) -> str:
        """= a = b"""
        return "".join(f"<math><mo>{escape(sign)}</mo></math>{self.formula(side)}" for sign, side in sides)

    # ------------------------------------------------------------------------------------------ MathML

    def items(self, nodes: Sequence[Node], tagged: bool, continued: bool = False) -> str:
        """Pieces side by side; marks that aren't closed here go on in the next line.

        continued: the first operator stands between what is here and the line before.
        """
        out = "".join(self._mark(k) for k in self.open)
        before = Node("number") if continued else EMPTY
        for n, node in enumerate(nodes):
            if node.kind == "operator":
                out += _operator(node, before)
            elif node.kind == "open":
                self.open.append(node.text)
                out += self._mark(node.text)
            elif node.kind == "close":
                self.open = self.open[:-1]
                out += "</mrow>"
            else:
                after = nodes[n + 1] if n + 1 < len(nodes) else EMPTY
                out += self.piece(node, tagged) + _gap(node, after)
            before = before if node.kind in ("open", "close") else node
        return out + "</mrow>" * len(self.open)

    def _mark(self, number: str) -> str:
        return f'<mrow class="repeat r{int(number)}">'

    def row(self, node: Node, tagged: bool = False) -> str:
        """A piece as one element; a function alone is applied to nothing."""
        if node.kind == "function":
            return f"<mi>{escape(node.text)}</mi>"
        if node.kind != "row":
            return self.piece(node, tagged)
        marks, self.open = self.open, []
        inside = self.items(node.parts, tagged)
        self.open = marks
        return f"<mrow>{inside}</mrow>"

    def piece(self, node: Node, tagged: bool) -> str:
        name = self.tags.of(node) if tagged else ""
        if name:
            return f'<mrow class="q" data-q="{escape(name)}">{self.bare(node, False)}</mrow>'
        return self.bare(node, tagged)

    def bare(self, node: Node, tagged: bool) -> str:
        text = escape(node.text)
        match node.kind:
            case "row":
                return self.row(node, tagged)
            case "letter":
                return f"<mi>{text}</mi>"
            case "function":
                return f"<mi>{text}</mi><mo>&#x2061;</mo>"
            case "word":
                upright = ' mathvariant="normal"' if len(node.text) == 1 else ""
                return f"<mi{upright}>{text.replace(' ', '&nbsp;')}</mi>"
            case "number":
                return f"<mn>{text}</mn>"
            case "operator":
                return _operator(node, EMPTY)
            case "space":
                return f'<mspace width="{float(node.text):g}em"></mspace>'
            case "fraction":
                top, bottom = (self.row(p, tagged) for p in node.parts)
                return f"<mfrac>{top}{bottom}</mfrac>"
            case "root":
                return f"<msqrt>{self.row(node.parts[0], tagged)}</msqrt>"
            case "accent":
                over = f'<mo stretchy="false" class="accent">{text}</mo>'
                return f'<mover accent="true">{self.row(node.parts[0])}{over}</mover>'
            case "cases":
                rows = self.table(node, tagged)
                return f'<mrow><mo stretchy="true">{{</mo><mtable class="cases">{rows}</mtable></mrow>'
            case "matrix":
                left = '<mo form="prefix" stretchy="true">[</mo>'
                right = '<mo form="postfix" stretchy="true">]</mo>'
                return f"<mrow>{left}<mtable>{self.table(node, tagged)}</mtable>{right}</mrow>"
            case "scripts":
                return self.scripts(node, tagged)
        raise TypeError(f"no MathML for {node.kind}")

    def table(self, node: Node, tagged: bool) -> str:
        """The rows of cases or of a matrix."""
        rows = ["".join(f"<mtd>{self.row(cell, tagged)}</mtd>" for cell in r.parts) for r in node.parts]
        return "".join(f"<mtr>{cells}</mtr>" for cells in rows)

    def scripts(self, node: Node, tagged: bool) -> str:
        base, below, above = node.parts
        if base.text in _LIMITS and not above.parts and above.kind == "row":
            name = f"<mo>{base.text}</mo>" if base.text == "∑" else f'<mo movablelimits="true">{base.text}</mo>'
            return f"<munder>{name}{self.row(below)}</munder>"
        inner = self.row(base, tagged)
        primes, above = _primes(above)
        if primes:  # the character is raised already
            inner = f'<mrow>{inner}<mo lspace="0" rspace="0">{primes}</mo></mrow>'
        if above == EMPTY and below == EMPTY:
            return inner
        if above == EMPTY:
            return f"<msub>{inner}{self.row(below)}</msub>"
        if below == EMPTY:
            return f"<msup>{inner}{self.row(above, tagged)}</msup>"
        return f"<msubsup>{inner}{self.row(below)}{self.row(above)}</msubsup>"


def _primes(above: Node) -> tuple[str, Node]:
    """The primes that a superscript begins with, and the rest of it."""
    parts = list(above.parts) if above.kind == "row" else [above]
    count = next((k for k, p in enumerate(parts) if p.text != "′"), len(parts))
    return "′" * count, row(parts[count:])


def _operator(node: Node, before: Node) -> str:
    """before: what stands to its left; a sign behind an operator, an opening bracket or nothing is of its term."""
    text = escape(node.text)
    if node.text in _BRACKETS:
        em = _SIZES[node.big]
        size = f' stretchy="true" minsize="{em}em" maxsize="{em}em"' if em else ' stretchy="false"'
        form = ' form="prefix"' if node.text in _OPENING else ' form="postfix"' if node.text in ")]}" else ""
        return f'<mo{form}{size} lspace="0" rspace="0">{text}</mo>'
    if node.text in "+−":
        first = before == EMPTY or (before.kind == "operator" and before.text not in (")", "]", "}", "|", "‖"))
        return f'<mo form="prefix" lspace="0" rspace="0">{text}</mo>' if first else f'<mo form="infix">{text}</mo>'
    if node.text in "⊙·":
        return f'<mo form="infix" lspace="0.22em" rspace="0.22em">{text}</mo>'
    return '<mo lspace="0" rspace="0">/</mo>' if node.text == "/" else f"<mo>{text}</mo>"


def _groups(f: Formula) -> list[Sides]:
    return [[(sign, side.latex) for sign, side in group] for group in f.groups]


def _together(sides: Sides) -> float:
    """The width in em of sides with their signs."""
    return sum(width(side) + 1.4 for _, side in sides)


def _gap(node: Node, after: Node) -> str:
    """A thin space between a function's name and an argument without brackets."""
    name = node.parts[0] if node.kind == "scripts" else node
    if name.kind != "function" and name.text not in _LIMITS:
        return ""
    return "" if after.text in _OPENING or after == EMPTY else '<mspace width="0.17em"></mspace>'


def plain_words(latex: str) -> str:
    """LaTeX outside of formulas as plain characters."""
    return _ESCAPED.sub(lambda m: m[1] or ("–" if m[0] == "--" else "…"), latex)
