"""Every definition of the library all the way through: printed, counted, emitted, run, trained."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from whole_networks import NETS, USED_LOSSES

from symbp import layers as library
from symbp.check import random_values, relative_error
from symbp.emit import generate
from symbp.emit.arguments import arguments_of
from symbp.emit.run import load_module
from symbp.program import Program
from symbp.show.derivation import derivation

EXACT = 1e-12
SINGLE = 2e-4
STYLES = ("readable", "fast")


@cache
def network(name: str) -> Program:
    return NETS[name]()


@cache
def module(name: str, style: str = "readable") -> Any:
    return load_module(generate(network(name), style=style))


def values_of(net: Program) -> dict[str, Any]:
    """Random values; something can always be seen, and binary targets are 0 or 1."""
    values = random_values(net)
    if "sees" in values:
        values["sees"][:, 0] = 1
    if net.task == "binary":
        values["t"] = (values["t"] > 0).astype(float)
    return values


def test_no_definition_is_left_out() -> None:
    no_definition = {"LOSSES", "Layer", "Loss", "size_of"}
    assert {name.split()[0] for name in NETS} == set(library.__all__) - no_definition
    assert set(library.LOSSES) == USED_LOSSES


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("level", ["matrix", "index"])
def test_is_derived_on_paper(name: str, level: str) -> None:
    net = network(name)
    found = derivation(net, level=level)
    assert len(found.steps) >= len(net.parameters)
    assert "\\begin{document}" in found.latex(document=True)
    assert "All gradients" in found.text()


FIRST = {name.split()[0]: name for name in reversed(NETS)}.values()  # one network a definition: counting is slow


@pytest.mark.parametrize("name", FIRST)
def test_is_counted(name: str) -> None:
    """At the larger of two sizes if that leaves few scalars."""
    net = network(name)
    sizes = {size: 1 if size == "B" and name != "InfoNCE" else 2 for size in net.size_names}
    if len(net.unroll(sizes).equations) > (30 if name == "InfoNCE" else 20):  # a batch of one has no contrast
        sizes = dict.fromkeys(sizes, 1)
    counts = net.count(sizes)
    forward, plain, shared = (counts[s].total for s in ("forward", "reverse", "reverse + CSE"))
    assert forward is not None and plain is not None and shared is not None
    assert 0 < forward < plain and shared <= plain


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", NETS)
def test_the_module_computes_what_the_interpreter_does(name: str, style: str) -> None:
    net, values = network(name), values_of(network(name))
    found, emitted = arguments_of(net), module(name, style)
    params = {t.name: values[t.name] for t in (*net.parameters, *net.state)}
    value, grads, *moved = emitted.loss_and_grads(params, *(values[t.name] for t in found.all))
    reference = net.gradient().evaluate(values)
    assert relative_error(value, reference["L"]) < EXACT
    assert set(grads) == {p.name for p in net.parameters}
    largest = max(float(np.abs(reference[f"d_{p}"]).max()) for p in grads)
    for p, g in grads.items():  # where a gradient is zero by cancellation, rounding is relative to the others
        assert relative_error(g, reference[f"d_{p}"], largest / 1000) < EXACT, p
    for state, new in (moved[0] if moved else {}).items():
        assert relative_error(new, reference[net.updates[state]]) < EXACT
    assert bool(moved) == bool(net.state)
    inference = (net.inference or net).evaluate(values)
    assert relative_error(emitted.forward(params, *(values[t.name] for t in found.inputs)), inference["y"]) < EXACT
    assert relative_error(emitted.loss(params, *(values[t.name] for t in found.data)), inference["L"]) < EXACT


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", NETS)
def test_in_single_precision_too(name: str, style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All arrays of 32 bits, right to some thousand roundings of the largest gradient."""
    net, values, emitted = network(name), values_of(network(name)), module(name, style)
    monkeypatch.setattr(emitted, "DTYPE", np.float32)
    params = {t.name: np.asarray(values[t.name], np.float32) for t in (*net.parameters, *net.state)}
    given = [values[t.name] for t in arguments_of(net).all]
    given = [np.asarray(a, np.float32) if np.asarray(a).dtype.kind == "f" else a for a in given]
    with np.errstate(all="ignore"):  # BLAS may set flags for what lies behind an array's end; the numbers are looked at
        value, grads, *moved = emitted.loss_and_grads(params, *given)
    exact = {name: a.astype(float) for name, a in params.items()}
    for t, a in zip(arguments_of(net).all, given, strict=True):
        exact[t.name] = np.asarray(a, float if t.dtype == "real" else int)
    reference = net.gradient().evaluate(exact)
    largest = max(float(np.abs(reference[f"d_{p}"]).max()) for p in grads)
    assert relative_error(value, reference["L"], 1.0) < SINGLE
    for p, g in grads.items():
        assert g.dtype == np.float32, p
        assert np.abs(g - reference[f"d_{p}"]).max() < SINGLE * largest, p
    for state, new in (moved[0] if moved else {}).items():
        assert new.dtype == np.float32 and relative_error(new, reference[net.updates[state]], 1.0) < SINGLE


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", NETS)
def test_the_module_passes_its_own_check_and_trains(name: str, style: str, capsys: pytest.CaptureFixture[str]) -> None:
    emitted, values = module(name, style), values_of(network(name))
    assert emitted.main(["check"]) == 0, capsys.readouterr().out
    start = emitted.init_params(1)
    data = [values[t.name] for t in arguments_of(network(name)).data]
    params, state = emitted.train(start, *data, epochs=1, quiet=True)
    assert np.isfinite(state["history"][0]["loss"])
    assert any(np.any(params[p] != start[p]) for p in start)
    again, _ = emitted.train(start, *data, epochs=1, quiet=True)
    assert all(np.array_equal(params[p], again[p]) for p in params)


@pytest.mark.parametrize("name", NETS)
def test_a_workspace_holds_nothing_of_an_earlier_step(name: str) -> None:
    """Other data in between, and other parameters: the same workspace gives the same numbers again, bit for bit."""
    net, emitted = network(name), module(name, "fast")
    kept = values_of(net)
    params = {t.name: np.array(kept[t.name]) for t in (*net.parameters, *net.state)}
    arguments = [[values[t.name] for t in arguments_of(net).all] for values in (kept, other_data(net))]
    flat, views = emitted.flatten({p.name: params[p.name] for p in net.parameters})
    flat_grads, grads = emitted.flatten({name: np.full_like(a, np.nan) for name, a in views.items()})
    state = [{s.name: params[s.name] for s in net.state}] if net.state else []
    step = emitted.workspace(flat, flat_grads, *state, *arguments[0])
    first, found = step(*arguments[0]), {k: g.copy() for k, g in grads.items()}
    for p in (flat, *(params[s.name] for s in net.state)):
        p *= 2
    step(*arguments[1])
    for p in (flat, *(params[s.name] for s in net.state)):
        p /= 2
    second = step(*arguments[0])
    assert (first[0] if net.state else first) == (second[0] if net.state else second)
    assert all(np.array_equal(g, found[k]) for k, g in grads.items())


def other_data(net: Program) -> dict[str, Any]:
    return {k: v[::-1].copy() if np.ndim(v) else v for k, v in values_of(net).items()}
