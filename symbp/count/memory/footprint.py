"""What the strategies hold in memory: values kept for the backward pass, their lifetimes, and the peak.

Of the mathematics, not of a module: in a step (an equation, or a recurrence as a whole) what it reads and what it
computes are there at once, and nothing else but what a later step reads. What NumPy needs besides, `symbp.lower` knows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from symbp.count.algebra.polynomial import Polynomial, of_size, total
from symbp.count.ledger import Ledger
from symbp.count.tables.table import Cell, Table
from symbp.derive.forward import jvp
from symbp.errors import SymbpError
from symbp.expr import mul
from symbp.program import Program, Tensor, shape_text
from symbp.recurrence import Group
from symbp.schedule import Life, Timeline, timeline, turning_point
from symbp.schedule.lifetimes import INTEGER, ITEM, number
from symbp.unroll import concrete_sizes

STRATEGIES = ("forward", "forward mode", "reverse", "reverse + CSE")
RULE = (
    "Peak: results and operands of one equation at once, and whatever is read later; no operation in place, parameters "
    "and inputs apart."
)


@dataclass(frozen=True)
class Held:
    """What a strategy holds. kept: values computed up to the loss that are read behind it. peak: bytes at once at most,
    in this step (counted from 1) of so many; form: the numbers that are there then, in the sizes.
    """

    strategy: str
    kept: tuple[Life, ...]
    kept_bytes: int
    peak: int
    step: int
    steps: int
    computes: str
    form: Polynomial


@dataclass
class Memory:
    """The memory of a network's gradient. sizes: those left out that are no axis of a parameter are 1.

    Raises SymbpError for a program without a loss or parameters, a size without a value or an unknown dtype.
    """

    program: Program
    given: Mapping[str, int] = field(default_factory=dict)
    dtype: str = "float64"

    def __post_init__(self) -> None:
        if self.dtype not in ITEM:
            raise SymbpError(f"dtype is {self.dtype!r}: it must be one of {', '.join(ITEM)}")
        Ledger(self.program)  # refuses what has no gradient
        self.sizes = concrete_sizes(self.program, self.given)
        self.ledger = Ledger(self.program, self.sizes)
        self.item = ITEM[self.dtype]
        self._found: dict[str, Timeline] = {}

    def timeline(self, strategy: str) -> Timeline:
        """The lives of the values of one of STRATEGIES."""
        found = self._found.get(strategy)
        if found is None:
            if strategy == "forward mode":
                found = self._tangent_pass()
            else:
                found = timeline(self.ledger.derived(strategy))
            self._found[strategy] = found
        return found

    def __getitem__(self, strategy: str) -> Held:
        found = self.timeline(strategy)
        turn = turning_point(found)
        peak, step = found.peak(self.item, self.sizes)
        kept = tuple(life for life in found.lives if life.first <= turn and life.reads and life.reads[-1] > turn)
        form = total(_numbers(life) for life in found.at(step))
        if strategy == "forward mode":  # one pass after the other fills the gradients
            peak += self.gradient_bytes
            form = form + total(_count(t) for t in self.program.parameters)
        return Held(strategy, kept, sum(map(self.bytes, kept)), peak, step + 1, len(found.steps),
                    _shown(found.steps[step]), form)  # fmt: skip

    def bytes(self, life: Life) -> int:
        return self.item * number(life.count, self.sizes)

    def kept_bytes(self, kept: Collection[str], strategy: str = "reverse + CSE") -> int:
        """Of the values of these names."""
        return sum(self.bytes(life) for life in self.timeline(strategy).lives if life.name in kept)

    @cached_property
    def gradient_bytes(self) -> int:
        return self.item * total(_count(t) for t in self.program.parameters).at(self.sizes).number

    @cached_property
    def input_bytes(self) -> int:
        """Of the inputs and states."""
        return sum(
            (INTEGER if t.dtype == "int" else self.item) * _count(t).at(self.sizes).number
            for t in (*self.program.inputs, *self.program.state)
        )

    def _tangent_pass(self) -> Timeline:
        """One of the passes of forward mode: what it reads of the forward pass stays, for the next one."""
        network = self.ledger.network
        along = {t.name: f"{t.name}_direction" for t in network.parameters}
        found = timeline(jvp(network, along, self.ledger.loss))
        turn, end = turning_point(found), len(found.steps) - 1
        return replace(found, lives=tuple(
            replace(life, last=end) if life.first <= turn and life.reads and life.reads[-1] > turn else life
            for life in found.lives
        ))  # fmt: skip

    # --------------------------------------------------------------------------------------------- as tables

    @property
    def heading(self) -> str:
        at = "".join(f", {name} = {value}" for name, value in self.sizes.items())
        return f"{self.program.title}: memory in {self.dtype}{at}"

    def strategies(self, formula: bool = False) -> Table:
        """A row a strategy. formula: the peak's place in the sizes besides."""
        rows: list[list[Cell]] = []
        for name in STRATEGIES:
            held = self[name]
            gradients = 0 if name == "forward" else self.gradient_bytes
            where = f"{held.step} of {held.steps}, {held.computes}"
            row: list[Cell] = [name, held.kept_bytes, gradients, held.peak, where]
            rows.append([*row, str(held.form)] if formula else row)
        header = ["strategy", "kept, bytes", "gradients", "peak, bytes", "in step"]
        notes = [
            f"Parameters {self.gradient_bytes:,} bytes, inputs {self.input_bytes:,}. Kept: computed up to the loss, "
            "read behind it.", RULE,
        ]  # fmt: skip
        if formula:
            notes.append(f"numbers: held at the peak, {self.item} bytes each; at other sizes it may lie elsewhere.")
        return Table(self.heading, [*header, *(["numbers"] if formula else [])], rows, notes)

    def values(self, strategy: str = "reverse + CSE", every: bool = False) -> Table:
        """What a strategy keeps for the backward pass, or with `every` all that it computes: size and lifetime."""
        found = self.timeline(strategy)
        lives = found.lives if every else self[strategy].kept
        rows: list[list[Cell]] = []
        for life in lives:
            stays = life.name in (*found.program.outputs, *found.program.updates.values())
            until = "the end" if stays else _shown(found.steps[life.last])
            more = [self._live(found, life.first)] if every else []
            rows.append([life.name, shape_text(found.program.tensors[life.name]), str(_numbers(life)),
                         self.bytes(life), *more, f"{life.first + 1} - {life.last + 1}", until])  # fmt: skip
        what = "every value" if every else "kept for the backward pass"
        header = ["value", "shape", "numbers", "bytes", *(["live bytes"] if every else []), "steps", "last read for"]
        notes = ["live bytes: all that is there in the step that computes the value."] if every else []
        if any(len(found.steps[life.first].equations) > 1 for life in lives):
            notes.append("A recurrence is one step; a value that only its own step of time reads has no axis of time.")
        return Table(f"{strategy}, {what}", header, rows, notes)

    def _live(self, found: Timeline, step: int) -> int:
        return sum(map(self.bytes, found.at(step)))

    def text(self, formula: bool = False) -> str:
        return f"{self.strategies(formula).text()}\n\n{self.values().text()}"

    def json(self) -> dict[str, Any]:
        """All figures as plain values."""
        return {
            "title": self.program.title,
            "dtype": self.dtype,
            "sizes": dict(self.sizes),
            "parameter_bytes": self.gradient_bytes,
            "input_bytes": self.input_bytes,
            "strategies": [self._json(self[name]) for name in STRATEGIES],
        }

    def _json(self, held: Held) -> dict[str, Any]:
        found = self.timeline(held.strategy)
        return {
            "strategy": held.strategy,
            "kept_bytes": held.kept_bytes,
            "peak_bytes": held.peak,
            "peak_step": held.step,
            "peak_in": held.computes,
            "steps": held.steps,
            "numbers_at_the_peak": str(held.form),
            "values": [
                {"name": life.name, "shape": shape_text(found.program.tensors[life.name]),
                 "numbers": str(_numbers(life)), "bytes": self.bytes(life), "first": life.first + 1,
                 "last": life.last + 1, "kept": life in held.kept}
                for life in found.lives
            ],
        }  # fmt: skip


def _numbers(life: Life) -> Polynomial:
    return of_size(life.count)


def _count(t: Tensor) -> Polynomial:
    return of_size(mul(*t.shape))


def _shown(group: Group) -> str:
    """A step by what it computes: the first member of a recurrence stands for all."""
    first, *rest = (e.name for e in group.equations)
    return f"{first}, ..." if rest else first
