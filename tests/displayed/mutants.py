"""Displayed formulas with one mistake in them, such as a typesetter, or a printer, makes."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

Mutation = Callable[[str, random.Random], str | None]
_SUBSCRIPT = re.compile(r"_\{([^{}]*)\}")
_LETTER = re.compile(r"(?<![A-Za-z\\])[a-zA-Z]'*(?![A-Za-z])")


def _somewhere(pattern: str, replacement: Callable[[re.Match[str]], str]) -> Mutation:
    """One of the matches replaced."""

    def mutate(text: str, rng: random.Random) -> str | None:
        found = list(re.finditer(pattern, text))
        if not found:
            return None
        m = rng.choice(found)
        return text[: m.start()] + replacement(m) + text[m.end() :]

    return mutate


def _index(text: str, rng: random.Random) -> str | None:
    """A letter of a subscript becomes another one that stands under something else."""
    places = [
        (m.start(1) + k.start(), m.start(1) + k.end(), k[0])
        for m in _SUBSCRIPT.finditer(text)
        for k in _LETTER.finditer(m[1])
    ]
    # Letters side by side aren't matched above: they are one by one here.
    places += [
        (m.start(1) + k.start(), m.start(1) + k.end(), k[0])
        for m in _SUBSCRIPT.finditer(text)
        if re.fullmatch(r"(?:[a-z]'*){2,}", m[1])
        for k in re.finditer(r"[a-z]'*", m[1])
    ]
    letters = sorted({letter for *_, letter in places})
    if len(letters) < 2:
        return None
    start, end, old = rng.choice(places)
    return text[:start] + rng.choice([x for x in letters if x != old]) + text[end:]


def _digit_of_entry(text: str, rng: random.Random) -> str | None:
    """A subscript of a single entry becomes another number."""
    places = [(m.start(1) + k, c) for m in _SUBSCRIPT.finditer(text) for k, c in enumerate(m[1]) if c.isdigit()]
    if not places:
        return None
    at, old = rng.choice(places)
    return text[:at] + rng.choice([c for c in "123" if c != old]) + text[at + 1 :]


def _other_symbol(symbols: list[str]) -> Mutation:
    """One symbol of the table becomes another."""

    def mutate(text: str, rng: random.Random) -> str | None:
        found = [
            (m.start(), m.end()) for s in symbols for m in re.finditer(re.escape(s) + r"(?![A-Za-z0-9])", text)
            if not text[: m.start()].endswith("\\") and not re.search(r"[A-Za-z]$", text[: m.start()])
        ]  # fmt: skip
        if not found:
            return None
        start, end = rng.choice(found)
        others = [s for s in symbols if s != text[start:end]]
        return text[:start] + rng.choice(others) + text[end:] if others else None

    return mutate


KINDS: dict[str, Mutation] = {
    "sign": _somewhere(r" [+-] ", lambda m: " - " if m[0] == " + " else " + "),
    "leading sign": lambda text, _: text[1:] if text.startswith("-") else f"-{text}",
    "factor": lambda text, rng: rf"{rng.choice([2, 3])}\,{text}" if not re.search(" [+-] ", text) else None,
    "number": _somewhere(r"(?<=\{)\d+(?=\})|(?<![\d_^{])\d+(?=[ \\])", lambda m: str(int(m[0]) + 1)),
    "factor left out": _somewhere(
        r"\\,(?:[a-z]|\\(?!b|B|[lr]v|frac|sum|sqrt|operatorname)[a-z]+)(?:\^\{\(\d+\)\})?(?:_\{[^{}]*\})?", lambda m: ""
    ),
    "ring left out": _somewhere(r" \\odot (?:\\[a-z]+ ?)?[A-Za-z](?:\^\{\(\d+\)\})?", lambda m: ""),
    "index": _index,
    "entry": _digit_of_entry,
    "transpose": _somewhere(r"\^\{\\top\}|\\top", lambda m: ""),
    "layer": _somewhere(r"\((\d)\)", lambda m: f"({int(m[1]) % 2 + 1})"),
    "sum left out": _somewhere(r"\\sum_\{[^{}]*\} ", lambda m: ""),
    "condition": _somewhere(r"\\le(?![a-z])|\\ge(?![a-z])|\\ne(?![a-z])|[<>]", lambda m: {
        r"\le": ">", r"\ge": "<", r"\ne": "=", "<": r"\ge", ">": r"\le",
    }[m[0]]),
}  # fmt: skip


def mutants(text: str, symbols: list[str], rng: random.Random) -> Iterator[tuple[str, str]]:
    """(kind, the text with that mistake) for every kind of mistake that can be made in it."""
    for kind, mutate in {**KINDS, "symbol": _other_symbol(symbols)}.items():
        wrong = mutate(text, rng)
        if wrong is not None and wrong != text:
            yield kind, wrong
