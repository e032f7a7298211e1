"""How wide a LaTeX formula is set, in em: good enough to break lines before TeX overfills them."""

from __future__ import annotations

import re

from symbp.show.styles import breaks

_TOKEN = re.compile(r"\\(?:[A-Za-z]+|.)|[{}^_]|.", re.DOTALL)
_NOTHING = frozenset(
    r"""\bigl \bigr \Bigl \Bigr \biggl \biggr \Biggl \Biggr \hat \tilde \bar \dot \vec \left \right \mathrm
    \mathbf \mathit \text \operatorname \displaystyle""".split()
)


def _table(text: str) -> dict[str, float]:
    """Pairs of a token and its width."""
    parts = text.split()
    return {token: float(size) for token, size in zip(parts[::2], parts[1::2], strict=True)}


_COMMAND = _table(
    r"""\, 0.17 \; 0.28 \quad 1.0 \qquad 2.0 \sum 1.45 \max 2.0 \odot 1.25 \partial 0.56 \prime 0.3 \top 0.55
    \cdot 0.75 \ldots 1.2 \log 1.6 \tanh 2.3 \sin 1.5 \cos 1.6 \exp 1.8 \sigma 0.57 \delta 0.45"""
)
_CHARACTER = {" ": 0.0} | _table(
    """+ 1.25 - 1.25 = 1.35 < 1.3 > 1.3 ( 0.4 ) 0.4 [ 0.3 ] 0.3 , 0.45 ' 0.3 i 0.35 j 0.41 l 0.3 t 0.36 m 0.88 w 0.72
    W 1.05 B 0.78 & 0.0"""
)
_SCRIPT = 0.72
_TABLE = re.compile(r"\\begin\{(cases|bmatrix)\}((?:(?!\\begin).)*?)\\end\{\1\}")  # the innermost first


def width(latex: str) -> float:
    """The width in em of a formula set in display style on one line."""
    text = breaks.unmarked(latex)
    while (table := _TABLE.search(text)) is not None:
        text = text[: table.start()] + r"\quad{}" + _widest(table[2]) + text[table.end() :]
    return _Reader(_TOKEN.findall(text)).row()


def _widest(rows: str) -> str:
    """The widest of each column of cases or of a matrix."""
    columns = zip(*(row.split("&") for row in rows.split(r"\\")), strict=True)
    return r"\quad{}".join(max(column, key=width) for column in columns)


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at = tokens, 0

    def row(self) -> float:
        total = 0.0
        while self.at < len(self.tokens) and self.tokens[self.at] != "}":
            total += self.atom()
        return total

    def argument(self) -> float:
        if self.at < len(self.tokens) and self.tokens[self.at] == "{":
            self.at += 1
            inside = self.row()
            self.at += 1
            return inside
        return self.atom() if self.at < len(self.tokens) else 0.0

    def atom(self) -> float:
        token = self.tokens[self.at]
        if token == "{":
            size = self.argument()
        else:
            self.at += 1
            size = self.token(token)
        scripts = 0.0
        while self.at < len(self.tokens) and self.tokens[self.at] in "^_":
            self.at += 1
            scripts = max(scripts, _SCRIPT * self.argument())
        if token in ("\\sum", "\\max"):
            return max(size, scripts + 0.2)
        return size + scripts + (0.05 if scripts else 0.0)

    def token(self, token: str) -> float:
        if token == "\\frac":
            return max(self.argument(), self.argument()) + 0.25
        if token == "\\sqrt":
            return self.argument() + 0.85
        if token in ("\\bigl", "\\bigr"):
            return 0.06
        if token in ("\\Bigl", "\\Bigr", "\\biggl", "\\biggr", "\\Biggl", "\\Biggr"):
            return 0.25
        if token in _NOTHING:
            return 0.0
        if token == "\\begin":
            self.argument()
            return 1.2
        if token == "\\end":
            self.argument()
            return 0.3
        if token in _COMMAND:
            return _COMMAND[token]
        if token.startswith("\\"):
            return 0.7 if token[1:].isalpha() else 0.4
        return _CHARACTER.get(token, 0.5 if token.isdigit() else 0.57 if token.islower() else 0.75)
