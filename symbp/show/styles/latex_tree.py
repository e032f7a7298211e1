"""The LaTeX that `latex.Latex` writes, taken apart: what MathML, and labels of pictures, are made of.

Read is the subset that formulas here consist of, and symbols that users declare. An unknown command stays as a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from symbp.show.names.symbols import GREEK

_TOKEN = re.compile(r"\\(?:[A-Za-z]+|.)|\d+(?:\.\d+)?|\s+|.", re.DOTALL)
_WORDS = {"mathrm", "operatorname", "text", "mathbf", "mathit", "texttt"}
_ACCENTS = {"hat": "^", "tilde": "~", "bar": "¯", "dot": "˙", "vec": "→"}
_FUNCTIONS = {"log", "exp", "tanh", "sin", "cos", "tan", "max", "min", "ln", "sinh", "cosh", "arctan"}
_OPERATORS = {
    "le": "≤", "ge": "≥", "ne": "≠", "wedge": "∧", "vee": "∨", "neg": "¬", "odot": "⊙", "cdot": "·", "times": "×",
    "sum": "∑", "lvert": "|", "rvert": "|", "lVert": "‖", "rVert": "‖", "mid": "|", "to": "→", "in": "∈",
}  # fmt: skip
_LETTERS = {"partial": "∂", "top": "⊤", "prime": "′", "infty": "∞", "ell": "ℓ", "nabla": "∇", "ldots": "…", "dots": "…"}
_SPACES = {",": 0.17, ";": 0.28, ":": 0.22, "!": 0.0, " ": 0.25, "quad": 1.0, "qquad": 2.0}
_BIG = {"bigl": 1, "bigr": 1, "Bigl": 2, "Bigr": 2, "biggl": 3, "biggr": 3, "Biggl": 4, "Biggr": 4}
_BOLD = str.maketrans(
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗𝐀𝐁𝐂𝐃𝐄𝐅𝐆𝐇𝐈𝐉𝐊𝐋𝐌𝐍𝐎𝐏𝐐𝐑𝐒𝐓𝐔𝐕𝐖𝐗𝐘𝐙𝐚𝐛𝐜𝐝𝐞𝐟𝐠𝐡𝐢𝐣𝐤𝐥𝐦𝐧𝐨𝐩𝐪𝐫𝐬𝐭𝐮𝐯𝐰𝐱𝐲𝐳",
)
OPEN, CLOSE = 0xF000, 0xF0FF  # chr(OPEN + k) ... chr(CLOSE) stand around what is to be marked with the number k


@dataclass(frozen=True)
class Node:
    """A piece of a formula.

    kind: "row", "letter" (italic), "word" (upright), "number", "operator", "function", "space", "fraction", "root",
    "accent", "cases", "matrix", "scripts" (base, below, above, each a row or letter; an empty row where there is none),
    or "open" and "close" around marked parts. text: what is written; of a space its width in em, of a mark its number.
    big: how much taller than a line a bracket is, from 0 to 4.
    """

    kind: str
    text: str = ""
    parts: tuple[Node, ...] = ()
    big: int = 0

    @property
    def key(self) -> str:
        """What is written, on one line: equal for what looks the same."""
        inside = ",".join(p.key for p in self.parts)
        return inside if self.kind == "row" else f"{self.text}{f'{self.kind}<{inside}>' if self.parts else ''}"


EMPTY = Node("row")


def read(latex: str) -> Node:
    """The formula as a tree."""
    return _Reader(_TOKEN.findall(latex)).row()


def row(items: Sequence[Node]) -> Node:
    """The pieces side by side; one alone stays as it is."""
    return items[0] if len(items) == 1 else Node("row", "", tuple(items))


def _base(items: list[Node]) -> Node:
    """What a script is set on, taken off the end: the last piece, or the whole of a marked part."""
    depth = 0
    for at in range(len(items) - 1, -1, -1):
        depth += (items[at].kind == "close") - (items[at].kind == "open")
        if depth <= 0:
            found = row(items[at:])
            del items[at:]
            return found
    return EMPTY  # the part began on another line


@dataclass
class _Reader:
    tokens: list[str]
    at: int = 0

    def peek(self) -> str:
        """The next token that is no blank."""
        while self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1] if self.at <= len(self.tokens) else ""

    def row(self, stop: tuple[str, ...] = ("}",)) -> Node:
        items: list[Node] = []
        while self.peek() and self.peek() not in stop:
            if self.peek() in ("^", "_", "'"):
                items.append(self.scripts(_base(items)))
                continue
            item = self.atom()
            if item.kind != "row" or item.parts:
                items.append(item)
        return row(items)

    def scripts(self, base: Node) -> Node:
        below: list[Node] = []
        above: list[Node] = []
        while self.peek() in ("^", "_", "'"):
            mark = self.take()
            if mark == "'":
                above.append(Node("letter", "′"))
            else:
                (above if mark == "^" else below).append(self.argument())
        return Node("scripts", "", (base, row(below), row(above)))

    def argument(self) -> Node:
        if self.peek() == "{":
            self.take()
            inside = self.row()
            self.take()
            return inside
        return self.atom() if self.peek() else EMPTY

    def words(self) -> str:
        """The letters of an argument, as they stand."""
        if self.peek() != "{":
            return self.take().lstrip("\\")
        self.take()
        out, depth = "", 1
        while self.at < len(self.tokens):
            token = self.take()
            depth += (token == "{") - (token == "}")
            if not depth:
                break
            out += token[1:] if token[:1] == "\\" else token
        return out

    def atom(self) -> Node:
        if self.peek() == "{":
            return self.argument()
        token = self.take()
        if token.startswith("\\"):
            return self.command(token[1:])
        if not token:
            return EMPTY
        if token[0].isdigit():
            return Node("number", token)
        if OPEN <= ord(token) < CLOSE:
            return Node("open", str(ord(token) - OPEN))
        if ord(token) == CLOSE:
            return Node("close")
        if token.isalpha():
            return Node("letter", token)
        return Node("operator", "−" if token == "-" else token)

    def command(self, name: str) -> Node:
        if name == "frac":
            return Node("fraction", "", (self.argument(), self.argument()))
        if name == "sqrt":
            return Node("root", "", (self.argument(),))
        if name in _WORDS:
            text = self.words()
            if name == "mathit" and len(text) == 1:
                return Node("letter", text)
            return Node("word", text.translate(_BOLD) if name == "mathbf" else text)
        if name in _ACCENTS:
            return Node("accent", _ACCENTS[name], (self.argument(),))
        if name in _BIG:
            bracket = self.atom()
            return Node("operator", bracket.text, (), _BIG[name])
        if name == "begin":
            return self.table("cases" if self.words() == "cases" else "matrix")
        if name in _SPACES:
            return Node("space", str(_SPACES[name]))
        if name in _FUNCTIONS:
            return Node("function", name)
        if name in _OPERATORS:
            return Node("operator", _OPERATORS[name])
        if name in GREEK or name in _LETTERS:
            return Node("letter", GREEK.get(name) or _LETTERS[name])
        return Node("operator" if len(name) == 1 and not name.isalnum() else "word", name)

    def table(self, kind: str) -> Node:
        """cell & cell \\\\ cell & cell."""
        rows: list[Node] = []
        cells: list[Node] = []
        while self.at < len(self.tokens):
            cells.append(self.row(("&", "\\\\", "\\end")))
            end = self.take()
            if end != "&":
                rows.append(Node("row", "", tuple(cells)))
                cells = []
            if end == "\\end":
                self.words()
                break
        return Node(kind, "", tuple(rows))
