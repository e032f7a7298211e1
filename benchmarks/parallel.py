"""Data parallelism on this machine: a training step on one process and on two, and what its messages cost.

    python benchmarks/parallel.py [--nets mlp cnn ...] [--rounds 9] [--ranks 1 2] [--markdown docs/parallel.md]
    python benchmarks/parallel.py --traffic          # only what is sent, from the programs: nothing is run

One thread a process. A step is loss_and_grads and the optimiser on one fixed global batch; with two ranks each has half
of it. The kinds of run take turns, several rounds; the fastest step of all is kept, as the machine may be busy.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import markdown
import numpy as np
from threads import environment

from symbp.architectures import load
from symbp.emit import generate
from symbp.emit.arguments import arguments_of
from symbp.expr import Num
from symbp.lower import Lowered, lower

BYTES = 4  # single precision
NETS = {  # network, samples of the global batch
    "mlp": ("mlp:784-256-128-10,relu,cross_entropy", 256),
    "mlp_bn": ("mlp:784-256-128-10,batch_norm+relu,cross_entropy", 256),
    "cnn": ("cnn:1x28x28,6c5p2+relu+max2,16c5+relu+max2,120+relu,84+relu,10,cross_entropy", 64),
    "cnn_bn": ("cnn:1x16x16,8c3+batch_norm+relu,16c3+batch_norm+relu+max2,10,cross_entropy", 64),
    "lstm": ("lstm:32-128-10,cross_entropy", 32),
    "gpt": ("gpt:layers=2,heads=4,width=64,context=32,vocabulary=64", 16),
}
PAPER = {  # too large to time here
    "resnet18": ("resnet18:3x224x224", 256),
    "gpt2": ("gpt:gpt2", 8),
}
FAST = "_fast"  # behind a net's name: its module in the fast style
STEPS = 50  # of a recurrence
MPIEXEC = Path(sys.executable).parent / "mpiexec"


def sent(text: str) -> tuple[int, int, int]:
    """(parameters, messages, numbers in them) of a training step, from the program alone."""
    net = load(text)
    found: Lowered = lower(net.gradient(), arguments_of(net).batch)
    lengths = [(m.times, m.length) for m in found.messages]
    assert all(isinstance(n, Num) for pair in lengths for n in pair), "a message's length depends on a symbolic size"
    pairs = [(int(times.value), int(length.value)) for times, length in lengths]  # type: ignore[attr-defined]
    parameters = int(net.parameter_count.value)  # type: ignore[attr-defined]
    return parameters, 1 + sum(times for times, _ in pairs), 1 + sum(times * length for times, length in pairs)


def module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def work(path: Path, samples: int) -> None:
    """Times steps of an emitted module, on each of its ranks; rank 0 prints the fastest, and the messages' costs."""
    module = module_at(path)
    ranks = getattr(module, "RANKS", 1)
    rng = np.random.default_rng(0)
    data = []
    for name, shape in {**module.INPUTS, **module.TARGETS}.items():
        numbers = [{"B": samples, "T": STEPS}.get(n, n) for n in shape]
        limit = getattr(module, "WHOLE", {}).get(name)
        data.append(rng.integers(limit, size=numbers) if limit else rng.standard_normal(numbers))
    data = module.take(data, module.share(samples) if ranks > 1 else slice(None))
    found = {"step": fastest(step_of(module, data))}
    if ranks > 1:
        small, large = np.zeros(1, np.float32), np.zeros(2**20, np.float32)
        found["small"], found["large"] = (fastest(lambda a=a: module.all_sum(a)) for a in (small, large))
    if getattr(module, "RANK", 0) == 0:
        print(json.dumps(found))


def step_of(module: ModuleType, data: list[np.ndarray]) -> Callable[[], None]:
    """A step of training, as the module's own `train` makes it."""
    params, memory, settings = module.init_params(), {}, {**module.DEFAULTS}
    if not hasattr(module, "workspace"):

        def readable() -> None:
            _, grads, *_ = module.loss_and_grads(params, *data)
            module.update(params, grads, memory, settings, 1e-6)

        return readable
    flat, views = module.flatten({name: params[name] for name in module.LAYERS})
    params.update(views)
    flat_grads, grads = module.flatten(views)
    state = [params] if len(params) > len(views) else []
    compute = module.workspace(flat, flat_grads, *state, *data)
    parts, grad_parts = module.pieces(flat), module.pieces(flat_grads)

    def fast() -> None:
        compute(*data)
        module.update(params, grads, memory, settings, 1e-6, parts, grad_parts)

    return fast


def fastest(call, least: float = 0.5) -> float:
    """Seconds of the fastest call within a time (counted in calls, so that all ranks make as many)."""
    call()
    begin = time.perf_counter()
    call()
    once = time.perf_counter() - begin
    count = max(5, int(least / once))
    if "mpi4py" in sys.modules:
        from mpi4py import MPI

        count = MPI.COMM_WORLD.bcast(count)
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return min(times)


def measure(names: list[str], rounds: int, ranks: list[int]) -> dict[str, dict[str, float]]:
    """The fastest of everything, by network and number of ranks ("plain" for the module without MPI)."""
    root = str(Path(__file__).resolve().parent.parent)
    variables = environment(1)
    variables["PYTHONPATH"] = os.pathsep.join(p for p in (root, variables.get("PYTHONPATH", "")) if p)
    best: dict[str, dict[str, float]] = {name: {} for name in names}
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            net, style = load(NETS[name.removesuffix(FAST)][0]), "fast" if name.endswith(FAST) else "readable"
            generate(net, Path(scratch, f"{name}.py"), dtype="float32", style=style)
            generate(net, Path(scratch, f"{name}_mpi.py"), dtype="float32", style=style, parallel="mpi")
        for _ in range(rounds):
            for name in names:
                here = [sys.executable, str(Path(__file__).resolve()), "--work"]
                samples = str(NETS[name.removesuffix(FAST)][1])
                runs = {"plain": [*here, f"{scratch}/{name}.py", samples]}
                for n in ranks:
                    runs[str(n)] = [str(MPIEXEC), "-n", str(n), *here, f"{scratch}/{name}_mpi.py", samples]
                for kind, command in runs.items():
                    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
                    for key, seconds in json.loads(done.stdout).items():
                        entry = kind if key == "step" else f"{kind} {key}"
                        best[name][entry] = min(best[name].get(entry, np.inf), seconds)
    return best


def traffic_table(names: Iterable[str] = (*NETS, *PAPER)) -> str:
    rows = []
    for name in names:
        text, samples = {**NETS, **PAPER}[name]
        parameters, messages, numbers = sent(text)
        size = f"{BYTES * numbers / 1e6:,.2f}"
        statistics = numbers - parameters - 2  # beside the gradients, the loss and the batch's size
        rows.append([name, f"{samples}", f"{parameters:,}", f"{messages:,}", f"{statistics:,}", size])
    head = ["net", "batch", "parameters", "messages a step", "numbers of statistics", "MB a step, single precision"]
    return markdown.table(head, rows)


def time_table(best: dict[str, dict[str, float]], ranks: list[int]) -> str:
    rows = []
    for name, found in best.items():
        plain = found["plain"]
        ratios = [f"{found[str(n)] / plain:.2f}" for n in ranks]
        rows.append([name.replace("_", " "), f"{NETS[name.removesuffix(FAST)][1]}", f"{plain * 1e3:.2f}", *ratios])
    head = ["net", "batch", "one process without MPI, ms", *(f"-n {n} / that" for n in ranks)]
    small = min((s for f in best.values() for key, s in f.items() if key.endswith(" small")), default=None)
    large = min((s for f in best.values() for key, s in f.items() if key.endswith(" large")), default=None)
    text = markdown.table(head, rows)
    if small is not None and large is not None:
        text += (f"\n\nAn Allreduce between two ranks here takes {small * 1e6:.0f} us for one number and "
                 f"{large * 1e3:.1f} ms for {4 * 2**20 / 1e6:.1f} MB.")  # fmt: skip
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    every = [f"{name}{suffix}" for name in NETS for suffix in ("", FAST)]
    parser.add_argument("--nets", nargs="+", choices=every, default=every)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--ranks", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--traffic", action="store_true")
    parser.add_argument("--markdown", type=Path, help="a document to write the tables to")
    parser.add_argument("--work", nargs=2, metavar=("MODULE", "SAMPLES"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(Path(args.work[0]), int(args.work[1]))
        return
    print(traffic := traffic_table())
    if args.markdown:
        markdown.replace_between(args.markdown, "traffic", traffic)
    if not args.traffic:
        times = time_table(measure(args.nets, args.rounds, args.ranks), args.ranks)
        print("\n" + times)
        if args.markdown:
            where = markdown.circumstances(["numpy", "mpi4py", "mpich"])
            markdown.replace_between(args.markdown, "times", f"{where}\n\n{times}")


if __name__ == "__main__":
    main()
