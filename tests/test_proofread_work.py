"""Reading what somebody wrote: formulas in three notations, Python functions, what can't be judged, the command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sympy import Eq, Idx, IndexedBase, Sum, Symbol

from symbp import proofread, proofread_file
from symbp.architectures import load
from symbp.cli import main
from symbp.errors import SymbpError
from symbp.notation import read

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples" / "verify"
MLP = load(str(ROOT / "examples" / "mlp.net"))

INDICES = """
d_y[b,o] = (y[b,o] - t[b,o])/B
dW2[h,o] = sum[b] a[b,h]*d_y[b,o]          # another way to write the name
d_c2[o] = sum[n] d_y[n,o]                  # other letters
g[b,h] = sum[o] d_y[b,o]*W2[h,o]           # a name of its own
d_a[b,h] = g[b,h]
d_W1[i,h] = sum[b] x[b,i]*g[b,h]*a[b,h]*(1 - a[b,h])
d_c1[h] = sum[b] g[b,h]*a[b,h]*(1 - a[b,h])
"""
MATRICES = """
d_y = (y - t) / x.shape[0]
dW2 = np.dot(a.T, d_y)
d_c2 = np.sum(d_y, axis=0)
d_a = d_y @ W2.T
delta = d_a * (a - a**2) / x.shape[0] * len(a)
d_W1 = (delta.T @ x).T
d_c1 = B * delta.mean(axis=0)
"""
RNN = """
sizes B, T, I=3, J=4
input x[t,b,i], target[b,j]
param W[i,j], U[k<J,j], c[j] ~ 0
h[-1,b,j] = 0
z[t,b,j] = sum[i] x[t,b,i]*W[i,j] + sum[k] h[t-1,b,k]*U[k,j] + c[j]
h[t,b,j] = tanh(z[t,b,j])
predict y[b,j] = h[T-1,b,j]
loss = mean[b] sum[j] (y[b,j] - target[b,j])^2/2
"""
THROUGH_TIME = """
h[-1,b,j] = 0
d_z[T,b,j] = 0
d_y[b,j] = (y[b,j] - target[b,j])/B
d_h[t,b,j] = sum[k] d_z[t+1,b,k]*U[j,k] + [t == T - 1]*d_y[b,j]
d_z[t,b,j] = d_h[t,b,j]*(1 - h[t,b,j]^2)
d_U[k,j] = sum[t,b] h[t-1,b,k]*d_z[t,b,j]
d_W[i,j] = sum[t,b] x[t,b,i]*d_z[t,b,j]
d_c[j] = sum[t,b] d_z[t,b,j]
"""
ATTENTION = """
d_o[b,h,i,e] = sum[f] d_y[b,i,f]*Wo[h,e,f]
d_p[b,h,i,j] = sum[e] d_o[b,h,i,e]*v[b,h,j,e]
d_score[b,h,i,j] = p[b,h,i,j]*(d_p[b,h,i,j] - sum[j2] d_p[b,h,i,j2]*p[b,h,i,j2])
d_k[b,h,j,e] = sum[i] d_score[b,h,i,j]*q[b,h,i,e]/2
d_Wk[d,h,e] = sum[b,j] x[b,j,d]*d_k[b,h,j,e]
"""
CLASSIFIER = """
d_y = (p2 - one_hot(t, 3)) / B
d_z1 = (d_y @ W2.T) * (1 - h1**2)
d_b1 = d_z1.sum(axis=0)
"""


@pytest.mark.parametrize("text", [INDICES, MATRICES], ids=["indices", "matrices"])
def test_right_formulas_are_right_by_algebra(text: str) -> None:
    report = proofread(MLP, text)
    assert report.right and not report.missing
    assert {v.how for v in report.verdicts} == {"algebra"}
    assert [v.name for v in report.verdicts] == ["d_y", "d_W2", "d_c2", "d_a", "d_c1", "d_W1"]


def test_softmax_and_attention_by_algebra() -> None:
    for net, text in (("mlp:3-4-3,tanh,cross_entropy", CLASSIFIER), (ROOT / "examples" / "attention.net", ATTENTION)):
        report = proofread(load(str(net)), text)
        assert report.right and {v.how for v in report.verdicts} == {"algebra"}, report.text()


def test_formulas_through_time() -> None:
    net = read(RNN)
    assert proofread(net, THROUGH_TIME).right
    report = proofread(net, THROUGH_TIME.replace("h[t-1,b,k]*d_z", "h[t,b,k]*d_z"))
    assert report.first_wrong == "d_U"
    assert "it has h[t,b,k] where h[t-1,b,k] belongs" in report.text().lower()


def test_algebra_does_not_call_wrong_what_it_cannot_prove() -> None:
    text = "d_y[b,o] = (y[b,o] - t[b,o])/B*(sin(y[b,o])^2 + cos(y[b,o])^2)"
    (verdict,) = proofread(MLP, text).verdicts
    assert verdict.right and verdict.how == "numbers"


def test_each_formula_is_judged_on_its_own() -> None:
    """What reads a wrong quantity by its name is given the right one."""
    text = INDICES.replace("(y[b,o] - t[b,o])/B", "y[b,o] - t[b,o]").replace("g[b,h]*a[b,h]*(1", "g[b,h]*(1")
    report = proofread(MLP, text)
    assert [v.name for v in report.verdicts if not v.right] == ["d_y", "d_c1", "d_W1"]
    assert report.first_wrong == "d_y"
    text = report.text()
    assert "It is B times the right one" in text
    assert "Each formula was judged on its own, with right values of what it reads. Also wrong: d_c1 and d_W1." in text
    assert "Yours:\n    d_y[b,o] = y[b,o] - t[b,o]" in text


def test_forward_values_may_be_given_too() -> None:
    report = proofread(MLP, "y[b,o] = sum[h] a[b,h]*W2[h,o]\nd_y[b,o] = (y[b,o] - t[b,o])/B")
    assert report.first_wrong == "y" and "The term c2[o] of" in report.text() and report.verdicts[1].right


def test_sympy_equations() -> None:
    B = Symbol("B", integer=True, positive=True)
    b, i, h, o = Idx("b", B), Idx("i", 2), Idx("h", 3), Idx("o", 1)
    x, y, t, a, d_y, W2, d_W1, d_W2 = map(IndexedBase, ("x", "y", "t", "a", "d_y", "W2", "d_W1", "d_W2"))
    wrong = Eq(d_W1[i, h], Sum(x[b, i] * a[b, h] * Sum(d_y[b, o] * W2[h, o], o), b))
    report = proofread(MLP, [(d_y[b, o], (y[b, o] - t[b, o]) / B), Eq(d_W2[h, o], Sum(a[b, h] * d_y[b, o], b)), wrong])
    assert [v.how for v in report.verdicts if v.right] == ["algebra", "algebra"]
    assert report.first_wrong == "d_W1" and "the factor 1 - a[b,h] is missing" in report.text()
    with pytest.raises(SymbpError, match="is not an equation: write Eq"):
        proofread(MLP, [d_y[b, o]])
    with pytest.raises(SymbpError, match="d_y reads yy: did you mean 'y'"):
        proofread(MLP, [(d_y[b, o], IndexedBase("yy")[b, o])])


# ------------------------------------------------------------------------------------------------- functions


def test_a_function_of_named_quantities_gets_right_ones() -> None:
    def backward(a: Any, d_y: Any, W2: Any, values: Any, B: int) -> dict[str, Any]:
        assert len(a) == B and np.array_equal(a, values["a"])
        d_a_sum = d_y @ W2.T * a * (1 - a)
        return {"W2": a.T @ d_y, "d_a": d_y @ W2.T, "dc1": d_a_sum.sum(0)}

    report = proofread(MLP, backward)
    assert report.right and report.missing == ("d_W1", "d_c2")
    assert "not given: d_W1, d_c2" in report.text()


def test_arguments_in_an_emitted_module_s_order() -> None:
    def loss_and_grads(params: Any, X: Any, y: Any) -> Any:  # y is the network's prediction elsewhere
        a = 1 / (1 + np.exp(-(X @ params["W1"] + params["c1"])))
        error = a @ params["W2"] + params["c2"] - y
        return (error**2).sum() / 2 / len(X), {"c2": error.mean(axis=0)}

    report = proofread(MLP, loss_and_grads)
    assert report.right and [v.name for v in report.verdicts] == ["L", "d_c2"]


def test_an_argument_that_is_overwritten_is_mentioned() -> None:
    def backward(d_y: Any, a: Any) -> dict[str, Any]:
        d_y *= 1
        d_y += 1
        return {"c2": (d_y - 1).sum(axis=0)}

    report = proofread(MLP, backward)
    assert report.right and "backward overwrites its argument d_y" in report.text()


def test_a_small_error_is_not_blamed_on_what_changes_nothing() -> None:
    def backward(d_y: Any) -> dict[str, Any]:
        return {"c2": d_y.sum(axis=0) * (1 + 2e-7)}

    report = proofread(MLP, backward)
    assert not report.right and "No single mistake" in report.text() and "(the worst relative error is" in report.text()


def test_32_bits_are_compared_as_such() -> None:
    def backward(d_y: Any) -> dict[str, Any]:
        return {"c2": d_y.astype(np.float32).sum(axis=0)}

    report = proofread(MLP, backward)
    assert report.right and "is in 32 bits, so it is only compared to 1e-04" in report.text()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda aa: {}, "takes aa, which is nothing of .*did you mean 'a'"),
        (lambda a: {"W22": a}, "there is no gradient by 'W22' in .*did you mean 'W2'"),
        (lambda d_a: {"a": d_a}, "returns d_a, which it was given"),
        (lambda a: a, "returns ndarray: it should return a dictionary"),
        (lambda a: {"W2": "none"}, "d_W2 is no array of numbers"),
        (lambda a: {"W2": a} if len(a) == 3 else {"c2": a}, "at some points only"),
    ],
)
def test_functions_that_cannot_be_judged(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(SymbpError, match=message):
        proofread(MLP, function)


# --------------------------------------------------------------------------------------- what is no formula


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("d_W2 = a @ d_y", r":1:8: a of shape \(B, 3\) @ d_y of shape \(B, 1\) doesn't fit; a.T @ d_y would fit"),
        ("d_W1 = x.T @ ((y - t) @ W2)", r"; \(y - t\) @ W2.T would fit"),
        ("d_a = d_y @ W2.T + x", r"the shapes \(B, 3\) and \(B, 2\) don't fit together"),
        ("d_V2 = a.T @ d_y", "d_V2 is no quantity of the network, and no formula reads it"),
        ("d_y = y - tt", ":1:11: there is no tt: did you mean 't'"),
        ("d_y = y - t\nd_y = t - y", ":2:1: d_y is given twice"),
        ("d_y = y^2", r"a power is written \*\*"),
        ("d_y = y[0] - t", "brackets only add axes"),
        ("d_y = np.einsum('bo->bo', y)", "no function einsum in formulas.* write the sums out in index notation"),
        ("d_y = (y - t", "this is no formula: '\\(' was never closed"),
        ("d_y = ((2**64)**64)**64", "this power is too large"),
        ("import os", "only formulas stand here"),
        ("d_y = d_y", ":1:1: d_y is given in terms of itself"),
        ("d_y = 2*dy - d_y.T.T", "d_y is given in terms of itself"),
        ("d_a = d_c1 / B\nd_c1 = d_a.sum(axis=0) + 0*a.sum(axis=0)", "d_a is given in terms of itself, through d_c1"),
        ("x = d_y", "x is given: there is nothing to check"),
        ("h[b,o] = y[b,o]\nd_y[b,o] = t[b,o]", ":1:1: h is no quantity of the network, and no formula reads it"),
        ("d_W2[h,o] = a[b,h]*d_y[b,o]", "the index b is unbound here"),
        ("d_y[b,o] = yy[b,o]", "there is no tensor yy: did you mean 'y'"),
        ("d_y[b,o] = y[b,o]\nd_y[b,o] = 0", ":2:1: d_y is given twice"),
        ("param V[h,o]\nd_y[b,o] = y[b,o]", "only equations stand here"),
        ("d_y[b,o] = y[b+1,o]", "outside its range"),
        ("d_y = " + "(" * 5000 + "y" + ")" * 5000, "nest too deeply|too many nested"),
    ],
    ids=range(24),
)
def test_texts_that_cannot_be_judged(text: str, message: str) -> None:
    with pytest.raises(SymbpError, match=message):
        proofread(MLP, text)


@pytest.mark.parametrize(
    "text",
    [
        "d_y = __import__('os').system('touch {0}')",
        "d_y = open('{0}', 'w')",
        "d_y = (lambda: open('{0}', 'w'))()",
        "d_y = [open('{0}', 'w') for i in (1,)]",
        "d_y = y.sum(axis=open('{0}', 'w'))",
        "d_y[b,o] = open('{0}', 'w')",
        'd_y[b,o] = y[open("{0}"),o]',
    ],
)
def test_no_text_is_evaluated(text: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    work = tmp_path / "formulas.txt"
    work.write_text(text.format(trap), encoding="utf-8")
    with pytest.raises(SymbpError):
        proofread_file(MLP, work)
    assert not trap.exists()


# ----------------------------------------------------------------------------------------------- the command


def verify(*words: str) -> Result:
    return CliRunner().invoke(main, ["verify", str(ROOT / "examples" / "mlp.net"), *words])


def test_the_exit_status_says_what_was_found(tmp_path: Path) -> None:
    work = tmp_path / "formulas.txt"
    for text, status in ((MATRICES, 0), ("d_y = y - t", 1), ("d_y = nothing", 2)):
        work.write_text(text, encoding="utf-8")
        result = verify(str(work))
        assert result.exit_code == status, result.output
        assert "Traceback" not in result.output


def test_a_failing_file_is_reported_with_its_own_line(tmp_path: Path) -> None:
    work = tmp_path / "mine.py"
    for text, line, said in (
        ("def backward(x, a, d_y):\n    return {'W1': x @ a}\n", 2, "in backward: ValueError: matmul"),
        ("import no_such_module\n", 1, "py:1: ModuleNotFoundError"),
        ("raise SystemExit(0)\n", 1, "SystemExit"),
        ("def backward(x:\n", 1, "was never closed"),
    ):
        work.write_text(text, encoding="utf-8")
        result = verify(str(work))
        assert result.exit_code == 2
        assert f"{work}:{line}" in result.output and said in result.output
        assert "Traceback" not in result.output


def test_which_function_of_a_file(tmp_path: Path) -> None:
    work = tmp_path / "mine.py"
    work.write_text("def one(d_y):\n    return {'c2': d_y.sum(0)}\n\ndef two(d_y):\n    return {'c2': -d_y.sum(0)}\n")
    result = verify(str(work))
    assert result.exit_code == 2 and "its functions are one, two: name one with --function" in result.output
    assert verify(str(work), "--function", "one").exit_code == 0
    result = verify(str(work), "--function", "two", "--set", "B=4", "--seed", "3", "--lang", "zh")
    assert result.exit_code == 1 and "符号错误" in result.output and "B = 4" in result.output
    assert "did you mean 'one'" in verify(str(work), "--function", "on").output


def test_only_a_python_file_is_run(tmp_path: Path) -> None:
    for name in ("mine.txt", "mine", "mine.py.txt"):
        work = tmp_path / name
        work.write_text(f"open({str(tmp_path / 'trap')!r}, 'w')\n", encoding="utf-8")
        assert verify(str(work)).exit_code == 2
    assert not (tmp_path / "trap").exists()


def test_help_teaches() -> None:
    shown = CliRunner().invoke(main, ["verify", "--help"]).output
    assert "Examples:" in shown and "d_W2 = a.T @ d_y" in shown and "Exit status 0" in shown


PAGE = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
def test_the_page_shows_what_is_printed(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command, *expected = block.rstrip().splitlines()
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(main, shlex.split(command.removeprefix("$ symbp ")))
    assert [line.rstrip() for line in result.output.splitlines()] == [line.rstrip() for line in expected]


def test_every_example_is_shown() -> None:
    for path in EXAMPLES.iterdir():
        if path.suffix in (".py", ".txt"):
            (command,) = re.findall(r"symbp (verify \S+ \S+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert f"$ symbp {command}" in PAGE
            assert path.name in command


CROSS, HEADS = "mlp:4-8-3,relu,cross_entropy", str(EXAMPLES.parent / "attention.net")


@pytest.mark.parametrize(("net", "text", "said"), [
    (CROSS, "d_y = p2 - one_hot(t, 3)", "    d_y[n,k] = (p2[n,k] - delta(t[n], k))/B\n  since\n    p2[n,k] ="),
    (CROSS, "d_b2 = d_y.sum(axis=1)", "Shape (B,) instead of (3,)."),
    (HEADS, "d_k[b,h,j,e] = sum[i] d_score[b,h,i,j]*k[b,h,i,e]/2", "It has k[b,h,i,e] where q[b,h,i,e] belongs."),
])  # fmt: skip
def test_the_answer_is_one_that_helps(net: str, text: str, said: str, tmp_path: Path) -> None:
    """In terms that the network has, with letters for sizes, and k taken for q is seen."""
    work = tmp_path / "mine.txt"
    work.write_text(text + "\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["verify", net, str(work)])
    assert result.exit_code == 1 and said in result.output, result.output
