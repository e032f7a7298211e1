"""Modules whose processes share every batch: they compute what one does, and an end of one of them is told."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import parallel_worker
import pytest
from test_parallel import TEXTS

from symbp.architectures import load
from symbp.emit import generate
from symbp.emit.run import load_module
from symbp.errors import SymbpError

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
NETS = {  # in one, some ranks have no sample of batches of 3
    "mlp": ("mlp:4-8-3,tanh,cross_entropy", {"clip": 0.3, "decay": 0.01}),
    "few": ("mlp:4-5-1,relu,binary_cross_entropy", {"batch_size": 3}),
    "dropout": ("cnn:1x3x3,8+tanh+dropout0.5,3,cross_entropy", {}),
    "batch_norm": ("mlp:4-6-5-1,batch_norm+relu/linear,half_squared_error", {}),
    "lstm": ("lstm:3-4-2,cross_entropy", {}),
    "gpt": ("gpt:layers=1,heads=2,width=4,context=5,vocabulary=7", {}),
    **{name: ("", {}) for name in ("norm_in_loop", "maximum", "penalty")},
}
SAMPLES = 37  # in batches of 7 or 8, 30 of them after validation


@pytest.mark.parametrize("name", NETS)
def test_processes_train_as_one(name: str, tmp_path: Path) -> None:
    text, options = NETS[name]
    if not text:
        (tmp_path / f"{name}.net").write_text(TEXTS[name])
    net = load(text or str(tmp_path / f"{name}.net"))
    plain, team = (
        load_module(generate(net, style="fast", optimizers=("momentum",), parallel=p)) for p in (None, "processes")
    )
    np.savez(tmp_path / "data.npz", **parallel_worker.drawn(plain, SAMPLES))
    options = {"batch_size": 8, "epochs": 3, "lr": 0.05, **options}
    case = {"data": str(tmp_path / "data.npz"), "options": options, "resume": False}
    expected = parallel_worker.results(plain, case)
    for processes in (1, 2, 4):
        case["options"] = {**options, "processes": processes}
        found = parallel_worker.results(team, {**case, "resume": name == "mlp"})
        for key, value in expected.items():
            largest = max(1e-3, np.abs(value).max())
            assert np.abs(found[key] - value).max() <= 1e-12 * largest, (processes, key)
    assert not multiprocessing.active_children()


def test_a_process_that_dies_ends_the_training() -> None:
    team = load_module(generate(load(NETS["mlp"][0]), style="fast", parallel="processes"))
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((40, 4)), rng.integers(3, size=40)

    def after(params: dict, state: dict) -> None:
        if state["epoch"] == 2:
            for process in multiprocessing.active_children():
                os.kill(process.pid, signal.SIGKILL)

    with pytest.raises(RuntimeError, match="a process of the team ended, status -9"):
        team.train(team.init_params(), x, t, epochs=1000, processes=3, on_epoch=after, quiet=True)


def test_the_command_line(tmp_path: Path) -> None:
    generate(load(NETS["mlp"][0]), tmp_path / "net.py", style="fast", parallel="processes")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.standard_normal((64, 4)), t=rng.integers(3, size=64))
    train = [sys.executable, "net.py", "train", "data.npz", "--epochs", "3", "--processes"]

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*train, *options], cwd=tmp_path, capture_output=True, text=True, timeout=120)

    assert run("2", "--out", "two.npz").returncode == 0
    assert run("1", "--out", "one.npz").returncode == 0
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "two.npz") as two:
        assert all(np.allclose(one[name], two[name], 1e-12, 1e-12) for name in ("W1", "b1", "W2", "b2"))
    wrong = run("0")
    assert wrong.returncode == 2 and "processes is 0: it must be 1 or more" in wrong.stderr


def test_forks_end_with_their_parent(tmp_path: Path) -> None:
    """Also where it is killed, and can't tell them."""
    generate(load(NETS["mlp"][0]), tmp_path / "net.py", style="fast", parallel="processes")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.standard_normal((64, 4)), t=rng.integers(3, size=64))
    command = [sys.executable, "net.py", "train", "data.npz", "--epochs", "1000000", "--processes", "2"]
    parent = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    if not children.exists():
        parent.kill()
        pytest.skip("the system doesn't tell a process's children")
    end = time.monotonic() + 60
    while not (forks := children.read_text().split()):
        assert parent.poll() is None and time.monotonic() < end
    parent.kill()
    parent.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in forks):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_processes_need_the_fast_style() -> None:
    with pytest.raises(SymbpError, match="add style='fast'"):
        generate(load(NETS["mlp"][0]), parallel="processes")
