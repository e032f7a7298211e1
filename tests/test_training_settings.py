"""Training is resumed exactly, with each optimiser and number type; settings that can't be are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_modules import OPTIMIZERS, fresh, same, task

MODULES = {style: fresh(style=style) for style in ("readable", "fast")}


@pytest.mark.parametrize("style", MODULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resumed_is_uninterrupted(optimizer: str, style: str, tmp_path: Path) -> None:
    module, (x, t) = MODULES[style], task()
    options: dict[str, Any] = {
        "optimizer": optimizer, "lr": 0.01, "batch_size": 16, "schedule": "step", "warmup": 5, "clip": 0.5,
        "decay": 0.001, "patience": 50, "validation": (x[50:], t[50:]), "quiet": True,
    }  # fmt: skip
    kept: dict[int, Any] = {}  # as after each epoch: what a checkpoint holds
    whole, _ = module.train(module.init_params(), x[:50], t[:50], epochs=9, **options,
                            on_epoch=lambda *now: kept.update({now[1]["epoch"]: now}))  # fmt: skip
    module.save(tmp_path / "half.npz", *kept[4])
    half, state = module.load(tmp_path / "half.npz")
    rest = {name: options[name] for name in ("validation", "quiet")}
    resumed, after = module.train(half, x[:50], t[:50], epochs=9, state=state, **rest)
    assert same(whole, resumed) and same(kept[9][1]["memory"], after["memory"])
    losses = [row["loss"] for row in after["history"]]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_both_styles_train_alike(optimizer: str) -> None:
    x, t = task()
    options = {"optimizer": optimizer, "lr": 0.01, "batch_size": 16, "clip": 0.5, "decay": 0.01, "quiet": True}
    found = [m.train(m.init_params(), x, t, epochs=9, **options)[0] for m in MODULES.values()]
    for name, value in found[0].items():
        np.testing.assert_allclose(found[1][name], value, rtol=1e-9, atol=1e-12)


def test_a_checkpoint_of_one_style_is_resumed_in_the_other(tmp_path: Path) -> None:
    x, t = task()
    fast, readable = MODULES["fast"], MODULES["readable"]
    options: dict[str, Any] = {"optimizer": "adam", "lr": 0.01, "batch_size": 16, "quiet": True}
    whole, _ = readable.train(readable.init_params(), x, t, epochs=9, **options)
    for first, second in ((fast, readable), (readable, fast)):
        first.save(tmp_path / "half.npz", *first.train(first.init_params(), x, t, epochs=4, **options))
        half, state = second.load(tmp_path / "half.npz")
        resumed, _ = second.train(half, x, t, epochs=9, state=state, quiet=True)
        for name, value in whole.items():
            np.testing.assert_allclose(resumed[name], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("generated", "chosen"), [("float32", "float64"), ("float64", "float32")])
def test_the_number_type_is_kept_with_the_network(generated: str, chosen: str, tmp_path: Path) -> None:
    """Chosen on the command line it holds for what is saved, resumed and predicted, whatever the module's own is."""
    module = fresh("mlp:4-8-1,tanh,half_squared_error", dtype=generated, optimizers=("adam",))
    x, _ = task()
    data, y = str(tmp_path / "data.npz"), str(tmp_path / "y.npy")
    np.savez(data, x=x, t=x[:, :1])
    whole, half, again = (str(tmp_path / name) for name in ("whole.npz", "half.npz", "again.npz"))
    assert module.main(["train", data, "--dtype", chosen, "--epochs", "6", "--out", whole, "--quiet"]) == 0
    for words in (["train", data, "--dtype", chosen, "--epochs", "3", "--out", half],
                  ["train", data, "--resume", half, "--epochs", "6", "--out", again]):  # fmt: skip
        module.use_dtype(generated)  # as in a new process
        assert module.main([*words, "--quiet"]) == 0
    assert Path(again).read_bytes() == Path(whole).read_bytes()
    with np.load(whole) as file:
        assert {file[name].dtype.name for name in ("W1", "b2", "memory.v.W1")} == {chosen}
    for words, found in (([], chosen), (["--dtype", generated], generated)):
        module.use_dtype(generated)
        assert module.main(["predict", whole, data, "-o", y, *words]) == 0
        assert np.load(y).dtype.name == found


def test_a_parameter_that_overflows_in_the_last_step_is_noticed() -> None:
    module = fresh(dtype="float32")
    with pytest.raises(FloatingPointError, match=r"epoch 1: a parameter isn't finite\. Try a smaller learning rate"):
        module.train(module.init_params(), *task(), epochs=1, batch_size=60, optimizer="sgd", lr=1e60, quiet=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimiser": "sgd"}, "there is no setting optimiser: they are optimizer, lr"),
        ({"schedule": "linear"}, "no schedule 'linear', only constant, step, cosine"),
        ({"dtype": "float16"}, "dtype is 'float16', not float32 or float64"),
        ({"lr": "fast"}, "lr is 'fast', which is no number"),
        ({"lr": float("nan")}, "batch_size and lr must be above zero"),
        ({"clip": -1.0}, "warmup, clip, decay and patience can't be below zero"),
        ({"decay": float("inf")}, "warmup, clip, decay and patience can't be below zero"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(MODULES["readable"].InputError, match=message):
        MODULES["readable"].train(MODULES["readable"].init_params(), *task(), epochs=1, quiet=True, **settings)


@pytest.mark.parametrize(
    ("option", "value"), [("--seed", "-1"), ("--save-every", "x"), ("--batch", "2.5"), ("--schedule", "linear")]
)
def test_impossible_options_are_refused(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        MODULES["readable"].main(["train", "data.npz", option, value])
    assert f"argument {option}: " in capsys.readouterr().err
