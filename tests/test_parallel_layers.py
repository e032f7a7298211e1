"""Every definition of the library on shards of a batch: the loss and gradients are those of the whole batch.

The ranks are threads here, without MPI: the lowering rule is what is tested.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from layer_oracles import run
from whole_networks import NETS

from symbp.check import random_values, relative_error
from symbp.emit import generate
from symbp.emit.arguments import arguments_of
from symbp.emit.run import load_module
from symbp.errors import SymbpError

SHARES = (slice(0, 1), slice(1, 1), slice(1, None))  # of three ranks, one without samples


class Ranks:
    """What so many threads tell each other."""

    def __init__(self, count: int) -> None:
        self.told: list[Any] = [None] * count
        self.meeting = threading.Barrier(count, timeout=120)

    def functions(self, rank: int) -> dict[str, Any]:
        """Those that a rank's messages call."""
        return {
            "all_sum": lambda *parts: [np.sum(found, axis=0) for found in self.exchange(rank, parts)],
            "all_max": lambda *parts: [np.max(found, axis=0) for found in self.exchange(rank, parts)],
            "all_count": lambda samples: int(sum(*self.exchange(rank, (samples,)))),
        }

    def exchange(self, rank: int, parts: tuple[Any, ...]) -> list[Any]:
        """For each part, what every rank has."""
        self.told[rank] = [np.array(part) for part in parts]  # they may be completed in place
        self.meeting.wait()
        found = list(zip(*self.told, strict=True))
        self.meeting.wait()
        return found


@pytest.mark.parametrize("name", [name for name in NETS if name != "InfoNCE"])
def test_shards_give_the_gradients_of_the_batch(name: str) -> None:
    net = NETS[name]()
    values = random_values(net)
    if "sees" in values:
        values["sees"][:, 0] = 1
    if net.task == "binary":
        values["t"] = (values["t"] > 0).astype(float)
    arguments, program = arguments_of(net), net.gradient()
    sharded = {t.name for t in arguments.all if arguments.has_batch(t)}
    whole, _ = run(program, values)
    ranks = Ranks(len(SHARES))

    def work(rank: int) -> dict[str, Any]:
        own = {key: a[SHARES[rank]] if key in sharded else a for key, a in values.items()}
        try:
            return run(program, own, arguments.batch, ranks.functions(rank))[0]
        except BaseException:
            ranks.meeting.abort()
            raise

    with ThreadPoolExecutor(len(SHARES)) as pool:
        found = list(pool.map(work, range(len(SHARES))))
    largest = max(np.abs(whole[f"d_{p.name}"]).max() for p in net.parameters)
    for rank in found:
        for key in (*program.outputs, *program.updates.values()):
            assert np.shape(rank[key]) == np.shape(whole[key])
            assert relative_error(rank[key], whole[key], largest / 1000) < 1e-11, key


@pytest.mark.parametrize("name", [name for name in NETS if name != "InfoNCE"][::6])
def test_fast_shards_give_them_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = NETS[name]()
    values = random_values(net)
    if net.task == "binary":
        values["t"] = (values["t"] > 0).astype(float)
    arguments = arguments_of(net)
    sharded = {t.name for t in arguments.all if arguments.has_batch(t)}
    whole, _ = run(net.gradient(), values)
    one = SimpleNamespace(Get_rank=lambda: 0, Get_size=lambda: 1)
    monkeypatch.setitem(sys.modules, "mpi4py", SimpleNamespace(MPI=SimpleNamespace(COMM_WORLD=one)))
    text = generate(net, style="fast", parallel="mpi")
    ranks = Ranks(len(SHARES))

    def work(rank: int) -> tuple[Any, ...]:
        module = load_module(text)
        vars(module).update(ranks.functions(rank))
        given = [values[t.name][SHARES[rank]] if t.name in sharded else values[t.name] for t in arguments.all]
        try:
            return module.loss_and_grads({t.name: values[t.name] for t in (*net.parameters, *net.state)}, *given)
        except BaseException:
            ranks.meeting.abort()
            raise

    with ThreadPoolExecutor(len(SHARES)) as pool:
        found = list(pool.map(work, range(len(SHARES))))
    largest = max(np.abs(whole[f"d_{p.name}"]).max() for p in net.parameters)
    for loss, grads, *moved in found:
        assert relative_error(loss, whole[str(net.loss)]) < 1e-11
        expected = [whole[f"d_{p}"] for p in grads] + [whole[net.updates[s]] for new in moved for s in new]
        computed = [*grads.values(), *(a for new in moved for a in new.values())]
        for one_of_them, right in zip(computed, expected, strict=True):
            assert relative_error(one_of_them, right, largest / 1000) < 1e-11


def test_a_loss_that_pairs_samples_is_refused() -> None:
    with pytest.raises(SymbpError, match="s1 has the batch B as two axes"):
        run(NETS["InfoNCE"]().gradient(), {}, "B")
