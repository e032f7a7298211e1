"""Whether the very step that is timed computes the right thing: one step at rate 1 against one in double precision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from peers.nets import Net
from systems import NotAvailable, Prepared, prepare

TOLERANCE = {"float64": 1e-9, "float32": 1e-4}


@dataclass(frozen=True)
class OneStep:
    """The loss, and the gradients as parameters before minus parameters after a step at rate 1."""

    loss: float
    grads: dict[str, np.ndarray]


def one_step(net: Net, prepared: Prepared) -> OneStep:
    """The first step."""
    training = prepared.begin()
    loss = float(training.step())  # type: ignore[arg-type]
    after = training.params()
    return OneStep(loss, {name: value.astype("float64") - after[name] for name, value in net.params.items()})


def reference(net: Net) -> tuple[str, OneStep]:
    """The step in double precision: PyTorch's; without PyTorch, that of the plain NumPy by hand. And whose it is."""
    exact = net.astype("float64")
    for system in ("torch", "numpy_a"):
        try:
            return system, one_step(exact, prepare(system, exact))
        except NotAvailable:
            continue
    raise AssertionError("NumPy by hand is always there")


def worst(found: OneStep, exact: OneStep) -> tuple[float, str]:
    """The largest error, relative to the largest entry of its gradient (or to the loss), and where it is."""
    errors = {"loss": abs(found.loss - exact.loss) / abs(exact.loss)}
    for name, grad in exact.grads.items():
        errors[name] = float(np.max(np.abs(found.grads[name] - grad)) / np.max(np.abs(grad)))
    name = max(errors, key=lambda k: np.inf if np.isnan(errors[k]) else errors[k])
    return errors[name], name


def write(path: Path, step: OneStep) -> None:
    """Keeps a step for another process."""
    np.savez(path, loss=step.loss, **{f"d_{name}": grad for name, grad in step.grads.items()})


def read(path: Path) -> OneStep:
    """A step that `write` kept."""
    with np.load(path) as file:
        grads = {name.removeprefix("d_"): file[name] for name in file.files if name != "loss"}
        return OneStep(float(file["loss"]), grads)
