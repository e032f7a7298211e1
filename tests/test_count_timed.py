"""The strategies emitted over single numbers: they execute what is counted, give the gradient, and time follows."""

from __future__ import annotations

import ast
from collections import Counter
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner
from counting_numbers import Number, apply, plain

from symbp.architectures import load
from symbp.cli import main
from symbp.count import compare
from symbp.count.neurons.materialised import Materialised
from symbp.emit.run import load_module
from symbp.emit.scalars import function_name, given, scalar_module
from symbp.emit.timing import TIMED, timed
from symbp.errors import SymbpError
from symbp.program import Tensor
from symbp.unroll import shape

TEXTBOOK = "mlp:2-3-2-1,sigmoid,half_squared_error"
NETS = [
    TEXTBOOK,
    "mlp:1-1-1,sigmoid/linear,half_squared_error",
    "mlp:2-4-1,sigmoid,half_squared_error",  # xor
    "mlp:2-2-3,tanh,cross_entropy",
    "mlp:2-3-2,relu/softmax,soft_cross_entropy",
    "mlp:2-2-2,gelu,mean_squared_error",
]
FUNCTIONS = ("exp", "log", "tanh", "sin", "cos", "erf", "sqrt", "relu", "sign", "maximum", "minimum")


class Counting(Number):
    """A number that the emitted code can be run on: powers and comparisons count, too."""

    def note(self, kind: str, value: float) -> Counting:
        self.counted[kind] += 1
        return Counting(value, self.counted)

    def __pow__(self, n: int) -> Number:
        return self.raised(n)

    def __gt__(self, other: Number | float) -> Number:
        return self.note("compare", float(self.v > plain(other)))

    def __lt__(self, other: Number | float) -> Number:
        return self.note("compare", float(self.v < plain(other)))

    def __bool__(self) -> bool:
        return bool(self.v)


def counting(module: ModuleType) -> None:
    """Makes a module's functions count."""
    for name in FUNCTIONS:
        setattr(module, name, lambda *x, name=name: x[0].through("sqrt") if name == "sqrt" else apply(name, *x))
    module.select = lambda c, a, b: c.note("select", plain(a) if c else plain(b))


@pytest.mark.parametrize("net", NETS)
def test_emitted_strategies_execute_what_is_counted(net: str) -> None:
    program = load(net)
    counts, built = compare(program), Materialised(program)
    module = load_module(scalar_module(built, TIMED))
    counting(module)
    names = given(built.listing("forward"))
    rng = np.random.default_rng(2)
    arrays = {t.name: rng.uniform(0.2, 0.9, shape(t)) for t in built.concrete.tensors.values() if t.role != "computed"}
    if "soft_" in net:
        arrays["t"] /= arrays["t"].sum()
    labels = {t.name for t in program.tensors.values() if t.dtype == "int"}
    arrays.update({name: np.zeros(arrays[name].shape, int) for name in labels})
    truth = program.gradient().evaluate(arrays)
    tangents, reverse = built.listing("forward mode"), built.listing("reverse")
    outputs = {"expanded": built.without_loss(tangents), "forward": ("L",), "forward mode": tangents.outputs}
    for strategy in TIMED:
        found: Counter[str] = Counter()
        numbers = [Counting(value_of(arrays, built.listing("forward").tensors[n]), found) for n in names]
        values = [plain(v) for v in getattr(module, function_name(strategy))(*numbers)]
        assert +found == Counter(+Counter(counts[strategy].operations)), strategy
        for name, value in zip(outputs.get(strategy, reverse.outputs), values, strict=True):
            assert value == pytest.approx(value_of(truth, reverse.tensors[name]), rel=1e-9, abs=1e-12), strategy


def value_of(arrays: dict[str, np.ndarray], scalar: Tensor) -> float:
    """The value of an unrolled tensor's entry."""
    name, at = scalar.entry or (scalar.name, ())
    return float(arrays[name][at])


def test_time_follows() -> None:
    """Written out, the gradients cost 127 forward passes; in time it's of that size, whatever else the machine does."""
    rows = {str(row[0]): row for row in timed(load(TEXTBOOK)).rows}
    assert rows["expanded"][2] == pytest.approx(7008 / 55)
    assert rows["expanded"][4] > 30 > 10 > rows["reverse + CSE"][4] > 0.5


def test_on_the_command_line() -> None:
    result = CliRunner().invoke(main, ["count", "mlp:1-1-1,sigmoid/linear,half_squared_error", "--time", "--csv"])
    assert result.exit_code == 0, result.output
    rows = [line.split(",") for line in result.output.splitlines()]
    assert [row[0] for row in rows[1:]] == list(TIMED) and all(float(row[3]) > 0 for row in rows[1:])


def test_the_text_is_a_module() -> None:
    text = scalar_module(Materialised(load(TEXTBOOK)), TIMED)
    functions = [f.name for f in ast.parse(text).body if isinstance(f, ast.FunctionDef)]
    assert functions[-len(TIMED) :] == [function_name(s) for s in TIMED]
    assert "    d_W3_0_0 = h2_0_0 * d_z3_0_0\n" in text


def test_too_large_to_be_written_out() -> None:
    with pytest.raises(SymbpError, match="written out"):
        timed(load("mlp:784-128-10,relu,cross_entropy"))
