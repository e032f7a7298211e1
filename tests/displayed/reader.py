"""A recursive-descent parser of displayed LaTeX.

sum      = ["-"] ring (("+" | "-") ring)*           ring    = product ("\\odot" product)*
product  = factor factor*                            factor  = atom ("^" group)*
atom     = number | name | "(" sum ")" | "[" condition "]" | fraction | root | cases | norm | function | ...
function = "\\tanh" factor | "\\sigma" "(" sum ")"   reduction = ("\\sum" | "\\max") "_" group product
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from displayed.functions import BRACKETED, PREFIX, WITH_PARAMETER
from displayed.legend import Legend, Row, closing, stem
from displayed.tree import (
    Call,
    Cases,
    Derivative,
    Fraction,
    Identity,
    IndexName,
    Iverson,
    Kronecker,
    Logic,
    Name,
    Number,
    Ones,
    Power,
    Product,
    Reduce,
    Relation,
    Ring,
    Size,
    SquaredNorm,
    Sum,
    Transpose,
    Unreadable,
    walk,
)

_SPACE = re.compile(r"(?:\s|\\,|\\!|\\;)*")
LAYOUT = re.compile("\\\\(?:b|B)igg?[lr](?![a-zA-Z])|[\ue000-\ue7ff]")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_COMMAND = re.compile(r"\\operatorname\{[A-Za-z]+\}|\\[A-Za-z]+")
_INDEX = re.compile(r"(?:\\mathit\{[^{}]*\}|\\[A-Za-z]+|[A-Za-z])(?:_\{\d+\})?'*(?:_\{\d+\})?")
_LETTERS = re.compile(r"\s*(?:(?:\\mathit\{[^{}]*\}|\\[A-Za-z]+|[A-Za-z])'*(?:_\{\d+\})?|\d)\s*")
END = re.compile(r"[)\]}&,+\-=<>/]|\\\\|\\(?:odot|end|rvert|rVert|wedge|vee|le|ge|ne|text|top)(?![a-zA-Z])|$")
_RELATIONS = {r"\le": "<=", r"\ge": ">=", r"\ne": "!=", "<": "<", ">": ">", "=": "=="}


def read(text: str, legend: Legend, bound: frozenset[str] | None = frozenset()) -> Any:
    """The tree of a formula without "=". bound: names of indices that are free in it; None: those that it has.

    Raises Unreadable for anything that isn't a formula in the account's own notation.
    """
    reader = Reader(LAYOUT.sub("", text), legend, bound)
    tree = reader.sum()
    if not reader.done():
        raise reader.fail("more text than formula")
    return tree


def sides(text: str) -> list[str]:
    """The text between the equals signs that stand outside of brackets and groups."""
    text, depth, at, out = LAYOUT.sub("", text), 0, 0, []
    for k, c in enumerate(text):
        if c in "{([":
            depth += 1
        elif c in "})]":
            depth -= 1
        elif c == "=" and depth == 0:
            out.append(text[at:k])
            at = k + 1
    return [*out, text[at:]]


class Reader:
    """Reads one text; `at` is where."""

    def __init__(self, text: str, legend: Legend, bound: frozenset[str] | None) -> None:
        self.text, self.legend, self.bound, self.at = text, legend, bound or frozenset(), 0
        self.declaring = bound is None

    def within(self, text: str) -> Reader:
        """A reader of a part of the text."""
        return Reader(text, self.legend, None if self.declaring else self.bound)

    # ------------------------------------------------------------------------------------------ characters

    def fail(self, why: str) -> Unreadable:
        return Unreadable(f"{why}: {self.text[: self.at]} >>> {self.text[self.at :]}")

    def skip(self) -> None:
        self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]

    def done(self) -> bool:
        self.skip()
        return self.at >= len(self.text)

    def sees(self, token: str) -> bool:
        self.skip()
        if not self.text.startswith(token, self.at):
            return False
        after = self.text[self.at + len(token) : self.at + len(token) + 1]
        return not (token[0] == "\\" and token[-1].isalpha() and after.isalpha())

    def accept(self, token: str) -> bool:
        found = self.sees(token)
        self.at += len(token) if found else 0
        return found

    def expect(self, token: str) -> None:
        if not self.accept(token):
            raise self.fail(f"{token} expected")

    def group(self) -> str:
        """The text of a group in braces."""
        self.skip()
        end = closing(self.text, self.at)
        inside = self.text[self.at + 1 : end]
        self.at = end + 1
        return inside

    def inside(self, text: str) -> Any:
        """The tree of a text within this one."""
        reader = self.within(text)
        tree = reader.sum()
        if not reader.done():
            raise reader.fail("more text than formula")
        return tree

    # -------------------------------------------------------------------------------------------- grammar

    def sum(self) -> Any:
        terms = [(-1 if self.accept("-") else 1, self.ring())]
        while (plus := self.accept("+")) or self.accept("-"):
            terms.append((1 if plus else -1, self.ring()))
        return terms[0][1] if len(terms) == 1 and terms[0][0] == 1 else Sum(tuple(terms))

    def ring(self) -> Any:
        parts = [self.product()]
        while self.accept(r"\odot"):
            if self.loose is not None and not self.sees_function():
                raise self.fail(f"does {self.loose} end here, or does its argument go on?")
            parts.append(self.product())
        return parts[0] if len(parts) == 1 else Ring(tuple(parts))

    def product(self) -> Any:
        parts = [self.factor()]
        while not self.done() and not END.match(self.text, self.at):
            if self.loose is not None and not self.sees_function():
                raise self.fail(f"does {self.loose} end here, or does its argument go on?")
            parts.append(self.factor())
        return parts[0] if len(parts) == 1 else Product(tuple(parts))

    def sees_function(self) -> bool:
        return any(map(self.sees, (*PREFIX, *BRACKETED, *WITH_PARAMETER)))

    loose: str | None = None  # a function whose argument had no brackets, until something else was read

    def factor(self) -> Any:
        self.loose = None
        tree = self.atom()
        loose = self.loose
        while self.accept("^"):
            above = self.group().strip()
            if above == r"\top":
                tree = Transpose(tree)
            elif above.startswith(r"\odot"):
                tree = Power(tree, self.inside(above[len(r"\odot") :]), True)
            else:
                tree = Power(tree, self.inside(above))
        self.loose = loose
        return tree

    def atom(self) -> Any:
        self.skip()
        if self.sees("("):
            return self.bracketed("(", ")", self.sum)
        if self.sees("["):
            return Iverson(self.bracketed("[", "]", self.condition))
        if self.text[self.at : self.at + 1].isdigit():
            return self.number()
        name = self.name()
        if name is not None:
            return name
        command = _COMMAND.match(self.text, self.at)
        if command:
            return self.command(command[0])
        if self.text.startswith("e^", self.at):
            self.at += 2
            return Call(r"\exp", (self.inside(self.group()),))
        index = _INDEX.match(self.text, self.at)
        if index and index[0] in self.bound:
            self.at = index.end()
            return IndexName(index[0])
        return self.size()

    def size(self) -> Size:
        for label in sorted(self.legend.lengths, key=len, reverse=True):
            spelled = label if len(label) == 1 else r"\mathrm{" + label.replace("_", r"\_") + "}"
            if self.text.startswith(spelled, self.at):
                self.at += len(spelled)
                return Size(label)
        raise self.fail("no symbol of the table")

    def bracketed(self, left: str, right: str, inside: Callable[[], Any]) -> Any:
        self.expect(left)
        tree = inside()
        self.expect(right)
        self.loose = None
        return tree

    def number(self) -> Number:
        m = _NUMBER.match(self.text, self.at)
        assert m is not None
        self.at = m.end()
        if m[0] == "10" and self.text.startswith("^{-", self.at):
            self.expect("^")
            return Number(10.0 ** int(self.group()))
        if self.accept(r"\ldots"):
            return Number(float(m[0]), 10.0 ** -len(m[0].partition(".")[2]))
        if self.accept(r"\cdot"):
            self.expect("10")
            self.expect("^")
            return Number(float(f"{m[0]}e{int(self.group())}"))
        return Number(float(m[0]) if "." in m[0] else int(m[0]))

    def command(self, command: str) -> Any:
        special = {
            r"\frac": self.fraction, r"\sqrt": self.root, r"\begin": self.cases, r"\sum": self.reduction,
            r"\lvert": self.absolute, r"\lVert": self.norm, r"\mathbf": self.bold, r"\delta": self.kronecker,
            r"\partial": self.slashed,
        }.get(command)  # fmt: skip
        if command in (r"\pi", r"\infty"):
            self.at += len(command)
            return Number({r"\pi": 3.141592653589793, r"\infty": float("inf")}[command])
        if command == r"\max" and self.text.startswith(r"\max_", self.at):
            return self.reduction()
        if special is not None:
            return special()
        self.at += len(command)
        if command in PREFIX:
            if self.sees("("):
                return Call(command, (self.bracketed("(", ")", self.sum),))
            argument = self.factor()
            self.loose = command
            return Call(command, (argument,))
        if self.text.startswith("_", self.at):
            self.at += 1
            below = self.group()
            if command not in WITH_PARAMETER:
                command = f"{command}_{{{below}}}"
            elif self.sees("("):
                return Call(command, (self.bracketed("(", ")", self.sum), self.inside(below)))
        if command in (*BRACKETED, *WITH_PARAMETER) and self.sees("("):
            return Call(command, self.bracketed("(", ")", self.arguments))
        self.at -= len(command)
        raise self.fail("no such function, or not in the table of symbols")

    def arguments(self) -> tuple[Any, ...]:
        out = [self.sum()]
        while self.accept(","):
            out.append(self.sum())
        return tuple(out)

    def fraction(self) -> Any:
        self.expect(r"\frac")
        start = self.at
        top, bottom = self.group(), self.group()
        if not top.startswith(r"\partial"):
            return Fraction(self.inside(top), self.inside(bottom))
        if not bottom.startswith(r"\partial"):
            self.at = start
            raise self.fail("a derivative by nothing")
        return self.derivative(top[len(r"\partial") :], bottom[len(r"\partial") :])

    def slashed(self) -> Any:
        r"""\partial L/\partial z, as within a sentence."""
        start = self.at
        self.expect(r"\partial")
        of = self.operand()
        self.expect("/")
        self.expect(r"\partial")
        wrt = self.operand()
        spelled = self.legend.spelled.get(self.text[start : self.at])
        return Name(spelled.tensor) if spelled else Derivative(of, wrt)

    def derivative(self, top: str, bottom: str) -> Any:
        names = []
        for text in (top, bottom):
            reader = self.within(text)
            names.append(reader.operand())
            if not reader.done():
                raise reader.fail("no single symbol in a derivative")
        of, wrt = names
        spelled = self.legend.spelled and self.legend.spelled.get(
            rf"\partial {self.without_indices(top)}/\partial {self.without_indices(bottom)}"
        )
        return Name(spelled.tensor, (*of.indices, *wrt.indices)) if spelled else Derivative(of, wrt)

    def operand(self) -> Name:
        found = self.bracketed("(", ")", self.sum) if self.sees("(") else self.name()
        if not isinstance(found, Name):
            raise self.fail("a tensor expected in a derivative")
        return found

    def without_indices(self, text: str) -> str:
        """A symbol as the table has it."""
        reader = self.within(text.strip())
        name = reader.name()
        for row in self.legend.rows():
            if isinstance(name, Name) and row.tensor == name.tensor:
                above = r"\prime" * row.primes + row.above
                return row.nucleus + (f"^{{{above}}}" if above else "") + (f"_{{{row.below}}}" if row.below else "")
        return text.strip()

    def root(self) -> Any:
        self.expect(r"\sqrt")
        return Power(self.inside(self.group()), Number(0.5))

    def cases(self) -> Cases:
        self.expect(r"\begin{cases}")
        then = self.sum()
        self.expect("&")
        chinese = self.accept(r"\text{若 }")
        if not chinese:
            self.expect(r"\text{if }")
        condition = self.condition()
        self.expect(r"\\")
        otherwise = self.sum()
        self.expect("&")
        self.expect(r"\text{否则}" if chinese else r"\text{else}")
        self.expect(r"\end{cases}")
        return Cases(condition, then, otherwise)

    def reduction(self) -> Reduce:
        kind = "sum" if self.accept(r"\sum") else "max"
        if kind == "max":
            self.expect(r"\max")
        self.expect("_")
        indices = tuple(part.strip() for part in _split(self.group()))
        if not all(_INDEX.fullmatch(i) for i in indices):
            raise self.fail("no indices to sum over")
        if self.bound & set(indices) or len(set(indices)) < len(indices):
            raise self.fail("an index is bound twice")
        outer, self.bound = self.bound, self.bound | frozenset(indices)
        body = self.ring()
        self.bound = outer
        return Reduce(kind, indices, body)

    def absolute(self) -> Call:
        self.expect(r"\lvert")
        inside = self.sum()
        self.expect(r"\rvert")
        return Call("abs", (inside,))

    def norm(self) -> SquaredNorm:
        self.expect(r"\lVert")
        inside = self.sum()
        self.expect(r"\rVert")
        self.expect("^{2}")
        return SquaredNorm(inside)

    def bold(self) -> Any:
        if self.accept(r"\mathbf{I}"):
            return Identity()
        self.expect(r"\mathbf{1}")
        return Ones(self.accept(r"^{\top}"))

    def kronecker(self) -> Kronecker:
        self.expect(r"\delta")
        self.expect("_")
        left, right = self.index_list(self.group(), 2)
        return Kronecker(left, right)

    # ----------------------------------------------------------------------------------------- conditions

    def condition(self) -> Any:
        parts = [self.conjunction()]
        while self.accept(r"\vee"):
            parts.append(self.conjunction())
        return parts[0] if len(parts) == 1 else Logic("or", tuple(parts))

    def conjunction(self) -> Any:
        parts = [self.relation()]
        while self.accept(r"\wedge"):
            if self.accept("{}"):  # the next line of a brace
                self.expect(r"\\")
                self.expect("&")
            parts.append(self.relation())
        return parts[0] if len(parts) == 1 else Logic("and", tuple(parts))

    def relation(self) -> Any:
        if self.accept(r"\neg"):
            return Logic("not", (self.bracketed("(", ")", self.condition),))
        start = self.at
        try:
            left = self.sum()
            operator = next(op for op in _RELATIONS if self.accept(op))
        except (Unreadable, StopIteration):
            self.at = start
            return self.bracketed("(", ")", self.condition)
        right = self.sum()
        found = [Relation(_RELATIONS[operator], left, right)]
        while operator := next((op for op in _RELATIONS if self.accept(op)), ""):  # 1 <= p + h < 33
            left, right = right, self.sum()
            found.append(Relation(_RELATIONS[operator], left, right))
        return found[0] if len(found) == 1 else Logic("and", tuple(found))

    # ---------------------------------------------------------------------------------------------- names

    def name(self) -> Any:
        """A symbol of the table with its indices, None if there is none here."""
        self.skip()
        start = self.at
        nuclei = [n for n in self.legend.nuclei.get(self.text[start : start + 1], ()) if self.sees(n)]
        found = [r for nucleus in nuclei for r in self.with_scripts(nucleus, start)]
        self.at = start
        letter = _INDEX.match(self.text, start)
        if len(found) > 1:
            raise self.fail(f"this may be {' or '.join(r.tensor for r, *_ in found)}")
        if not found:
            return None
        row, indices, transposed, end = found[0]
        if letter and letter[0] in self.bound and end <= letter.end():
            if len(row.shape) <= (2 if self.legend.sliced else 0):
                raise self.fail(f"this may be {row.tensor} or the index {letter[0]}")
            return None  # a tensor never stands without its indices where there are any
        self.at = end
        name = Name(row.meaning, indices)
        return Transpose(name) if transposed else name

    def with_scripts(self, nucleus: str, start: int) -> list[Any]:
        """The readings as a symbol of this nucleus."""
        self.at = start + len(nucleus)
        above, below, primes = "", "", 0
        while self.text.startswith("'", self.at):
            primes, self.at = primes + 1, self.at + 1
        before = self.at
        if self.text.startswith("^{", self.at):
            self.at += 1
            above = self.group()
            while above.startswith(r"\prime"):
                primes, above = primes + 1, above[len(r"\prime") :]
        if self.text.startswith("_{", self.at):
            self.at += 1
            below = self.group()
        rows = self.legend.candidates(nucleus, primes, above, below)
        out = [r for row in rows for r in self.readings(row, above, below, before)]
        plain = any(not row.above for row, *_ in out)
        if plain and ((nucleus == "e" and above) or (nucleus == r"\delta" and below)):
            raise self.fail(f"{nucleus} is a symbol of the table and the exponential or Kronecker's delta")
        if plain and nucleus in BRACKETED and self.sees("("):
            raise self.fail(f"{nucleus} is a symbol of the table and a function")
        return out

    def readings(self, row: Row, above: str, below: str, before: int) -> list[Any]:
        """(row, indices, transposed, where it ends) if the scripts fit this row."""
        transposed, stop = False, self.at
        if above != row.above:
            if above == row.above + r"\top":
                transposed = True
            elif not (row.above or below or above.startswith("(")):  # a power: numbers of layers have brackets
                above, stop = "", before
            else:
                return []
        rest = below
        if row.below:
            if below == row.below:
                rest = ""
            elif below.startswith(row.below + ","):
                rest = below[len(row.below) + 1 :]
            else:
                return []
        if not rest:
            return [(row, (), transposed, stop)]
        if row.entry is not None or (transposed and not self.legend.sliced) or not row.shape:
            return []
        try:
            return [(row, self.index_list(rest, len(row.shape)), transposed, stop)]
        except Unreadable:
            return []

    def index_list(self, text: str, axes: int) -> tuple[Any, ...]:
        """An index expression an axis, for slices fewer: with commas between, or letters side by side."""
        pieces = _split(text)
        letters = [m[0].strip() for m in _LETTERS.finditer(text)]
        if len(pieces) == 1 and axes > 1 and "".join(letters).replace(" ", "") == text.replace(" ", ""):
            pieces = letters
        if len(pieces) > axes or (len(pieces) < axes and not self.legend.sliced):
            raise self.fail(f"{text} is not {axes} indices")
        return tuple(self.index(piece.strip()) for piece in pieces)

    def index(self, text: str) -> Any:
        """An index, or an expression of some: an index is meant where a tensor has the same letter."""
        if text in self.bound or (self.declaring and _INDEX.fullmatch(text) and self.is_declared(text)):
            return IndexName(text)
        tree = self.inside(text)
        if any(self.lacks_indices(part) for part in walk(tree)):
            raise self.fail(f"{text} is no index")
        return tree

    def lacks_indices(self, tree: Any) -> bool:
        return isinstance(tree, Name) and not tree.indices and bool(self.legend.shape(tree.tensor))

    def is_declared(self, label: str) -> bool:
        """Whether the notes speak of an index of this letter."""
        known = {stem(r) for r in self.legend.ranges}
        return stem(label) in known or not known


def _split(text: str) -> list[str]:
    """At the commas outside of groups."""
    out, depth, at = [], 0, 0
    for k, c in enumerate(text):
        depth += (c in "{(") - (c in "})")
        if c == "," and depth == 0 and text[k - 1] != "\\":
            out.append(text[at:k])
            at = k + 1
    return [*out, text[at:]]
