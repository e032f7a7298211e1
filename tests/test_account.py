"""One account of a derivation's quantities: costs add up, lines are those that are emitted, names mean the same."""

import numpy as np
import pytest
from sympy import Eq, Idx, IndexedBase, Sum, Symbol
from whole_networks import NETS

from symbp.architectures import load
from symbp.check import random_values
from symbp.count import Ledger
from symbp.emit import generate
from symbp.errors import SymbpError
from symbp.gradient import gradient
from symbp.language import sizes
from symbp.report import account, page
from symbp.report.naive import naive
from symbp.show.derivation import derivation

TEXTBOOK = "mlp:2-3-2-1,sigmoid,half_squared_error"
SAMPLE = ["Dense", "CrossEntropy", "BatchNorm", "LSTM", "MultiHeadAttention", "Conv2D"]


def program_of(name):
    return load(name) if ":" in name else NETS[name]()


@pytest.mark.parametrize("name", [TEXTBOOK, *SAMPLE])
def test_the_costs_add_up_to_the_count(name):
    program = program_of(name)
    found = account(program, derivation(program))
    ledger = Ledger(program, found.sizes)
    assert found.operations == ledger["reverse + CSE"].total
    own = [e.operations for e in found.entries.values() if e.operations is not None]
    assert sum(own, found.other) == found.operations
    written = [e.expanded for e in found.entries.values() if e.expanded is not None]
    if written:
        assert sum(written[1:], written[0]) == ledger["expanded"].total


@pytest.mark.parametrize("name", [TEXTBOOK, *SAMPLE])
def test_every_quantity_has_its_lines_of_the_emitted_module(name):
    program = program_of(name)
    found = account(program, derivation(program))
    lines = {line.split("  #")[0].strip() for line in generate(program).splitlines()}
    for e in found.entries.values():
        if program.tensors.get(e.name) is None or program.tensors[e.name].role == "computed":
            assert e.code and (e.operations is not None or e.within), e
        assert {line.split("  #")[0].strip() for line in e.code} <= lines, e


@pytest.mark.parametrize("name", [TEXTBOOK, "CrossEntropy", "LSTM"])
def test_equal_names_hold_equal_values(name):
    """The derivation's program and the one whose lines are shown were simplified apart."""
    program = program_of(name)
    shown, emitted = derivation(program).program, gradient(program)
    values = random_values(program)
    one, other = shown.evaluate(values), emitted.evaluate(values)
    common = [n for n in one if n in other and n not in values]
    assert len(common) > len(program.equations)
    for n in common:
        np.testing.assert_allclose(np.asarray(one[n], float), np.asarray(other[n], float), rtol=1e-9, atol=1e-12)


def test_what_reuse_saves_is_what_would_be_done_again():
    """At one sample: delta 3 costs 3, delta 2 another 8, delta 1 another 18."""
    program = load(TEXTBOOK)
    found = account(program, derivation(program, level="neuron")).entries
    assert {n: (found[n].operations.number, found[n].saves.number) for n in ("d_z3", "d_z2", "d_z1", "d_W1")} == {
        "d_z3": (3, 0), "d_z2": (8, 3), "d_z1": (18, 11), "d_W1": (6, 29),
    }  # fmt: skip
    assert found["d_h1"].within == "d_z1" and found["d_h1"].operations is None
    assert found["d_W1"].expanded.number == 2508


def test_second_derivatives_have_an_account():
    """A penalty on dL/dx: its adjoints are d2_..., and aren't mixed up with those of the loss."""
    batch = sizes("B")
    n, i, x = Idx("n", batch), Idx("i", 2), IndexedBase("d_x")
    program = load("mlp:2-3-1,tanh,half_squared_error").gradient(["x"])
    program = program.extend([Eq(Symbol("P"), Symbol("L") + Sum(x[n, i] ** 2, n, i))], loss=Symbol("P"))
    d = derivation(program)
    found = account(program, d)
    assert found.entries["d2_h1"].within == "d2_z1" and found.entries["d_z1"].expanded is None
    assert found.entries["d2_W1"].code == ("d2_W1 = x.T @ d2_z1 + d2_d_x.T @ d_z1",)
    assert found.operations == Ledger(program)["reverse + CSE"].total
    assert "d2_W1 = x.T @ d2_z1" in page(program, d)


def test_repeated_values_are_marked():
    found = naive(load(TEXTBOOK))
    assert found is not None and found.operations == 418 and found.reuse_operations == 71
    assert found.repeated == (("h1_0_0", 14), ("h2_0_0", 5), ("h2_0_1", 5), ("y_0_0", 3))
    assert found.written.count(chr(0xF000)) == 14


def test_only_backpropagation_has_an_account():
    program = load(TEXTBOOK)
    with pytest.raises(SymbpError, match="method reverse, not for forward"):
        account(program, derivation(program, method="forward"))
