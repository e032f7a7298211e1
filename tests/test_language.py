"""The SymPy edge: in, out, and in again."""

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from oracles import value
from sympy import Eq, Idx, IndexedBase, KroneckerDelta, Max, Min, Piecewise, Sum, Symbol

from symbp import expr as ex
from symbp.errors import SymbpError
from symbp.functions import TABLE
from symbp.language import FUNCTIONS, Maximum, from_sympy, sizes, to_sympy

B, H = sizes("B H")
n, i, j = Idx("n", 2), Idx("i", 3), Idx("j", 3)
x, W, t = IndexedBase("x"), IndexedBase("W"), IndexedBase("t")
a = Symbol("a", real=True)
ARRAYS = {
    "x": np.array([[0.3, -0.7, 1.1], [0.2, 0.9, -1.3]]),
    "W": np.array([[0.5, -0.4, 0.3], [1.2, 0.8, -0.6], [0.1, -0.9, 0.7]]),
    "t": np.array([2, 0]),
    "a": np.array(0.6),
}
EVERYTHING = [
    x[n, i] ** 2 + 3 * x[n, i] - sp.Rational(2, 7),
    sp.exp(-x[n, i]) / (1 + sp.exp(-x[n, i])) ** 2,
    Sum(x[n, i] * W[i, j], i),
    Sum(x[n, i], n, i) / 6,
    Maximum(x[n, i] * W[i, j], i),
    Piecewise((x[n, i], x[n, i] > 0), (a * x[n, i], True)),
    Piecewise((1, x[n, i] < -1), (2, sp.Ne(x[n, i], a)), (3, True)),
    KroneckerDelta(i, j) * x[n, i],
    x[n, t[n]],
    Sum(KroneckerDelta(i, t[n]) * sp.log(x[n, i] ** 2), i),
    Max(x[n, i], 0) - Min(x[n, i], a, 1),
    sp.sqrt(x[n, i] ** 2 + sp.pi) * sp.E,
    sp.Heaviside(x[n, i]) + sp.Heaviside(x[n, i], 1),
    sp.Abs(x[n, i]) + sp.sign(x[n, i]) + sp.erf(x[n, i]) + sp.tanh(a),
    Piecewise((x[n, i], sp.And(x[n, i] > 0, x[n, i] < 1)), (0, sp.Or(x[n, i] < -1, a > 5)), (-1, True)),
    Piecewise((1, sp.ITE(x[n, i] > 0, x[n, i] < 1, x[n, i] < -1)), (0, True)),
    sp.Float("0.1") * x[n, i],
    *(
        f(*[x[n, i]] * (TABLE[name].arity - len(TABLE[name].defaults)))
        for name, f in FUNCTIONS.items()
        if name != "log"
    ),
]


@pytest.mark.parametrize("given", EVERYTHING, ids=str)
def test_round_trip(given):
    """SymPy -> Expr -> SymPy -> Expr is the same object, so the same numbers."""
    once = from_sympy(given, ["a"])
    again = from_sympy(to_sympy(once), ["a"])
    axes = tuple(sorted(once.free, key=lambda k: k.label))
    got = value(again, ARRAYS, axes, ("t",))
    assert np.allclose(got, value(once, ARRAYS, axes, ("t",)), rtol=1e-12, atol=1e-12)
    assert np.isfinite(got).all()


def test_values_of_a_converted_expression():
    """Against NumPy, not against ourselves."""
    e = from_sympy(Sum(x[n, i] * W[i, j], i) * sp.exp(a), ["a"])
    axes = (ex.index("n", 2), ex.index("j", 3))
    assert np.allclose(value(e, ARRAYS, axes), ARRAYS["x"] @ ARRAYS["W"] * np.exp(0.6), rtol=1e-14)
    e = from_sympy(Maximum(x[n, i] * W[i, j], i), ["a"])
    assert np.allclose(value(e, ARRAYS, axes), (ARRAYS["x"][:, :, None] * ARRAYS["W"]).max(1), rtol=1e-14)
    e = from_sympy(x[n, t[n]])
    assert np.allclose(value(e, ARRAYS, axes[:1], ("t",)), [1.1, 0.2], rtol=1e-14)


def test_a_comparison_with_a_piecewise():
    """SymPy makes an ITE (if, then, else) of it when a leaky ReLU stands inside a ReLU."""
    leaky = Piecewise((x[n, i], x[n, i] > 0), (x[n, i] / 100, True))
    nested = sp.piecewise_fold(Piecewise((leaky, leaky > 0), (0, True)))
    axes = (ex.index("n", 2), ex.index("i", 3))
    assert np.allclose(value(from_sympy(nested), ARRAYS, axes), np.maximum(ARRAYS["x"], 0), rtol=1e-14)
    for point in (0.5, 2.0, -2.0, -0.5):
        condition = from_sympy(Piecewise((1, sp.ITE(a > 0, a < 1, a < -1)), (0, True)), ["a"])
        assert value(condition, {"a": np.array(point)}) == (0 < point < 1 or point < -1)


def test_floats_are_taken_as_they_are_written():
    assert from_sympy(sp.Float("0.1")) is ex.num(Fraction(1, 10))


def test_plain_symbols_are_sizes_unless_they_are_scalars():
    assert isinstance(from_sympy(B), ex.Size)
    assert from_sympy(Symbol("L"), ["L"]) is ex.access("L")


def test_one_size_and_several():
    assert sizes("B").is_positive
    assert [s.name for s in sizes("B H")] == ["B", "H"]


def test_sums_over_symbols_with_bounds():
    k = Symbol("k", integer=True)
    assert from_sympy(Sum(x[n, k], (k, 0, 2))) is from_sympy(Sum(x[n, Idx("k", 3)], Idx("k", 3)))


def test_the_same_index_summed_inside_and_free_outside():
    e = from_sympy(x[n, i] * Sum(x[n, i], i))
    axes = (ex.index("n", 2), ex.index("i", 3))
    assert np.allclose(value(e, ARRAYS, axes), ARRAYS["x"] * ARRAYS["x"].sum(1, keepdims=True), rtol=1e-14)


def test_latex_of_our_functions_and_of_maximum():
    assert sp.latex(FUNCTIONS["sigmoid"](a)) == r"\sigma(a)"
    assert sp.latex(FUNCTIONS["sigmoid"](a) ** 2) == r"\left(\sigma(a)\right)^{2}"
    assert sp.latex(Maximum(a * n, n)).startswith(r"\max_{")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (sp.gamma(a), "gamma is not in symbp's language.*did you mean|gamma is not in symbp's language.*known are"),
        (sp.Function("sigmoids")(a), "sigmoids is not in symbp's language.*did you mean 'sigmoid'"),
        (sp.atan(a) + 1, "atan is not in symbp's language.*known are exp, log"),
        (x[n, Idx("q")], "index q has no size: write Idx\\('q', size\\)"),
        (x[n, Idx("q", (1, 3))], "index q starts at 1: indices run from 0"),
        (Sum(x[n, Symbol("k")], (Symbol("k"), 1, 3)), "the range of k .* starts at 1: indices run from 0"),
        (Piecewise((a, a > 0)), "no value where no condition holds: add a last branch"),
        (sp.Integral(a, a), "Integral is not in symbp's language"),
        (sp.I * a, "ImaginaryUnit is not in symbp's language"),
    ],
)
def test_what_the_language_does_not_have(given, message):
    with pytest.raises(SymbpError, match=message) as caught:
        from_sympy(given, ["a"], "equation for y")
    assert str(caught.value).startswith("equation for y: ")


def test_text_is_never_evaluated():
    with pytest.raises(SymbpError, match=r"getcwd.* is no SymPy expression: write it with SymPy objects, not as text"):
        from_sympy("__import__('os').getcwd()")


def test_equations_are_no_expressions():
    assert from_sympy(Eq(a, 1), ["a"]) is ex.compare("==", ex.access("a"), 1)
