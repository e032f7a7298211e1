"""Lowering: a simplified Program becomes statements of NumPy array operations.

    stabilise -> share_terms -> one statement an equation

`stabilise` turns sums of exponentials into forms that never overflow; `arrays` writes elementwise expressions with
broadcasting, `contraction` writes sums of products. The rules look at indices only, never at layers.
"""

from __future__ import annotations

from symbp.lower.stabilise import stabilise
from symbp.lower.statements import Loop, Lowered, Statement, lower

__all__ = ["Loop", "Lowered", "Statement", "lower", "stabilise"]
