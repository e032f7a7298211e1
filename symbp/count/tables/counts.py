"""The result of counting: rows of figures, as text, HTML and data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import Any

from symbp.count.ledger import NO_FLOP
from symbp.count.neurons.repeats import Repeats
from symbp.count.tables.table import LONG, Table, aligned, figure, shown, width
from symbp.operations import KINDS

GROUPS = {
    "add": ("add",),
    "mul": ("mul",),
    "div": ("div",),
    "functions": ("sqrt", "pow", "exp", "log", "tanh", "sin", "cos", "erf"),
    "others": ("neg", "compare", "select"),
}
BOUND = 5  # Baur & Strassen 1983, The complexity of partial derivatives: a gradient in at most 5 times the function
BYTES = 8  # of a number in double precision


@dataclass(frozen=True)
class Row:
    """One strategy. operations: by kind; None where it isn't counted, and then `why` says why not.

    numbers: how many it delivers: the loss, the gradients. computed: what is counted, in a line. exact: False where
    the operations are an upper bound. macs: how many of the multiplications go with an addition as a sum of products,
    None where that isn't known. moved: numbers that the equations read and write, where the strategy has its own.
    """

    strategy: str
    computed: str
    numbers: int
    operations: Mapping[str, int] | None
    why: str = ""
    exact: bool = True
    macs: int | None = None
    moved: int | None = None

    @property
    def total(self) -> int | None:
        return None if self.operations is None else sum(self.operations.values())

    @property
    def flops(self) -> int | None:
        """Floating-point operations: all but comparisons and selections."""
        if self.operations is None:
            return None
        return sum(n for kind, n in self.operations.items() if kind not in NO_FLOP)

    @property
    def intensity(self) -> float | None:
        """Floating-point operations a byte, every equation reading and writing the entries of its tensors once."""
        return self.flops / (BYTES * self.moved) if self.moved and self.flops is not None else None


@dataclass(frozen=True)
class Counts:
    """Operations of every way to compute the gradient of a network.

    parameters: how many numbers the loss is differentiated by. sizes: the symbolic sizes taken. expanded_loss:
    operations of the loss written out down to inputs and parameters. repeats: the repeated work of the expanded
    gradients, None where they aren't written out.
    """

    title: str
    parameters: int
    sizes: Mapping[str, int]
    rows: tuple[Row, ...]
    expanded_loss: int | None
    repeats: Repeats | None
    notes: tuple[str, ...] = ()

    def __getitem__(self, strategy: str) -> Row:
        for row in self.rows:
            if row.strategy == strategy:
                return row
        raise KeyError(strategy)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def ratio(self, strategy: str) -> float | int | None:
        """Operations of a strategy by those of one forward pass; None where either isn't counted or the latter 0.

        A whole number where it is too large to have decimals.
        """
        total, forward = self[strategy].total, self.rows[0].total
        if total is None or not forward:
            return None
        return total / forward if total < LONG * forward else total // forward

    # ------------------------------------------------------------------------------------------ as text

    def table(self) -> str:
        """All figures as plain text of at most 100 columns."""
        header, body = self._cells()
        lines = [self._heading(), "", *aligned(header, body), ""]
        lines += [f"{row.strategy}: not counted, {row.why}" for row in self.rows if row.operations is None]
        if self.expanded_loss is not None:
            lines += [
                f"numbers: how many come out. The loss written out in full: {figure(self.expanded_loss)} operations."
            ]
        lines += self.summary()
        lines += self.notes
        if self.repeats is not None:
            lines += ["", *self.repeats.lines()]
        return "\n".join(
            part.rstrip() for line in lines for part in (wrap(line, width()) if len(line) > width() else [line])
        )

    def plain_table(self) -> Table:
        """A row a strategy with all figures, for CSV and LaTeX."""
        used = [k for k in KINDS if any((row.operations or {}).get(k) for row in self.rows)]
        rows = [
            [row.strategy, row.total, self.ratio(row.strategy), row.numbers, "yes" if row.exact else "no", row.flops,
             row.macs, *(None if row.operations is None else row.operations.get(k, 0) for k in used)]
            for row in self.rows
        ]  # fmt: skip
        header = ["strategy", "operations", "x forward", "numbers", "exact", "FLOPs", "multiply-accumulates", *used]
        return Table(self._heading(), header, rows, self.notes)

    def summary(self) -> list[str]:
        """Floating-point operations of the best way, and how it compares with the bound of reverse mode."""
        best, ratio = self["reverse + CSE"], self.ratio("reverse + CSE")
        if best.flops is None or best.macs is None or ratio is None or best.intensity is None:
            return []
        lines = [
            f"reverse + CSE: {figure(best.flops)} FLOPs, {figure(best.macs)} multiply-accumulates, "
            f"{best.intensity:.2g} FLOPs a byte; {ratio:,.2f} times forward (bound: {BOUND})."
        ]
        if ratio > BOUND or (self.ratio("reverse") or 0) > BOUND:
            lines.append(
                "Above the bound: at these sizes parts of the network are known to be zero, which reverse mode doesn't "
                "see, as what a batch norm makes of a single example. --set larger ones."
            )
        return lines

    def _heading(self) -> str:
        at = "".join(f", {name} = {value}" for name, value in self.sizes.items())
        return f"{self.title}: {self.parameters:,} parameters{at}"

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        used = [k for k in KINDS if any((row.operations or {}).get(k) for row in self.rows)]
        grouped = {g: k for g, k in GROUPS.items() if set(k) & set(used)}
        columns: Mapping[str, tuple[str, ...]]
        for columns in ({k: (k,) for k in used}, grouped, {}):  # the most detailed that fits
            header, body = self._figures(columns)
            if len(aligned(header, body)[0]) <= width():
                break
        return header, body

    def _figures(self, columns: Mapping[str, tuple[str, ...]]) -> tuple[list[str], list[list[str]]]:
        header = ["strategy", "operations", "x forward", "numbers", *columns]
        body = []
        for row in self.rows:
            ratio = self.ratio(row.strategy)
            by_kind = row.operations
            figures = ["-"] * len(columns) if by_kind is None else [
                figure(sum(by_kind.get(k, 0) for k in kinds)) for kinds in columns.values()
            ]  # fmt: skip
            total = "-" if row.total is None else ("" if row.exact else "<= ") + figure(row.total)
            times = "-" if ratio is None else shown(ratio)
            body.append([row.strategy, total, times, figure(row.numbers), *figures])
        return header, body

    def __str__(self) -> str:
        return self.table()

    # ------------------------------------------------------------------------------------ as HTML and data

    def _repr_html_(self) -> str:
        header, body = self._cells()
        head = "".join(f"<th>{escape(h)}</th>" for h in header)
        rows = "".join(
            f'<tr title="{escape(row.computed)}">' + "".join(f"<td>{escape(c)}</td>" for c in cells) + "</tr>"
            for row, cells in zip(self.rows, body, strict=True)
        )
        below = "".join(
            f"<p>{escape(row.strategy)}: not counted, {escape(row.why)}</p>"
            for row in self.rows
            if row.operations is None
        )
        below += "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        if self.repeats is not None:
            below += f"<p>{escape(self.repeats.sentence)}</p>" + self.repeats.html()
        return f"<table><caption>{escape(self._heading())}</caption><tr>{head}</tr>{rows}</table>{below}"

    def json(self) -> dict[str, Any]:
        """All figures as a dict of plain values; a strategy that isn't counted has null operations and says why."""
        return {
            "title": self.title,
            "parameters": self.parameters,
            "sizes": dict(self.sizes),
            "expanded_loss": self.expanded_loss,
            "strategies": [
                {
                    "strategy": row.strategy,
                    "computed": row.computed,
                    "numbers": row.numbers,
                    "operations": row.total,
                    "exact": row.exact,
                    "flops": row.flops,
                    "multiply_accumulates": row.macs,
                    "numbers_moved": row.moved,
                    "flops_per_byte": row.intensity,
                    "by_kind": None if row.operations is None else dict(row.operations),
                    "ratio_to_forward": self.ratio(row.strategy),
                    **({"why_not": row.why} if row.operations is None else {}),
                }
                for row in self.rows
            ],
            "repeats": None if self.repeats is None else self.repeats.json(),
            "notes": list(self.notes),
        }
