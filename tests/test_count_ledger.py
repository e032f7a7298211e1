"""The ledger against the neuron level, its closed forms against its integers, and what it says of large networks."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbp.architectures import load
from symbp.count.algebra.polynomial import Polynomial, through_points, variable
from symbp.count.ledger import STRATEGIES, Ledger
from symbp.count.neurons.materialised import Materialised
from symbp.count.tables.comparison import compare
from symbp.count.tables.parts import apart, crossing, formulas
from symbp.count.tables.sweep import sweep
from symbp.errors import SymbpError
from symbp.layers import Activation, BatchNorm, Dense, LayerNorm
from symbp.program import Program
from symbp.sequence import Sequential
from symbp.unroll import concrete_sizes

SHARED = ("forward", "reverse", "reverse + CSE")
CONDITIONAL = [  # conditions on indices decide what is computed
    ("cnn:1x6x6,2c3p1+relu+max2,3,cross_entropy", {"B": 2}),
    ("cnn:2x5x5,2c3s2p1+relu,3,cross_entropy", {"B": 2}),
    ("rnn:2-2-2,cross_entropy", {"B": 2, "T": 4}),
    ("lstm:2-3-2,cross_entropy", {"B": 2, "T": 4}),
]
SYMBOLIC = [
    "mlp:3-4-2,batch_norm+relu/linear,cross_entropy",
    "lstm:2-3-2,cross_entropy",
    "gru:2-3-2,cross_entropy",
    "gpt:layers=1,heads=2,width=4,vocabulary=5,positions=rotary",
    "cnn:1x6x6,2c3p1+relu+max2,3,cross_entropy",
]


def operations(ledger: Ledger, strategy: str) -> Counter[str]:
    found = ledger[strategy].operations
    assert found is not None
    return +Counter({kind: n.number for kind, n in found.items()})


@settings(max_examples=15, deadline=None)
@given(
    widths=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    outputs=st.integers(2, 3),
    features=st.integers(1, 3),
    f=st.sampled_from(["sigmoid", "tanh", "relu", "softplus", "gelu", "silu"]),
    norm=st.sampled_from([None, BatchNorm, LayerNorm]),
    loss=st.sampled_from(["half_squared_error", "mean_squared_error", "cross_entropy"]),
    batch=st.integers(1, 4),
)
def test_every_strategy_is_that_of_the_unrolled_network(  # type: ignore[no-untyped-def]
    widths, outputs, features, f, norm, loss, batch
) -> None:
    layers = []
    for n, width in enumerate(widths):
        layers += [Dense(width), *([norm()] if norm and n == 0 and width > 1 and batch > 1 else []), Activation(f)]
    net = Sequential(*layers, Dense(outputs), features=features, loss=loss)
    ledger, neurons = Ledger(net, {"B": batch}), Materialised(net, {"B": batch})
    for strategy in STRATEGIES:
        assert ledger[strategy].exact, strategy
        assert operations(ledger, strategy) == +neurons.operations(strategy), strategy


@pytest.mark.parametrize(("net", "sizes"), CONDITIONAL)
def test_conditions_on_indices_settle_as_in_the_unrolled_network(net: str, sizes: dict[str, int]) -> None:
    ledger, neurons = Ledger(load(net), sizes), Materialised(load(net), sizes)
    for strategy in (*SHARED, "per parameter"):
        assert ledger[strategy].exact
        assert operations(ledger, strategy) == +neurons.operations(strategy), strategy


def test_large_flattened_images_are_counted() -> None:
    """The delta that flattens has one row for every value, not one for every pair."""
    found = Ledger(load("cnn:3x64x64,32c3p1+relu+max2,64c3p1+relu+max2,100,cross_entropy"), {"B": 2})["forward"]
    assert found.macs is not None
    layers = [(64, 3, 32), (32, 32, 64)]  # width of the image, channels
    convolutions = sum(c * k * (3 * n - 2) ** 2 for n, c, k in layers)
    assert found.macs.number == 2 * (convolutions + 64 * 16 * 16 * 100)


def test_a_causal_mask_counts_what_it_lets_through() -> None:
    """Attention from position t to u <= t: T (T + 1)/2 scores a head, not T^2."""
    ledger = Ledger(load("gpt:layers=1,heads=2,width=4,vocabulary=5,positions=rotary"))
    work = ledger.work("forward")
    b, t = variable("B"), variable("T")
    assert work["s2"]["mul"] * 2 == b * t * (t + 1) * 2 * 3  # 2 heads of width 2: 2 products and the scale
    assert work["p2_sum"]["add"] * 2 == b * t * (t - 1) * 2


@pytest.mark.parametrize("net", SYMBOLIC)
def test_closed_forms_equal_integers(net: str) -> None:
    program = load(net)
    symbolic = Ledger(program)
    chosen = random.Random(0)
    for _ in range(2):
        sizes = {name: chosen.randint(5, 40) for name in program.size_names}
        concrete = Ledger(program, sizes)
        for strategy in STRATEGIES:
            form, number = symbolic[strategy], concrete[strategy]
            if form.operations is None:
                assert number.operations is None or net.startswith(("lstm", "gru"))
                continue
            at = +Counter({kind: n.at(sizes).number for kind, n in form.operations.items()})
            assert at == operations(concrete, strategy), (strategy, sizes)


def test_parts_add_up() -> None:
    program = load("gpt:layers=2,heads=2,width=8,context=6,vocabulary=11")
    ledger = Ledger(program, {"B": 3})
    whole = ledger["reverse + CSE"].total
    for part in ("equation", "layer", "stage", "kind"):
        found = ledger.by(part, "reverse + CSE")
        assert sum(n.number for amounts in found.values() for n in amounts.values()) == whole
        assert apart(program, part, "reverse + CSE", {"B": 3}).rows
    assert list(ledger.by("stage", "reverse + CSE")) == ["forward", "loss", "backward"]
    with pytest.raises(SymbpError, match="not by colour"):
        apart(program, "colour", "reverse")
    with pytest.raises(SymbpError, match="no equations of its own"):
        apart(program, "layer", "expanded")


def test_the_backward_pass_of_attention() -> None:
    """Four products of the size of the forward pass's two: dQ, dK, dV, dP."""
    ledger = Ledger(load("gpt:layers=1,heads=2,width=4,vocabulary=5,positions=rotary"))
    t2 = (("B", 1), ("T", 2))
    scores = {s: sum(a["mac"].terms.get(t2, 0) for a in ledger.work(s).values() if "mac" in a) for s in SHARED}
    weights = 3  # sums over positions that aren't products of matrices: p's row sums and theirs in the adjoint
    assert scores["forward"] * 2 == 4
    assert scores["reverse + CSE"] - scores["forward"] <= 2 * scores["forward"] + weights * 2


@pytest.mark.parametrize(
    ("net", "parameters"), [("gpt:gpt2", 163_037_184), ("resnet18:3x32x32,classes=10", 11_173_962)]
)
def test_networks_far_too_large_to_expand(net: str, parameters: int) -> None:
    program = load(net)
    started = time.process_time()
    ledger = Ledger(program)
    found = {s: ledger[s] for s in STRATEGIES}
    seconds = time.process_time() - started
    assert ledger.parameters == parameters
    assert all(a.operations for a in found.values())
    totals = {s: a.total.at({"B": 2}).number for s, a in found.items() if a.total is not None}
    assert totals["expanded"] > 10**30 * totals["forward mode"]
    assert totals["forward"] < totals["reverse + CSE"] < totals["reverse"] < 3.1 * totals["forward"]
    table = compare(program).table()
    assert all(a.exact for a in found.values()) and "<= " not in table
    assert max(map(len, table.splitlines())) <= 100
    assert seconds < 30, f"{seconds:.1f} s"


def test_crossings() -> None:
    n = variable("N")
    assert crossing(n * n, n * 100, "N") == 101  # equal at 100
    assert crossing(n * n, n * n + n, "N") is None
    shown = formulas(Ledger(load("mlp:3-4-2,tanh,half_squared_error")))
    assert "B" in shown.text()


def test_growth_is_shown_as_what_it_is() -> None:
    deep = sweep("mlp:2-{3^depth}-1,sigmoid,half_squared_error", "depth=1..5", load)
    assert deep.operations["expanded"][1] == 12_052
    factors = [b / a for a, b in zip(deep.operations["expanded"][1:], deep.operations["expanded"][2:], strict=False)]  # type: ignore[operator]
    assert min(factors) > 3  # the width, for every layer: exponential
    steps = {b - a for a, b in zip(deep.operations["reverse"], deep.operations["reverse"][1:], strict=False)}  # type: ignore[operator]
    assert len(steps) == 1  # linear
    wide = sweep("mlp:2-{H}-{H}-1,sigmoid,half_squared_error", "H=64..1024", load)
    assert wide.growth(wide.operations["expanded"]) == "3.99"
    assert wide.growth(wide.operations["one-sided differences"]) == "3.98"
    assert wide.growth(wide.operations["reverse"]) == "1.99"
    with pytest.raises(SymbpError, match="write a size and its range"):
        sweep("mlp:2-3-1,sigmoid,half_squared_error", "H=9", load)


def test_polynomials() -> None:
    a, b = variable("a"), variable("b")
    p = a * a * b * 2 + a * 3 - 1
    assert str(p) == "2*a^2*b + 3*a - 1"
    assert str(p.leading) == "2*a^2*b" and p.degree("a") == 2 and p.sizes == ("a", "b")
    assert p.at({"a": 2, "b": 5}).number == 45
    assert p.at({"b": a + 1}) == a**3 * 2 + a * a * 2 + a * 3 - 1
    assert through_points("a", {n: Polynomial({(): n * (n + 1) // 2}) for n in (4, 5, 7)}) * 2 == a * a + a
    assert p.latex() == r"2 \, a^{2} \, b + 3 \, a - 1"
    with pytest.raises(SymbpError, match="give a value for a, b"):
        _ = p.number


def test_sizes_are_checked() -> None:
    program: Program = load("mlp:2-3-1,sigmoid,half_squared_error")
    with pytest.raises(SymbpError, match="has no size C"):
        Ledger(program, {"C": 2})
    with pytest.raises(SymbpError, match="must be a positive integer"):
        Ledger(program, {"B": 0})
    assert concrete_sizes(program, None) == {"B": 1}
