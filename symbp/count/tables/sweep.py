"""The strategies over a range of one size, or of the depth: a table, and a plot for a slide."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import exp, log, log10
from pathlib import Path
from typing import Any

from symbp.count.ledger import STRATEGIES
from symbp.count.tables.comparison import compare
from symbp.count.tables.table import Table
from symbp.errors import SymbpError
from symbp.program import Program

UNDER = ("one-sided differences", "reverse + CSE")  # dashed: another line lies below
FORMATS = (".pdf", ".png", ".svg")
EXPONENTIAL = 1.5  # by how much an exponent grows where the size doubles, from which on it is none
FAR = 4  # times as many digits
SHORT = 10**7  # numbers from here on are shown as 1.28e34
MANY = 16  # values counted up; a wider range doubles


@dataclass(frozen=True)
class Sweep:
    """operations: strategy -> one number a value, None where it isn't counted. exact: whether all are."""

    title: str
    name: str
    values: tuple[int, ...]
    operations: Mapping[str, tuple[int | None, ...]]
    exact: Mapping[str, bool]

    @property
    def doubling(self) -> bool:
        """Whether the values double, not count up."""
        return self.values[-1] - self.values[0] != len(self.values) - 1

    def table(self) -> Table:
        """A row a value; below, how each grows at the end: the exponent, or the factor for one step."""
        rows = [[n, *(self.operations[s][k] for s in STRATEGIES)] for k, n in enumerate(self.values)]
        growth: list[Any] = ["exponent" if self.doubling else "factor"]
        for s in STRATEGIES:
            growth.append(self.growth(self.operations[s]))
        names = [s if self.exact[s] else f"{s} (<=)" for s in STRATEGIES]
        return Table(self.title, [self.name, *map(_short, names)], [*rows, growth], long=SHORT)

    def growth(self, found: Sequence[int | None]) -> str | None:
        """From the last values: x 8.77 a step where it is exponential, though the size doubles."""
        logs = [None if not n else log(n) for n in found]
        if len(found) < 2 or logs[-1] is None or logs[-2] is None:
            return None
        rise = logs[-1] - logs[-2]
        if not self.doubling:
            return f"{exp(rise):.2f}"
        exponent = rise / log(self.values[-1] / self.values[-2])
        if len(found) > 2 and logs[-3] is not None:
            earlier = (logs[-2] - logs[-3]) / log(self.values[-2] / self.values[-3])
            if exponent > EXPONENTIAL * earlier > 0:
                return f"{exp(rise / (self.values[-1] - self.values[-2])):.2f}^{self.name}"
        return f"{exponent:.2f}"

    def json(self) -> dict[str, Any]:
        return {"title": self.title, "name": self.name, "values": list(self.values),
                "operations": {s: list(n) for s, n in self.operations.items()}, "exact": dict(self.exact)}  # fmt: skip

    def plot(self, path: Path) -> None:
        """Operations over the swept size; the suffix chooses the format. Raises SymbpError as `writable` does."""
        writable(path)
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
        from matplotlib import ticker

        with plt.rc_context({"svg.hashsalt": "symbp", "svg.fonttype": "none", "font.size": 12}):
            figure, ax = plt.subplots(figsize=(9, 5.2), layout="constrained")
            highest = {}
            for n, s in enumerate(STRATEGIES):
                found = zip(self.values, self.operations[s], strict=True)
                points = [(v, log10(y)) for v, y in found if y]  # log10 takes numbers that are too large for a float
                if points:
                    label = s if self.exact[s] else f"{s} (at most)"
                    (line,) = ax.plot(*zip(*points, strict=True), marker="os^vD*Xp"[n], markersize=5, label=label,
                                      linestyle="--" if s in UNDER else "-")  # fmt: skip
                    highest[line] = points[-1][1]
            ax.set(xlabel=self.name, ylabel="operations", title=self.title)
            ax.yaxis.set_major_locator(ticker.MaxNLocator(9, integer=True))
            ax.yaxis.set_major_formatter(ticker.FuncFormatter(lambda y, _: f"$10^{{{y:.0f}}}$"))
            ax.set_ylim(bottom=max(ax.get_ylim()[0], 0))
            *others, last = sorted(highest.values())
            if others and last > FAR * others[-1]:  # it would press all others to the floor: it leaves the picture
                ax.set_ylim(top=2 * others[-1])
                (line,) = (line for line, top in highest.items() if top == last)
                line.set_label(f"{line.get_label()}, up to $10^{{{last:.0f}}}$")
            if self.doubling:
                ax.set_xscale("log", base=2)
                ax.set_xticks(self.values, [str(v) for v in self.values])
            else:
                ax.set_xticks(self.values)
            ax.minorticks_off()
            ax.grid(alpha=0.3)
            lines = sorted(highest, key=lambda line: -highest[line])  # as they end, from top to bottom
            figure.legend(handles=lines, loc="outside right center", frameon=False, fontsize=11)
            figure.savefig(path, dpi=130, metadata=_undated(path))
            plt.close(figure)


def writable(path: Path) -> None:
    """Raises SymbpError without matplotlib, or for a file that no plot can be written to: before a count takes time."""
    if find_spec("matplotlib") is None:
        raise SymbpError("a plot needs matplotlib: pip install 'symbp[plot]'")
    if path.suffix.lower() not in FORMATS:
        raise SymbpError(f"--plot {path}: choose a name that ends in {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise SymbpError(f"there is no folder {path.parent} to write {path.name} to: make it first")


def _undated(path: Path) -> dict[str, Any] | None:
    """No date in the file, so that the same plot has the same bytes."""
    return {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix)


def _short(name: str) -> str:
    return name.replace(" differences", "").replace("per parameter", "per param").replace("reverse + CSE", "with CSE")


def values_of(text: str) -> tuple[str, tuple[int, ...]]:
    """H=8..1024 as a name and values: doubled where there are MANY, else one by one. Raises SymbpError."""
    found = re.fullmatch(r"([A-Za-z_]\w*)=(\d{1,7})\.\.(\d{1,7})", text)
    if not found or not 0 < int(found[2]) < int(found[3]):
        raise SymbpError(f"--sweep {text}: write a size and its range, as in --sweep H=8..1024 or --sweep depth=1..12")
    low, high = int(found[2]), int(found[3])
    if high - low < MANY:
        return found[1], tuple(range(low, high + 1))
    out = [low]
    while out[-1] * 2 <= high:
        out.append(out[-1] * 2)
    return found[1], tuple(out)


def written(net: str, name: str, value: int) -> str:
    """A network's text with {H} replaced by the value, and {16^depth} by that many 16, joined by dashes."""
    net = re.sub(rf"\{{(\d+)\^{name}\}}", lambda m: "-".join([m[1]] * value), net)
    return net.replace(f"{{{name}}}", str(value))


def sweep(net: str, text: str, load: Callable[[str], Program], sizes: Mapping[str, int] | None = None) -> Sweep:
    """Counts a network for every value of a range such as "H=8..1024".

    net: its text. H is one of its symbolic sizes, or stands in the text: mlp:2-{H}-1,... or mlp:2-{16^depth}-1,...
    Raises SymbpError where it's neither.
    """
    name, values = values_of(text)
    in_text = written(net, name, 1) != net
    found: dict[str, list[int | None]] = {s: [] for s in STRATEGIES}
    exact = dict.fromkeys(STRATEGIES, True)
    program = None if in_text else load(net)
    if program is not None and name not in program.size_names:
        raise SymbpError(
            f"{program.title} has no size {name}: its sizes are {', '.join(program.size_names) or 'all fixed'}. What "
            f"stands in braces in its text is swept, too, as in mlp:2-{{{name}}}-1,tanh,huber"
        )
    for value in values:
        if program is not None:
            counts = compare(program, {**(sizes or {}), name: value})
        else:
            counts = compare(load(written(net, name, value)), sizes)
        for row in counts:
            found[row.strategy].append(row.total)
            exact[row.strategy] &= row.exact
    return Sweep(net, name, values, {s: tuple(n) for s, n in found.items()}, exact)
