"""Equal programs that are faster step by step: maxima before increasing functions, sums for whole windows at once."""

from __future__ import annotations

import re

import numpy as np
import pytest
from oracles import close
from sympy import Idx, IndexedBase, KroneckerDelta, Sum, Symbol

from symbp import declare, sizes
from symbp.check import random_values
from symbp.emit import explain, generate
from symbp.emit.run import load_module
from symbp.evaluate import evaluate
from symbp.functions import TABLE
from symbp.gradient import gradient
from symbp.language import FUNCTIONS, Maximum
from symbp.layers import AveragePool2D, Conv1D, Conv2D, Dense, Flatten, Layer, MaxPool1D, MaxPool2D, ReLU, Sigmoid
from symbp.lower import workspace
from symbp.program import Program
from symbp.sequence import Sequential
from symbp.simplify import recast

B = sizes("B")
b, i, o, q, u = Idx("b", B), Idx("i", 6), Idx("o", 3), Idx("q", 2), Idx("u", 4)
j, v, r, k, l = Idx("j", 6), Idx("v", 3), Idx("r", 2), Idx("k", 10), Idx("l", 10)
s, t = Idx("s", 5), Idx("t", 5)
x, y, h, m, W, c = map(IndexedBase, "x y h m W c".split())
L = Symbol("L")
relu, sin = FUNCTIONS["relu"], FUNCTIONS["sin"]


def convolution(*layers: Layer, shape: tuple[int, ...] = (2, 10, 10)) -> Program:
    return Sequential(*layers, Flatten(), Dense(3), shape=shape, loss="mean_squared_error")


def whole_numbers(net: Program) -> dict[str, np.ndarray]:
    """Few values, so that maxima are often reached twice, and often at zero."""
    rng = np.random.default_rng(3)
    return {name: rng.integers(-1, 2, size=np.shape(v)).astype(float) for name, v in random_values(net).items()}


def same_gradients(net: Program) -> bool:
    """Whether the program and the recast one have the same loss and gradients, by the interpreter; ties included."""
    for values in (random_values(net), whole_numbers(net)):
        one, other = (evaluate(gradient(p), values) for p in (net, recast(net)))
        if not all(close(one[n], other[n], 1e-12) for n in ("L", *(f"d_{p.name}" for p in net.parameters))):
            return False
    return True


@pytest.mark.parametrize("name", TABLE)
def test_functions_are_increasing_where_the_table_says_so(name: str) -> None:
    row = TABLE[name]
    at = np.linspace(*row.domain, 400) if row.domain[0] > 0 else np.linspace(-6, 6, 1201)
    scalar = Idx("s", len(at))
    others = [0.3] * (row.arity - 1)
    net = declare([(y[scalar], FUNCTIONS[name](x[scalar], *others)), (L, Sum(y[scalar], scalar))],
                  inputs=[x[scalar]], parameters=[], loss=L)  # fmt: skip
    assert bool((np.diff(evaluate(net, {"x": at})["y"]) >= -1e-12).all()) is row.increasing


# ------------------------------------------------------------------------------------- maxima moved


def pooled(inner: object, *more: object, **declared: object) -> Program:
    """m = the maximum over windows of two of h = inner."""
    last = (L, Sum(m[b, o] ** 2, b, o) + sum(more))
    return declare([(h[b, i], inner), (m[b, o], Maximum(h[b, 2 * o + q], q)), last],
                   inputs=[x[b, i]], parameters=[c[b]], loss=L, **declared)  # fmt: skip


def test_a_maximum_moves_before_what_is_increasing() -> None:
    net = pooled(relu(x[b, i] + c[b]))
    found = recast(net)
    assert [e.name for e in found.equations] == ["x_max", "h_part_max", "m", "L"]
    assert same_gradients(net)


def test_a_maximum_moves_before_a_sum_of_falling_terms() -> None:
    net = pooled(c[b] - x[b, i] - sin(x[b, i]))
    assert [e.name for e in recast(net).equations] == ["h_part", "h_part_max", "m", "L"]
    assert same_gradients(net)


@pytest.mark.parametrize(
    "net",
    [
        pooled(sin(x[b, i])),
        pooled(-relu(x[b, i])),
        pooled(relu(x[b, i]), Sum(h[b, i], b, i)),
        pooled(relu(x[b, i]), outputs=["h"]),
    ],
    ids=["rises and falls", "falls", "read elsewhere", "asked for"],
)
def test_other_maxima_stay(net: Program) -> None:
    assert recast(net) is net


# --------------------------------------------------------------------------- sums for whole windows

LENET = Conv2D(3, 5, padding=2), ReLU(), MaxPool2D(2)


@pytest.mark.parametrize(
    "net",
    [
        convolution(*LENET),
        convolution(Conv2D(3, 5), Sigmoid(), MaxPool2D(2), shape=(2, 11, 10)),
        convolution(Conv2D(2, 11, stride=2, padding=5), ReLU(), MaxPool2D(2), shape=(1, 12, 12)),
        convolution(Conv1D(3, 9, padding=4), ReLU(), MaxPool1D(4), shape=(2, 21)),
    ],
    ids=["padded", "windows that leave a rest", "strides", "one axis"],
)
def test_sums_are_computed_for_all_places_of_a_window_at_once(net: Program) -> None:
    found = recast(net)
    assert "W1_shifted" in found.tensors
    assert len(found.tensors["z1_sum"].indices) > len(net.tensors["z1"].indices)
    assert same_gradients(net)
    module, readable = (load_module(generate(net, style=style)) for style in ("fast", "readable"))
    values = random_values(net)
    params, data = ({t.name: values[t.name] for t in group} for group in (net.parameters, net.inputs))
    one, other = (f.loss_and_grads(params, *data.values()) for f in (module, readable))
    assert all(close(one[1][k], other[1][k], 1e-12) for k in params)


@pytest.mark.parametrize(
    ("places", "recast_too"),
    [((2 * o + q, 2 * v + r), True), ((2 * v + r, 2 * o + q), True), ((2 * o + q, 2 * v + q), False),
     ((2 * o + q, 2 * v), False)],
    ids=["side by side", "turned", "diagonal", "one axis"],
)  # fmt: skip
def test_all_ways_to_read_windows(places: tuple[object, ...], recast_too: bool) -> None:
    conv = Sum(x[b, i + s, j + t] * W[u, s, t], s, t)
    pool = Maximum(h[b, u, *places], *(p for p in (q, r) if any(at.has(p) for at in places)))
    net = declare([(h[b, u, i, j], conv), (m[b, u, o, v], pool), (L, Sum(m[b, u, o, v] ** 2, b, u, o, v))],
                  inputs=[x[b, k, l]], parameters=[W[u, s, t]], loss=L, prediction=m)  # fmt: skip
    assert ("W_shifted" in recast(net).tensors) is recast_too
    values = random_values(net)
    found = load_module(generate(net, style="fast")).loss_and_grads({"W": values["W"]}, values["x"])
    assert close(found[1]["W"], evaluate(gradient(net), values)["d_W"], 1e-12)


@pytest.mark.parametrize(
    "layers",
    [
        (Conv2D(3, 5), ReLU(), MaxPool2D(3, stride=2)),
        (Conv2D(3, 3), ReLU(), MaxPool2D(2)),
        (Conv2D(80, 5), ReLU(), MaxPool2D(2)),
        (Conv2D(3, 5, dilation=2), ReLU(), MaxPool2D(2)),
        (Conv2D(3, 5), ReLU(), AveragePool2D(2)),
    ],
    ids=["windows overlap", "few taps", "many rows", "taps apart", "no maximum"],
)
def test_sums_stay_where_that_does_not_pay(layers: tuple[Layer, ...]) -> None:
    assert not any("shifted" in name for name in recast(convolution(*layers)).tensors)


def test_the_way_back_adds_slices_of_the_gradient_for_whole_windows() -> None:
    """No array of places: the gradient for all places is read along its diagonals."""
    net = convolution(*LENET)
    work = workspace(gradient(recast(net)))
    assert sum(".diagonal(0, " in line for line in work.setup) == 2
    assert sum(line.code.startswith("add(") and "d_W1)" in line.code for line in work.step) == 3
    assert not any("np.add.at" in line.code for line in work.step)


def test_arrays_are_made_in_the_order_that_all_read_them_in() -> None:
    """The places of a window come first, so that a maximum is that of whole arrays, and the batch comes last; windows
    are copied in the order of the matrix that multiplies them, even where there are more taps than windows.
    """
    work = workspace(gradient(recast(convolution(Conv2D(3, 5), *LENET))))
    code = "\n".join(work.setup)
    assert re.search(r"z2_sum = .*\(2, 2, 3, 3, 3, B\)", code)
    assert "z1_windows = empty((3, 6, 6, 3, 3, B), DTYPE)" in code
    assert "_windows.transpose(" not in code


def test_the_header_has_the_equations_that_the_step_computes() -> None:
    net = convolution(*LENET)
    fast, readable = (generate(net, style=style) for style in ("fast", "readable"))
    count = len(net.equations)
    assert f"({count + 1}) W1_shifted[" in fast and f"# ({count + 1})" in fast
    assert "W1_shifted" not in readable and f"({count + 1})" not in readable
    plain = generate(Sequential(Dense(2), features=3, loss="mean_squared_error"), style="fast")
    assert "computes these instead" not in plain


def test_the_rules_are_named() -> None:
    fast, readable = (explain(convolution(*LENET), style) for style in ("fast", "readable"))
    for rule in ("maximum first", "whole windows at once", "the wider matrix first", "a few slices entry by entry"):
        assert rule in fast and rule not in readable


def test_a_shifted_delta_is_solved_where_that_is_in_range() -> None:
    """Sum over i of [o = i - q] y[i] is y[o + q]; with o = i + q, which may be out of range, it stays a sum."""
    for place, solved in ((i - q, True), (i + q, False)):
        net = declare([(h[o], Sum(KroneckerDelta(o, place) * y[q, i] * c[q], q, i)), (L, Sum(h[o] * x[o], o))],
                      inputs=[x[o]], parameters=[y[q, i], c[q]], loss=L)  # fmt: skip
        values = random_values(net)
        found = gradient(net)
        assert close(evaluate(net, values)["L"], evaluate(found, values)["L"], 1e-12)
        assert ("delta" not in repr(found.equation("h").value)) is solved
