"""The counts of the ledger proved: every strategy unrolled and run on numbers that count, and it gives the gradient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
from counting_numbers import Number, Run, Written
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from symbp.architectures import load
from symbp.count.neurons.materialised import Materialised
from symbp.count.neurons.scalars import Listing
from symbp.count.tables.comparison import compare
from symbp.expr import Access, Expr
from symbp.program import Program
from symbp.unroll import concrete_sizes, fix_sizes, shape

RUNNABLE = ("forward", "forward mode", "reverse", "reverse + CSE")
BATCH_NORM = "mlp:2-2-1,batch_norm+relu/linear,half_squared_error"
NETS = [
    "mlp:1-1-1,sigmoid/linear,half_squared_error",
    "mlp:2-3-2-1,sigmoid,half_squared_error",
    "mlp:2-2-3,tanh,cross_entropy",
    "mlp:2-3-2,relu/softmax,soft_cross_entropy",
    "mlp:2-2-2,gelu,mean_squared_error",
    "mlp:1-2-2,elu,binary_cross_entropy",
]


def arrays(program: Program, sizes: dict[str, int], seed: int = 1) -> dict[str, np.ndarray]:
    """Random values of the right shapes; labels are 0, as counted, soft targets add up to one."""
    rng = np.random.default_rng(seed)
    out = {}
    for t in fix_sizes(program, sizes).tensors.values():
        if t.role != "computed":
            value = rng.uniform(0.2, 0.9, shape(t)) * rng.choice([-1, 1], shape(t))
            if t.dtype == "int":
                value = np.zeros(shape(t), int)
            elif t.name == "t":
                value = abs(value) / abs(value).sum(-1, keepdims=True) if value.ndim > 1 else abs(value)
            out[t.name] = value
    return out


def scalars(listing: Listing, values: dict[str, np.ndarray]) -> dict[str, float]:
    """The values of the listing's inputs by name."""
    entries = {n: t.entry for n, t in listing.tensors.items() if t.entry and t.entry[0] in values}
    single = {
        n: float(values[n]) for n, t in listing.tensors.items() if t.entry is None and n in values and not t.indices
    }
    return single | {n: float(values[name][at]) for n, (name, at) in entries.items()}


def run(listing: Listing, given: dict[str, float]) -> tuple[dict[str, float], Counter[str]]:
    """The outputs, and the operations done on the way: equation by equation, or as one graph."""
    if not listing.share:
        machine = Written(given)
        for equation in listing.equations:
            machine.named[equation.name] = machine.number(equation.value).v
        return {o: machine.named[o] for o in listing.outputs}, machine.counted
    graph = Shared(given, listing)
    values = graph.values(e.value for e in listing.equations)
    named = {e.name: v for e, v in zip(listing.equations, values, strict=True)}
    return {o: named[o] for o in listing.outputs}, graph.counted


class Shared(Run):
    """A graph whose leaves may be the targets of other equations: their values are known from a plain run."""

    def __init__(self, given: dict[str, float], listing: Listing) -> None:
        machine = Written(given)
        for equation in listing.equations:
            machine.named[equation.name] = machine.number(equation.value).v
        super().__init__(given | {k: v.v if isinstance(v, Number) else v for k, v in machine.named.items()})


class Inlined(Written):
    """Every name that is read is computed again, down to inputs and parameters: nothing is shared."""

    def __init__(self, given: dict[str, float], listing: Listing) -> None:
        super().__init__(given)
        self.equations = {e.name: e.value for e in listing.equations}

    def number(self, e: Expr) -> Number:
        if isinstance(e, Access) and e.label in self.equations:
            return self.number(self.equations[e.label])
        return super().number(e)


def check(net: str, sizes: dict[str, int], seed: int = 1) -> None:
    program = load(net)
    built = Materialised(program, sizes)
    concrete = concrete_sizes(program, sizes)
    values = arrays(program, concrete, seed)
    truth = program.gradient().evaluate(values)
    counts = compare(program, sizes)
    assert all(row.exact for row in counts)
    forward = run(built.listing("forward"), scalars(built.listing("forward"), values))[1]
    for strategy in RUNNABLE:
        listing = built.listing(strategy)
        outputs, counted = run(listing, scalars(listing, values))
        assert kinds(counts[strategy].operations, net) == kinds(counted, net), strategy
        assert len(outputs) == counts[strategy].numbers, strategy
        compare_values(listing, outputs, truth)
    tangents = built.listing("forward mode")
    inlined = Inlined(scalars(tangents, values), tangents)
    gradients = [o for o in tangents.outputs if o != program.loss]
    compare_values(tangents, {o: inlined.value(inlined.equations[o]) for o in gradients}, truth)
    assert kinds(counts["expanded"].operations, net) == kinds(inlined.counted, net)
    alone: Counter[str] = Counter()
    reverse = built.listing("reverse")
    gradients = [o for o in reverse.outputs if o != program.loss]
    for output in gradients:
        part = reverse.restricted((output,))
        outputs, counted = run(part, scalars(part, values))
        compare_values(part, outputs, truth)
        alone += counted
    assert kinds(counts["per parameter"].operations, net) == kinds(alone, net)
    p = len(gradients)
    assert p == counts.parameters
    assert counts["one-sided differences"].total == (p + 1) * forward.total() + 3 * p
    assert counts["central differences"].total == 2 * p * forward.total() + 4 * p


def kinds(operations: Mapping[str, int], net: str) -> dict[str, int]:
    """What is compared: everything, but for the binary cross-entropy negations.

    Its derivative is a difference of two like terms; whether a - b or b - a is written, hence whether a sign is left
    over, is decided by names, and those of entries are not those of tensors.
    """
    return {k: n for k, n in operations.items() if n and not (k == "neg" and "binary" in net)}


def compare_values(listing: Listing, outputs: dict[str, float], truth: dict[str, np.ndarray]) -> None:
    for name, value in outputs.items():
        entry = listing.tensors[name].entry
        expected = truth[name] if entry is None or not entry[1] else truth[entry[0]][entry[1]]
        assert value == pytest.approx(float(expected), rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize("net", NETS)
def test_counts_are_the_operations_that_run(net: str) -> None:
    check(net, {})


def test_counts_are_the_operations_that_run_for_a_batch() -> None:
    check(BATCH_NORM, {"B": 2})
    check("mlp:2-2-1,sigmoid,mean_squared_error", {"B": 3})


ACTIVATIONS = ["sigmoid", "tanh", "relu", "softplus", "silu", "softsign", "leaky_relu", "mish", "gelu_tanh"]
LOSSES = ["half_squared_error", "mean_squared_error", "cross_entropy", "binary_cross_entropy"]


@settings(max_examples=10)
@given(
    st.lists(st.integers(1, 3), min_size=2, max_size=3),
    st.sampled_from(ACTIVATIONS),
    st.sampled_from(LOSSES),
    st.integers(0, 99),
)
def test_counts_are_the_operations_that_run_for_any_network(widths: list[int], f: str, loss: str, seed: int) -> None:
    assume(widths[-1] > 1 or loss != "cross_entropy")  # one class: the loss is 0, whatever the parameters
    check(f"mlp:{'-'.join(map(str, widths))},{f},{loss}", {}, seed)


@settings(max_examples=10)
@given(st.lists(st.integers(1, 3), min_size=2, max_size=3), st.sampled_from(ACTIVATIONS), st.sampled_from(LOSSES))
def test_less_is_shared_the_more_it_costs(widths: list[int], f: str, loss: str) -> None:
    """The first is a theorem: the passes of all parameters together hold every equation of the common one."""
    assume(widths[-1] > 1 or loss != "cross_entropy")  # one class: the loss is 0, whatever the parameters
    counts = load(f"mlp:{'-'.join(map(str, widths))},{f},{loss}").count()
    total = {row.strategy: row.total for row in counts}
    assert total["per parameter"] + total["forward"] >= total["reverse"]
    if counts.repeats is not None:
        assert counts.repeats.distinct <= counts.repeats.total
    assert counts.expanded_loss >= total["forward"]
    assert total["expanded"] >= total["per parameter"]
    assert total["reverse"] >= total["reverse + CSE"]  # what the pipeline is for
