"""Hand-written gradients: right ones are accepted, and of wrong ones it is said what is wrong."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from whole_networks import LAYERS

from symbp.architectures import load
from symbp.emit import generate
from symbp.emit.run import load_module
from symbp.program import Program
from symbp.proofread import proofread
from symbp.proofread.hypotheses import Changes, passed_on, paths_missing
from symbp.proofread.mutants import KINDS
from symbp.proofread.reference import Reference
from symbp.proofread.words import LANGUAGES

ROOT = Path(__file__).resolve().parents[1]
MLP = "mlp:2-3-2-1,sigmoid,half_squared_error"
TANH = "mlp:3-4-3,tanh,cross_entropy"
LINEAR, NORM, CONV, ATTENTION = "mlp.net", "batch_norm.net", "convolution.net", "attention.net"
LSTM, PADDED = "LSTM", "MultiHeadAttention both"


@cache
def network(name: str) -> Program:
    if name in LAYERS:
        return LAYERS[name]()
    return load(str(ROOT / "examples" / name) if name.endswith(".net") else name)


@cache
def emitted(name: str) -> str:
    return generate(network(name))


def changed(name: str, *changes: tuple[str, str]) -> ModuleType:
    """The emitted module of a network with its loss_and_grads changed."""
    before, function, after = _cut(emitted(name))
    for old, new in changes:
        assert function.count(old) >= 1, f"{old} isn't in\n{function}"
        function = function.replace(old, new, 1)
    return load_module(before + function + after)


def _cut(text: str) -> tuple[str, str, str]:
    start = text.index("def loss_and_grads")
    end = text.index("\ndef ", start + 5)
    return text[:start], text[start:end], text[end:]


@pytest.mark.parametrize("name", [MLP, TANH, NORM, CONV, ATTENTION, LSTM, "ResNetBlock", "TransformerBlock", PADDED])
def test_right_gradients_are_right(name: str) -> None:
    report = proofread(network(name), changed(name).loss_and_grads)
    assert report.right and not report.missing and report.finding is None
    assert f"Right: all {1 + len(network(name).parameters)} quantities" in report.text()


# network, what is changed in the emitted module, the first wrong quantity, what the report says of it
MISTAKES = [
    # factors, signs, means
    (MLP, "* y * (1 - y) / B", "* y * (1 - y)", "d_W3", "it is B times the right one: the division by B"),
    (MLP, "y_minus_t * y * (1 - y)", "-y_minus_t * y * (1 - y)", "d_W3", "in d_z3[n,l], which was not given: the sign"),
    (MLP, "y_minus_t * y * (1 - y)", "2 * y_minus_t * y * (1 - y)", "d_W3", "it is 2 times the right one"),
    (MLP, "d_W2 = h1.T @ d_z2", "d_W2 = h1.T @ d_z2 / B", "d_W2", "It is divided by B once too often"),
    (MLP, "d_b2 = d_z2.sum(axis=0)", "d_b2 = d_z2.mean(axis=0)", "d_b2", "It is divided by B once too often"),
    (MLP, "d_b2 = d_z2.sum(axis=0)", "d_b2 = -3 * d_z2.sum(axis=0) / 2", "d_b2", "It is -3/2 times the right one"),
    (MLP, "d_b2 = d_z2.sum(axis=0)", "d_b2 = 0 * d_z2.sum(axis=0)", "d_b2", "It is zero"),
    (MLP, "L = np.vdot(y_minus_t, y_minus_t) / (2 * B)", "L = np.vdot(y_minus_t, y_minus_t) / B", "L", "It is 2 times"),
    # shapes
    (MLP, "d_b2 = d_z2.sum(axis=0)", "d_b2 = d_z2", "d_b2", "the sum over axis 0 is missing"),
    (MLP, "d_b2 = d_z2.sum(axis=0)", "d_b2 = d_z2 * B", "d_b2", "the mean over axis 0 is missing"),
    (
        MLP,
        "d_b2 = d_z2.sum(axis=0)",
        "d_b2 = d_z2.sum(axis=0, keepdims=True)",
        "d_b2",
        "in shape (1, 2) instead of (2,)",
    ),
    (MLP, "d_b2 = d_z2.sum(axis=0)", "d_b2 = d_z2.sum()", "d_b2", "it is summed over k, too"),
    (
        MLP,
        "d_W2 = h1.T @ d_z2",
        "d_W2 = d_z2.T @ h1",
        "d_W2",
        "transpose of the right one: shape (2, 3) instead of (3, 2)",
    ),
    (MLP, "d_W2 = h1.T @ d_z2", "d_W2 = d_z2[:1]", "d_W2", "Shape (1, 2) instead of (3, 2)"),
    (MLP, "d_W2 = h1.T @ d_z2", "d_W2 = h1.T @ d_z2 / 0", "d_W2", "It is not finite"),
    (LSTM, '"U_i1": d_U_i1', '"U_i1": d_U_i1.T', "d_U_i1", "It is the transpose of the right one."),
    (ATTENTION, '{"Wq": d_Wq', '{"Wq": d_Wq.swapaxes(0, 2)', "d_Wq", "its axes are in another order, (e, h, d)"),
    # an activation's derivative
    (MLP, "h1 * (1 - h1)", "h1", "d_W1", "in d_z1[n,j], which was not given: the factor 1 - h1[n,j] is missing"),
    (MLP, "* h1 * (1 - h1)", "", "d_W1", "d_h1[n,j] is passed on without the factor (1 - h1[n,j])*h1[n,j]"),
    (MLP, "h1 * (1 - h1)", "h1**2 * (1 - h1)", "d_W1", "the factor h1[n,j] is there once too often"),
    (MLP, "h1 * (1 - h1)", "z1 * (1 - z1)", "d_W1", "it has z1[n,j] where h1[n,j] belongs"),
    (MLP, "h1 * (1 - h1)", "h1 * (1 + h1)", "d_W1", "the term -h1[n,j] of 1 - h1[n,j] has the wrong sign"),
    (TANH, "(1 - h1**2)", "(1 - h1)", "d_W1", "it raises h1[n,j] to the power 1 instead of 2"),
    (TANH, "(1 - h1**2)", "(1 - np.tanh(h1)**2)", "d_W1", "it has h1[n,j] where z1[n,j] belongs"),
    (TANH, "(1 - h1**2)", "(- h1**2)", "d_W1", "the term 1 of 1 - h1[n,j]^2 is missing"),
    (
        LINEAR,
        "d_W2 = a.T @ d_y",
        "d_y = d_y * y * (1 - y); d_W2 = a.T @ d_y",
        "d_W2",
        "the derivative of sigmoid, which isn't",
    ),
    (NORM, " * (u > 0)", "", "d_gamma", "in d_u[b,h], which was not given: the factor [u[b,h] > 0] is missing"),
    (NORM, "(u > 0)", "(u < 0)", "d_gamma", "the condition of [u[b,h] > 0] is the wrong way round"),
    # softmax, batch norm: paths
    (TANH, "(p2 - one_hot(t, 3))", "-one_hot(t, 3) * (1 - p2)", "d_W2", "as if the Jacobian were diagonal"),
    (
        ATTENTION,
        "(d_p - (d_p * p).sum(axis=3)[:, :, :, None])",
        "d_p",
        "d_Wk",
        "the path through p_sum[b,h,i] is missing",
    ),
    (
        ATTENTION,
        "(d_score.swapaxes(-1, -2)",
        "(d_score",
        "d_Wk",
        "it has d_score[b,h,j,i] where d_score[b,h,i,j] belongs",
    ),
    (
        NORM,
        "((z_minus_mu * d_z_scale + d_beta) / B - d_u)",
        "-d_u",
        "d_W",
        "the paths through var[h] and mu[h] are missing",
    ),
    (
        NORM,
        "z_minus_mu * d_z_scale + d_beta",
        "d_beta",
        "d_W",
        "the path through var[h] is missing, as if var[h] did not",
    ),
    (
        NORM,
        "z_minus_mu * d_z_scale + d_beta",
        "z_minus_mu * d_z_scale - d_beta",
        "d_W",
        "through mu[h] has the wrong sign",
    ),
    (NORM, "z_minus_mu * d_z_scale + d_beta", "z_minus_mu * d_z_scale + 2 * d_beta", "d_W", "mu[h] is counted 2 times"),
    (NORM, "d_W = x.T @ d_z ", "d_W = x.T @ d_u ", "d_W", "d_u[b,h] is passed on unchanged"),
    # the forward pass
    (MLP, "y_minus_t = y - t", "y_minus_t = y + t", "L", "the term -t[n,l] of y[n,l] - t[n,l] has the wrong sign"),
    (MLP, "z2 = h1 @ W2 + b2", "z2 = h1 @ W2", "L", "in z2[n,k], which was not given: the term b2[k] of"),
    # through time
    (LSTM, " * (1 - o1[t])", "", "d_W_i1", "in d_s_o1[n,t,j], which was not given: the factor 1 - o1[n,t,j]"),
    (LSTM, "@ U_g1_T", "@ U_g1", "d_W_i1", "it has U_g1[j3,j] where U_g1[j,j3] belongs"),
    (
        LSTM,
        "(f1[t + 1] * d_c1 if t + 1 < T else 0)",
        "0",
        "d_W_i1",
        "as if c1[n,t,j] did not depend on c1[n,t-1,j]",
    ),
    (MLP, "d_W1 = x.T @ d_z1", "d_W1 = x.T @ d_z1[::-1]", "d_W1", "No single mistake that is tried here explains"),
]


@pytest.mark.parametrize(("name", "old", "new", "first", "said"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes_are_found_and_named(name: str, old: str, new: str, first: str, said: str) -> None:
    report = proofread(network(name), changed(name, (old, new)).loss_and_grads)
    assert not report.right
    assert report.first_wrong == first
    assert said.lower() in report.text().lower(), report.text()


def test_one_mistake_explains_all_that_follows_from_it() -> None:
    report = proofread(network(MLP), changed(MLP, ("h2 * (1 - h2)", "h2")).loss_and_grads)
    assert report.finding is not None
    assert report.first_wrong == "d_W2" and report.finding.inside == "d_z2"
    assert report.finding.follows == {"d_b2", "d_W1", "d_b1"}
    assert "This explains d_b2, d_W1 and d_b1, too." in report.text()


def test_gradients_of_another_network_are_explained_by_its_forward_pass() -> None:
    other = changed(MLP, ("h2 = sigmoid(z2)", "h2 = np.tanh(z2)"), ("* h2 * (1 - h2)", "* (1 - h2**2)"))
    report = proofread(network(MLP), other.loss_and_grads)
    assert report.finding is not None and report.finding.inside == "h2"
    assert "it has tanh(z2[n,k]) where sigmoid(z2[n,k]) belongs" in report.text()
    assert report.finding.follows == {f"d_{p.name}" for p in network(MLP).parameters}


def test_a_factor_besides_another_mistake() -> None:
    mean = [
        ("* y * (1 - y) / B", "* y * (1 - y)"),
        ("d_W3 = h2.T", "d_W3 = h2.T / B"),
        ("b3 = d_z3.sum", "b3 = d_z3.mean"),
    ]
    two = changed(MLP, *mean, ("h2 * (1 - h2)", "h2"))
    report = proofread(network(MLP), two.loss_and_grads)
    assert report.first_wrong == "d_W2" and report.finding is not None and report.finding.inside == "d_z2"
    assert "the factor 1 - h2[n,k] is missing.\n  Besides, it is B times the right one" in report.text()
    assert "This explains d_b2, d_W1 and d_b1, too." in report.text()


def test_a_second_mistake_is_mentioned() -> None:
    two = changed(MLP, ("d_b3 = d_z3.sum(axis=0)", "d_b3 = -d_z3.sum(axis=0)"), ("h1 * (1 - h1)", "h1"))
    report = proofread(network(MLP), two.loss_and_grads)
    assert report.first_wrong == "d_b3"
    assert "It doesn't explain d_W1 and d_b1, also wrong" in report.text()


@pytest.mark.parametrize("name", [TANH, NORM])
def test_whatever_is_changed_in_a_derivation_is_found(name: str) -> None:
    """What comes out of a changed equation is wrong, and some single change explains it: the search is complete."""
    reference = Reference(network(name))
    changes = Changes(reference, frozenset())
    hypotheses = [h for n in reference.adjoints for f in (passed_on, paths_missing) for h in f(reference, n)]
    hypotheses += changes.of(reference.adjoints)
    wrong = 0
    for h in hypotheses[::17]:
        values = [reference.with_equations(p, h.new, reference.parameters) for p in reference.points]
        at = iter(values)

        def student(params: object, at: object = at) -> object:
            return next(at)  # type: ignore[call-overload]

        report = proofread(network(name), student)
        if not report.right:
            wrong += 1
            assert report.finding is not None and report.finding.mistake.kind != "unknown", h
    assert wrong > 5


def test_a_tenth_of_a_millionth_is_the_limit() -> None:
    for factor, right in ((1 + 1e-9, True), (1 + 1e-6, False)):
        module = changed(MLP, ("d_W1 = x.T @ d_z1", f"d_W1 = {factor!r} * x.T @ d_z1"))
        assert proofread(network(MLP), module.loss_and_grads).right is right


def test_both_languages_say_the_same() -> None:
    english, chinese = LANGUAGES["en"], LANGUAGES["zh"]
    assert english.keys() == chinese.keys()
    for key, sentence in english.items():
        places = {n for n in range(4) if f"{{{n}}}" in sentence}
        assert places == {n for n in range(4) if f"{{{n}}}" in chinese[key]}, key
    assert set(KINDS) <= english.keys()
