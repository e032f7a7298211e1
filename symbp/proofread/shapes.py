"""Arrays of the wrong shape, and what was done to the right one to make them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, permutations
from typing import Any

import numpy as np

from symbp.proofread.given import Given, agree
from symbp.proofread.mutants import Mistake
from symbp.proofread.reference import Reference


def rearranged(reference: Reference, given: Given) -> Mistake | None:
    """How the right array, transposed or summed differently, becomes the given one; None if its shape is no reason."""
    rights = [p.values[given.name] for p in reference.points]
    pairs = list(zip(given.arrays, rights, strict=True))
    same = all(np.shape(mine) == np.shape(right) for mine, right in pairs)
    indices = reference.tensor(given.name).indices
    for order in permutations(range(len(indices))):
        if order != tuple(range(len(indices))) and all(agree(m, np.transpose(r, order)) for m, r in pairs):
            if len(order) == 2:
                return Mistake("transposed_square" if same else "transposed")
            return Mistake("axes_alike" if same else "axes", (", ".join(indices[k].label for k in order),))
    if same:
        return None
    if all(np.size(m) == np.size(r) and agree(np.reshape(m, np.shape(r)), r) for m, r in pairs):
        return Mistake("reshaped")
    if all(np.ndim(m) > np.ndim(r) for m, r in pairs):
        for axes in combinations(range(np.ndim(pairs[0][0])), np.ndim(pairs[0][0]) - np.ndim(pairs[0][1])):
            if all(agree(np.sum(m, axes), r) for m, r in pairs):
                return Mistake("unsummed", (", ".join(map(str, axes)),))
            if all(agree(np.mean(m, axes), r) for m, r in pairs):
                return Mistake("unaveraged", (", ".join(map(str, axes)),))
    if all(np.ndim(m) <= np.ndim(r) for m, r in pairs):
        for count in range(1, len(indices) + 1):
            for axes in combinations(range(len(indices)), count):
                for keep in (False, True):
                    if all(agree(m, np.sum(r, axes, keepdims=keep)) for m, r in pairs):
                        return Mistake("oversummed", (", ".join(indices[k].label for k in axes),))
    return Mistake("shape")


def array_shape(array: Any, sizes: Mapping[str, int]) -> str:
    """The shape as text, with letters for the lengths of symbolic sizes."""
    letters = {n: name for name, n in sizes.items()}
    lengths = [str(letters.get(int(n), int(n))) for n in np.shape(array)]
    return f"({', '.join(lengths)}{',' if len(lengths) == 1 else ''})"
