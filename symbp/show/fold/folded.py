"""What pages say instead of runs that are folded, and the order in which they show the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from symbp.show.fold.folds import Fold
from symbp.show.formulas.formula import Said
from symbp.show.formulas.writer import Writer

Item = TypeVar("Item")


@dataclass(frozen=True)
class Folded:
    """Places start to stop - 1 aren't shown; this is said instead."""

    start: int
    stop: int
    said: tuple[Said, ...]


def unfolded(items: Sequence[Item], folded: Sequence[Folded]) -> list[Item | Folded]:
    """The items in order, with the Folded in place of those that aren't shown."""
    starts = {f.start: f for f in folded}
    hidden = {k for f in folded for k in range(f.start, f.stop)}
    out: list[Item | Folded] = []
    for k, item in enumerate(items):
        if k in starts:
            out.append(starts[k])
        if k not in hidden:
            out.append(item)
    return out


def parts(items: Sequence[Item | Folded]) -> list[tuple[Item, ...] | Folded]:
    """The items with those between two Folded together."""
    out: list[tuple[Item, ...] | Folded] = []
    for item in items:
        if isinstance(item, Folded):
            out.append(item)
        elif out and isinstance(out[-1], tuple):
            out[-1] = (*out[-1], item)
        else:
            out.append((item,))
    return out


def sayings(
    writer: Writer, found: Sequence[Fold], kind: str, gains: Callable[[int, int], list[Said]], first: int = 1
) -> tuple[Folded, ...]:
    """What to say for each fold, one sentence for runs that follow each other and repeat the same one.

    kind: "steps" or "equations". gains: (start, stop) -> the gradients that are found there. first: the number of the
    first.
    """
    groups: list[list[Fold]] = []
    for f in found:
        if groups and _alike(groups[-1][-1], f):
            groups[-1].append(f)
        else:
            groups.append([f])
    return tuple(_folded(writer, group, kind, gains(group[0].start, group[-1].stop), first) for group in groups)


def _alike(a: Fold, b: Fold) -> bool:
    """Whether two folds can be said in one sentence: of the same run, one behind the other."""
    if (a.stop, a.source, a.stop - a.start) != (b.start, b.source, b.stop - b.start):
        return False
    return (a.shift or 0) * (b.shift or 0) > 0 and a.sizes == b.sizes == ()


def _folded(writer: Writer, group: list[Fold], kind: str, gained: list[Said], number: int) -> Folded:
    first, last = group[0], group[-1]
    source = _span(writer, kind, first.source + number, first.source + first.stop - first.start + number - 1)
    whole = _span(writer, kind, first.start + number, last.stop + number - 1)
    if first.shift is not None:
        shifts = [abs(f.shift or 0) for f in group]
        many = len(shifts) > 3 and shifts == list(range(1, len(shifts) + 1))
        shown = [_plain(str(n)) for n in shifts]
        by = writer.say("fold_range", *shown[:2], shown[-1]) if many else writer.listed(shown)
        change = writer.say("fold_raised" if first.shift > 0 else "fold_lowered", by)
    else:
        new, old = (writer.listed([_plain(pair[k]) for pair in first.layers]) for k in (1, 0))
        change = writer.say("fold_layers", new, old)
    if first.sizes:
        replaced = [writer.say("fold_size", _whole(new), _whole(old)) for old, new in first.sizes]
        change = writer.say("fold_also", change, writer.listed(replaced))
    if any(f.letters for f in group):
        change = writer.say("fold_also", change, writer.say("fold_letters"))
    if len(group) > 1:
        said = [writer.say(f"fold_{kind}_times", whole, source, change, len(group))]
    else:
        said = [writer.say(f"fold_{kind}", whole, source, change)]
    if gained:
        said.append(writer.say("fold_gives", writer.listed(gained)))
    return Folded(first.start, last.stop, tuple(said))


def _span(writer: Writer, kind: str, first: int, last: int) -> Said:
    return writer.say(f"{kind}_one", first) if first == last else writer.say(f"{kind}_span", first, last)


def _whole(size: Fraction) -> Said:
    """The size itself where it divides."""
    return _plain(str(max(size.numerator, size.denominator)))


def _plain(text: str) -> Said:
    return Said(text, text)
