"""The one exception that symbp raises on bad input, its one warning, and the hint that messages end with."""

from collections.abc import Iterable
from difflib import get_close_matches


class SymbpError(Exception):
    """Bad input: the message names the offender (equation, index, tensor or file) and the fix."""


class UnusedParameterWarning(UserWarning):
    """A parameter does not influence the loss, so its gradient is zero."""


def nearest(name: str, known: Iterable[str]) -> str:
    """'did you mean ...? known are ...', for messages."""
    names = list(known)
    close = get_close_matches(name, names, 1) or get_close_matches(name.lower(), names, 1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known are {', '.join(names)}"
