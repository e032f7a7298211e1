"""The emitted optimisers against PyTorch's, gradient clipping and weight decay against their definitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from training_modules import OPTIMIZERS, fresh

MODULE = fresh()
LR = 0.03


def gradients(steps: int = 12) -> list[dict[str, np.ndarray]]:
    """Gradients of all sizes, step by step; some entries are zero now and then."""
    rng = np.random.default_rng(3)

    def one(shape: tuple[int, ...]) -> np.ndarray:
        return rng.standard_normal(shape) * 10.0 ** rng.integers(-3, 2) * rng.integers(2, size=shape)

    return [{name: one(value.shape) for name, value in MODULE.init_params().items()} for _ in range(steps)]


def emitted(**settings: Any) -> dict[str, np.ndarray]:
    """The parameters after these steps, started from seed 1."""
    params, memory = MODULE.init_params(1), {}
    chosen = MODULE.settings_from(settings, {})
    for grads in gradients():
        MODULE.update(params, grads, memory, chosen, LR)
    return params


def by_torch(name: str, decay: float = 0.0, clip: float = 0.0) -> dict[str, np.ndarray]:
    """The same with torch.optim; only matrices decay."""
    torch = pytest.importorskip("torch")
    params = {key: torch.tensor(value, requires_grad=True) for key, value in MODULE.init_params(1).items()}
    groups = [
        {"params": [p for p in params.values() if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in params.values() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = {
        "sgd": lambda: torch.optim.SGD(groups, lr=LR),
        "momentum": lambda: torch.optim.SGD(groups, lr=LR, momentum=0.9),
        "nesterov": lambda: torch.optim.SGD(groups, lr=LR, momentum=0.9, nesterov=True),
        "rmsprop": lambda: torch.optim.RMSprop(groups, lr=LR, alpha=0.9, eps=1e-8),
        "adam": lambda: torch.optim.Adam(groups, lr=LR),
        "adamw": lambda: torch.optim.AdamW(groups, lr=LR),
    }[name]()
    for grads in gradients():
        for key, p in params.items():
            p.grad = torch.tensor(grads[key])
        if clip:
            torch.nn.utils.clip_grad_norm_(params.values(), clip)
        optimizer.step()
    return {key: p.detach().numpy() for key, p in params.items()}


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_as_torch_does(name: str, decay: float) -> None:
    ours, theirs = emitted(optimizer=name, decay=decay), by_torch(name, decay)
    for key, value in ours.items():
        np.testing.assert_allclose(value, theirs[key], rtol=1e-10, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_clips_as_torch_does(name: str) -> None:
    """torch divides by the norm + 1e-6, hence the tolerance."""
    ours, theirs = emitted(optimizer=name, clip=0.7, decay=0.1), by_torch(name, 0.1, clip=0.7)
    free = emitted(optimizer=name, decay=0.1)
    for key, value in ours.items():
        np.testing.assert_allclose(value, theirs[key], rtol=1e-5, atol=1e-6, err_msg=key)
        assert np.abs(value - free[key]).max() > 1e-3  # so clipping did something


def test_clipping_keeps_the_direction_and_bounds_the_norm_of_all_gradients_together() -> None:
    for clip, factor in ((2.5, 2.5 / 13), (13.0, 1.0), (20.0, 1.0), (0.0, 1.0)):
        params = {"a": np.zeros((1, 2)), "b": np.zeros(1)}
        grads = {"a": np.array([[3.0, 4.0]]), "b": np.array([12.0])}  # 3, 4, 12: norm 13
        MODULE.update(params, grads, {}, MODULE.settings_from({"optimizer": "sgd", "clip": clip}, {}), lr=1.0)
        np.testing.assert_allclose([*params["a"][0], *params["b"]], [-3 * factor, -4 * factor, -12 * factor])


def test_decay_is_decoupled_from_adamws_gradient_only() -> None:
    """With no gradient at all AdamW shrinks a matrix by lr * decay a step; for Adam the decay is the gradient."""
    for name, expected in (("adamw", 2 * (1 - 0.1 * 0.5)), ("adam", 2 - 0.1), ("sgd", 2 - 0.1 * 0.5 * 2)):
        params = {"W": np.full((1, 1), 2.0), "b": np.full(1, 2.0)}
        grads = {"W": np.zeros((1, 1)), "b": np.zeros(1)}
        MODULE.update(params, grads, {}, MODULE.settings_from({"optimizer": name, "decay": 0.5}, {}), lr=0.1)
        assert math.isclose(params["W"].item(), expected, rel_tol=1e-7)
        assert params["b"].item() == 2.0  # a bias doesn't decay


def test_adamw_decays_unless_told_not_to() -> None:
    assert MODULE.settings_from({"optimizer": "adamw"}, {})["decay"] == 0.01
    assert MODULE.settings_from({"optimizer": "adamw", "decay": 0.0}, {})["decay"] == 0.0
    assert MODULE.settings_from({"optimizer": "adam"}, {})["decay"] == 0.0
