"""A quantity as somebody wrote it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symbp.check import relative_error
from symbp.expr import Expr

TOLERANCE = 1e-7  # of what is right, relative to its largest entry
SINGLE = 1e-4  # the same for numbers of 32 bits
NEGLIGIBLE = 1e-6  # errors are relative to no less: rounding makes 1e-16 out of a zero


@dataclass(frozen=True)
class Given:
    """name: the derivation's name of it. arrays: its values, one for each point. value: its formula, if it is one,
    over the indices of the derivation's own equation. reads: what it was given, right values all of them.
    where: where it stands.
    """

    name: str
    arrays: tuple[Any, ...]
    reads: frozenset[str] = frozenset()
    value: Expr | None = None
    where: str = field(default="", compare=False)

    @property
    def tolerance(self) -> float:
        single = any(np.asarray(a).dtype in (np.float32, np.float16) for a in self.arrays)
        return SINGLE if single else TOLERANCE


def agree(mine: Any, right: Any, tolerance: float = TOLERANCE) -> bool:
    """Whether two arrays have one shape and are equal but for rounding."""
    error = relative_error(mine, right, NEGLIGIBLE) if np.shape(mine) == np.shape(right) else float("nan")
    return error <= tolerance
