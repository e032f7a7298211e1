"""What each rank of tests/test_parallel.py runs: `parallel_worker.py FOLDER train|die|kill|disagree|status`."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import re
import signal
import sys
from pathlib import Path
from types import ModuleType

import numpy as np


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def data_of(module: ModuleType, case: dict) -> list[np.ndarray]:
    with np.load(case["data"]) as file:
        return [file[name] for name in (*module.INPUTS, *module.TARGETS)]


def drawn(module: ModuleType, samples: int) -> dict[str, np.ndarray]:
    """So many random samples of what a module takes."""
    rng, data = np.random.default_rng(1), {}
    for array, shape in {**module.INPUTS, **module.TARGETS}.items():
        numbers = [{"B": samples, "T": 4}.get(n, n) for n in shape]
        limit = getattr(module, "WHOLE", {}).get(array)
        data[array] = rng.integers(limit, size=numbers) if limit else rng.standard_normal(numbers)
    return data


def results(module: ModuleType, case: dict) -> dict[str, np.ndarray]:
    """Everything that a training tells: parameters, history, predictions, scores."""
    data = data_of(module, case)
    options = {"validation": 0.2, "quiet": True, **case["options"]}
    params, state = module.train(module.init_params(3), *data, **options)
    if case["resume"]:  # the same in two goes
        options["epochs"] -= 1
        half, saved = module.train(module.init_params(3), *data, **options)
        again, _ = module.train(half, *data, **{**options, "epochs": options["epochs"] + 1}, state=saved)
        assert all(np.array_equal(params[name], again[name]) for name in params)
    found = {f"params.{name}": value for name, value in params.items()}
    keys = list(dict.fromkeys(key for row in state["history"] for key in row))
    found["history"] = np.array([[row.get(key, 0.0) for key in keys] for row in state["history"]])
    found["predicted"] = module.predict(params, *data[: len(module.INPUTS)])
    found["scores"] = np.array([*module.evaluate(params, *data).values()])
    return found


def check_traffic(module: ModuleType, case: dict) -> None:
    """A step sends as many messages of as many numbers as `info` says."""
    data = module.take(data_of(module, case), slice(0, 8))
    if hasattr(module, "draw"):
        data = module.draw(np.random.default_rng(0), *data)
    counts, usual = [], module._all_reduce

    def counting(operation, parts):
        counts.append(sum(map(np.size, parts)))
        return usual(operation, parts)

    module._all_reduce = counting
    module.loss_and_grads(module.init_params(), *data)
    module._all_reduce = usual
    with contextlib.redirect_stdout(io.StringIO()) as info:
        module.main(["info"])
    said = re.search(r"(\S+) messages of (\S+) numbers in all", info.getvalue())
    assert said and [int(word.replace(",", "")) for word in said.groups()] == [len(counts), sum(counts)], case


def fail() -> int:
    print("rank 1 has no such file", file=sys.stderr)
    return 2


def end_badly(module: ModuleType, folder: Path, how: str) -> None:
    """A training whose rank 1 comes to grief after the third epoch; rank 0 has a checkpoint of every one."""
    if how == "status":  # an error that the command line reports, on one rank only
        sys.exit(module.run_everywhere(lambda: fail() if module.RANK == 1 else module.COMM.Barrier()))
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((40, 4)), rng.integers(3, size=40)

    def after(params: dict, state: dict) -> None:
        module.save(folder / "checkpoint.npz", params, state)
        if state["epoch"] == 3 and module.RANK == 1:
            if how == "die":
                raise ZeroDivisionError("rank 1 can't go on")
            os.kill(os.getpid(), signal.SIGKILL)

    seed = module.RANK if how == "disagree" else 0
    module.train(module.init_params(), x, t, epochs=1000, on_epoch=after, quiet=True, seed=seed)


def main(folder: Path, what: str) -> None:
    cases = json.loads((folder / "cases.json").read_text())
    if what != "train":
        end_badly(load(folder / "mlp.py"), folder, what)
    for name, case in cases.items():
        module = load(folder / f"{name}.py")
        found = results(module, case)
        if module.RANKS == 1:
            check_traffic(module, case)
        if module.RANKS == 2 and case["check"]:
            worst = module.gradient_check(module.init_params(), *data_of(module, case), entries=2)
            assert max(worst.values()) < 1e-5, (name, worst)
        if module.RANK == 0:
            np.savez(folder / f"{name}.{module.RANKS}.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
