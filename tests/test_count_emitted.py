"""The emitted module run on counting arrays: what it executes, against what the mathematics costs, kind by kind."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from counting_arrays import Counted, CountingNumPy, counted

from symbp.architectures import load
from symbp.count.ledger import Ledger
from symbp.emit import generate
from symbp.emit.arguments import arguments_of
from symbp.emit.run import load_module
from symbp.unroll import fix_sizes, shape

Difference = dict[str, tuple[tuple[str, int], ...]]  # by its reason: (kind, operations)


def of_softmax(rows: int, classes: int) -> Difference:
    """Of a cross-entropy over so many rows of scores."""
    return {
        "the maximum of the scores, subtracted and added again": (
            ("compare", rows * (classes - 1)), ("add", rows * classes + rows),
        ),
        "a label subtracted as a row of zeros and a one": (("add", rows * (classes - 1)),),
    }  # fmt: skip


def of_recurrence(
    B: int, T: int, I: int, H: int, *, products: int, scaling: int = 0, sigmoids: int = 0, adjoints: int = 1
) -> Difference:
    """Of a recurrence from a state of zeros.

    products: those with the state, forward and backward, that a step takes. scaling: gates that only scale the state.
    adjoints: of states that are taken up from the step behind. sigmoids: a step.
    """
    at_once = products * B * H * H + scaling * (2 * B * I * H + 4 * B * H)
    signs = 1 if adjoints > 1 else 0  # elsewhere the account has a negation in place of a difference with zero
    return {
        "the first step's state is zero, and the code multiplies by it": (
            ("mul", at_once), ("add", at_once), ("exp", scaling * B * H), ("div", scaling * B * H),
            ("neg", scaling * signs * B * H),
        ),
        "nothing comes from behind the last step: the code adds zeros": (("add", (adjoints - 1) * B * H),),
        "a sigmoid that never overflows: the lesser of -z and a limit": (("compare", sigmoids * T * B * H),),
    }  # fmt: skip


def of_attention(B: int, T: int, heads: int, d: int) -> Difference:
    """Of a causal attention of d features a head."""
    hidden, scores = B * heads * T * (T - 1) // 2, B * heads * T * T
    return {
        "scores that the mask hides are computed": (
            ("mul", (6 * d + 2) * hidden), ("exp", hidden), ("div", hidden),
            ("add", (2 * (d - 1) + 1 + 2 + 4 * d) * hidden),
        ),
        "the mask added to the scores, their maximum subtracted": (
            ("add", 2 * scores), ("compare", scores - B * heads * T),
        ),
        "a division by the square root of d is a product with a constant in the account": (
            ("mul", hidden - scores - 2 * B * heads * T * d), ("div", scores + 2 * B * heads * T * d),
        ),
    }  # fmt: skip


# What the code executes beyond the mathematics. docs/counting.md says the same.
DIFFERENCES: dict[tuple[str, str], Difference] = {
    ("mlp:2-3-2-1,sigmoid,half_squared_error", "B=6"): {
        "a sigmoid that never overflows: the lesser of -z and a limit": (("compare", 6 * (3 + 2 + 1)),),
    },
    ("mlp:4-5-3,tanh,half_squared_error", "B=6"): {},
    ("mlp:4-5-3,relu,cross_entropy", "B=6"): of_softmax(6, 3) | {
        "a mask is what a comparison gives, not a selection": (("select", -6 * 5),),
    },
    ("cnn:1x8x8,3c3p1+relu+max2,10,cross_entropy", "B=4"): of_softmax(4, 10) | {
        "the zeros of the padding multiplied and added": (
            ("mul", 2 * 4 * 3 * (8 * 8 * 3 * 3 - (3 * 8 - 2) ** 2)),
            ("add", 2 * 4 * 3 * (8 * 8 * 3 * 3 - (3 * 8 - 2) ** 2)),
        ),
        "a mask is what a comparison gives, not a selection": (("select", -2 * 4 * 3 * 8 * 8),),
        "what is the same in a whole window divided once": (("div", 4 * 3 * 4 * 4 - 4 * 3 * 8 * 8),),
    },
    ("rnn:3-4-1,half_squared_error", "B=3,T=5"): of_recurrence(3, 5, 3, 4, products=2),
    ("gru:3-4-1,half_squared_error", "B=3,T=5"): {
        **of_recurrence(3, 5, 3, 4, products=3 + 3 + 1, scaling=1, sigmoids=2),
    },
    ("lstm:3-4-2,cross_entropy", "B=3,T=5"): of_softmax(3, 2) | {
        **of_recurrence(3, 5, 3, 4, products=4 + 4, scaling=1, sigmoids=3, adjoints=2),
    },
    ("gpt:layers=1,heads=2,width=4,context=6,vocabulary=5", "B=3"): {
        **of_attention(3, 6, 2, 2),
        **of_softmax(3 * 6, 5),
        "the rows of an embedding's gradient collected by a product with zeros and ones": (
            ("mul", 5 * 4 * 18), ("add", (5 - 1) * 4 * (18 - 1)),
        ),
    },
}  # fmt: skip


def executed(net: str, sizes: dict[str, int]) -> Counter[str]:
    """Operations of the emitted module's loss and gradients."""
    program = load(net)
    module = load_module(generate(program))
    module.np = CountingNumPy()  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    values = {}
    for t in fix_sizes(program, sizes).tensors.values():
        if t.role != "computed":
            integers = rng.integers(0, 2, shape(t))
            values[t.name] = integers if t.dtype == "int" else rng.normal(size=shape(t)).view(Counted)
    params = {t.name: values[t.name] for t in (*program.parameters, *program.state)}
    _, found = counted(module.loss_and_grads, params, *(values[t.name] for t in arguments_of(program).all))
    del found["index"]
    return found


def claimed(net: str, sizes: dict[str, int]) -> Counter[str]:
    found = Ledger(load(net), sizes)["reverse + CSE"].operations
    assert found is not None
    return Counter({kind: n.number for kind, n in found.items()})


def table() -> str:
    """For docs/counting.md: what the mathematics costs, what the code executes, and why."""
    lines = ["| network | mathematics | code | why |", "| --- | ---: | ---: | --- |"]
    for (net, sizes), reasons in DIFFERENCES.items():
        mathematics, code = claimed(net, sizes_of(sizes)).total(), executed(net, sizes_of(sizes)).total()
        more = (f"{sum(n for _, n in found):+,} {why}" for why, found in reasons.items() if any(n for _, n in found))
        lines.append(f"| {net}, {sizes.replace(',', ', ')} | {mathematics:,} | {code:,} | {'; '.join(more)} |")
    return "\n".join(lines)


def sizes_of(text: str) -> dict[str, int]:
    return {name: int(value) for name, value in (part.split("=") for part in text.split(","))}


@pytest.mark.parametrize(("net", "sizes"), DIFFERENCES)
def test_the_module_executes_what_the_ledger_says(net: str, sizes: str) -> None:
    expected = claimed(net, sizes_of(sizes))
    for reasons in DIFFERENCES[net, sizes].values():
        for kind, n in reasons:
            expected[kind] += n
    assert executed(net, sizes_of(sizes)) == +expected


def test_the_counting_array_counts() -> None:
    x = np.ones((2, 3)).view(Counted)
    _, found = counted(lambda: ((x @ np.ones((3, 4))).sum(axis=0) + 1, np.exp(x) * 2, x**3, np.maximum(x, 0).max()))
    assert found == Counter(mul=2 * 3 * 4 + 6 + 12, add=2 * 2 * 4 + 4 + 4, exp=6, compare=6 + 5)
