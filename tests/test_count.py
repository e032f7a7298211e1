"""The counts by hand, against SymPy's, and as they're printed; docs/counting.md says the same."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
import sympy as sp
from test_count_emitted import table as executed_by_the_code

from symbp.architectures import load
from symbp.count import STRATEGIES, compare
from symbp.count.algebra.polynomial import variable
from symbp.count.ledger import Ledger
from symbp.count.tables.parts import apart, formulas
from symbp.count.tables.sidebyside import side_by_side
from symbp.declare import declare
from symbp.derive.naive import expand_loss
from symbp.errors import SymbpError
from symbp.language import FUNCTIONS, sizes, to_sympy
from symbp.notation import read
from symbp.operations import KINDS
from symbp.program import Program

TEXTBOOK = "mlp:2-3-2-1,sigmoid,half_squared_error"
LARGE = ["mlp:784-128-10,relu,cross_entropy", "resnet18:3x32x32,classes=10", "gpt:gpt2"]
DOCUMENT = Path(__file__).parents[1] / "docs" / "counting.md"


@cache
def counts(net: str = TEXTBOOK):  # type: ignore[no-untyped-def]
    return load(net).count()


def symbolic_network() -> Program:
    """z = x W1 + b1, a = sigmoid(z), y = a W2 + b2, L = mean over the batch of |y - t|^2/2; all sizes symbolic."""
    B, I, H, O = sizes("B I H O")
    n, i, h, o = sp.Idx("n", B), sp.Idx("i", I), sp.Idx("h", H), sp.Idx("o", O)
    x, t, y, z, a, W1, b1, W2, b2 = map(sp.IndexedBase, ("x", "t", "y", "z", "a", "W1", "b1", "W2", "b2"))
    L = sp.Symbol("L")
    equations = [
        sp.Eq(z[n, h], sp.Sum(x[n, i] * W1[i, h], i) + b1[h]),
        sp.Eq(a[n, h], FUNCTIONS["sigmoid"](z[n, h])),
        sp.Eq(y[n, o], sp.Sum(a[n, h] * W2[h, o], h) + b2[o]),
        sp.Eq(L, sp.Sum((y[n, o] - t[n, o]) ** 2, n, o) / (2 * B)),
    ]
    parameters = [W1[i, h], b1[h], W2[h, o], b2[o]]
    return declare(equations, inputs=[x[n, i], t[n, o]], parameters=parameters, loss=L, prediction=y)


def test_closed_forms_by_hand() -> None:
    ledger = Ledger(symbolic_network())
    B, I, H, O = map(variable, "BIHO")
    add = B * H * I + B * H * O + B * H + B * O + (B * O - 1)  # two layers, the sigmoid, y - t, the sum of squares
    forward = {"add": add, "mul": B * H * I + B * H * O + B * O, "neg": B * H, "exp": B * H, "div": B * H + 1}
    assert ledger["forward"].operations == forward
    # y - t, once for the loss and for d_y = (y - t)/B; d_W2 = a' d_y, d_b2;
    # d_z = (d_y W2') a (1 - a); d_W1 = x' d_z, d_b1
    adjoints = B * H * (O - 1) + B * H
    gradients = (B - 1) * (H * O + O + H * I + H)
    assert ledger["reverse + CSE"].operations == {
        "add": add + adjoints + gradients,
        "mul": forward["mul"] + B * H * O + B * H * O + B * H * 2 + B * H * I,
        "neg": B * H,
        "exp": B * H,
        "div": forward["div"] + B * O,
    }


def test_one_hidden_neuron_by_hand() -> None:
    """z = w x + b, h = sigmoid(z), y = v h + c, L = (y - t)^2 / 2."""
    found = counts("mlp:1-1-1,sigmoid/linear,half_squared_error")
    sigmoid = Counter(neg=1, exp=1, add=1, div=1)
    z = y = Counter(mul=1, add=1)
    loss = Counter(add=1, mul=1, div=1)
    forward = z + sigmoid + y + loss
    assert found["forward"].operations == forward
    # d_y = y - t, d_v = d_y h, d_c = d_y, d_h = d_y v, d_z = d_h h (1 - h), d_w = d_z x, d_b = d_z
    backward = Counter(add=1) + Counter(mul=1) + Counter(mul=1) + Counter(mul=2, add=1) + Counter(mul=1)
    assert found["reverse"].operations == forward + backward
    assert found["reverse + CSE"].operations == forward + backward - Counter(add=1)  # y - t once
    # each alone: its forward pass z, h, y without the loss, and its own part of the backward pass
    d_y = z + sigmoid + y + Counter(add=1)
    d_z = d_y + Counter(mul=1) + Counter(mul=2, add=1)
    assert found["per parameter"].operations == d_y + d_y + Counter(mul=1) + d_z + d_z + Counter(mul=1)
    # expanded: s stands for sigmoid(w x + b) and r for v s + c - t
    s = z + sigmoid
    r = Counter(mul=1, add=2) + s
    d_b = r + s + s + Counter(mul=3, add=1)  # r v s (1 - s)
    assert found["expanded"].operations == r + (r + s + Counter(mul=1)) + d_b + (d_b + Counter(mul=1))
    assert found.expanded_loss == sum((r + Counter(mul=1, div=1)).values())
    # tangents by w, b, v, c; z: x, 1, 0, 0; h: h (1 - h) x, h (1 - h), 0, 0; y: v times these, h, 1;
    # L: (y - t) times these
    tangents = Counter(mul=2 + 1, add=1 + 1) + Counter(mul=2) + Counter(mul=3, add=4)
    assert found["forward mode"].operations == forward + tangents
    assert found["one-sided differences"].total == 5 * 11 + 4 * 3
    assert found["central differences"].total == 8 * 11 + 4 * 4


def test_strategies_and_their_numbers() -> None:
    found = counts()
    assert tuple(row.strategy for row in found) == STRATEGIES
    assert [row.numbers for row in found] == [1, 20, 20, 21, 20, 21, 21, 21]
    assert found.ratio("forward") == 1
    with pytest.raises(KeyError, match="nonsense"):
        found["nonsense"]


def test_repeated_work_of_the_textbook_network() -> None:
    repeats = counts().repeats
    times = {r.name: r.occurrences for r in repeats.most_repeated}
    assert times["d_z3"] == 20  # the output's error is in every gradient, once
    assert times["h1_1"] == times["h1_2"] == times["h1_3"]
    assert sum(n for name, n in times.items() if name[0] in "hy") == counts()["expanded"].operations["exp"]
    assert repeats.total == counts()["expanded"].total
    assert 0.96 < repeats.share < 0.97


def test_labels_are_counted() -> None:
    found = counts("mlp:2-3-3,tanh,cross_entropy")
    assert all(row.operations for row in found)
    assert "t = 0" in found.table()
    assert 1 < found.ratio("reverse + CSE") < found.ratio("reverse") < 3


def test_what_is_not_counted_says_so() -> None:
    text = """sizes B, T, J=8, K=8
input x[b,t,j]
param U[k,j]
h[b,-1,j] = 0
h[b,t,j] = tanh(x[b,t,j] + sum[k] h[b,t-1,k]*U[k,j])
m[b,j] = max[t] h[b,t,j]
loss = mean[b] sum[j] m[b,j]^2"""
    found = read(text).count({"T": 12, "B": 4})
    row = found["expanded"]
    assert row.operations is None and row.total is None and found.ratio("expanded") is None
    assert "recurrence" in row.why
    assert "expanded: not counted" in found.table() and "not counted" in found._repr_html_()
    assert found.json()["strategies"][1]["operations"] is None
    assert found.repeats is None and found.expanded_loss is None
    assert found["reverse"].total < 5 * found["forward"].total
    assert found["reverse"].exact


def test_programs_without_a_gradient_are_refused() -> None:
    L, p, x = sp.symbols("L p x")
    with pytest.raises(SymbpError, match="network has no loss"):
        compare(declare([(L, p * x)], inputs=[x], parameters=[p]))
    with pytest.raises(SymbpError, match="network has no parameters"):
        compare(declare([(L, x**2)], inputs=[x], loss=L))


@pytest.mark.parametrize(
    "net", [TEXTBOOK, "mlp:2-3-1,batch_norm+relu/linear,half_squared_error", "mlp:16-32-10,sigmoid,cross_entropy"]
)
def test_printed(net: str) -> None:
    found = counts(net)
    text = found.table()
    assert str(found) == text
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert all(line == line.rstrip() for line in lines)
    header = next(n for n, line in enumerate(lines) if line.startswith("strategy"))
    assert len({len(line) for line in lines[header : header + 2 + len(STRATEGIES)]}) == 1  # aligned
    data = json.loads(json.dumps(found.json()))
    assert [row["operations"] for row in data["strategies"]] == [row.total for row in found]
    html = found._repr_html_()
    assert html.count("<tr") == html.count("</tr>") >= 1 + len(STRATEGIES)
    assert f"{found['reverse'].total:,}" in html


# --------------------------------------------------------------------------------- against SymPy's count_ops


@cache
def by_sympy() -> dict[str, Counter[str]]:
    """SymPy's own counts by kind: the sigmoid as a function, written out afterwards, written out beforehand."""
    program = load(TEXTBOOK).unroll()
    parameters = [sp.Symbol(t.name, real=True) for t in program.tensors.values() if t.role == "parameter"]
    sigmoid = FUNCTIONS["sigmoid"]

    def written_out(e):  # type: ignore[no-untyped-def]
        return e.replace(sigmoid, lambda z: 1 / (1 + sp.exp(-z)))

    kept = to_sympy(expand_loss(program, "L"))
    loss = written_out(kept)
    gradients = [loss.diff(p) for p in parameters]
    definitions, rest = sp.cse(gradients)
    return {
        "loss, sigmoid kept": kinds([kept]),
        "loss": kinds([loss]),
        "gradients, sigmoid kept": kinds([kept.diff(p) for p in parameters]),
        "gradients, written out afterwards": kinds([written_out(kept.diff(p)) for p in parameters]),
        "gradients": kinds(gradients),
        "cse of the gradients": kinds([e for _, e in definitions] + rest),
    }


def kinds(expressions: list) -> Counter[str]:  # type: ignore[type-arg]
    total = sum(e.count_ops(visual=True) for e in expressions)
    found = Counter({str(k): int(v) for k, v in total.as_coefficients_dict().items()})
    assert sum(found.values()) == sum(e.count_ops() for e in expressions)
    return found


def test_figures_of_sympy() -> None:
    sympy = by_sympy()
    assert sympy["loss"].total() == 71
    assert sympy["gradients"].total() == 6184
    assert sympy["cse of the gradients"].total() == 138


def test_counters_agree_where_the_expressions_do() -> None:
    """With the sigmoid kept as a function, SymPy's counts are ours, kind by kind."""
    sympy = by_sympy()["gradients, sigmoid kept"]
    ours = counts()["expanded"].operations
    calls = sympy["SIGMOID"]
    assert ours == {
        "add": sympy["ADD"] + sympy["SUB"] + calls,
        "mul": sympy["MUL"],
        "neg": calls,
        "exp": calls,
        "div": calls,
    }
    loss = by_sympy()["loss, sigmoid kept"]
    assert loss.total() + 3 * loss["SIGMOID"] == counts().expanded_loss


def by_kind(found: Mapping[str, int]) -> str:
    merged: Counter[str] = Counter()
    for k, n in found.items():
        merged["add" if k == "SUB" else k.lower()] += n
    assert set(merged) <= set(KINDS)
    return ", ".join(f"{merged[k]:,} {k}" for k in KINDS if merged[k])


def lines_of_difference() -> list[tuple[str, int, int, str]]:
    """(kind, SymPy's, ours, why) for all gradients; the reasons' numbers are checked where they're made."""
    sympy = by_sympy()
    kept, after, before = (
        sympy[k] for k in ("gradients, sigmoid kept", "gradients, written out afterwards", "gradients")
    )
    ours = counts()["expanded"].operations
    squares = before["POW"]  # one for every derivative of a sigmoid
    outer_signs = before["NEG"] - after["NEG"]
    additions = before["ADD"] + before["SUB"]
    assert after["ADD"] + after["SUB"] == ours["add"]
    assert ours["add"] - additions == 2 * squares
    assert after["DIV"] - before["DIV"] == squares
    assert after["MUL"] == before["MUL"] and kept["MUL"] == ours["mul"]
    fused, merged = kept["MUL"] - after["MUL"], ours["div"] - after["DIV"]
    return [
        ("exp", before["EXP"], ours["exp"], "the same"),
        (
            "add",
            additions,
            ours["add"],
            f"the derivative of a sigmoid, {squares} times: e/(1 + e)^2 has one addition, s (1 - s) three",
        ),
        ("pow", squares, 0, "the squares in e/(1 + e)^2"),
        ("neg", before["NEG"], ours["neg"], f"{outer_signs} more signs, which come with d exp(-z) = -exp(-z)"),
        (
            "mul",
            before["MUL"],
            ours["mul"],
            f"w/(1 + e) is one division in SymPy; w s is a multiplication beside the division in s: {fused} times",
        ),
        (
            "div",
            before["DIV"],
            ours["div"],
            f"{squares} fewer in e/(1 + e)^2 than in s (1 - s), {merged} fewer as fractions are merged",
        ),
    ]


WRITTEN_OUT = """
sizes B
input x[b,i<2]; input t[b,o<1]
param W1[i,h<3] ~ xavier, b1[h] ~ 0, W2[h,k<2] ~ xavier, b2[k] ~ 0, W3[k,o] ~ xavier, b3[o] ~ 0
z1[b,h] = sum[i] x[b,i]*W1[i,h] + b1[h]
h1[b,h] = 1/(1 + exp(-z1[b,h]))
z2[b,k] = sum[h] h1[b,h]*W2[h,k] + b2[k]
h2[b,k] = 1/(1 + exp(-z2[b,k]))
z3[b,o] = sum[k] h2[b,k]*W3[k,o] + b3[o]
predict y[b,o] = 1/(1 + exp(-z3[b,o]))
loss = mean[b] (sum[o] (y[b,o] - t[b,o])^2/2)
"""


def by_recurrence() -> str:
    """The recurrence for the network with its sigmoids written out, against SymPy's count of the same gradients."""
    sympy = by_sympy()["gradients"]
    ours = read(WRITTEN_OUT).count()["expanded"].operations
    assert ours["exp"] == sympy["EXP"] and ours["add"] == sympy["ADD"] + sympy["SUB"]
    products = ours["mul"] - sympy["POW"] - sympy["MUL"]
    fractions, signs = ours["div"] - sympy["DIV"], sympy["NEG"] - ours["neg"]
    total = sum(ours.values())
    assert total - products - fractions + signs == sympy.total() == 6184
    return (
        f"{total:,}, with SymPy's additions, exponentials and squares. It has {products} products and {fractions} "
        f"divisions more than SymPy, and {signs} signs fewer"
    )


def closed_form(program: Program) -> str:
    """Of the expanded gradients."""
    growth = Ledger(program)["expanded"].growth
    assert growth is not None
    return str(growth.closed_form())


def figures() -> dict[str, str]:
    """The parts of docs/counting.md that hold figures."""
    sympy, ours = by_sympy(), counts()
    table = [
        f"| the loss | {sympy['loss'].total():,} | {ours.expanded_loss:,} |",
        f"| all 20 gradients, expanded | {sympy['gradients'].total():,} | {ours['expanded'].total:,} |",
        f"| equal subexpressions once | {sympy['cse of the gradients'].total():,} | {ours['reverse + CSE'].total:,} |",
    ]
    difference = lines_of_difference()
    theirs, mine = (sum(d[n] for d in difference) for n in (1, 2))  # type: ignore[misc]
    assert (theirs, mine) == (sympy["gradients"].total(), ours["expanded"].total)
    lines = [f"| {kind} | {theirs:,} | {mine:,} | {why} |" for kind, theirs, mine, why in difference]
    shared, reverse = sympy["cse of the gradients"], ours["reverse + CSE"]
    return {
        "table": ours.table(),
        "closed forms": formulas(Ledger(load(TEXTBOOK))).text(),
        "GPT-2": formulas(Ledger(load("gpt:gpt2,head=tied,context=T"))).text(),
        "recurrences": formulas(Ledger(load("lstm:2-2-1,half_squared_error"))).text(),
        "solved": closed_form(load("rnn:2-2-1,half_squared_error")),
        "optimisers": apart(load(TEXTBOOK), "optimizer", "reverse + CSE", {"B": 64}).text(),
        "all sizes": formulas(Ledger(symbolic_network())).text(),
        "by stage": apart(load(TEXTBOOK), "stage", "reverse + CSE", {"B": 64}).text(),
        "large networks": side_by_side([load(net) for net in LARGE]).text(),
        "against SymPy": "\n".join(table),
        "line by line": "\n".join([*lines, f"| all | {theirs:,} | {mine:,} | |"]),
        "by recurrence": by_recurrence(),
        "what the code executes": executed_by_the_code(),
        "cse": f"SymPy's {shared.total()} (the loss not included) against symbp's {reverse.total} (the loss included)",
        "cse by kind": f"SymPy has {by_kind(shared)};\nsymbp {by_kind(reverse.operations)}.",
    }


def test_document_holds_these_figures_and_no_others() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, part in figures().items():
        pattern = r"\s+".join(map(re.escape, part.split())) if "\n" not in part else re.escape(part)
        assert re.search(pattern, text), f"docs/counting.md, {name}, should read:\n{part}"
        text = re.sub(pattern, "", text)
    assert re.findall(r"\d[\d,]+", re.sub(r"\b(?:19|20)\d\d\b", "", text)) == []  # years are no figures
