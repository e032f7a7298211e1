"""Odd networks: whatever can't be counted says so, and what is counted is what the unrolled network takes."""

from __future__ import annotations

import pytest

from symbp.count import STRATEGIES, Ledger, compare
from symbp.count.algebra.polynomial import variable
from symbp.count.neurons.materialised import Materialised
from symbp.count.tables.parts import formulas
from symbp.errors import SymbpError
from symbp.notation import read

LOSS = "predict y\nloss = mean[b] (y[b] - u[b])^2"
NETS = {
    "a parameter that nothing reads": """
        input x[b,i<3]
        param w[i<3] ~ xavier, q[v<4] ~ xavier
        y[b] = sum[i] x[b,i]*w[i]""",
    "an embedding, summed": """
        label ids[b,t]
        param E[v<5,d<3] ~ normal(1), w[d<3] ~ xavier
        y[b] = sum[t,d] E[ids[b,t],d]*w[d]""",
    "one table, read twice": """
        label i1[b], i2[b]
        param E[v<6,d<2] ~ normal(1)
        y[b] = sum[d] E[i1[b],d]*E[i2[b],d]""",
    "a mask of integers": """
        input x[b,t]; label m[b,t]
        param a[t<T] ~ 0.5
        y[b] = sum[t : m[b,t] > 0] a[t]*x[b,t]""",
    "a condition on values": """
        input x[b,t]
        param a[t<T] ~ 0.5
        y[b] = sum[t] where(x[b,t] > a[t], a[t]*x[b,t], 0)""",
    "a condition on indices": """
        input x[b,t]
        param a[t<T] ~ 0.5
        y[b] = sum[t : 3*t < T] a[t]*x[b,t]""",
    "a recurrence": """
        input x[b,t]
        param a ~ 0.5, c ~ 0.1
        h[b,-1] = 0
        h[b,t] = tanh(a*h[b,t-1] + c*x[b,t])
        y[b] = h[b,T-1]""",
    "a maximum": """
        input x[b,i<4]
        param a[i<4] ~ 0.5
        y[b] = max[i] (a[i]*x[b,i])""",
    "a parameter as an exponent": """
        input x[b]
        param a ~ 0.5
        y[b] = x[b]^a""",
}


def network(name: str):  # type: ignore[no-untyped-def]
    body = "\n".join(line.strip() for line in NETS[name].splitlines())
    return read(f"sizes B{', T' if 't]' in body else ''}\ninput u[b]\n{body}\n{LOSS}")


@pytest.mark.parametrize("name", NETS)
def test_counted_as_unrolled_or_not_at_all(name: str) -> None:
    program = network(name)
    at = {n: {"B": 2, "T": 5}[n] for n in program.size_names}
    ledger, built = Ledger(program, at), Materialised(program, at)
    for strategy in STRATEGIES:
        account = ledger[strategy]
        if account.total is None:
            assert account.why
        else:
            unrolled = built.operations(strategy).total()
            assert account.total.number >= unrolled > 0, strategy
            if account.exact and name != "a recurrence":  # unrolled, more of its steps turn out to be equal
                assert account.total.number == unrolled, strategy
    counts = compare(program, at)
    assert all(row.total and row.total > 0 for row in counts)  # so small a network is unrolled
    assert all(row.exact for row in counts)


@pytest.mark.parametrize("name", NETS)
def test_closed_forms_are_found_or_refused(name: str) -> None:
    ledger = Ledger(network(name))
    table = formulas(ledger)
    for row, strategy in zip(table.rows, STRATEGIES, strict=True):
        assert row[1] != "0"
        assert (row[1] is None) == (f"{strategy}: not counted, " in "\n".join(table.notes))
    if name == "a condition on indices":
        assert "follow no polynomial in T: give it a value" in "\n".join(table.notes)


def test_rows_of_a_table_are_numbers_of_their_own() -> None:
    """All tokens are taken as 0, and still each place has its own row of the embedding."""
    B, T = variable("B"), variable("T")
    forward = Ledger(network("an embedding, summed"))["forward"].operations
    assert forward is not None
    assert forward["mul"] == B * T * 3 + B
    assert forward["add"] == B * (T * 3 - 1) + B + (B - 1)


def test_a_gradient_of_zero_is_said() -> None:
    text = compare(network("a parameter that nothing reads")).table()
    assert "doesn't depend on q: the gradient is 0" in text


def test_sizes_of_parameters_are_asked_for() -> None:
    with pytest.raises(SymbpError, match=r"depends on T: --set T=64 counts them at a size, .*--formula"):
        compare(network("a mask of integers"))
