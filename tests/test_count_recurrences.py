"""Recurrences in forward mode and written out: as in the unrolled network, and in closed form over the steps."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbp.architectures import load
from symbp.count.equations.steps import in_steps
from symbp.count.equations.written import Amounts
from symbp.count.ledger import Ledger
from symbp.count.neurons.materialised import Materialised
from symbp.count.recurrences.sequences import Growth, grown, shortest
from symbp.count.recurrences.stepwise import at_steps, stepwise
from symbp.count.tables.comparison import compare
from symbp.count.tables.parts import formula_data, formulas
from symbp.notation import read
from symbp.program import Program
from symbp.unroll import fix_sizes

CELLS = [
    "h{n}[b,t,j] = tanh({x} + sum[k] {h}*U{n}[k,j])",
    "h{n}[b,t,j] = g{n}[b,t,j]*h{n}[b,{s},j] + (1 - g{n}[b,t,j])*{x}",
    "h{n}[b,t,j] = h{n}[b,{s},j]*g{n}[b,t,j] + sigmoid({x})",
    "h{n}[b,t,j] = relu({x}) + 2*h{n}[b,{s},j]",
]
GATE = "g{n}[b,t,j] = sigmoid({z} + sum[k] {h}*U{n}[k,j])"
HEADS = [  # what is made of the states, and the loss
    ("y[b,j] = h[b,T-1,j]", "loss = mean[b] sum[j] (y[b,j] - target[b,j])^2"),
    ("y[b,j] = mean[t] h[b,t,j]", "loss = sum[b,j] (y[b,j] - target[b,j])^2"),
    ("y[b,t,j] = sum[k] h[b,t,k]*V[k,j]", "loss = mean[b,t] sum[j] (y[b,t,j] - target[b,j])^2/2"),
]


def network(layers: list[tuple[int, bool, bool]], head: int, start: bool) -> Program:
    """Recurrent layers (a cell, whether it runs backwards, whether it has a gate that sees its state)."""
    out = ["sizes B, T, J=2, K=2", "input x[b,t,j], target[b,j]", "param V[k,j], w[j], v[j], before[j]"]
    below = "x[b,t,j]"
    for n, (cell, back, gated) in enumerate(layers):
        names = {"n": n, "s": "t+1" if back else "t-1", "x": f"w[j]*{below}", "z": f"v[j]*{below}"}
        h = "h{n}[b,{s},k]".format(**names)
        out += [f"param U{n}[k,j]", f"h{n}[b,{'T' if back else '-1'},j] = " + ("before[j]" if start else "0")]
        gate = GATE if gated else "g{n}[b,t,j] = sigmoid({z})"
        out += [text.format(**names, h=h) for text in (gate, CELLS[cell])]
        below = f"h{n}[b,t,j]"
    return read("\n".join([*out, *(text.replace("h[", f"h{len(layers) - 1}[") for text in HEADS[head])]))


def numbers(amounts: Amounts | Growth, **sizes: int) -> Counter[str]:
    assert not isinstance(amounts, Growth)
    return +Counter({k: n.at(sizes).number for k, n in amounts.items()})


@settings(max_examples=8, deadline=None)
@given(
    layers=st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), min_size=1, max_size=2),
    head=st.integers(0, 2),
    start=st.booleans(),
    steps=st.integers(1, 3),
    batch=st.integers(1, 2),
)
def test_steps_cost_what_they_do_in_the_unrolled_network(  # type: ignore[no-untyped-def]
    layers, head, start, steps, batch
) -> None:
    sizes = {"B": batch, "T": steps}
    program = network(layers, head, start)
    ledger, neurons = Ledger(program, sizes), Materialised(program, sizes)
    for strategy in ("forward mode", "expanded"):
        account = ledger[strategy]
        assert account.operations is not None, account.why
        assert numbers(account.operations) == +neurons.operations(strategy), strategy
    assert ledger.expanded_loss is not None
    assert ledger.expanded_loss.number == neurons.expanded_loss


@pytest.mark.parametrize(
    ("net", "growth"),
    [
        ("rnn:2-3-1,half_squared_error", "B T 3^T"),
        ("gru:2-2-1,half_squared_error", "B 11^T"),
        ("lstm:3-2-2,each,cross_entropy", "B T 8.772^T"),
        ("lstm:2-2-1,peepholes,half_squared_error", "B T 16.6394^T"),
        ("rnn:2-2-2-1,function=relu,vocabulary=3,huber", "B T^2 2^T"),
        ("rnn:2-2-1,bidirectional,each,half_squared_error", "B T 2^T"),
    ],
)
def test_closed_forms_over_the_steps_are_the_counts_at_random_lengths(net: str, growth: str) -> None:
    program = load(net)
    ledger, pick = Ledger(program), random.Random(net)
    found = ledger.tangents
    assert isinstance(found.gradients, Growth)
    assert found.gradients.order == growth
    for steps in (5, pick.randrange(20, 30)):
        forward_mode, gradients, _ = at_steps(ledger.network, {"B": 3, "T": steps})
        kinds = {k: n.at({"B": 3}) for k, n in found.gradients.at(steps).items()}
        assert total(kinds) == total(gradients)  # 2/(3 T) is a multiplication, 2/(3 100) a division
        assert total(found.forward_mode, B=3, T=steps) == total(forward_mode)
        assert ledger.account("expanded").growth is found.gradients


def total(amounts: Amounts | Growth, **sizes: int) -> int:
    return numbers(amounts, **sizes).total()


def test_a_closed_form_that_is_solved_is_what_the_unrolled_network_takes() -> None:
    program = load("rnn:2-2-1,half_squared_error")
    (row,) = (r for r in formulas(Ledger(program)).rows if r[0] == "expanded")
    assert row[1] == "(154*B*T - 15*B)*2^T - 46*B"
    neurons = Materialised(program, {"B": 2, "T": 8})
    assert neurons.operations("expanded").total() == 2 * ((154 * 8 - 15) * 2**8 - 46)


def test_a_recurrence_that_is_not_solved_is_printed_and_gives_the_counts() -> None:
    program = load("lstm:2-2-1,half_squared_error")
    table = formulas(Ledger(program)).text()
    assert "E(T) = 19*E(T-1) - 103*E(T-2) + 121*E(T-3) - 40*E(T-4) + 4*E(T-5) from T = 10 on" in table
    assert "(x - 1)(x^2 - 9*x + 2)^2: its factor from step to step tends to\n8.772." in table
    (data,) = (s for s in formula_data(Ledger(program))["strategies"] if s["strategy"] == "expanded")  # type: ignore
    growth = data["growth"]
    found = [2 * int(v.removesuffix("*B").replace(",", "")) for v in growth["values"]]
    weights = [int(c.replace(",", "")) for c in growth["coefficients"]]
    while len(found) <= 40 - growth["first"]:
        found.append(sum(w * v for w, v in zip(weights, reversed(found), strict=False)))
    (row,) = (r for r in compare(program, {"T": 40, "B": 2}) if r.strategy == "expanded")  # takes its own way there
    assert row.total == found[-1]


def test_symbolic_widths_have_a_recurrence_with_polynomials_in_them() -> None:
    text = ("sizes B, T, I, J\ninput x[b,t,i], target[b,j]\nparam W[i,j], U[k<J,j]\nh[b,-1,j] = 0\n"
            "h[b,t,j] = tanh(sum[i] x[b,t,i]*W[i,j] + sum[k] h[b,t-1,k]*U[k,j])\n"
            "loss = mean[b] sum[j] (h[b,T-1,j] - target[b,j])^2")  # fmt: skip
    program = read(text)
    found = Ledger(program)["expanded"].growth
    assert found is not None
    assert [str(c) for c in found.coefficients] == ["2*J + 1", "-J^2 - 2*J", "J^2"]
    assert (found.order, found.rate) == ("B I T J^T", "J") or found.order.endswith("T J^T")
    sizes = {"B": 2, "T": 4, "I": 3, "J": 2}
    steps = Ledger(program, sizes)["expanded"].operations
    assert steps is not None
    assert numbers(steps) == +Materialised(program, sizes).operations("expanded")
    at = {"B": 2, "I": 3, "J": 5}
    assert total({k: n.at(at) for k, n in found.at(9).items()}) == total(
        at_steps(Ledger(program).network, {**at, "T": 9})[1]
    )


def test_a_long_sequence_takes_no_longer_than_a_short_one() -> None:
    found = Ledger(load("gru:2-2-1,half_squared_error"), {"T": 50_000})["expanded"].total
    assert found is not None
    assert found.degree("B") == 1
    assert 11**49_990 < found.at({"B": 1}).number < 11**50_010


def test_what_is_not_counted_says_why() -> None:
    head = "sizes B, T, J=2, K=2\ninput x[b,t,j]\nparam U[k,j]\nh[b,-1,j] = 0\n"
    cell = "h[b,t,j] = tanh(x[b,t,j] + sum[k] h[b,t-1,k]*U[k,j])\n"
    found = Ledger(read(head + cell + "m[b,j] = max[t] h[b,t,j]\nloss = sum[b,j] m[b,j]"))
    for strategy in ("forward mode", "expanded"):
        assert found[strategy].operations is None
        assert found[strategy].why == "m is the maximum over the steps of a recurrence"
    long = Ledger(load("rnn:2-2-1,steps=9000,half_squared_error"))["expanded"]
    assert long.operations is None
    assert "18,000 equations step by step are more than 6,000: leave the number of steps open" in long.why
    many = Ledger(load("rnn:2-2-1,half_squared_error"), {"T": 2_000_000})["expanded"]
    assert "not counted for more than 1,000,000 steps" in many.why


def test_the_network_in_steps_has_no_recurrence_and_the_same_forward_pass() -> None:
    network = Ledger(load("lstm:2-2-1,each,half_squared_error")).network
    steps, sums = in_steps(fix_sizes(network, {"T": 3}))
    assert sums == {"L"}
    assert "h1[2]" in steps.tensors
    assert stepwise(network, {"B": 1, "T": 3})[0]


@pytest.mark.parametrize("weights", [[2], [1, 1], [0, 0, 3], [19, -103, 121, -40, 4]])
def test_the_shortest_recurrence_of_a_sequence(weights: list[int]) -> None:
    values = [3, 1, 4, 1, 5][: len(weights)]
    while len(values) < 2 * len(weights):
        values.append(sum(w * v for w, v in zip(weights, reversed(values), strict=False)))
    assert shortest(values) == weights


def test_a_recurrence_has_to_hold_for_further_values_and_kind_by_kind() -> None:
    from symbp.count.algebra.polynomial import as_polynomial

    def points(values: list[int]) -> dict[int, Amounts]:
        return {n: {"add": as_polynomial(2 * v), "mul": as_polynomial(v)} for n, v in enumerate(values, 5)}

    assert isinstance(grown("T", points([2, 4, 8, 16]), "it"), Growth)
    assert grown("T", points([2, 4, 8]), "it") is None  # too few to tell
    assert grown("T", points([2, 4, 8, 16, 31, 62]), "it") is None
    odd = points([2, 4, 8, 16, 32, 64])
    odd[10] = {"add": odd[10]["add"] + 2, "mul": odd[10]["mul"] * 1}
    assert grown("T", odd, "it") is None
