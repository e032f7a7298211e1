"""Training with every optimiser and setting: it learns, and interrupted and resumed it is what it is uninterrupted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from symbp.architectures import load
from symbp.emit import generate
from symbp.emit.run import load_module

OPTIMIZERS = ("sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw")
NET = "mlp:4-8-3,tanh,cross_entropy"
STYLES = ("readable", "fast")
MODULES = {style: load_module(generate(load(NET), optimizers=OPTIMIZERS, style=style)) for style in STYLES}


def data() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).standard_normal((60, 4))
    return x, (x @ np.array([[1, 0, -1], [0, 1, 0], [2, 0, 0], [0, 0, 1.0]])).argmax(axis=1)


@pytest.mark.parametrize("style", MODULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resumed_is_uninterrupted(optimizer: str, style: str) -> None:
    module = MODULES[style]
    x, t = data()
    options = {"optimizer": optimizer, "lr": 0.01, "batch_size": 16, "schedule": "step", "warmup": 5, "clip": 0.5,
               "decay": 0.001, "patience": 50, "validation": (x[50:], t[50:]), "quiet": True}  # fmt: skip
    kept = {}  # as after each epoch: what a checkpoint holds

    def keep(params: dict, state: dict) -> None:
        kept[state["epoch"]] = params, state

    whole, _ = module.train(module.init_params(), x[:50], t[:50], epochs=9, on_epoch=keep, **options)
    half, state = kept[4]
    rest = {name: options[name] for name in ("validation", "quiet")}
    resumed, state = module.train(half, x[:50], t[:50], epochs=9, state=state, **rest)
    assert all(np.array_equal(whole[name], resumed[name]) for name in whole)
    losses = [row["loss"] for row in state["history"]]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_both_styles_train_alike(optimizer: str) -> None:
    x, t = data()
    options = {"optimizer": optimizer, "lr": 0.01, "batch_size": 16, "clip": 0.5, "decay": 0.01, "quiet": True}
    found = [m.train(m.init_params(), x, t, epochs=9, **options)[0] for m in MODULES.values()]
    for name, value in found[0].items():
        np.testing.assert_allclose(found[1][name], value, rtol=1e-9, atol=1e-12)


def test_a_table_with_a_header(tmp_path: Path) -> None:
    x, t = data()
    names = np.array(["ant", "bee", "cat"])
    rows = [",".join([*map(repr, map(float, row)), name]) for row, name in zip(x, names[t], strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,c,d,kind", *rows, ""]))
    generate(load(NET), tmp_path / "net.py")
    command = [sys.executable, "net.py", "train", "table.csv", "--label", "kind", "--standardise", "--epochs", "60",
               "--lr", "0.02", "--out", "net.npz", "--quiet"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows[7] = rows[7].replace(",", ",x", 1)
    (tmp_path / "table.csv").write_text("\n".join(["a,b,c,d,kind", *rows, ""]))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "line 9" in done.stderr and "Traceback" not in done.stderr
