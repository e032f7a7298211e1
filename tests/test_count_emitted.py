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

# What the code executes beyond the mathematics, by its reason: (kind, operations). docs/counting.md says the same.
B = 6  # the batch
DIFFERENCES: dict[str, dict[str, tuple[tuple[str, int], ...]]] = {
    "mlp:2-3-2-1,sigmoid,half_squared_error": {
        "a sigmoid that never overflows: the lesser of -z and a limit": (("compare", B * (3 + 2 + 1)),),
    },
    "mlp:4-5-3,tanh,half_squared_error": {"a constant of sizes, B/2, computed": (("div", 1),)},
    "mlp:4-5-3,relu,cross_entropy": {
        "the maximum of the scores, subtracted and added again": (("compare", B * 2), ("add", B * 3 + B)),
        "a label subtracted as a row of zeros and a one": (("add", B * 2),),
        "a mask as a factor": (("select", -B * 5),),
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


@pytest.mark.parametrize("net", DIFFERENCES)
def test_the_module_executes_what_the_ledger_says(net: str) -> None:
    expected = claimed(net, {"B": B})
    for reasons in DIFFERENCES[net].values():
        for kind, n in reasons:
            expected[kind] += n
    assert executed(net, {"B": B}) == +expected


def test_padding_is_multiplied_by_the_code() -> None:
    """A convolution of an 8 x 8 image with a border of zeros: the code multiplies by these, the ledger doesn't."""
    net, sizes = "cnn:1x8x8,3c3p1+relu+max2,10,cross_entropy", {"B": 4}
    border = 4 * 3 * (8 * 8 * 3 * 3 - (3 * 8 - 2) ** 2)
    assert executed(net, sizes)["mul"] - claimed(net, sizes)["mul"] == 2 * border  # forward, and the kernel's gradient


def test_the_counting_array_counts() -> None:
    x = np.ones((2, 3)).view(Counted)
    _, found = counted(lambda: ((x @ np.ones((3, 4))).sum(axis=0) + 1, np.exp(x) * 2, x**3, np.maximum(x, 0).max()))
    assert found == Counter(mul=2 * 3 * 4 + 6 + 12, add=2 * 2 * 4 + 4 + 4, exp=6, compare=6 + 5)
