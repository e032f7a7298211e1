"""Which ways of writing formulas make use of, so that they are explained beside them."""

from __future__ import annotations

from symbp.expr import Delta, Expr, Select, walk


class Conventions:
    """Collects them, as keys of `words`, while formulas are written."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def indexed(self, e: Expr, among_matrices: bool) -> None:
        """Notes an expression in index notation. among_matrices: where others are in matrix notation."""
        kinds = {type(node) for node in walk(e)}
        self.found |= {key for kind, key in ((Delta, "kronecker"), (Select, "iverson")) if kind in kinds}
        if among_matrices:
            self.found.add("index")
