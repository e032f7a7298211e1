"""Recurrences as loops: what a step keeps, what is a view of another array, what comes out of the loop."""

from __future__ import annotations

import re

import numpy as np
import pytest

from symbp import generate, load
from symbp.emit.footprint import footprint
from symbp.emit.loading import load_module
from symbp.layers import GRU, LSTM, RNN, Bidirectional, Dense, Last, Layer, LinearScan, MeanOver
from symbp.program import Program
from symbp.sequence import Sequential

CELLS = [
    RNN(4),
    LSTM(4, peepholes=True),
    GRU(4, reverse=True),
    GRU(4, reset_after=True, reverse=True),
    Bidirectional(RNN(4)),
    LinearScan(),
]


def net(cell: Layer, *tail: Layer) -> Program:
    return Sequential(cell, *(tail or (MeanOver(),)), Dense(3), shape=("T", 2), loss="half_squared_error")


def function(text: str, name: str) -> list[str]:
    """The lines of a function of the module."""
    lines = text.splitlines()
    start = lines.index(next(line for line in lines if line.startswith(f"def {name}(")))
    return lines[start : next(k for k in range(start + 1, len(lines)) if lines[k].startswith("def "))]


def inside(lines: list[str]) -> list[str]:
    """The lines of all loops over time."""
    out: list[str] = []
    depth = None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        depth = None if depth is not None and line.strip() and indent <= depth else depth
        if depth is not None:
            out.append(line.strip())
        elif re.match(r" +for t in (reversed\()?range\(T", line):
            depth = indent
    return out


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_both_styles_compute_the_same(cell: Layer) -> None:
    modules = [load_module(generate(net(cell), style=style)) for style in ("readable", "fast")]
    rng = np.random.default_rng(3)
    params = {name: value + 0.3 * rng.standard_normal(value.shape) for name, value in modules[0].init_params().items()}
    x, t = rng.standard_normal((7, 5, 2)), rng.standard_normal((7, 3))
    (one, grads), (other, fast) = (m.loss_and_grads(params, x, t) for m in modules)
    assert one == pytest.approx(other, rel=1e-13) == modules[0].loss(params, x, t)
    largest = max(np.abs(g).max() for g in grads.values())
    for name, g in grads.items():
        np.testing.assert_allclose(fast[name], g, rtol=1e-12, atol=1e-12 * largest)
    assert max(modules[0].gradient_check(params, x, t, entries=1).values()) < 1e-5


@pytest.mark.parametrize("style", ["readable", "fast"])
@pytest.mark.parametrize("cell", [RNN(4), LSTM(4), GRU(4, reset_after=True, reverse=True)], ids=repr)
def test_inputs_are_projected_outside_of_the_loop(cell: Layer, style: str) -> None:
    """For the prediction and the loss as for the gradients."""
    text = generate(net(cell), style=style)
    for name in ("forward", "loss", "loss_and_grads" if style == "readable" else "workspace"):
        lines = inside(function(text, name))
        assert lines and not any(re.search(r"\bx\b|\bW_?\w*1\b", line.partition("  #")[0]) for line in lines)


@pytest.mark.parametrize("reverse", [False, True])
def test_what_was_a_step_before_is_a_view(reverse: bool) -> None:
    """Of one array with a step of zeros in front of it: nothing is copied, nothing chosen."""
    text = generate(net(GRU(4, reverse=reverse)))
    whole, part = ("[1:], ", "[:-1]") if reverse else ("[:-1], ", "[1:]")
    assert f"    h1_shifted, h1 = h1_with_start{whole}h1_with_start{part}" in text
    forward = inside(function(text, "forward"))
    assert forward and not any(" if " in line or "h1_shifted[t] =" in line for line in forward)
    assert "shifted2" not in text  # t != T - 1 and T != t + 1 are one condition
    fast = "\n".join(function(generate(net(GRU(4, reverse=reverse)), style="fast"), "workspace"))
    assert "h1_shifted = h1_with_start" in fast and "copyto(h1_shifted" not in fast


def test_what_only_the_next_step_reads_is_one_value() -> None:
    text = generate(net(LSTM(4), Last()))
    forward, backward = (function(text, name) for name in ("forward", "loss_and_grads"))
    assert "    c1 = np.zeros((B, 4), DTYPE)" in forward
    assert any(line.startswith("c1 = c1 * f1 + g1 * i1") for line in inside(forward))
    assert "    d_c1 = np.zeros((B, 4), DTYPE)" in backward
    assert any(line.startswith("c1[t] = ") for line in inside(backward))  # the way back reads it at all steps


def test_what_is_the_same_at_all_steps_is_not_repeated() -> None:
    """The gradient by a mean over time."""
    for style in ("readable", "fast"):
        assert "broadcast_to" not in generate(net(LSTM(4)), style=style)


def test_a_large_recurrence_keeps_few_arrays_over_time() -> None:
    """Four sums of the gates' inputs and seven arrays on the way forward, four in place of the sums on the way back."""
    program = load("lstm:32-128-10,cross_entropy")
    sizes = {"B": 32, "T": 50}
    over_time = 50 * 32 * 128 * 8
    text = generate(program)
    assert 11 < footprint(text, program, sizes).peak / over_time < 13
    given = re.findall(r"^    del (.*?)(?:  #.*)?$", "\n".join(function(text, "loss_and_grads")), re.MULTILINE)
    assert given == ["s_i1_in, s_f1_in, s_g1_in, s_o1_in"]  # no views, no arrays of a single step
    assert "    del " not in "\n".join(function(text, "forward"))  # nothing large follows
