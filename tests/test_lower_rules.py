"""Rules of the lowering that make statements fewer or faster: each is seen where it should be, and nowhere else.

That the statements compute the right thing is held by the tests of layers, which compare them with the interpreter.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sympy import Idx, IndexedBase, Sum, Symbol

from symbp import declare, sizes
from symbp.architectures import load
from symbp.emit import generate
from symbp.emit.footprint import footprint
from symbp.emit.run import load_module
from symbp.functions import TABLE
from symbp.gradient import gradient
from symbp.layers import (
    GELU,
    LSTM,
    RNN,
    Conv2D,
    Dense,
    Embedding,
    GELUTanh,
    Last,
    Layer,
    MaxPool2D,
    MultiHeadAttention,
    Tanh,
)
from symbp.lower import Loop, Lowered, Statement, lower
from symbp.lower.array import Array
from symbp.sequence import Sequential
from symbp.simplify import simplify

B = sizes("B")
b, k, l, p, d, m = Idx("b", B), Idx("k", 9), Idx("l", 11), Idx("p", 3), Idx("d", 5), Idx("m", 2)
j, v = Idx("j", 9), Idx("v", 18)
W, x, y, z = map(IndexedBase, ("W", "x", "y", "z"))
L = Symbol("L")


def statements(lowered: Lowered) -> dict[str, Statement]:
    """Every statement by the name of its equation."""
    each = (s for item in lowered.statements for s in (item.body if isinstance(item, Loop) else (item,)))
    return {s.name: s for s in each}


def nodes(a: Array) -> Iterator[Array]:
    yield a
    for part in a.args:
        yield from nodes(part)


def code(*layers: object, **options: object) -> dict[str, str]:
    """Name -> code of the step of gradients of a network."""
    program = Sequential(*layers, loss="mean_squared_error", **options)  # type: ignore[arg-type]
    return {name: s.array.code for name, s in statements(lower(gradient(program))).items()}


# ------------------------------------------------------------------------------------------------ windows


@pytest.mark.parametrize("padding", [0, 2])
def test_windows_are_copied_once_for_all_their_products_with_the_batch_last(padding: int) -> None:
    found = code(Conv2D(6, 5, padding=padding), MaxPool2D(2), Conv2D(16, 5), MaxPool2D(2), shape=(3, 28, 28))
    turned = "np.pad(x.transpose(1, 2, 3, 0)" if padding else "np.ascontiguousarray(x.transpose(1, 2, 3, 0))"
    assert turned in found["x_windows"]
    for name, windows in (("z2", "m1_windows"), ("d_W2", "m1_windows"), ("z1", "x_windows"), ("d_W1", "x_windows")):
        assert found[windows].startswith("np.ascontiguousarray(sliding_windows(")
        assert f"{windows}.reshape(" in found[name]
        assert f"{windows}.transpose" not in found[name]


def test_windows_of_rows_stay_as_they_lie() -> None:
    """(B, T, D): a window of rows is one run already."""
    net = declare(
        [
            (z[b, k, m], Sum(x[b, k + p, d] * W[p, d, m], p, d)),
            (L, Sum(z[b, k, m] ** 2, b, k, m)),
        ],
        inputs=[x[b, l, d]],
        parameters=[W[p, d, m]],
        loss=L,
    )
    found = {name: s.array.code for name, s in statements(lower(gradient(net))).items()}
    assert found["x_windows"] == "np.ascontiguousarray(sliding_windows(x, 3, axis=1).swapaxes(-1, -2))"
    assert "x_windows.reshape(-1, 15).T @ z" in found["d_W"]


def test_windows_that_are_only_compared_are_not_copied() -> None:
    found = code(Conv2D(2, 3), MaxPool2D(3, stride=2), shape=(1, 9, 9))
    assert found["z1_windows"].startswith("sliding_windows(")


# --------------------------------------------------------------------------------------- matrix products


def test_a_stack_times_a_transposed_matrix_is_one_product() -> None:
    """NumPy would copy W.T for each matrix of the stack; W itself, it reads in place."""
    found = code(Dense(5), Tanh(), Dense(4), shape=("T", 3))
    assert found["y"].startswith("h1 @ W2")
    assert "(d_y.reshape(-1, 4) @ W2.T).reshape(B, T, 5)" in found["d_z1"]


# -------------------------------------------------------------------------------------------- functions


@pytest.mark.parametrize("function", [GELUTanh, GELU])
def test_a_function_is_computed_once_for_both_directions(function: type[Layer]) -> None:
    found = code(Dense(5), function(), Dense(4), features=3)
    called = re.findall(r"np\.tanh|\berf\(", " ".join(found.values()))
    assert len(called) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_is_exact_as_far_as_exp_goes_and_never_warns(dtype: str) -> None:
    helper: dict[str, Any] = {"np": np, "DTYPE": getattr(np, dtype)}
    exec(TABLE["sigmoid"].helper, helper)
    edge = 87 if dtype == "float32" else 708
    z = np.linspace(-edge, edge, 1001).astype(dtype)
    exact = 1 / (1 + np.exp(-z.astype(np.longdouble)))
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        assert np.all(np.abs(helper["sigmoid"](z) - exact) <= 4 * np.finfo(dtype).eps * exact)
        far = helper["sigmoid"](np.array([-np.inf, -1e30, 1e30, np.inf], dtype))
    assert far.dtype == dtype
    np.testing.assert_allclose(far, [0, 0, 1, 1], atol=1e-38)


# ------------------------------------------------------------------------------------------------ memory


def test_only_large_steps_ask_to_keep_their_memory() -> None:
    """Beside a large network's step, taking memory anew costs a third of the time; a small one's fits anyway."""
    large = Sequential(Conv2D(6, 5), MaxPool2D(2), shape=(1, 28, 28), loss="mean_squared_error")
    small = Sequential(Dense(5), Tanh(), Dense(4), features=3, loss="mean_squared_error")
    kept = "np.empty(2**25 - 2**16, np.uint8)"
    assert kept in generate(large)
    assert kept not in generate(small)
    assert kept not in generate(large, style="fast")


def test_a_very_large_step_gives_arrays_back_by_the_layer() -> None:
    """What isn't read again is deleted where a layer ends; a step with less to hold has no such lines."""
    large = load("gpt:layers=1,heads=4,width=128,context=64,vocabulary=256")
    text = generate(large)
    again = "\n".join(line for line in text.splitlines() if not line.startswith("    del "))
    deletions = re.findall(r"^    del (.*?)(?:  #.*)?$", text[text.index("def loss_and_grads") :], re.MULTILINE)
    names = ", ".join(deletions).split(", ")
    assert 5 < len(deletions) < 15 and len(names) == len(set(names)) > 30
    peaks = [footprint(code, large, {"B": 8}).peak for code in (text, again)]
    assert peaks[0] < 0.6 * peaks[1]
    assert "    del " not in generate(load("mlp:784-256-128-10,relu,cross_entropy"))
    assert "    del " not in generate(large, style="fast").partition("def workspace")[2].partition("return step")[0]


# ------------------------------------------------------------------------------------------- large scores


@pytest.mark.parametrize(
    "net",
    [
        "mlp:4-8-3,tanh/softmax,soft_cross_entropy",
        "mlp:4-8-3,softmax,focal",
        "mlp:4-8-3,relu,focal",
        "gpt:layers=1,heads=2,width=8,context=5,vocabulary=7",
    ],
)
def test_no_exponential_overflows(net: str) -> None:
    """Weights a hundred times too large, in single precision: predictions, loss and gradients stay finite."""
    module = load_module(generate(load(net), dtype="float32"))
    params = {name: 100 * value for name, value in module.init_params(1).items()}
    rng = np.random.default_rng(0)
    x = rng.integers(7, size=(6, 5)) if net.startswith("gpt") else rng.standard_normal((6, 4))
    t = rng.integers(3, size=(6, 5) if net.startswith("gpt") else 6)
    data = module.take([x, np.eye(3)[t] if "soft_" in net else t], slice(None))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        value, grads = module.loss_and_grads(params, *data)
        assert module.loss(params, *data) == pytest.approx(float(value), rel=1e-5)
        assert all(np.isfinite(a).all() for a in (value, module.forward(params, data[0]), *grads.values()))


def test_the_loss_reads_as_declared() -> None:
    """Not as a multiple of the squared gradient."""
    text = generate(Sequential(Dense(2), features=3, loss="half_squared_error"))
    lines = [line.split("  #")[0].strip() for line in text.splitlines()]
    assert "L = np.vdot(y_minus_t, y_minus_t) / (2 * B)" in lines and "d_y = y_minus_t / B" in lines


# ------------------------------------------------------------------------------------------------- loops


def test_what_a_loop_goes_through_lies_with_time_first() -> None:
    """A step's values lie together; what the network is given and gives stays as it is declared."""
    text = generate(Sequential(LSTM(3), shape=(6, 5), loss="mean_squared_error"))
    assert "s_i1_in = x.transpose(1, 0, 2) @ W_i1 + b_i1" in text
    assert "c1 = np.empty((6, B, 3), DTYPE)" in text
    assert "y = np.empty((B, 6, 3), DTYPE)" in text


# ------------------------------------------------------------------------------------ masks and slices


def test_a_mask_over_few_axes_is_added() -> None:
    """(T, T) numbers are chosen, not (B, heads, T, T) of them."""
    found = code(Embedding(7, 4), MultiHeadAttention(2, causal=True), shape=(5,))
    masks = [text for text in found.values() if "-math.inf" in text]
    assert masks == ["s2 + np.where(np.arange(5) <= np.arange(5)[:, None], 0, -math.inf).astype(DTYPE)"]


def test_slices_are_written_to_not_added_at_integers() -> None:
    """The adjoint of u[k] = x[2 k + 1]."""
    net = declare(
        [(z[b, k], x[b, 2 * k + 1] ** 3), (y[b, j], z[b, j] * W[j] + x[b, 2 * j]), (L, Sum(y[b, j] ** 2, b, j))],
        inputs=[x[b, v]],
        parameters=[W[j]],
        loss=L,
    )
    found = statements(lower(simplify(net.gradient(["x"]))))["d_x"].array
    text = found.code
    assert "np.s_[:, 1::2]" in text and "np.s_[:, ::2]" in text and "scatter_add" not in text
    assert "placed" in {a.rule for a in nodes(found)}


def test_a_matrix_that_each_step_reads_transposed_is_turned_once() -> None:
    """In both directions h is the left operand; only backwards is U turned, before the loop, from this step's U."""
    program = Sequential(RNN(3), Last(), Dense(2), shape=(6, 5), loss="mean_squared_error")
    text = generate(program)
    assert text.count("U1_T = np.ascontiguousarray(U1.T)") == 1
    assert "@ U1_T" in text and "U1.T" not in text.replace("ascontiguousarray(U1.T)", "")
    fast = generate(program, style="fast")
    assert re.search(r"^        \w+\[\.\.\.\] = U1_T$", fast, re.MULTILINE)


def test_what_the_loss_gives_the_last_state_is_chosen_not_added() -> None:
    """One array instead of one a step: at the last step nothing comes from the next one."""
    net = Sequential(LSTM(4), Last(), Dense(3), shape=(5, 2), loss="cross_entropy")
    text = generate(net)
    assert re.search(r"d_h1 = \(\n( +d_.*\n)+ +\+ d_.* if t \+ 1 < 5 else d_h1_in\n", text), text
    assert re.search(r"d_h1_in = d_y @ W2\.T +# \(B, 4\)", text)
    every = generate(Sequential(LSTM(4), Dense(3), shape=(5, 2), loss="mean_squared_error"))  # a loss at every step
    assert "else d_h1_in" not in every
