"""Early stopping on validation data: when it stops, which parameters come back, how it is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_modules import fresh, overfitted, same, task

MODULE = fresh()
SETTINGS = {"optimizer": "adam", "lr": 0.05, "batch_size": 8, "quiet": True}


def run(epochs: int, start: Any = None, **options: Any) -> tuple[dict[str, Any], dict[str, Any], dict[int, Any]]:
    """(params, state, epoch -> params and state after it); start: the params and state to go on from."""
    kept: dict[int, Any] = {}
    params, state = start or (MODULE.init_params(2), None)
    found = MODULE.train(
        params, *overfitted(), epochs=epochs, state=state, validation=task(60, seed=9),
        on_epoch=lambda *now: kept.update({now[1]["epoch"]: now}), **SETTINGS, **options,
    )  # fmt: skip
    return *found, kept


def losses(state: dict[str, Any]) -> list[float]:
    return [row["val_loss"] for row in state["history"]]


def test_the_best_parameters_come_back() -> None:
    params, state, _ = run(200, patience=6)
    _, free, each = run(state["epoch"])
    best = int(np.argmin(losses(free))) + 1
    assert 1 < best < 200 - 6
    assert state["epoch"] == best + 6 == len(state["history"])
    assert state["best"] == {"epoch": best, "loss": min(losses(free))}
    assert same(params, each[best][0])  # those that training without early stopping had after that epoch
    assert not same(params, each[best + 6][0])
    assert same(state["last"], each[best + 6][0])
    assert MODULE.evaluate(params, *task(60, seed=9))["loss"] == min(losses(free))


def test_no_loss_of_the_patience_in_between_was_better() -> None:
    _, state, _ = run(200, patience=6)
    best = state["best"]["epoch"]
    assert min(losses(state)) == losses(state)[best - 1]
    for epoch in range(1, best):  # it hadn't waited too long before
        assert min(losses(state)[epoch : epoch + 6]) < min(losses(state)[:epoch])


def test_resumed_between_best_and_end_it_ends_the_same(tmp_path: Path) -> None:
    params, state, each = run(200, patience=6)
    half = each[state["best"]["epoch"] + 3]
    MODULE.save(tmp_path / "half.npz", *half)
    again, state_again, _ = run(200, MODULE.load(tmp_path / "half.npz"))
    assert same(again, params) and same(state_again["last"], state["last"])
    assert state_again["history"] == state["history"] and state_again["best"] == state["best"]


def test_goes_on_only_with_more_patience() -> None:
    params, state, _ = run(200, patience=6)
    with pytest.raises(MODULE.InputError, match=rf"stopped at epoch {state['epoch']}.*raise patience to go on"):
        run(200, (params, state))
    longer, after, _ = run(state["epoch"] + 2, (params, state), patience=50)
    _, free, each = run(state["epoch"] + 2)
    assert losses(after) == losses(free)  # it went on from the last parameters, not from the best
    assert same(longer, each[state["best"]["epoch"]][0])


def test_without_validation_there_is_nothing_to_stop_on() -> None:
    with pytest.raises(MODULE.InputError, match="patience needs data for validation"):
        MODULE.train(MODULE.init_params(), *overfitted(), epochs=2, patience=2, **SETTINGS)


# What is held back


def test_held_back_samples_are_never_trained_on() -> None:
    rows, held = MODULE.split(40, 0.25)
    assert len(held) == 10 and sorted([*rows, *held]) == list(range(40))
    x, t = overfitted()
    broken = t.copy()
    broken[held] = (t[held] + 1) % 3
    first, a = MODULE.train(MODULE.init_params(), x, t, epochs=3, validation=0.25, **SETTINGS)
    second, b = MODULE.train(MODULE.init_params(), x, broken, epochs=3, validation=0.25, **SETTINGS)
    assert same(first, second)
    assert losses(a) != losses(b)
    assert a["history"][-1]["val_loss"] == MODULE.evaluate(first, x[held], t[held])["loss"]


def test_stay_held_back_when_resumed() -> None:
    whole, state = MODULE.train(MODULE.init_params(), *overfitted(), epochs=6, validation=0.25, **SETTINGS)
    half = MODULE.train(MODULE.init_params(), *overfitted(), epochs=3, validation=0.25, **SETTINGS)
    again, after = MODULE.train(half[0], *overfitted(), epochs=6, state=half[1], quiet=True)
    assert same(whole, again) and after["history"] == state["history"]
    for other in (0, 0.5):
        with pytest.raises(MODULE.InputError, match=r"training began with validation 0\.25: resume it with that"):
            MODULE.train(half[0], *overfitted(), epochs=6, state=half[1], validation=other, quiet=True)


@pytest.mark.parametrize("fraction", [-0.5, 0.001, 1, 1.5, float("nan")])
def test_impossible_fractions_are_refused(fraction: float) -> None:
    with pytest.raises(MODULE.InputError, match="leaves one side empty"):
        MODULE.train(MODULE.init_params(), *overfitted(), epochs=1, validation=fraction, **SETTINGS)


def test_nothing_is_held_back_with_a_fraction_of_zero() -> None:
    _, state = MODULE.train(MODULE.init_params(), *overfitted(), epochs=1, validation=0, **SETTINGS)
    assert "val_loss" not in state["history"][0]
