"""What an account itself says of its notation: the table of symbols, the ranges of indices, what entries are called."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

from displayed.tree import Unreadable

_RANGE = re.compile(r"(\S+) = (\d+)(?:, \\ldots, (.+))?")
STANDING = "Columns, with one number for each row of a matrix, are "
MATH = re.compile(r"\$([^$]+)\$")


@dataclass(frozen=True)
class Row:
    """A symbol in its parts. shape: one size an axis as it is written in the table."""

    tensor: str
    nucleus: str
    above: str
    below: str
    primes: int
    shape: tuple[str, ...]
    entry: tuple[int, ...] | None = None

    @property
    def meaning(self) -> str:
        """The tensor, or the entry as in W[0, 1]."""
        return self.tensor if self.entry is None else self.tensor + str(list(self.entry))


@dataclass
class Legend:
    """What the symbols mean.

    lengths: numbers for sizes. symbols: by nucleus and scripts. spelled: rows whose symbol is a derivative, by its
    text. sliced: whether a symbol with its leading indices only is the matrix that they pick. standing: vectors
    that are columns among such matrices. origin: what indices count from. ranges: the last values of each index.
    """

    lengths: dict[str, int]
    symbols: dict[str, dict[tuple[int, str, str], Row]] = field(default_factory=dict)
    spelled: dict[str, Row] = field(default_factory=dict)
    origin: int = 1
    ranges: dict[str, list[str]] = field(default_factory=dict)
    parameters: frozenset[str] = frozenset()
    sliced: bool = False
    standing: frozenset[str] = frozenset()

    @cached_property
    def nuclei(self) -> dict[str, list[str]]:
        """By their first character."""
        out: dict[str, list[str]] = {}
        for nucleus in self.symbols:
            out.setdefault(nucleus[0], []).append(nucleus)
        return out

    def shape(self, tensor: str) -> tuple[str, ...]:
        """The sizes of a tensor's axes as they are written in the table."""
        return self.shapes.get(tensor, ())

    def range_of(self, label: str) -> list[str]:
        """What the notes say; an index with primes that they leave out runs like the letter itself."""
        like = [i for i in self.ranges if stem(i) == stem(label)]
        return self.ranges.get(label) or [last for i in like for last in self.ranges[i]]

    def rows(self) -> list[Row]:
        return [row for rows in self.symbols.values() for row in rows.values()]

    def candidates(self, nucleus: str, primes: int, above: str, below: str) -> list[Row]:
        """The rows that scripts may belong to: entries have just these, arrays take indices and transposes."""
        rows = self.symbols[nucleus]
        single = [rows.get((primes, above, below)), rows.get((primes, "", below)) if above else None]
        arrays = self.arrays.get(nucleus, [])
        return [row for row in single if row is not None and row.entry is not None] + [
            row for row in arrays if row.primes == primes
        ]

    @cached_property
    def arrays(self) -> dict[str, list[Row]]:
        """The rows that are no entries, by nucleus."""
        out: dict[str, list[Row]] = {}
        for row in self.rows():
            if row.entry is None:
                out.setdefault(row.nucleus, []).append(row)
        return out

    @cached_property
    def key(self) -> tuple[Any, ...]:
        """Equal for legends in which a formula with indices means the same."""
        ranges = tuple((i, *last) for i, last in self.ranges.items())
        return (frozenset(self.rows()), tuple(self.spelled.items()), self.origin, ranges, self.sliced, self.standing)

    @cached_property
    def shapes(self) -> dict[str, tuple[str, ...]]:
        return {r.meaning: r.shape for r in (*self.rows(), *self.spelled.values())}

    @cached_property
    def _matrices(self) -> list[tuple[str, ...]]:
        return [r.shape for r in self.rows() if len(r.shape) == 2 and r.tensor not in self.parameters]

    @property
    def sample_sizes(self) -> set[str]:
        """Sizes that count the rows of matrices of values, and never columns."""
        return {s[0] for s in self._matrices} - self.square_sizes - {s[1] for s in self._matrices}

    @property
    def square_sizes(self) -> set[str]:
        """Sizes that count rows and columns."""
        return {s[0] for s in self._matrices} & {s[1] for s in self._matrices}

    def add(self, row: Row) -> None:
        scripts = (row.primes, row.above, row.below)
        other = self.symbols.setdefault(row.nucleus, {}).setdefault(scripts, row)
        if other is not row:
            shared = f"{row.nucleus}^{row.above}_{row.below}"
            raise Unreadable(f"{other.meaning} and {row.meaning} share the symbol {shared}")


def legend(derivation: Any, lengths: dict[str, int], entries: bool = False) -> Legend:
    """What the table of symbols and the notes say. entries: of single entries, at neuron level."""
    out = Legend(lengths)
    out.parameters = frozenset(r.name for r in derivation.symbols if r.role.latex == "parameter")
    for r in derivation.symbols:
        found = MATH.fullmatch(r.symbol.latex)
        if found is None:
            raise Unreadable(f"no symbol in the table for {r.name}: {r.symbol.latex}")
        shape = MATH.fullmatch(r.shape.latex)
        sizes = tuple(shape[1].split(r" \times ")) if shape else ()
        if found[1].startswith(r"\partial"):
            out.spelled[found[1]] = Row(r.name, found[1], "", "", 0, sizes)
        else:
            out.add(split(found[1], r.name, sizes))
    out.sliced = derivation.level == "batched" and any(len(r.shape) > 2 for r in out.rows())
    symbols = {r.symbol.latex: r.name for r in derivation.symbols}
    said = [note.latex for note in derivation.notes if note.latex.startswith(STANDING)]
    out.standing = frozenset(symbols[f"${text}$"] for sentence in said for text in MATH.findall(sentence))
    if entries:
        _entries(out, derivation)
    else:
        _ranges(out, derivation)
    return out


def split(latex: str, tensor: str, shape: tuple[str, ...], entry: tuple[int, ...] | None = None) -> Row:
    """A symbol's nucleus, superscript, subscript and primes."""
    nucleus, scripts, primes, k = "", {"^": "", "_": ""}, 0, 0
    while k < len(latex):
        if latex[k] in scripts and latex[k - 1] != "\\":
            end = closing(latex, k + 1)
            scripts[latex[k]], k = latex[k + 2 : end], end + 1
        elif latex[k] == "'":
            primes, k = primes + 1, k + 1
        else:
            nucleus, k = nucleus + latex[k], k + 1
    above = scripts["^"]
    while above.startswith(r"\prime"):
        primes, above = primes + 1, above[len(r"\prime") :]
    return Row(tensor, nucleus.strip(), above, scripts["_"], primes, shape, entry)


def closing(text: str, start: int) -> int:
    """Where the group ends that the brace at `start` opens."""
    if text[start : start + 1] != "{":
        raise Unreadable(f"no group at {start} of {text}")
    depth = 0
    for k in range(start, len(text)):
        depth += (text[k] == "{") - (text[k] == "}")
        if depth == 0:
            return k
    raise Unreadable(f"a group that does not end: {text[start:]}")


def stem(label: str) -> str:
    """An index without primes and number."""
    return re.sub(r"_\{\d+\}|'", "", label)


def _ranges(out: Legend, derivation: Any) -> None:
    """`n = 1, ..., B` somewhere in the notes."""
    origins = set()
    for note in derivation.notes:
        for m in filter(None, map(_RANGE.fullmatch, MATH.findall(note.latex))):
            out.ranges.setdefault(m[1], []).append(m[3] or m[2])
            origins.add(int(m[2]))
    if len(origins) > 1:
        raise Unreadable(f"indices count from {origins}")
    out.origin = origins.pop() if origins else 1


_PERMUTED = re.compile(r"(\S+)_\{(.+)\} = (\S+)_\{(.+)\}")
_LETTER = re.compile(r"(?:\\[A-Za-z]+|[A-Za-z])(?:_\{\d+\})?'*")


def _entries(out: Legend, derivation: Any) -> None:
    """Single entries: small letters, subscripts from 1, none for a batch of one; `w_{ji} = W_{ij}` in the notes."""
    said = [f for note in derivation.notes for f in MATH.findall(note.latex)]
    turned = {m[3]: (_LETTER.findall(m[2]), _LETTER.findall(m[4])) for m in map(_PERMUTED.fullmatch, said) if m}
    arrays = out.rows()
    whole = {r.name for r in derivation.symbols if "integers" in r.role.latex and r.shape.latex.startswith("$")}
    out.symbols = {}
    for row in arrays:
        if row.tensor in whole:
            out.add(row)
    for row in arrays:
        if row.tensor not in whole:
            lengths = [int(s) for s in row.shape]
            nucleus = row.nucleus
            small = nucleus[0].lower() + nucleus[1:]
            taken = any(
                (r.nucleus, r.above, r.below, r.primes) == (small, row.above, row.below, row.primes) for r in arrays
            )
            if len(lengths) > 1 and not taken:
                nucleus = small
            for at in product(*map(range, lengths)):
                written = list(at)
                mark = rf"{row.nucleus}^{{{row.above}}}" if row.above else row.nucleus
                if mark in turned:
                    shown, real = turned[mark]
                    written = [at[real.index(letter)] for letter in shown]
                elif row.tensor not in out.parameters and len(lengths) > 1 and lengths[0] == 1:
                    written = written[1:]
                texts = [str(k + 1) for k in written] if any(n > 1 for n in lengths) else []
                joined = ("" if all(len(w) == 1 for w in texts) else ",").join(texts)
                below = ",".join(part for part in (row.below, joined) if part)
                out.add(Row(row.tensor, nucleus, row.above, below, row.primes, (), at))
