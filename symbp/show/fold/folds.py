"""What repeats from block to block, so that it is shown once: runs of equations that differ in layer numbers only.

Two runs are the same if their expressions are, with one tensor for another of the same letter. Letters and numbers are
read off the symbols, so that a reader can put the one in place of the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from symbp.expr import Access, Add, Condition, Delta, Expr, Index, Mul, Num, Reduce, walk
from symbp.show.names.symbols import Names, Partial, Symbol

LONG = 20  # equations or steps from which on repeated runs are folded
RUN = 3  # equations or steps that must be left out at least

MUCH = 42  # equations or steps from which on blocks are folded inside of blocks
SMALL = 3  # whole numbers up to here are what a formula is made of, not sizes
Renamed = dict[object, object]  # layer numbers, sizes (as fractions) and letters of indices: new by old


@dataclass(frozen=True)
class Fold:
    """Places start to stop - 1 are like those from source on, with other layer numbers and sizes: (old, new).

    letters: whether indices have other letters, too.
    """

    start: int
    stop: int
    source: int
    layers: tuple[tuple[str, str], ...]
    sizes: tuple[tuple[Fraction, Fraction], ...] = ()
    letters: bool = False

    @property
    def shift(self) -> int | None:
        """By how much every layer number is raised; None if that differs."""
        found = {int(new) - int(old) for old, new in self.layers}
        return found.pop() if len(found) == 1 else None


def folds(patterns: Sequence[Pattern]) -> tuple[Fold, ...]:
    """The runs that repeat one in front of them, the most that can be left out first.

    What is referred to is shown in full, unless very much is left.
    """
    numbers: dict[object, int] = {}
    known = [replace(p, shape=numbers.setdefault(p.shape, len(numbers))) for p in patterns]
    pairs = [(source, at) for at in range(len(known)) for source in range(at) if known[source].shape == known[at].shape]
    found: list[Fold] = []
    folded: set[int] = set()
    kept: set[int] = set()  # what is referred to
    nested = False
    while True:
        hidden, barred = (set[int](), folded) if nested else (folded, folded | kept)
        candidates = (_copies(known, source, at, hidden, barred) for source, at in pairs)
        copies = max(candidates, key=lambda c: (_length(c), -c[0].start, c[0].source) if c else (0, 0, 0), default=[])
        if _length(copies) >= RUN:
            found += copies
            kept.update(range(copies[0].source, copies[0].source + copies[0].stop - copies[0].start))
            folded.update(range(copies[0].start, copies[-1].stop))
        elif nested or len(known) - len(folded) <= MUCH:
            return tuple(sorted(found, key=lambda f: f.start))
        else:
            nested = True


def _length(copies: list[Fold]) -> int:
    return sum(f.stop - f.start for f in copies)


def _copies(patterns: Sequence[Pattern], source: int, at: int, hidden: set[int], barred: set[int]) -> list[Fold]:
    """The run from `at` on that is like the one from `source` on; if that reaches up to `at`, all its copies there."""
    copies: list[Fold] = []
    start = at
    while True:
        fold = _run(patterns, source, start, at - source, hidden, barred)
        if copies and fold.stop - fold.start < at - source:
            return copies
        if fold.stop > fold.start:
            copies.append(fold)
        if fold.stop - fold.start < at - source:
            return copies
        start = fold.stop


def _run(patterns: Sequence[Pattern], source: int, at: int, most: int, hidden: set[int], barred: set[int]) -> Fold:
    """The longest run from `at` on that is like the one from `source` on.

    hidden: places that can't be referred to; barred: those that can't be folded.
    """
    renamed: Renamed = {}
    n = 0
    while n < most and at + n < len(patterns) and at + n not in barred:
        if source + n in hidden:
            break
        more = _renamed(patterns[source + n], patterns[at + n], renamed)
        if more is None:
            break
        renamed = more
        n += 1
    layers = tuple((a, b) for a, b in renamed.items() if isinstance(a, str) and isinstance(b, str))
    sizes = tuple((a, b) for a, b in renamed.items() if isinstance(a, Fraction) and isinstance(b, Fraction) and a != b)
    letters = any(patterns[source + k].letters != patterns[at + k].letters for k in range(n))
    return Fold(at, at + n, source, layers, sizes, letters)


@dataclass(frozen=True)
class Pattern:
    """An equation or a step without layer numbers and sizes, and those in the order in which they stand in it.

    letters: of its indices.
    """

    shape: object
    names: tuple[str | Fraction, ...]
    letters: tuple[str, ...]


def _renamed(old: Pattern, new: Pattern, known: Renamed) -> Renamed | None:
    """What stands in the new one, by what stands there in the old one; None if they aren't the same otherwise."""
    if old.shape != new.shape:
        return None
    found = dict(known)
    for a, b in zip(old.names, new.names, strict=True):
        if found.setdefault(a, b) != b:
            return None
    return found if len(set(found.values())) == len(found) else None


def pattern(names: Names, parts: Sequence[Expr], *marks: object, lettered: bool = True) -> Pattern:
    """The pattern of expressions that belong together; marks: what has to be equal beside them.

    lettered: whether indices are shown.
    """
    reader = _Reader(names)
    shape = tuple(reader.read(e) for e in parts)
    return Pattern((shape, marks, len(reader.found)), tuple(reader.found), tuple(reader.indices) if lettered else ())


class _Reader:
    """Reads expressions in an order that doesn't depend on names, and notes the layers of their tensors."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.found: list[str | Fraction] = []
        self.indices: dict[str, int] = {}
        self.letters: dict[str, tuple[object, list[str]]] = {}

    def read(self, e: Expr) -> object:
        match e:
            case Access():
                letter, layers = self.letter(e.label)
                self.found += layers
                return letter, tuple(self.read(a) for a in e.args)
            case Index():
                return self.indices.setdefault(e.label, len(self.indices))
            case Reduce():
                body = self.read(e.body)
                return (
                    e.label,
                    body,
                    tuple(sorted(self.indices.setdefault(i.label, len(self.indices)) for i in e.indices)),
                )
            case Num() if _is_size(e):
                self.found.append(abs(Fraction(e.value)))
                return "size", e.value > 0, Fraction(e.value).denominator == 1
        parts = sorted(e.args, key=self.place) if _is_commutative(e) else e.args
        return type(e).__name__, e.label, tuple(self.read(a) for a in parts)

    def place(self, e: Expr) -> tuple[str, tuple[int, ...], tuple[str, ...]]:
        """Where an argument stands among others: by its shape, then by its layers and the letters of its indices."""
        layers = [int(n) for a in e.accesses for n in self.letter(a.label)[1]]
        return self.rank(e), tuple(sorted(layers)), tuple(sorted(_letters_of(e)))

    def letter(self, name: str) -> tuple[object, list[str]]:
        """What is printed for a tensor without its layer number, and that."""
        if name not in self.letters:
            self.letters[name] = _split(self.names, name)
        return self.letters[name]

    def rank(self, e: Expr) -> str:
        """A key by which summands and factors are put in order: the same for those that differ in layers only."""
        if isinstance(e, Access):
            return repr((self.letter(e.label)[0], [self.rank(a) for a in e.args]))
        if isinstance(e, Index) or (isinstance(e, Num) and _is_size(e)):
            return type(e).__name__
        inside = sorted(map(self.rank, e.args)) if _is_commutative(e) else [self.rank(a) for a in e.args]
        return repr((type(e).__name__, e.label, inside))


def _is_size(e: Num) -> bool:
    value = abs(Fraction(e.value))
    return max(value.numerator, value.denominator) > SMALL and 1 in (value.numerator, value.denominator)


def _is_commutative(e: Expr) -> bool:
    return isinstance(e, (Add, Mul, Delta)) or (isinstance(e, Condition) and e.label in ("and", "or"))


def _letters_of(e: Expr) -> set[str]:
    return {n.label.rstrip("0123456789") for n in walk(e) if isinstance(n, Index)}


def _split(names: Names, name: str) -> tuple[object, list[str]]:
    meaning = names.meaning[name]
    if isinstance(meaning, Partial):
        above, below = _split(names, meaning.of), _split(names, meaning.wrt)
        return ("partial", above[0], below[0]), [*above[1], *below[1]]
    return _symbol(meaning)


def _symbol(s: Symbol) -> tuple[object, list[str]]:
    layers = [found[1] for above in s.superscripts if (found := re.fullmatch(r"\((\d+)\)", above))]
    rest = tuple(above for above in s.superscripts if not re.fullmatch(r"\(\d+\)", above))
    return (s.nucleus, rest, s.subscripts, s.primes, len(layers)), layers
