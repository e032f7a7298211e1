"""Which index counts the rows of a matrix and which its columns; which vectors are rows, and which are columns."""

from __future__ import annotations

from collections.abc import Sequence

from symbp.expr import Access, Expr, Index
from symbp.show.names.symbols import Names, Partial

Axis = Index | None


class Orientation:
    """For the tensors of one program. columns: samples are columns. batched: whether leading indices may stay.

    standing: the vectors that have been written as columns among slices.
    """

    def __init__(self, names: Names, columns: bool, batched: bool) -> None:
        self.names, self.columns, self.batched = names, columns, batched
        self.row_labels = self._row_labels()
        self.standing: dict[str, None] = {}

    def _row_labels(self) -> set[str]:
        """Indices that count rows of matrices of values and never columns: those over samples, mostly.

        Of tensors of more indices, those that count rows more often than columns in the matrices picked from them.
        """
        rows, columns = self._counted(2, 2)
        large_rows, large_columns = self._counted(3, 99) if self.batched else ([], [])
        often = {i for i in large_rows if large_rows.count(i) > large_columns.count(i)}
        return (set(rows) - set(columns) - set(large_columns)) | often

    def _counted(self, fewest: int, most: int) -> tuple[list[str], list[str]]:
        """The last index but one, and the last, of each tensor of values with so many."""
        found = [
            t.indices
            for name, t in self.names.tensors.items()
            if t.role != "parameter" and fewest <= len(t.indices) <= most and not self._is_parameter_gradient(name)
        ]
        return [indices[-2].label for indices in found], [indices[-1].label for indices in found]

    def _is_parameter_gradient(self, name: str) -> bool:
        derivative = self.names.derivatives.get(name)
        source = derivative and self.names.tensors.get(derivative.wrt)
        return bool(source and source.role == "parameter")

    def axes(self, target: Access) -> tuple[Axis, Axis] | None:
        """The row and column index of a target, None if it has more than two."""
        if len(target.args) > 2 or not all(isinstance(i, Index) for i in target.args):
            return None
        if len(target.args) == 2:
            return self.placed(*target.args)  # type: ignore[arg-type]
        if len(target.args) == 1:
            i: Index = target.args[0]  # type: ignore[assignment]
            return self.placed(i, None) if self.counts_rows(i) else self.placed(None, i)
        return None, None

    def counts_rows(self, i: Index) -> bool:
        """Whether a vector over this index is a column (by rows)."""
        return i.label in self.row_labels

    def stands(self, a: Access, rest: Sequence[Expr]) -> None:
        """Notes a vector that is a column. rest: the indices that aren't kept."""
        if self.batched and len(rest) == 1 and isinstance(rest[0], Index) and self.counts_rows(rest[0]):
            self.standing[self.derived_by(a.label)] = None

    def derived_by(self, name: str) -> str:
        """The tensor itself, or what a derivative without a letter is by."""
        meaning = self.names.meaning[name]
        return meaning.wrt if isinstance(meaning, Partial) else name

    def is_column(self, name: str) -> bool:
        """Whether a vector is a column in formulas; among slices, those that are named."""
        indices = self.names.tensors[name].indices
        counts = len(indices) == 1 and self.counts_rows(indices[0])
        return counts and (not self.batched or self.derived_by(name) in self.standing)

    def placed(self, first: Axis, second: Axis) -> tuple[Axis, Axis]:
        """The row and column index of a matrix with these indices, in this order."""
        return (second, first) if self.columns else (first, second)
