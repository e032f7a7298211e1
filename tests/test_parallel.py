"""Data parallelism: one process, two and four train the same network, and a rank that dies ends the job."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import parallel_worker
import pytest

from symbp.architectures import load
from symbp.emit import generate
from symbp.errors import SymbpError
from symbp.gradient import gradient
from symbp.lower import Loop, Message, Statement, lower

SHORT = """
sizes B, I=3, H=4
input x[b,i], t[b]
param W[i,h], v[h]
z[b,h] = sum[i] x[b,i]*W[i,h]
"""
TEXTS = {
    # statistics inside a recurrence
    "norm_in_loop": """
sizes B, T=3, I=2, H=4
input x[b,t,i], target[b]
param W[i,h], U[h,k], v[h]
z[b,t,h] = sum[i] x[b,t,i]*W[i,h] + sum[k] U[k,h]*where(t > 0, h[b,t-1,k], 0)
mu[t,h] = mean[b] z[b,t,h]
h[b,t,k] = tanh(z[b,t,k] - mu[t,k])
predict y[b] = sum[h] h[b,T-1,h]*v[h]
loss = mean[b] (y[b] - target[b])^2
""",
    "maximum": SHORT + """
m[h] = max[b] z[b,h]
predict y[b] = sum[h] tanh(z[b,h] - m[h])*v[h]
loss = mean[b] (y[b] - t[b])^2
""",
    "root": SHORT + """
predict y[b] = sum[h] tanh(z[b,h])*v[h]
loss = sqrt(mean[b] (y[b] - t[b])^2) + 0.01*sum[i,h] W[i,h]^2
""",
    "penalty": SHORT + """
predict y[b] = sum[h] tanh(z[b,h])*v[h]
loss = mean[b] (y[b] - t[b])^2 + 0.01*sum[i,h] W[i,h]^2
""",
}  # fmt: skip
MLP = "mlp:4-8-3,tanh,cross_entropy"
CASES: dict[str, tuple[str, dict]] = {  # network, settings; some ranks have no sample of batches of 3
    "mlp": (MLP, {"optimizer": "adam", "clip": 0.3, "decay": 0.01, "schedule": "cosine", "warmup": 3, "patience": 2}),
    "few": ("mlp:4-5-1,relu,binary_cross_entropy", {"batch_size": 3}),
    "dropout": ("cnn:1x3x3,8+tanh+dropout0.5,3,cross_entropy", {}),
    "batch_norm": ("mlp:4-6-5-1,batch_norm+relu/linear,half_squared_error", {}),
    "cnn": ("cnn:1x6x6,3c3+batch_norm+relu+max2,4,cross_entropy", {}),
    "lstm": ("lstm:3-4-2,cross_entropy", {}),
    "gpt": ("gpt:layers=1,heads=2,width=4,context=5,vocabulary=7", {}),
    "norm_in_loop": ("", {}),
    "maximum": ("", {"batch_size": 3}),
    "root": ("", {}),
    "penalty": ("", {}),
}
SUFFIXES = {"": "readable", "_fast": "fast"}
SAMPLES = 37  # in batches of 7 or 8, 30 of them after validation


def needs_mpi() -> str:
    """mpiexec, of the same environment where there is one; the test is skipped without."""
    beside = Path(sys.executable).parent / "mpiexec"
    found = str(beside) if beside.is_file() else shutil.which("mpiexec")
    if found is None or importlib.util.find_spec("mpi4py") is None:
        pytest.skip("needs MPI: pip install mpi4py mpich")
    return found


def run(ranks: int, *arguments: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    command = [needs_mpi(), "-n", str(ranks), sys.executable, *map(str, arguments)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment)


def program(name: str, folder: Path):
    if name not in TEXTS:
        return load(CASES[name][0])
    (folder / f"{name}.net").write_text(TEXTS[name])
    return load(str(folder / f"{name}.net"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Modules with their data, parallel and plain, and what the plain ones compute."""
    needs_mpi()
    folder = tmp_path_factory.mktemp("parallel")
    (folder / "plain").mkdir()
    cases = {}
    for name, (_, options) in CASES.items():
        net = program(name, folder)
        for suffix, style in SUFFIXES.items():
            path = folder / f"{name}{suffix}.py"
            generate(net, path, parallel="mpi", optimizers=("momentum", "adam"), style=style)
        generate(net, folder / "plain" / f"{name}.py", optimizers=("momentum", "adam"))
        plain = parallel_worker.load(folder / "plain" / f"{name}.py")
        np.savez(folder / f"{name}.data.npz", **parallel_worker.drawn(plain, SAMPLES))
        options = {"batch_size": 8, "epochs": 3, "lr": 0.05, **options}
        cases[name] = {"data": str(folder / f"{name}.data.npz"), "options": options, "resume": name == "mlp",
                       "check": name in ("batch_norm", "norm_in_loop", "dropout")}  # fmt: skip
        cases[f"{name}_fast"] = cases[name]
        np.savez(folder / f"{name}.plain.npz", **parallel_worker.results(plain, cases[name]))
    (folder / "cases.json").write_text(json.dumps(cases))
    return folder


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_so_many_ranks_train_as_one_process(folder: Path, ranks: int) -> None:
    done = run(ranks, parallel_worker.__file__, folder, "train")
    assert done.returncode == 0, done.stderr
    for name, suffix in product(CASES, SUFFIXES):
        with np.load(folder / f"{name}.plain.npz") as plain, np.load(folder / f"{name}{suffix}.{ranks}.npz") as found:
            assert set(plain.files) == set(found.files)
            for key in plain.files:
                largest = max(1e-3, np.abs(plain[key]).max())
                assert np.abs(found[key] - plain[key]).max() <= 1e-12 * largest, (name, key)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("die", "ZeroDivisionError: rank 1 can't go on"),
        ("kill", ""),
        ("disagree", "RuntimeError: the ranks disagree"),
        ("status", "rank 1 has no such file"),
    ],
)
def test_a_rank_that_dies_ends_the_job(folder: Path, tmp_path: Path, how: str, message: str) -> None:
    shutil.copy(folder / "mlp.py", tmp_path)
    (tmp_path / "cases.json").write_text("{}")
    done = run(3, parallel_worker.__file__, tmp_path, how)  # a job that hangs fails by its timeout
    assert done.returncode != 0
    assert message in done.stderr
    if how in ("die", "kill"):
        params, state = parallel_worker.load(folder / "plain" / "mlp.py").load(tmp_path / "checkpoint.npz")
        assert state["epoch"] in (2, 3)
        assert all(np.isfinite(value).all() for value in params.values())


def test_the_command_line(folder: Path, tmp_path: Path) -> None:
    """Training, resumed on other numbers of ranks, gives what one process does; errors are said once."""
    module, data = folder / "mlp.py", folder / "mlp.data.npz"
    kept = tmp_path / "kept.npz"
    training = ["train", data, "--batch", "8", "--out", kept, "--history", tmp_path / "history.csv", "--every", "1"]
    for ranks, epochs in ((2, 2), (3, 3), (1, 4)):
        resumed = ["--resume", kept] if epochs > 2 else []
        done = run(ranks, module, *training, "--epochs", epochs, *resumed)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("loss") == (2 if epochs == 2 else 1)
    whole = tmp_path / "whole.npz"
    command = [sys.executable, folder / "plain" / "mlp.py", *training, "--epochs", "4", "--out", whole]
    subprocess.run([*map(str, command)], check=True, capture_output=True)
    with np.load(kept) as found, np.load(whole) as plain:
        for name in ("W1", "b1", "W2", "b2", "memory.v.W1"):
            assert np.abs(found[name] - plain[name]).max() <= 1e-12
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 5
    predicted = run(2, module, "predict", kept, data).stdout.split()
    assert len(predicted) == SAMPLES
    checked = run(2, module, "check")
    assert checked.returncode == 0 and checked.stdout.count("passed") == 1
    failed = run(3, module, "train", tmp_path / "nothing.npz")
    assert failed.returncode != 0
    assert failed.stderr.count("nothing.npz") == 1


# ----------------------------------------------------------------------------------------- the lowering rule


def lowered(text: str, tmp_path: Path):
    (tmp_path / "net.net").write_text(text)
    return lower(gradient(load(str(tmp_path / "net.net"))), "B")


def test_a_recurrence_without_statistics_sends_one_message() -> None:
    found = lower(gradient(load("lstm:3-4-2,cross_entropy")), "B")
    assert any(isinstance(item, Loop) for item in found.statements)
    (message,) = found.messages
    assert message is found.statements[-1]
    assert set(message.names) == set(found.program.outputs)


def test_statistics_of_one_level_share_a_message() -> None:
    """A residual block's two branches are normed together: 2 messages forward and 1 backward where they meet."""
    found = lower(gradient(load("resnet18:3x8x8,classes=4,width=2")), "B")
    names = [message.names for message in found.messages]
    assert ("mu6", "mu8") in names and ("var6", "var8") in names
    computed: set[str] = set()
    sent: set[str] = set()
    partial = {name for message in found.messages for name in message.names}
    for item in found.statements:
        if isinstance(item, Message):
            assert set(item.names) <= computed - sent
            sent |= set(item.names)
        elif isinstance(item, Statement):
            reads = item.equation.value.tensors & partial - sent
            assert not reads, f"{item.name} reads {reads} before the message"
            computed.add(item.name)
    assert sent == partial


def test_the_penalty_on_weights_is_added_once(tmp_path: Path) -> None:
    *_, message, loss, slope = lowered(TEXTS["penalty"], tmp_path).statements
    assert isinstance(message, Message) and set(message.names) == {"L_sum", "d_W_sum", "d_v"}
    assert {loss.name, slope.name} == {"L", "d_W"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("loss = mean[b] b*(y[b] - t[b])^2", "equation for L: it computes with the number of a sample"),
        ("loss = mean[b] y[b]^2 + sum[b,c] (y[b]*t[c])^2", "equation for L: it pairs samples of the batch"),
        ("s[b,c] = y[b]*y[c]\nloss = mean[b] s[b,b]", "s has the batch B as two axes"),
        ("loss = y[0]^2", "equation for L: it reads y at samples that it computes"),
        ("loss = mean[b] (y[b] - y[B-1-b])^2", "it reads y at samples that it computes"),
    ],
)
def test_what_pairs_samples_is_refused(tmp_path: Path, line: str, message: str) -> None:
    text = SHORT + "predict y[b] = sum[h] tanh(z[b,h])*v[h]\n" + line + "\n"
    (tmp_path / "net.net").write_text(text)
    with pytest.raises(SymbpError, match=message):
        generate(load(str(tmp_path / "net.net")), parallel="mpi")


def test_parallel_is_mpi_or_nothing() -> None:
    with pytest.raises(SymbpError, match="parallel is 'threads': it must be 'mpi'"):
        generate(load(MLP), parallel="threads")
