"""One system and one network in a process of its own, told what to do by lines of JSON."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
import traceback
import tracemalloc
from pathlib import Path
from typing import Any

import agreement
from peers import nets
from peers.nets import Net
from systems import NotAvailable, Prepared, load, prepare

RATE = 1e-5  # small: thousands of steps on one batch must not drift into denormal numbers
LEAD = 0.02  # seconds of steps before a sample: caches, thread pools
FOREIGN = 0.15  # of a core: a sample during which others used more is taken again
TRIES = 3


def busy() -> float:
    """Seconds of CPU used on the whole machine so far."""
    ticks = [int(n) for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def used() -> float:
    """Seconds of CPU that this process and its forks have used."""
    ticks = 0
    for child in multiprocessing.active_children():
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


class Timed:
    """Training that is sampled for `seconds` at a time."""

    def __init__(self, prepared: Prepared, seconds: float) -> None:
        self.training = prepared.begin()
        self.training.set_rate(RATE)
        self.run_for(0.3)
        each = self.run_for(0.1)
        self.inner, self.lead = max(1, round(seconds / each)), max(1, round(LEAD / each))

    def run_for(self, seconds: float) -> float:
        """Seconds a step, over at least two steps."""
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds or count < 2:
            self.training.step()
            count += 1
        return (time.perf_counter() - start) / count

    def sample(self) -> dict[str, Any]:
        """Seconds a step; clean: nobody else used the machine meanwhile."""
        for _ in range(TRIES):
            for _ in range(self.lead):
                self.training.step()
            others, own, start = busy(), used(), time.perf_counter()
            for _ in range(self.inner):
                loss = self.training.step()
            spent = time.perf_counter() - start
            foreign = (busy() - others - (used() - own)) / spent
            clean = foreign < FOREIGN + 0.02 / spent  # /proc/stat counts in steps of 10 ms
            if clean:
                break
            time.sleep(0.05)
        return {"seconds": spent / self.inner, "clean": clean, "loss": float(loss)}  # type: ignore[arg-type]


def memory(prepared: Prepared) -> int:
    """Bytes at the peak of a step: parameters, buffers and what the step allocates; not the batch."""
    tracemalloc.start()
    training = prepared.begin()
    training.step()
    tracemalloc.reset_peak()
    training.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def check(net: Net, prepared: Prepared, file: str) -> dict[str, Any]:
    """The first step against the one in `file`."""
    exact = agreement.read(Path(file))
    error, where = agreement.worst(agreement.one_step(net, prepared), exact)
    return {"error": error, "where": where, "agrees": error <= agreement.TOLERANCE[net.dtype.name]}


def main() -> None:
    """worker.py SYSTEM THREADS: answers a line on stdout for each line on stdin."""
    system, threads = sys.argv[1], int(sys.argv[2])
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what others print is no answer

    def say(**answer: Any) -> None:
        print(json.dumps(answer), file=out, flush=True)

    try:
        load(system)
    except NotAvailable as why:
        say(unavailable=str(why))
        return
    if system == "torch":
        import torch

        torch.set_num_threads(threads)
    say(ready=True)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if order["do"] == "prepare":
                net = nets.make(order["net"])
                prepared = prepare(system, net)
                found = check(net, prepared, order["reference"])
                say(prepare_seconds=prepared.seconds, **found)
                timed = None
            elif order["do"] == "warm":
                timed = Timed(prepared, order["seconds"])
                say(inner=timed.inner)
            elif order["do"] == "sample":
                assert timed is not None
                say(**timed.sample())
            elif order["do"] == "memory":
                say(bytes=memory(prepared))
        except Exception as error:
            traceback.print_exc()
            say(failed=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
