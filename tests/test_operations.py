"""What an operation is: hand counts of the rules, and expressions run on numbers that count their operations."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from counting_numbers import Run, Written
from hypothesis import given
from hypothesis import strategies as st

from symbp.architectures import load
from symbp.expr import (
    ZERO,
    Expr,
    access,
    add,
    call,
    compare,
    delta,
    index,
    logic,
    maximum_over,
    mul,
    num,
    power,
    select,
    size,
    sqrt,
    sum_over,
)
from symbp.functions import TABLE
from symbp.operations import KINDS, cost, graph_operations, node_operations, tree_operations
from symbp.unroll import concrete_sizes, fix_sizes, unroll

a, b, c, d = (access(n) for n in "abcd")
B, H = size("B"), size("H")

BY_HAND = [
    (a, {}),
    (num(3) / B, {}),
    (a + b - c, {"add": 2}),
    (-a - b, {"add": 1, "neg": 1}),
    (b - a, {"add": 1}),
    (a - b, {"add": 1}),
    (a - b - c, {"add": 2}),
    (-(a - b) * c, {"add": 1, "mul": 1}),
    (-(a + b) * c, {"add": 1, "mul": 1, "neg": 1}),
    (-(a - b) / c, {"add": 1, "div": 1}),
    (-a, {"neg": 1}),
    (-a * b, {"mul": 1, "neg": 1}),
    (c - a * b, {"mul": 1, "add": 1}),
    (call("exp", -a), {"neg": 1, "exp": 1}),
    (call("exp", c - a * b), {"exp": 1, "mul": 1, "add": 1}),
    (a * b * c, {"mul": 2}),
    (3 * a, {"mul": 1}),
    (-3 * a * b, {"mul": 2}),
    (a / 2, {"div": 1}),
    (-a / 2, {"div": 1}),
    (Fraction(2, 3) * a, {"mul": 1}),
    (a / B, {"div": 1}),
    (a * B, {"mul": 1}),
    (2 * a / B, {"mul": 1}),
    (a / (2 * B * H), {"div": 1}),
    (a * B / H, {"mul": 1}),
    (B + a + 1, {"add": 1}),
    (1 / a, {"div": 1}),
    (-2 / a, {"div": 1}),
    (a / b, {"div": 1}),
    (a / (b * c), {"mul": 1, "div": 1}),
    (a * b / (c * d), {"mul": 2, "div": 1}),
    (3 * a / b, {"mul": 1, "div": 1}),
    (1 / (a * b), {"mul": 1, "div": 1}),
    (a / b**2, {"mul": 1, "div": 1}),
    (a**2, {"mul": 1}),
    (a**5, {"mul": 3}),
    (a**7, {"mul": 4}),
    (a**-2, {"mul": 1, "div": 1}),
    (sqrt(a), {"sqrt": 1}),
    (1 / sqrt(a), {"sqrt": 1, "div": 1}),
    (power(a, Fraction(3, 2)), {"sqrt": 1, "mul": 1}),
    (power(a, Fraction(-3, 2)), {"sqrt": 1, "mul": 1, "div": 1}),
    (power(a, Fraction(1, 3)), {"pow": 1}),
    (power(a, b), {"pow": 1}),
    (call("sigmoid", a), {"neg": 1, "exp": 1, "add": 1, "div": 1}),
    (call("tanh", a + b), {"tanh": 1, "add": 1}),
    (call("silu", a + b), {"neg": 1, "exp": 1, "add": 3, "div": 1, "mul": 1}),
    (select(compare(">", a, 0), a, b + c), {"compare": 1, "select": 1, "add": 1}),
    (select(logic("and", compare(">", a, 0), compare("<", b, c)), a, ZERO), {"compare": 3, "select": 1}),
    (delta(a, b) * c, {"compare": 1, "mul": 1}),
]


@pytest.mark.parametrize(("e", "expected"), BY_HAND, ids=[str(n) for n in range(len(BY_HAND))])
def test_rules_by_hand(e: Expr, expected: dict[str, int]) -> None:
    assert tree_operations(e) == Counter(expected)
    assert set(expected) <= set(KINDS)


def test_tree_repeats_what_graph_shares() -> None:
    s = call("sigmoid", a)
    e = s * (1 - s)
    assert tree_operations(e) == {"neg": 2, "exp": 2, "add": 3, "div": 2, "mul": 1}
    assert graph_operations([e]) == {"neg": 1, "exp": 1, "add": 2, "div": 1, "mul": 1}


def test_graph_shares_a_product_whatever_its_factor_and_sign() -> None:
    assert graph_operations([c + a * b, d - a * b, 2 * a * b]) == {"mul": 2, "add": 2}


def test_graph_negates_once_what_is_asked_for_with_both_signs() -> None:
    r = a - b
    assert graph_operations([r * c, -r * d]) == {"add": 1, "mul": 2, "neg": 1}
    assert graph_operations([-r * c, -r * d]) == {"add": 1, "mul": 2}
    assert graph_operations([call("exp", -a), call("tanh", -a)]) == {"neg": 1, "exp": 1, "tanh": 1}


def test_graph_shares_a_denominator_but_not_the_division() -> None:
    root = sqrt(a + b)
    assert graph_operations([c / root, d / root]) == {"add": 1, "sqrt": 1, "div": 2}


@pytest.mark.parametrize("name", TABLE)
def test_function_costs_what_its_evaluation_runs(name: str) -> None:
    """The cost in the table is that of the formula that `counting_numbers` runs for the function."""
    arguments = [access(f"x{n}") for n in range(TABLE[name].arity)]
    e = call(name, *arguments)
    run = Written({f"x{n}": 0.7 + n for n in range(len(arguments))})
    run.value(e)
    assert tree_operations(e) == run.counted
    assert Counter(node_operations(e)) == run.counted


def test_cost_multiplies_by_the_sizes() -> None:
    i, j, n = index("i", 3), index("j", 5), index("n", 7)
    x, w = access("x", (n, i)), access("w", (i, j))
    length = {i: 3, j: 5, n: 7}.__getitem__
    z = sum_over(x * w, [i]) + access("b", (j,))
    assert cost(z, length) == 3 * 5 * 7 + 2 * 5 * 7 + 5 * 7
    assert cost(maximum_over(x, [i]), length) == 2 * 7
    assert cost(-sum_over(x * w, [i]), length) == 3 * 5 * 7 + 2 * 5 * 7 + 5 * 7  # the last: its sign
    s = call("exp", x)
    assert cost(s / sum_over(s, [i]), length) == 3 * 7 + 2 * 7 + 3 * 7  # one exp for both


@pytest.mark.parametrize(
    "net",
    [
        "mlp:2-3-5-7,sigmoid,half_squared_error",
        "mlp:3-5-2,tanh,mean_squared_error",
        "mlp:5-3-2,softplus,binary_cross_entropy",
        "mlp:2-5-3,relu,mean_squared_error",
        "mlp:2-5-3,silu,soft_cross_entropy",
    ],
)
def test_cost_agrees_with_the_unrolled_equations(net: str) -> None:
    """The cost of a tensor equation is the operations of its entries computed together, sizes being distinct."""
    program = load(net).gradient()
    sizes = concrete_sizes(program, {"B": 11})
    fixed = fix_sizes(program, sizes)
    unrolled = unroll(fixed)
    assert len(fixed.equations) > 8
    for equation in fixed.equations:
        entries = [e.value for e in unrolled.equations if unrolled.tensors[e.name].entry[0] == equation.name]
        together = sum(graph_operations(entries).values())
        assert cost(equation.value, lambda i: int(i.size.value)) == together, equation


# ------------------------------------------------------------------------------ run on counting numbers


def expressions() -> st.SearchStrategy[Expr]:
    """Scalar expressions whose values stay moderate: every denominator and root is of something positive."""
    leaves = st.sampled_from([a, b, c, d, num(2), num(Fraction(1, 3)), num(-1)])

    def grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        some = st.lists(inner, min_size=2, max_size=3)
        positive = inner.map(lambda e: e * e + Fraction(1, 2))
        return st.one_of(
            some.map(lambda es: add(*es)),
            some.map(lambda es: mul(*es)),
            inner.map(lambda e: -e),
            st.tuples(inner, positive).map(lambda es: es[0] / es[1]),
            st.tuples(positive, st.sampled_from([-2, -1, 2, 3, Fraction(1, 2), Fraction(-3, 2)])).map(
                lambda es: power(*es)
            ),
            st.tuples(st.sampled_from(["tanh", "sigmoid", "sin", "relu", "abs"]), inner).map(lambda p: call(*p)),
            st.tuples(inner, inner, inner).map(lambda es: select(compare(">", es[0], es[1]), es[1], es[2])),
        )

    return st.recursive(leaves, grow, max_leaves=12)


VALUES = {"a": 0.5, "b": -0.75, "c": 1.25, "d": 0.375}


@given(expressions())
def test_tree_operations_are_those_that_run(e: Expr) -> None:
    run = Written(VALUES)
    run.value(e)
    assert tree_operations(e) == run.counted


@given(st.lists(expressions(), min_size=1, max_size=3))
def test_graph_operations_are_those_that_run(es: list[Expr]) -> None:
    """The shared computation runs as many operations as were counted, and gives the values of the written-out one."""
    run = Run(VALUES)
    values = run.values(es)
    assert graph_operations(es) == run.counted
    assert values == pytest.approx([Written(VALUES).value(e) for e in es], rel=1e-9, abs=1e-12)
    assert run.counted.total() <= sum((tree_operations(e) for e in es), Counter()).total()
