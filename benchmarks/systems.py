"""The systems that are timed: what each does once for a network, and training from the network's parameters."""

from __future__ import annotations

import importlib
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import networks
import numpy as np
from peers.nets import Net, Step

PEERS = {"torch": "peers.torch_eager", "numpy_a": "peers.numpy_a", "numpy_b": "peers.numpy_b"}
STYLES = {"symbp_readable": "readable", "symbp_fast": "fast", "symbp_split": "fast"}
SPLIT = "symbp_split"  # the fast style with each batch shared among as many processes as there are threads
PROCESSES = 2
SYSTEMS = (*PEERS, *STYLES)


class NotAvailable(Exception):
    """This system can't be measured here; the message says why."""


@dataclass(frozen=True)
class Prepared:
    """begin: training begins, from the network's parameters. seconds: that deriving and emitting took, if any."""

    begin: Callable[[], Step]
    seconds: float | None = None


def threads_of(system: str, threads: int) -> int:
    """How many threads each of a system's processes has."""
    return 1 if system == SPLIT else threads


def load(system: str) -> None:
    """Imports what the system needs, so that no measurement pays for it. Raises NotAvailable."""
    try:
        importlib.import_module(PEERS.get(system, "symbp.emit"))
    except ModuleNotFoundError as error:
        raise NotAvailable(f"{error.name} is not installed") from error
    if system in STYLES:
        style_options(STYLES[system])


def prepare(system: str, net: Net) -> Prepared:
    """A network in a system. Raises NotAvailable."""
    load(system)
    if system in PEERS:
        peer = importlib.import_module(PEERS[system])
        return Prepared(lambda: peer.begin(net))
    return prepare_symbp(net, STYLES[system], PROCESSES if system == SPLIT else 0)


def style_options(style: str) -> dict[str, Any]:
    """The arguments of `generate` that choose a style. Raises NotAvailable where there is none to choose."""
    from symbp.emit import generate

    known = "style" in inspect.signature(generate).parameters
    if not known and style != "readable":
        raise NotAvailable(f"this symbp emits no {style} modules")
    return {"style": style} if known else {}


def prepare_symbp(net: Net, style: str, processes: int = 0) -> Prepared:
    """symbp declares, derives and emits the network, and loads the module. processes: that share every batch."""
    from symbp.emit import generate
    from symbp.emit.run import load_module

    program = networks.declare(net)
    start = time.perf_counter()
    options = {**style_options(style), **({"parallel": "processes"} if processes else {})}
    text = generate(program, dtype=net.dtype.name, optimizers=("sgd",), **options)
    seconds = time.perf_counter() - start
    module = load_module(text)
    step = split_step if processes else readable_step if style == "readable" else fast_step
    return Prepared(lambda: begin_symbp(net, module, step), seconds)


def begin_symbp(net: Net, module: ModuleType, make: Callable[..., Callable[[], object]]) -> Step:
    """Training with an emitted module begins."""
    params = module.init_params() | networks.to_symbp(net, net.params)
    rate = [1.0]
    step = make(module, params, *networks.data(net), rate)
    return Step(step, lambda: networks.from_symbp(net, params), lambda lr: rate.__setitem__(0, lr))


def readable_step(
    module: ModuleType, params: dict[str, np.ndarray], x: np.ndarray, t: np.ndarray, rate: list[float]
) -> Callable[[], object]:
    """A step of a readable module: gradients, then gradient descent and new state, as its own `train` does it."""

    def step() -> object:
        value, grads, *state = module.loss_and_grads(params, x, t)
        for name, grad in grads.items():
            params[name] -= rate[0] * grad
        for new in state:
            params.update(new)
        return value

    return step


def fast_step(
    module: ModuleType, params: dict[str, np.ndarray], x: np.ndarray, t: np.ndarray, rate: list[float]
) -> Callable[[], object]:
    """A step of a fast module, as its own `train` does it: parameters and gradients lie in one array each."""
    flat, views = module.flatten({name: params[name] for name in module.LAYERS})
    params.update(views)
    flat_grads, _ = module.flatten(views)
    state = [params] if len(params) > len(views) else []
    compute = module.workspace(flat, flat_grads, *state, x, t)
    update = partial(module.sgd, module.pieces(flat), module.pieces(flat_grads), {})
    return stepping(module, params, partial(compute, x, t), update, rate)


def split_step(
    module: ModuleType, params: dict[str, np.ndarray], x: np.ndarray, t: np.ndarray, rate: list[float]
) -> Callable[[], object]:
    """A step of a fast module whose batch is shared among processes, as its own `train` does it."""
    flat, views = module.flatten({name: params[name] for name in module.LAYERS}, module.shared)
    params.update(views)
    flat_grads, _ = module.flatten(views, module.shared)
    others = {name: a for name, a in params.items() if name not in module.LAYERS}
    if others:
        params.update(module.flatten(others, module.shared)[1])
    parts = module.pieces(flat), module.pieces(flat_grads)
    state = [params] if others else []
    team = module.Team(PROCESSES, flat, flat_grads, *parts, *state, (x, t), module.sgd, {})
    return stepping(module, params, partial(team.step, x, t), team.update, rate)


def stepping(
    module: ModuleType,
    params: dict[str, np.ndarray],
    compute: Callable[[], Any],
    update: Callable[[float], object],
    rate: list[float],
) -> Callable[[], object]:
    """Gradients, gradient descent, and new state."""

    def step() -> object:
        value = compute()
        update(rate[0])
        return value

    def step_with_state() -> object:
        value, moved = compute()
        for name, new in moved.items():
            params[name][...] = new
        update(rate[0])
        return value

    return step_with_state if len(params) > len(module.LAYERS) else step
