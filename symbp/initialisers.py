"""How tensors start: parameters and state before training, random inputs before every batch.

An initialiser is a text, in Python as in the notation: `he`, `0.5`, `normal(0.02)`, `bernoulli(0.8)`.
"""

from __future__ import annotations

import re
from fractions import Fraction

from symbp.errors import SymbpError, nearest

PARAMETERS = ("xavier", "he", "orthogonal", "zeros", "ones", "normal(0.02)", "0.5")  # how parameters and state start
RANDOM = ("bernoulli(0.8)", "normal(1)")  # what an input may be drawn from, anew for every training batch

_NUMBER = r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?:/[1-9]\d*)?"
_FORM = re.compile(rf"(?:([a-z]+)(?:\(({_NUMBER})\))?|({_NUMBER}))")


def parse_initialiser(text: str, role: str) -> tuple[str, Fraction]:
    """(kind, value) of a tensor of this role: ("he", 0), ("number", 1/2), ("normal", 1/50), ("bernoulli", 4/5).

    Raises SymbpError for what isn't known, and for a value that makes no sense.
    """
    known = RANDOM if role == "input" else PARAMETERS
    found = _FORM.fullmatch(text)
    kind, value, number = found.groups() if found else (None, None, None)
    takes_value = {form.partition("(")[0]: "(" in form for form in known}
    if number is not None and role != "input":
        return "number", Fraction(number)
    if kind is None or takes_value.get(kind) is not (value is not None):
        raise SymbpError(f"unknown initialiser {text!r}: {nearest(text, known)}")
    amount = Fraction(value or 0)
    if kind == "bernoulli" and not 0 < amount <= 1:
        raise SymbpError(f"{text}: the probability of a one must be above 0 and at most 1")
    if kind == "normal" and amount <= 0:
        raise SymbpError(f"{text}: the standard deviation must be above 0")
    return kind, amount
