"""Entries of parameters, by templates, and whole parameters, as bits: what they share, and which hold others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from symbp.expr import Expr, Num, delta

Template = tuple[Expr, ...]  # for each axis of a parameter: the entry's index or the place that it equals, or its own
HasBits = TypeVar("HasBits", bound="WithBits")


class WithBits(Protocol):
    """What whole parameters, as bits, have to do with."""

    @property
    def bits(self) -> int: ...


def in_whole(pieces: Sequence[HasBits], apart: int) -> list[tuple[int, tuple[HasBits, ...]]]:
    """Parameters, as bits, parted by which pieces have them; not those that are set apart."""
    out: list[tuple[int, tuple[HasBits, ...]]] = [(-1 & ~apart, ())]
    for p in pieces:
        if p.bits:
            out = [
                part
                for bits, members in out
                for part in ((bits & p.bits, (*members, p)), (bits & ~p.bits, members))
                if part[0]
            ]
    return [(bits, members) for bits, members in out if members]


def meeting(templates: Sequence[Template], own: Template) -> tuple[Template, list[Expr]]:
    """The entries that are in all of some templates: a template, and conditions besides."""
    out, same = [], []
    for q, at in zip(own, zip(*templates, strict=True), strict=True):
        tied = list(dict.fromkeys(a for a in at if a is not q))
        tied.sort(key=lambda a: not isinstance(a, Num))
        out.append(tied[0] if tied else q)
        same += [delta(tied[0], a) for a in tied[1:]]
    return tuple(out), same


def ties(wide: Template, narrow: Template) -> list[Expr]:
    """Where the wider template has the entries of the narrower one."""
    return [delta(a, b) for a, b in zip(wide, narrow, strict=True) if a is not b]


def given(wide: Template, narrow: Template) -> dict[Expr, Expr]:
    """The narrower template's values for the indices of the wider one."""
    return {a: b for a, b in zip(wide, narrow, strict=True) if a is not b}


def total_bits(bits: Iterable[int]) -> int:
    out = 0
    for b in bits:
        out |= b
    return out


def contains(wide: Template, narrow: Template, own: Template) -> bool:
    """Whether a template has all entries of another one."""
    return all(a is q or a is b for a, b, q in zip(wide, narrow, own, strict=True))
