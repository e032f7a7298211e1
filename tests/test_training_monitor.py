"""What a training tells: warnings on gradients and units, the progress line, the history as table and picture."""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_modules import fresh, task


def said(module: Any, capsys: pytest.CaptureFixture[str], params: dict[str, Any], **options: Any) -> list[str]:
    """The lines on stderr of a training, data and settings being the usual ones unless given."""
    x, t = task(40)
    chosen = {"epochs": 3, "lr": 1e-9, "optimizer": "sgd", "every": 1000, **options}
    module.train(params, x, t, **chosen)
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err.splitlines()


def test_vanishing_gradients_are_named_with_what_to_try(capsys: pytest.CaptureFixture[str]) -> None:
    """Nine sigmoid layers with small weights: each lets a small part of the gradient through."""
    module = fresh("mlp:4-8-8-8-8-8-8-8-8-8-3,sigmoid,cross_entropy")
    params = {name: 0.5 * value for name, value in module.init_params().items()}
    first = said(module, capsys, params)[0]
    assert re.match(r"epoch 1: gradients vanish: norm \d\.\de-\d\d in layer 1, .* in 10\. Try relu for sigmoid", first)


def test_exploding_gradients_are_named_with_what_to_try(capsys: pytest.CaptureFixture[str]) -> None:
    module = fresh("mlp:4-8-8-8-3,relu,cross_entropy")
    params = {name: 50 * value for name, value in module.init_params().items()}
    first = said(module, capsys, params)[0]
    assert re.match(r"epoch 1: gradients explode: norm \d\.\de\+\d\d in layer \d\. Try a smaller learning rate", first)


def test_dead_units_are_counted_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    module = fresh("mlp:4-8-3,relu,cross_entropy")
    params = module.init_params()
    params["b1"][:6] = -100  # six of eight are zero whatever comes in
    x, t = task(40)
    active = (x @ params["W1"] + params["b1"] > 0).any(axis=0)
    assert module.idle_units(params, x) == {"dead_h1": 1 - active.mean()} == {"dead_h1": 0.75}
    lines = said(module, capsys, params)
    assert lines[0].startswith("epoch 1: units are dead: 75% of h1 are 0 for a whole batch. Try a smaller learning")
    assert sum("dead" in line for line in lines) == 1  # not said again every epoch
    _, state = module.train(params, x, t, epochs=1, lr=1e-9, quiet=True)
    assert state["history"][0]["dead_h1"] == 0.75


@pytest.mark.parametrize(("function", "bound"), [("tanh", 0.99), ("sigmoid", 0.99)])
def test_saturated_units_are_counted_and_named(
    function: str, bound: float, capsys: pytest.CaptureFixture[str]
) -> None:
    module = fresh(f"mlp:4-8-3,{function},cross_entropy")
    params = module.init_params()
    params["b1"][:5], params["b1"][5] = 100, -100
    x, _ = task(40)
    assert module.idle_units(params, x) == {"saturated_h1": 0.75}
    lines = said(module, capsys, params)
    assert any("units are saturated: 75% of h1 are at a bound" in line for line in lines)
    edge = {"tanh": np.arctanh(bound), "sigmoid": np.log(bound / (1 - bound))}[function]
    for shift, share in ((-1e-3, 0.0), (1e-3, 1.0)):  # both bounds, from just below and just above 99 %
        params = {name: np.zeros_like(value) for name, value in params.items()}
        params["b1"][:4], params["b1"][4:] = edge + shift, -edge - shift
        assert module.idle_units(params, x) == {"saturated_h1": share}


def test_half_of_the_units_idle_is_no_warning_yet(capsys: pytest.CaptureFixture[str]) -> None:
    module = fresh("mlp:4-8-3,relu,cross_entropy")
    assert module.unit_advice({"dead_h1": 0.5}) == ""
    assert module.unit_advice({"dead_h1": 0.5, "dead_h2": 0.51}).startswith("units are dead: 51% of h2")
    assert module.gradient_advice({1: 1e-3, 2: 1.0}) == ""
    assert module.gradient_advice({1: 0.9e-3, 2: 1.0}).startswith("gradients vanish")
    assert module.gradient_advice({1: 1.0, 2: 1e3}) == ""


def test_recovery_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    report = fresh().Report(0, 9, 10, 1, False)
    for epoch, text in enumerate(["", "gradients vanish: a", "gradients vanish: b", "", "gradients explode: c"], 1):
        report.advice(epoch, text)
    assert capsys.readouterr().err.splitlines() == [
        "epoch 2: gradients vanish: a", "epoch 4: gradients look healthy again.", "epoch 5: gradients explode: c",
    ]  # fmt: skip


def test_rate_and_time_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = fresh()
    clock = iter([100.0, 100.0 + 61.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    report = module.Report(2, 10, 1000, 1, False)  # resumed after two epochs of ten, a thousand samples each
    report.epoch({"epoch": 6, "loss": 0.5}, {1: 0.25}, False)  # four epochs in 61 seconds
    expected = "epoch 6/10  loss 0.5  gradient norms 2.5e-01  66 samples/s  1:01 left\n"
    assert capsys.readouterr().err == expected


def test_gradient_norms_are_those_of_the_layers() -> None:
    module = fresh("mlp:4-8-5-3,relu,cross_entropy")
    _, grads = module.loss_and_grads(module.init_params(), *task(10))
    for layer, norm in module.gradient_norms(grads).items():
        both = np.concatenate([grads[f"W{layer}"].ravel(), grads[f"b{layer}"]])
        assert norm == pytest.approx(np.linalg.norm(both), rel=1e-12)


# Files


def trained(module: Any, folder: Path, *options: str) -> int:
    x, t = task(60)
    np.savez(folder / "data.npz", x=x, t=t)
    return module.main(["train", str(folder / "data.npz"), "--epochs", "4", "--validation", "0.2", "--quiet", *options])


def test_history_is_a_table_of_what_the_state_holds(tmp_path: Path) -> None:
    module = fresh("mlp:4-8-3,relu,cross_entropy")
    file, net = tmp_path / "history.csv", tmp_path / "net.npz"
    assert trained(module, tmp_path, "--history", str(file), "--out", str(net)) == 0
    with file.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    _, state = module.load(net)
    keys = ["epoch", "loss", "val_loss", "val_accuracy", "gradient_norm_1", "gradient_norm_2", "dead_h1"]
    assert list(rows[0]) == keys
    assert [{key: float(cell) for key, cell in row.items()} for row in rows] == state["history"]  # all digits


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")])
def test_a_picture_is_drawn(name: str, start: bytes, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert trained(fresh(), tmp_path, "--plot", str(tmp_path / name)) == 0
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--plot", "a.foo"], "a.foo: the name of a picture ends in .png, .svg or .pdf"),
        (["--out", "."], ".: it is a folder: add a file name"),
        (["--history", "nowhere/a.csv"], "nowhere/a.csv: its folder doesn't exist"),
    ],
)
def test_files_that_cannot_be_written_are_named_before_training(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--plot" in options:
        pytest.importorskip("matplotlib")
    module = fresh()
    module.train = None
    assert trained(module, tmp_path, *options) == 2
    assert capsys.readouterr().err.endswith(f"error: {message}\n")


def test_without_matplotlib_everything_else_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    module = fresh()
    assert trained(module, tmp_path) == 0
    assert trained(module, tmp_path, "--plot", "a.png") == 2
    assert "--plot needs matplotlib: pip install matplotlib, or use --history" in capsys.readouterr().err
