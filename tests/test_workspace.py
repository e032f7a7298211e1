"""The fast style: calls that write into arrays made once. That it computes the right thing is held by the tests of
layers; here, that no array is overwritten while it is needed, and that each rule is seen where it should be.
"""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
from sympy import Idx, IndexedBase, Sum, Symbol
from whole_networks import NETS

from symbp import declare, sigmoid, sizes
from symbp.emit import explain, generate
from symbp.emit.run import load_module
from symbp.errors import SymbpError
from symbp.expr import ONE, access, add, mul, num
from symbp.gradient import gradient
from symbp.layers import (
    LSTM,
    BatchNorm,
    Conv2D,
    Dense,
    Embedding,
    GELUTanh,
    Last,
    MaxPool2D,
    MultiHeadAttention,
    ReLU,
    Sigmoid,
    Tanh,
)
from symbp.lower import workspace
from symbp.lower.constants import into_coefficients
from symbp.lower.recorder import Call, Value
from symbp.lower.rooms import arrange_rooms
from symbp.lower.statements import lower
from symbp.lower.workspace import _Builder
from symbp.program import Program
from symbp.sequence import Sequential
from symbp.simplify import recast


def lines(program: Program) -> list[str]:
    return [line.code for line in workspace(gradient(recast(program))).step]


def recorded(program: Program) -> tuple[list[Call], dict[Value, int]]:
    """The calls, and the gradients that are lent."""
    builder = _Builder(lower(gradient(recast(program)), placed=True))
    builder.build()
    return builder.calls.calls, builder._lent(builder.calls.calls)


@pytest.mark.parametrize("name", NETS)
def test_no_room_has_two_tenants_at_once(name: str) -> None:
    """Straight from the calls: between the first write of an array and its last use, none else is written there."""
    calls, lent = recorded(NETS[name]())
    rooms = arrange_rooms(calls, None, lent)
    heads: list[int] = []
    loops = []
    for k, call in enumerate(calls):
        if call.opens:
            heads.append(k)
        elif call.closes and calls[start := heads.pop()].form.startswith("for "):
            loops.append((start, k))
    uses: dict[Value, list[int]] = {}
    places: dict[tuple[Value, int], set[str]] = {}  # what of an array a loop reads and writes, step by step
    for k, call in enumerate(calls):
        for v in call.values:
            if v.root in rooms:
                uses.setdefault(v.root, []).append(k)
                for start, end in loops:
                    if start < k < end:
                        places.setdefault((v.root, start), set()).add(v.place)
    assert set(uses) == set(rooms)
    life = {}
    for v, at in uses.items():
        first, last = at[0], at[-1]
        for start, end in loops:
            seen, clock = places.get((v, start), {""}), calls[start].form.split()[1]
            if start < last < end and (first < start or "" not in seen) and seen != {clock}:
                last = end  # read at other steps too
            if start < first < end and "" not in seen:  # earlier calls read what earlier steps have written
                first = next(k for k in range(start, end) if (out := calls[k].out) is not None and out.root is v)
        life[v] = first, last
    for grad, until in lent.items():
        writes = [k for k, call in enumerate(calls) if grad in (v.root for v in call.values)]
        assert until <= writes[0]
        life[grad] = 0, 0
    for room in set(rooms.values()):
        assert life[room.tenants[-1]][1] < room.until
        for earlier, later in zip(room.tenants, room.tenants[1:], strict=False):
            (_, gone), (comes, _) = life[earlier], life[later]
            assert gone <= comes
            for start, end in loops:
                if start < gone <= comes < end and "" not in places[earlier, start]:  # step by step: both lie alike
                    assert "" not in places[later, start] and earlier.dims == later.dims
            if gone == comes:  # read and written by one call: entry by entry only
                assert calls[comes].in_place and earlier.dims == later.dims


def test_an_array_takes_the_room_of_one_that_is_no_longer_read() -> None:
    net = Sequential(Dense(40), ReLU(), Dense(40), ReLU(), Dense(3), features=20, loss="cross_entropy")
    work = workspace(gradient(net))
    made = [line for line in work.setup if re.fullmatch(r"\w+ = empty\(\(B, 40\), DTYPE\)", line)]
    assert len(made) == 4, made  # z and h of two layers, which the way back needs


def test_the_offsets_of_small_layers_are_rows_of_their_weights() -> None:
    """No call adds an offset or sums its gradient, and both layers' gradients are one product each."""
    net = Sequential(Dense(4), Sigmoid(), Dense(1), Sigmoid(), features=2, loss="half_squared_error")
    work = workspace(gradient(net))
    code = [line.code for line in work.step]
    assert sum(".dot(" in line and "L =" not in line for line in code) == 5 and not any(
        "b1" in c and "W1" not in c for c in code
    )
    ends = [[s.name for s in line.ends] for line in work.step if len(line.ends) > 1]
    assert ends[-2:] == [["d_W2", "d_b2"], ["d_W1", "d_b1"]]
    assert "offset as one more weight" in explain(net, "fast")
    wide = Sequential(Dense(40), Sigmoid(), Dense(1), features=50, loss="half_squared_error")
    assert "offset as one more weight" not in explain(wide, "fast")


def test_the_slopes_of_small_layers_are_computed_at_once() -> None:
    """h (1 - h) and 1 - h h, by two calls for all layers of a kind; layers of many units keep their own."""
    layers = (Dense(3), Tanh(), Dense(4), Tanh(), Dense(3), Sigmoid(), Dense(1), Sigmoid())
    net = Sequential(*layers, features=2, loss="half_squared_error")
    steps = [line.code for line in workspace(gradient(net)).step if "factors" in line.code]
    assert steps == [
        "subtract(one, layers, factors)",
        "multiply(layers, factors, factors)",
        "multiply(layers2, layers2, factors2)",
        "subtract(one, factors2, factors2)",
    ]
    assert "small layers at once" in explain(net, "fast")
    modules = [load_module(generate(net, style=style)) for style in ("fast", "readable")]
    params = modules[0].init_params(seed=1)
    x, t = np.random.default_rng(2).normal(size=(2, 5, 2))
    (value, grads), (wanted, right) = (m.loss_and_grads(params, x, t[:, :1]) for m in modules)
    assert value == pytest.approx(wanted, rel=1e-14)
    for name in right:
        np.testing.assert_allclose(grads[name], right[name], rtol=1e-12, atol=1e-16)
    wide = Sequential(Dense(30), Tanh(), Dense(30), Tanh(), Dense(1), features=2, loss="half_squared_error")
    assert not any("factor" in line.code for line in workspace(gradient(wide)).step)


def test_arrays_of_rows_beside_each_other_get_names_that_are_free() -> None:
    b, i, j, k = Idx("b", sizes("B")), Idx("i", 2), Idx("j", 3), Idx("k", 1)
    x, t, z, h, s, y, layers, factors = map(IndexedBase, "x t z h s y layers factors".split())
    L = Symbol("L")
    net = declare(
        [
            (z[b, j], Sum(layers[i, j] * x[b, i], i)),
            (h[b, j], sigmoid(z[b, j])),
            (s[b, k], Sum(factors[j, k] * h[b, j], j)),
            (y[b, k], sigmoid(s[b, k])),
            (L, Sum((y[b, k] - t[b, k]) ** 2, b, k)),
        ],
        inputs=[x[b, i], t[b, k]],
        parameters=[layers[i, j], factors[j, k]],
        loss=L,
        prediction=y,
    )
    assert any("multiply(layers2, factors2, factors2)" in line.code for line in workspace(gradient(net)).step)


def test_long_thin_products_are_cut() -> None:
    layers = Conv2D(4, 5, padding=2), MaxPool2D(2), Dense(3, axes=3)
    net = Sequential(*layers, shape=(1, 16, 16), loss="mean_squared_error")
    table = explain(net, "fast")
    assert "long rows in pieces" in table and "a long sum in pieces" in table
    assert "pieces" not in explain(Sequential(Dense(30), Dense(3), features=20, loss="mean_squared_error"), "fast")


def test_a_maximum_runs_over_rows_of_the_batch() -> None:
    layers = Embedding(5, 8), MultiHeadAttention(2, causal=True), Dense(5)
    code = lines(Sequential(*layers, shape=(6,), loss="cross_entropy"))
    assert any(re.match(r"maximum\.reduce\(\w+, 0, ", line) for line in code)
    assert not any("np.where" in line for line in code)


def test_labels_make_no_one_hot_array() -> None:
    code = lines(Sequential(Dense(40), features=20, loss="cross_entropy"))
    assert any(line.endswith("] -= 1") for line in code) and not any("one_hot" in line for line in code)


def test_a_step_of_a_loop_makes_no_arrays() -> None:
    code = lines(Sequential(LSTM(4), Last(), Dense(3), shape=(5, 2), loss="cross_entropy"))
    inside = [line for line in code if line.startswith("    ")]
    assert len(inside) > 30
    array = r"\w+(\[[^\]]*\])?"
    call = rf"\w+(\.\w+)?\(.*\)|{array}\.fill\(0\)|{array}\.dot\(.+, .+\)|{array}\[\.\.\.\] = {array}"
    assert all(re.match(f" +({call}|if .*:|else:)$", line) for line in inside)


def test_an_lstm_keeps_few_arrays_over_time() -> None:
    """The four gates, the state and its tanh, what comes out; on the way back the gates' gradients take the room of
    what is no longer read. The states of the step before are views.
    """
    work = workspace(gradient(Sequential(LSTM(4), Last(), Dense(3), shape=(5, 2), loss="cross_entropy")))
    made = [line for line in work.setup if re.search(r"(empty|np\.zeros)\(\([56], B, 4\)", line)]
    assert len(made) == 9 and sum("(6, B" in line for line in made) == 2, made
    assert "h1 = h1_with_start[1:]" in work.setup and "h1_shifted = h1_with_start[:-1]" in work.setup
    assert not any("shifted" in line and "[...] =" in line for line in (s.code for s in work.step))


def test_a_gradients_place_is_lent_until_it_is_written() -> None:
    """The turned weights of a loop lie there, and offsets are added outside of it."""
    work = workspace(gradient(Sequential(LSTM(4), Last(), Dense(3), shape=(5, 2), loss="cross_entropy")))
    assert sum(bool(re.fullmatch(r"work\w+ = d_U_\w1", line)) for line in work.setup) == 4
    code = [line.code for line in work.step]
    offsets = [k for k, line in enumerate(code) if re.match(r"add\(\w+, b_\w1, ", line)]
    assert len(offsets) == 4 and max(offsets) < code.index("for t in range(5):")


def test_a_line_names_the_array_that_it_reads() -> None:
    """Not another one that lay in the same room: the line can be held against its equation."""
    work = workspace(gradient(Sequential(LSTM(4), Last(), Dense(3), shape=(5, 2), loss="cross_entropy")))
    (line,) = [line.code for line in work.step if any(s.name == "d_g1" for s in line.ends)]
    assert line.strip() == "multiply(d_c1_view[t], i1_view[t], d_g1)"
    (room,) = [line.removeprefix("d_c1 = ") for line in work.setup if line.startswith("d_c1 = ")]
    assert room.isidentifier()  # an array of the way forward


def test_the_last_statement_of_a_loop_has_its_comment() -> None:
    text = generate(Sequential(LSTM(4), Last(), Dense(3), shape=(5, 2), loss="cross_entropy"), style="fast")
    step = text[text.index("    def step(") : text.index("    return step")]
    assert re.search(r"h1_view\[t\]\) +# \(10\)  \(B, 4\)$", step, re.MULTILINE)
    assert re.search(r"d_s_i1_view\[t\]\) +# dL/ds_i1, from \(7\), \(2\)  \(B, 4\)$", step, re.MULTILINE)


def test_a_message_of_many_arrays_keeps_to_the_width() -> None:
    layers = [layer for _ in range(6) for layer in (Dense(3), BatchNorm(), ReLU())]
    text = generate(Sequential(*layers, features=2, loss="half_squared_error"), style="fast", parallel="mpi")
    assert re.search(r"^        \) = all_sum\($", text, re.MULTILINE) and max(map(len, text.splitlines())) <= 110


def test_sigmoid_is_exact_to_rounding_and_never_overflows() -> None:
    module = load_module(generate(Sequential(Sigmoid(), Dense(1), features=1, loss="half_squared_error"), style="fast"))
    params = {"W1": np.ones((1, 1)), "b1": np.zeros(1)}
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for z in (-1e4, -40.0, -1.0, 0.0, 30.0, 1e4):
            value, _ = module.loss_and_grads(params, np.array([[z]]), np.zeros((1, 1)))
            assert value == pytest.approx(0.5 / (1 + np.exp(min(-z, 300.0))) ** 2, abs=2e-16)


def test_names_that_a_workspace_needs() -> None:
    """Computed arrays are called otherwise there."""
    b, i = Idx("b", sizes("B")), Idx("i", 3)
    step, x, t, w = map(IndexedBase, ("step", "x", "t", "w"))
    L = Symbol("L")

    def net(w: IndexedBase) -> Program:
        equations = [(step[b], Sum(x[b, i] * w[i], i)), (L, Sum((step[b] - t[b]) ** 2, b))]
        return declare(equations, inputs=[x[b, i], t[b]], parameters=[w[i]], loss=L, prediction=step)

    module = load_module(generate(net(w), style="fast"))
    value, grads = module.loss_and_grads({"w": np.ones(3)}, np.ones((2, 3)), np.zeros(2))
    assert value == 18.0 and np.array_equal(grads["w"], np.full(3, 12.0))


def test_unknown_styles_are_refused() -> None:
    net = Sequential(Dense(1), features=1, loss="mean_squared_error")
    with pytest.raises(SymbpError, match="style is 'quick': it must be readable or fast"):
        generate(net, style="quick")


def test_constants_join_coefficients_where_that_saves_an_operation() -> None:
    x, y = (access(name, ()) for name in "xy")
    polynomial = add(mul(num(Fraction(1, 10)), x, x), ONE)
    assert into_coefficients(mul(num(3), y, polynomial)) is mul(y, add(mul(num(Fraction(3, 10)), x, x), num(3)))
    for kept in (mul(num(3), y, add(x, ONE)), mul(num(-1), y, polynomial), mul(y, polynomial)):
        assert into_coefficients(kept) is kept
    code = lines(Sequential(Dense(40), GELUTanh(), Dense(3), features=20, loss="cross_entropy"))
    assert not any(re.match(r"multiply\(constant\d*, z1, ", line) for line in code)
    code = lines(Sequential(Dense(40), BatchNorm(), Dense(3), features=20, loss="cross_entropy"))
    assert not any(re.match(r"multiply\(d_z1, constant", line) for line in code)  # (d_beta + d_gamma * xhat) / B
