"""The text that is read, and errors that point into it."""

from __future__ import annotations

from dataclasses import dataclass

from symbp.errors import SymbpError

WIDTH = 110  # of the piece of a line that an error shows


@dataclass(frozen=True)
class Source:
    """A text and the name of where it came from."""

    text: str
    name: str

    def error(self, at: int, message: str) -> SymbpError:
        """The error `message` at an offset: file:line:column, the line, and a caret under the place."""
        at = min(max(at, 0), len(self.text))
        start = self.text.rfind("\n", 0, at) + 1
        end = self.text.find("\n", at)
        line = self.text[start : end if end >= 0 else len(self.text)].rstrip("\r")
        number, column = self.text.count("\n", 0, at) + 1, at - start
        cut = max(0, column - WIDTH // 2) if len(line) > WIDTH else 0
        shown = line[cut : cut + WIDTH]
        before = "".join("\t" if c == "\t" else " " for c in shown[: column - cut])
        return SymbpError(f"{self.name}:{number}:{column + 1}: {message}\n    {shown}\n    {before}^")
