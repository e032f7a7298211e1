"""Memory: lifetimes, peaks, recomputation, budgets, against brute force and tracemalloc; what docs/memory.md says."""

from __future__ import annotations

import itertools
import random
import re
import shlex
import tracemalloc
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from symbp.architectures import load
from symbp.cli import main
from symbp.count.memory.footprint import STRATEGIES, Memory
from symbp.count.memory.tradeoff import TradeOff
from symbp.emit import generate
from symbp.emit.arguments import arguments_of, label_limit
from symbp.emit.footprint import footprint
from symbp.emit.loading import load_module
from symbp.emit.strides import strides_in_place, strides_like
from symbp.errors import SymbpError
from symbp.evaluate import evaluate
from symbp.notation import read
from symbp.program import Program
from symbp.schedule import Planner, recompute, timeline
from symbp.schedule.lifetimes import number
from symbp.unroll import concrete_sizes

DOCUMENT = (Path(__file__).resolve().parents[1] / "docs" / "memory.md").read_text(encoding="utf-8")
SMALL = {
    "mlp:3-5-4-2,relu,cross_entropy": {"B": 7},
    "mlp:3-5-2,batch_norm+tanh,half_squared_error": {"B": 7},
    "lstm:3-5-2,cross_entropy": {"B": 7, "T": 4},
    "gpt:layers=1,heads=2,width=6,context=5,vocabulary=7": {"B": 3},
}
LARGE = {  # several megabytes each
    "mlp:784-256-128-10,relu,cross_entropy": {"B": 512},
    "mlp:784-256-128-10,batch_norm+relu,cross_entropy": {"B": 512},
    "cnn:1x28x28,6c5p2+relu+max2,16c5+relu+max2,84+relu,10,cross_entropy": {"B": 32},
    "gpt:layers=1,heads=4,width=64,context=64,vocabulary=64": {"B": 8},
    "lstm:32-128-10,cross_entropy": {"B": 128, "T": 6},
}
TABLES = """sizes B, T=16, V=5000, D=32, K=500, C=32
input x[b,c]
int ids[b,t], who[b]
label t_[b]
param E[v,d], F[v,d], W[d,k], A[c,d]
m[b,d] = mean[t] E[ids[b,t],d] + F[who[b],d] + sum[c] x[b,c]*A[c,d]
s[b,k] = sum[d] tanh(m[b,d])*W[d,k]
loss = mean[b] (logsumexp[k] s[b,k] - s[b,t_[b]])
predict p[b,k] = s[b,k]"""
PAIRS = """sizes B, N=3000, D=64
int i_[b], j_[b]
input y[b]
param E[n,d], c[n]
s[b] = sum[d] E[i_[b],d]*E[j_[b],d] + c[i_[b]] + c[j_[b]]
loss = mean[b] (s[b] - y[b])^2
predict p[b] = s[b]"""
INTEGERS = {  # tokens and labels: rows read from tables, and their gradients collected
    "gpt:layers=1,heads=2,width=32,context=32,vocabulary=2000": {"B": 16},
    "gpt:layers=1,heads=2,width=32,context=32,vocabulary=2000,head=tied": {"B": 8},
    "lstm:16-64-300,vocabulary=300,each,cross_entropy": {"B": 64, "T": 10},
    "mlp:64-64-4000,relu,multiclass_hinge": {"B": 128},
    TABLES: {"B": 512},
    PAIRS: {"B": 4096},
}


@cache
def program(net: str) -> Program:
    return load(net) if ":" in net else read(net)


@cache
def backward(net: str) -> Program:
    return load(net).gradient()


def arrays(p: Program, sizes: dict[str, int]) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    out = {}
    for t in (*p.parameters, *p.state, *p.inputs):
        shape = tuple(number(s, sizes) for s in t.shape)
        labels = t.dtype == "int"
        out[t.name] = rng.integers(label_limit(p, t.name) or 2, size=shape) if labels else rng.uniform(0.1, 1, shape)
    return out


def step(text: str, p: Program, sizes: dict[str, int]) -> tuple[Any, int]:
    """What a module's step returns for random numbers, and the most bytes that it allocates."""
    module, values = load_module(text), arrays(p, sizes)
    params = {t.name: values[t.name].astype(module.DTYPE) for t in (*p.parameters, *p.state)}
    data = [values[t.name] for t in arguments_of(p).all]
    data = [a if a.dtype == np.int64 else a.astype(module.DTYPE) for a in data]
    flat, _ = module.flatten({t.name: params[t.name] for t in p.parameters}) if "flatten" in dir(module) else (0, 0)
    state = [{t.name: params[t.name] for t in p.state}] if p.state else []
    tracemalloc.start()
    if hasattr(module, "workspace"):
        flat_grads = np.empty_like(flat)
        value = module.workspace(flat, flat_grads, *state, *data)(*data)
        ends = np.cumsum([params[t.name].size for t in p.parameters])
        parts = zip(p.parameters, np.split(flat_grads, ends[:-1]), strict=True)
        found = (value[0] if p.state else value, {t.name: a.reshape(params[t.name].shape) for t, a in parts})
    else:
        found = module.loss_and_grads(params, *data)[:2]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found, peak


# ------------------------------------------------------------------------------------------------ lifetimes


def test_by_hand() -> None:
    """y = x W1 + b1, r = y - t, L = Sum(r^2)/(2 B), d_y = r/B, d_W1 = x^T d_y, d_b1 = Sum(d_y): y dies with r."""
    found = Memory(load("mlp:3-2,relu/linear,half_squared_error"), {"B": 5})
    held = found["reverse + CSE"]
    lives = [(life.name, life.first, life.last) for life in found.timeline("reverse + CSE").lives]
    assert lives == [("y", 0, 1), ("y_minus_t", 1, 3), ("L", 2, 5), ("d_y", 3, 5), ("d_W1", 4, 5), ("d_b1", 5, 5)]
    assert [life.name for life in held.kept] == ["y_minus_t"]
    assert (held.peak, held.step, str(held.form)) == (8 * (2 * (5 * 2) + 1), 4, "4*B + 1")
    assert found.gradient_bytes == 8 * (3 * 2 + 2)
    assert found.input_bytes == 8 * (5 * 3 + 5 * 2)
    assert Memory(found.program, {"B": 5}, "float32")["reverse"].peak * 2 == found["reverse"].peak


@pytest.mark.parametrize("net", [net for net in SMALL if not net.startswith("lstm")])
def test_peak_is_what_an_interpreter_would_hold(net: str) -> None:
    """The values of the reference interpreter, each thrown away when no later equation reads it."""
    p, sizes = backward(net), SMALL[net]
    values = evaluate(p, arrays(p, sizes))
    found, peak = timeline(p), 0
    order = [e for g in found.steps for e in g.equations]
    for k in range(len(order)):
        later = {name for e in order[k + 1 :] for name in e.value.tensors} | {*p.outputs, *p.updates.values()}
        here = {e.name for e in order[: k + 1]} & (later | {order[k].name} | set(order[k].value.tensors))
        peak = max(peak, sum(8 * np.size(values[name]) for name in here))
    assert found.peak(8, sizes)[0] == peak


@pytest.mark.parametrize("net", SMALL)
def test_closed_forms_are_the_bytes(net: str) -> None:
    names, rng = SMALL[net], random.Random(1)
    sizes = {name: rng.randint(2, 40) for name in names}
    found = Memory(program(net), sizes)
    for strategy in STRATEGIES:
        held = found[strategy]
        assert held.form.at(sizes).number * 8 == held.peak
        assert held.kept_bytes <= held.peak


# ------------------------------------------------------------------------------------------------ recomputation


@pytest.mark.parametrize("net", SMALL)
def test_recomputation_changes_no_gradient(net: str) -> None:
    p, sizes = backward(net), SMALL[net]
    planner, rng = Planner(p, sizes), random.Random(2)
    values = arrays(p, sizes)
    before = evaluate(p, values)
    some = frozenset(rng.sample(sorted(planner._kept_first), len(planner._kept_first) // 2))
    for plan in (planner.least, *(planner._exactly(planner._plan(kept)) for kept in (some, frozenset()))):
        again = recompute(p, plan.kept)
        assert timeline(again).peak(8, sizes)[0] == plan.peak
        assert {e.reason.wrt for e in again.equations if e.reason and e.reason.kind == "recomputed"} >= set(plan.again)
        after = evaluate(again, values)
        for name in p.outputs:
            np.testing.assert_allclose(after[name], before[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("net", ["mlp:4-8-4-8-2,relu,half_squared_error", "mlp:8-8-8-4,relu,cross_entropy"])
def test_no_choice_of_what_to_keep_is_cheaper(net: str) -> None:
    planner = Planner(backward(net), {"B": 64})
    values = sorted(n for n in planner.early if n not in planner.stays)
    choices = [frozenset(c) for n in range(len(values) + 1) for c in itertools.combinations(values, n)]
    every = [planner._plan(c) for c in choices]
    for budget in sorted({plan.peak for plan in every if plan.peak < planner.everything.peak}):
        found = planner.within(budget)
        assert found is not None and found.peak <= budget
        assert found.extra == min(plan.extra for plan in every if plan.peak <= budget)
    assert planner.within(min(plan.peak for plan in every) - 1) is None


def test_a_deep_chain_needs_the_square_root() -> None:
    least, full = {}, {}
    for depth in (9, 36):
        net = f"mlp:8-{'-'.join(['8'] * depth)}-2,tanh,half_squared_error"
        sizes = {"B": 4096}
        planner = Planner(backward(net), sizes)
        least[depth] = planner.least.peak
        assert planner.least.peak < planner.everything.peak * 3 / depth**0.5
        assert planner.least.extra < 0.4 * sum(planner.cost)
        full[depth] = planner.everything.peak
    assert full[36] > 3.5 * full[9]
    assert least[36] < 2.25 * least[9]


# ------------------------------------------------------------------------------------------------ emitted modules


def test_arrays_without_numbers_lie_as_numpys_do() -> None:
    """Reshaping copies where NumPy copies, and results have NumPy's strides."""
    rng = random.Random(3)
    copies = 0
    for _ in range(400):
        shape = [rng.choice((1, 2, 3, 4)) for _ in range(rng.randint(1, 4))]
        axes = rng.sample(range(len(shape)), len(shape))
        a = np.zeros(shape).transpose(axes)[:: rng.choice((1, 1, 2))]
        b = np.zeros([a.shape[n] for n in axes]).transpose(np.argsort(axes))
        parts = rng.choice([(a.size,), (-1, a.shape[-1]), (a.shape[0], -1), (*a.shape[::-1],), (*a.shape, 1)])
        wanted = np.empty(a.shape, np.int8).reshape(parts).shape
        found, there = strides_in_place(a, wanted), a.reshape(parts)
        copied = not np.shares_memory(a, there)
        assert (found is None) == copied
        if found is not None and there.size > 1:
            moved = [(n, s) for n, s in zip(wanted, found, strict=True) if n > 1]
            assert moved == [(n, s) for n, s in zip(wanted, there.strides, strict=True) if n > 1]
        copies += copied
        result = np.add(a, b)
        like = strides_like(a.shape, 8, [a, b])
        pairs = zip(a.shape, like, result.strides, strict=True)
        assert all(ours == theirs for n, ours, theirs in pairs if n > 1)
    assert 20 < copies < 380


@pytest.mark.parametrize("style", ["readable", "fast"])
@pytest.mark.parametrize("net, sizes", [*LARGE.items(), *INTEGERS.items()])
def test_modules_take_what_is_claimed(net: str, sizes: dict[str, int], style: str) -> None:
    text = generate(program(net), style=style, dtype="float32")
    claimed = footprint(text, program(net), sizes).peak
    _, measured = step(text, program(net), sizes)
    assert claimed > 2_000_000
    assert abs(measured - claimed) < 0.05 * measured


@pytest.mark.parametrize(
    "net, style, part",
    [
        ("mlp:64-64-64-64-64-10,relu,cross_entropy", "readable", 0.5),
        ("gpt:layers=1,heads=4,width=64,context=64,vocabulary=64", "fast", 0.75),
        ("cnn:1x12x12,4c5+relu+max2,8c3+relu,10,cross_entropy", "fast", 0.92),
    ],
)
def test_modules_keep_to_a_budget(net: str, style: str, part: float) -> None:
    sizes = LARGE.get(net, {"B": 1024})
    p = program(net)
    plain = generate(p, style=style)
    budget = int(part * footprint(plain, p, sizes).peak)
    text = generate(p, style=style, memory_budget=budget, sizes=sizes)
    claimed = footprint(text, p, sizes).peak
    (value, grads), measured = step(text, p, sizes)
    (value_before, before), _ = step(plain, p, sizes)
    assert claimed <= budget
    assert abs(measured - claimed) < 0.05 * measured
    assert f"take {claimed:,} bytes at most" in " ".join(text.split())
    assert value == pytest.approx(value_before, rel=1e-12)
    for name, grad in before.items():
        np.testing.assert_allclose(grads[name], grad, rtol=1e-9, atol=1e-12 * max(1, np.max(np.abs(grad))))


def test_errors_say_what_to_do() -> None:
    p = program("mlp:64-64-32-10,relu,cross_entropy")
    with pytest.raises(SymbpError, match="add --set B=64"):
        generate(p, memory_budget=10**6)
    with pytest.raises(SymbpError, match=r"keeps to 1,000 bytes: the least takes [\d,]+"):
        generate(p, memory_budget=1000, sizes={"B": 64})
    with pytest.raises(SymbpError, match="the least takes"):
        TradeOff(Memory(p, {"B": 64})).within(1000)
    for words, message in [
        (["--budget", "1MB"], "add --memory"),
        (["--memory", "--budget", "1XB"], "write a number of bytes"),
        (["--memory", "--by", "layer"], "not by layer"),
        (["--memory", "--plot", "x.png"], "leave out --plot"),
    ]:
        found = CliRunner().invoke(main, ["count", "mlp:2-3-1,relu,half_squared_error", *words])
        assert found.exit_code == 2 and message in found.output


# ------------------------------------------------------------------------------------------------ docs/memory.md


@pytest.mark.parametrize("block", re.findall(r"^```console\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL))
def test_commands_print_what_stands_under_them(block: str) -> None:
    command, *expected = block.rstrip().splitlines()
    found = CliRunner().invoke(main, shlex.split(command.removeprefix("$ symbp ")))
    assert found.exit_code == 0, found.output
    assert expected == [line.rstrip() for line in found.output.rstrip().splitlines()], found.output


def test_the_module_reads_as_the_document_says(tmp_path: Path) -> None:
    (words,) = re.findall(r"^symbp (generate .*)$", DOCUMENT, re.MULTILINE)
    out = tmp_path / "small.py"
    found = CliRunner().invoke(main, [str(out) if w == "small.py" else w for w in shlex.split(words)])
    assert found.exit_code == 0, found.output
    for lines in re.findall(r"^```py\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL):
        assert lines in out.read_text(encoding="utf-8")
    assert concrete_sizes(program("mlp:64-64-64-64-64-10,relu,cross_entropy"), {"B": 512}) == {"B": 512}
