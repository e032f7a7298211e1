"""Every row of the table of elementary functions."""

import math
from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from oracles import close
from sympy.core.cache import clear_cache

from symbp.check import check, complex_step
from symbp.evaluate import evaluate
from symbp.expr import ZERO, access, call, index, num, substitute, sum_over
from symbp.functions import TABLE, Row, definition, diff, partials
from symbp.language import FUNCTIONS, from_sympy
from symbp.program import Equation, Program, Tensor
from symbp.verify import verify

NAMES = list(TABLE)
POINTS = 7
I = index("i", POINTS)
ALPHA = 0.3  # of leaky_relu and elu


def phi(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


SELU = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
REFERENCES = {
    "exp": math.exp,
    "log": math.log,
    "abs": abs,
    "sign": lambda x: math.copysign(1, x) if x else 0,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "erf": math.erf,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": softplus,
    "relu": lambda x: max(x, 0),
    "maximum": max,
    "minimum": min,
    "leaky_relu": lambda x, a: x if x > 0 else a * x,
    "elu": lambda x, a: x if x > 0 else a * math.expm1(x),
    "selu": lambda x: SELU[0] * (x if x > 0 else SELU[1] * math.expm1(x)),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "gelu": lambda x: x * phi(x),
    "gelu_tanh": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "mish": lambda x: x * math.tanh(softplus(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "hard_tanh": lambda x: min(max(x, -1), 1),
}

# Written down from independent sources: tables of the normal distribution and of erf, PyTorch's documentation.
KNOWN = [
    ("erf", (0.5,), 0.5204998778130465),
    ("gelu", (1.0,), 0.8413447460685429),
    ("gelu", (-1.0,), -0.15865525393145707),
    ("gelu_tanh", (1.0,), 0.8411919906082768),
    ("silu", (1.0,), 0.7310585786300049),
    ("mish", (1.0,), 0.8650983882673103),
    ("selu", (1.0,), 1.0507009873554805),
    ("selu", (-1.0,), -1.1113307378125625),
    ("elu", (-1.0, 1.0), -0.6321205588285577),
    ("leaky_relu", (-2.0, 0.01), -0.02),
    ("softplus", (0.0,), 0.6931471805599453),
    ("softsign", (3.0,), 0.75),
    ("hard_tanh", (1.7,), 1.0),
    ("sigmoid", (0.0,), 0.5),
]


def arguments(row: Row) -> list[np.ndarray]:
    """Points in the row's domain away from its kinks, for each argument."""
    low, high = row.domain
    x = np.linspace(low, high, POINTS) * 0.97 + 0.013
    assert all(abs(x - k).min() > 1e-3 for k in row.kinks)
    if row.arity == 1:
        return [x]
    return [x, np.full(POINTS, ALPHA) + np.linspace(0, 0.2, POINTS)] if row.defaults else [x, x[::-1] * 0.6 + 0.2]


def network(name: str) -> Program:
    """L = Sum(c[i] f(x[i], ...)), with every argument a parameter."""
    row = TABLE[name]
    tensors = [Tensor(f"x{k}", (I,), "parameter") for k in range(row.arity)]
    c, y, loss = Tensor("c", (I,), "input"), Tensor("y", (I,)), Tensor("L")
    equations = (
        Equation(y.access, call(name, *(t.access for t in tensors))),
        Equation(loss.access, sum_over(c.access * y.access, [I])),
    )
    return verify(Program(name, {t.name: t for t in (*tensors, c, y, loss)}, equations, ("L",), "L"))


def inputs(name: str) -> dict[str, np.ndarray]:
    weights = np.linspace(0.7, 1.6, POINTS)
    return {"c": weights, **{f"x{k}": x for k, x in enumerate(arguments(TABLE[name]))}}


def test_the_references_cover_the_table():
    assert list(REFERENCES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_values(name):
    values = inputs(name)
    y = evaluate(network(name), values)["y"]
    points = zip(*(values[f"x{k}"] for k in range(TABLE[name].arity)), strict=True)
    assert close(y, [REFERENCES[name](*map(float, p)) for p in points], 1e-14)


@pytest.mark.parametrize(("name", "at", "expected"), KNOWN)
def test_known_values(name, at, expected):
    values = {"c": np.ones(POINTS), **{f"x{k}": np.full(POINTS, v) for k, v in enumerate(at)}}
    assert evaluate(network(name), values)["y"][0] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_derivative_against_complex_step(name):
    report = check(network(name), inputs(name))
    assert report.passed, str(report)
    assert {"reverse", "simplified", "forward", "naive", "central"} == {c.method for c in report.comparisons}


@pytest.mark.parametrize("name", NAMES)
def test_a_derivative_wrong_by_a_thousandth_fails(name, monkeypatch):
    """The checker is checked: the very check above must notice."""
    row, values = TABLE[name], inputs(name)
    formal = tuple(access(f"argument{k}") for k in range(row.arity))
    right = [diff(call(name, *formal), a) for a in formal]

    def wrong(arguments, _):
        at = dict(zip(formal, arguments, strict=True))
        return tuple(substitute(d, at) * num(1001) / 1000 if d is not ZERO else num(1) / 1000 for d in right)

    single = {f"argument{k}": Tensor(f"argument{k}", (), "input") for k in range(row.arity)}
    formula = definition(call(name, *formal))

    def by_formula(*arguments):
        target = Tensor("f")
        program = Program("f", {**single, "f": target}, (Equation(target.access, formula),), ("f",))
        points = np.broadcast_arrays(*arguments)
        flat = [
            evaluate(program, {f"argument{k}": v for k, v in enumerate(p)})["f"]
            for p in zip(*(a.ravel() for a in points), strict=True)
        ]
        return np.array(flat).reshape(points[0].shape)

    broken = replace(row, definition=None, derivative=wrong, evaluate=row.evaluate or by_formula)
    with monkeypatch.context() as patch:
        patch.setitem(TABLE, name, broken)
        clear_cache()  # SymPy remembers derivatives
        report = check(network(name), values)
    clear_cache()
    ours = not FUNCTIONS[name].__module__.startswith("sympy.")  # what SymPy has, the naive way leaves to SymPy
    expected = {"reverse", "simplified", "forward", "naive"} if ours else {"reverse", "simplified", "forward"}
    assert {c.method for c in report.failures} == expected, str(report)


@pytest.mark.parametrize("name", NAMES)
def test_sympy_agrees(name):
    """fdiff of the function that users write, at every argument, against the complex step."""
    row, values = TABLE[name], inputs(name)
    symbols = sp.symbols(f"x0:{row.arity}", real=True)
    oracle = complex_step(network(name), values)
    for k, symbol in enumerate(symbols):
        derivative = from_sympy(FUNCTIONS[name](*symbols).diff(symbol), [s.name for s in symbols])
        scalars = {s.name: Tensor(s.name, (), "input") for s in symbols}
        target = Tensor("df")
        program = Program("df", {**scalars, "df": target}, (Equation(target.access, derivative),), ("df",))
        points = zip(*(values[f"x{n}"] for n in range(row.arity)), strict=True)
        got = [evaluate(program, {f"x{n}": v for n, v in enumerate(p)})["df"] for p in points]
        assert close(np.array(got) * values["c"], oracle[f"x{k}"])


def test_defaults_of_trailing_arguments():
    x = sp.Symbol("x", real=True)
    assert FUNCTIONS["leaky_relu"](x).args == (x, sp.Rational(1, 100))
    assert FUNCTIONS["elu"](x).args == (x, 1)
    assert FUNCTIONS["leaky_relu"](x, sp.Rational(1, 5)).args == (x, sp.Rational(1, 5))


def test_derivatives_are_written_through_the_value_where_that_is_shorter():
    a = access("a")
    y = call("sigmoid", a)
    assert partials(y) == (y * (1 - y),)
    t = call("tanh", a)
    assert partials(t) == (1 - t**2,)
    e = call("exp", a)
    assert partials(e) == (e,)


def test_a_defined_function_has_no_derivative_of_its_own():
    with pytest.raises(KeyError, match="silu is defined by a formula"):
        partials(call("silu", access("a")))


def test_a_tie_of_a_gate_goes_to_the_first_argument():
    for name in ("maximum", "minimum"):
        values = {"c": np.ones(POINTS), "x0": np.full(POINTS, 2.0), "x1": np.full(POINTS, 2.0)}
        got = evaluate(network(name).gradient(), values)
        assert np.array_equal(got["d_x0"], np.ones(POINTS))
        assert np.array_equal(got["d_x1"], np.zeros(POINTS))


def test_large_arguments_stay_finite_where_the_function_does():
    """The reference interpreter follows the definitions; overflow is a warning there, and an error in tests."""
    with np.errstate(over="ignore"):
        values = {"c": np.ones(POINTS), "x0": np.full(POINTS, -800.0)}
        assert evaluate(network("sigmoid"), values)["y"][0] == 0.0
