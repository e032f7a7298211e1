"""Emitted modules in another environment: the oldest Python and NumPy that their header names, without symbp.

The oldest of Python 3.9, 3.10 and 3.11 that this machine has gets an environment of its own with NumPy 1.24 and nothing
else. Skipped where there is none, or where NumPy can't be installed.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from training_modules import OPTIMIZERS, task

from symbp.architectures import load
from symbp.emit import generate

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("3.9", "3.10", "3.11")  # NumPy 1.24 has no wheels for later ones
NETS = {
    "convolutional": "cnn:1x6x6,3c3p1+batch_norm+relu+max2,dropout0.2,2,cross_entropy",
    "transformer": "gpt:layers=1,heads=2,width=8,context=5,vocabulary=4",
    "recurrent": "gru:3-4-2,bidirectional,each,cross_entropy",
    "regression": "mlp:3-4-1,sigmoid,mean_squared_error",
    "binary": "mlp:3-4-1,tanh,binary_cross_entropy",
    "classifier": "mlp:4-8-3,tanh,cross_entropy",
}


def pythons(version: str) -> Iterator[str]:
    """Where a Python of that version may stand: on the path, or among pyenv's."""
    yield f"python{version}"
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    yield from map(str, sorted(versions.glob(f"{version}.*/bin/python")))


def runs(*command: str, timeout: int = 60) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=timeout).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@functools.cache
def old_python(folder: Path) -> str | None:
    """The Python of a fresh environment with NumPy 1.24; None where none can be made."""
    for version in VERSIONS:
        for candidate in pythons(version):
            numbers = tuple(map(int, version.split(".")))
            if runs(candidate, "-c", f"import ensurepip, sys; sys.exit(sys.version_info[:2] != {numbers})"):
                shutil.rmtree(folder, ignore_errors=True)
                python = str(folder / "bin" / "python")
                install = ("-m", "pip", "install", "--quiet", "--only-binary", ":all:", "numpy==1.24.*")
                if runs(candidate, "-m", "venv", str(folder)) and runs(python, *install, timeout=240):
                    return python
    return None


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> str:
    found = old_python(tmp_path_factory.mktemp("old") / "environment")
    if found is None:
        pytest.skip(f"no environment with NumPy 1.24 and a Python out of {', '.join(VERSIONS)} can be made here")
    return found


def run(python: str, folder: Path, *words: str) -> str:
    """What a command writes; warnings are errors."""
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([python, "-W", "error", *words], cwd=folder, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def test_there_is_nothing_but_numpy(old: str, tmp_path: Path) -> None:
    version, numpy, others = run(
        old, tmp_path, "-c",
        "import sys, numpy, importlib.util as u\n"
        "others = [name for name in ('symbp', 'sympy', 'jinja2') if u.find_spec(name)]\n"
        "print(sys.version_info[:2], numpy.__version__, others, sep=';')",
    ).strip().split(";")  # fmt: skip
    print(f"emitted modules run with Python {version} and NumPy {numpy}")
    assert numpy.startswith("1.24.") and others == "[]"


@pytest.mark.parametrize("name", NETS)
def test_checks_and_says_what_it_is(name: str, old: str, tmp_path: Path) -> None:
    generate(load(NETS[name]), tmp_path / "net.py", optimizers=OPTIMIZERS)
    assert "gradient check passed" in run(old, tmp_path, "net.py", "check")
    assert NETS[name] in run(old, tmp_path, "net.py", "info")


@pytest.mark.parametrize("path", sorted((ROOT / "generated").glob("*.py")), ids=lambda path: path.stem)
def test_generated_modules_check(path: Path, old: str, tmp_path: Path) -> None:
    assert "gradient check passed" in run(old, tmp_path, str(path), "check")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_trains_resumes_and_predicts(optimizer: str, old: str, tmp_path: Path) -> None:
    generate(load(NETS["classifier"]), tmp_path / "net.py", optimizers=OPTIMIZERS)
    x, t = task(60)
    np.savez(tmp_path / "data.npz", x=x, t=t)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "t.npy", t)
    rows = [",".join([*map(repr, row), "abc"[k]]) for row, k in zip(x.tolist(), t, strict=True)]
    (tmp_path / "data.csv").write_text("\n".join(["p,q,r,s,kind", *rows]))
    settings = "--lr 1e-2 --schedule cosine --warmup 3 --clip 1 --decay 0.01 --patience 9 --validation 0.2"
    first = ["--optimizer", optimizer, *settings.split(), "--dtype", "float32", "--batch", "16"]
    for name, data in {"npz": ["data.npz"], "csv": ["data.csv", "--label", "kind", "--standardise"],
                       "npy": ["--x", "x.npy", "--t", "t.npy"]}.items():  # fmt: skip
        whole, half, again = (f"{name}_{part}.npz" for part in ("whole", "half", "again"))
        history = ["--history", f"{name}.csv", "--checkpoint", f"{name}_checkpoint.npz"]
        run(old, tmp_path, "net.py", "train", *data, *first, *history, "--epochs", "6", "--out", whole)
        run(old, tmp_path, "net.py", "train", *data, *first, "--epochs", "6", "--save-every", "4", "--checkpoint", half)
        resumed = data[:1] if name == "csv" else data
        run(old, tmp_path, "net.py", "train", *resumed, "--epochs", "6", "--resume", half, "--out", again)
        assert (tmp_path / again).read_bytes() == (tmp_path / whole).read_bytes()
        assert (tmp_path / f"{name}_checkpoint.npz").read_bytes() == (tmp_path / whole).read_bytes()
        assert "accuracy" in run(old, tmp_path, "net.py", "predict", whole, *resumed)
    assert (tmp_path / "npy_whole.npz").read_bytes() == (tmp_path / "npz_whole.npz").read_bytes()
