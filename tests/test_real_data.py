"""The examples on real data, each shortened where the whole of it takes longer than seconds (docs/real_data.md)."""

from __future__ import annotations

import collections
import importlib.util
import math
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples" / "real_data"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "steps")


@pytest.fixture(autouse=True)
def beside_the_examples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As when run as a script, where the example's folder is on the path; away from the source tree."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):  # threads of small products wait for each other
        monkeypatch.setenv(name, "1")
    monkeypatch.chdir(tmp_path)


@cache
def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"real_data_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[f"real_data_{name}"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_dense_layers_read_digits(tmp_path: Path) -> None:
    assert example("digits").mlp(tmp_path) >= 0.97


def test_convolutions_read_digits(tmp_path: Path) -> None:
    """8 epochs of 30: as good as dense layers are after 40."""
    assert example("digits").cnn(tmp_path, epochs=8) >= 0.97


def test_iris(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    assert example("tables").iris(tmp_path) >= 0.96
    assert (tmp_path / "iris.csv").read_text().startswith("sepal_length,sepal_width,petal_length,petal_width,species\n")
    assert len((tmp_path / "iris_test.csv").read_text().splitlines()) == 31


def test_diabetes(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    errors = example("tables").diabetes(tmp_path)
    assert errors["network"] < 0.75 * errors["mean"]
    assert errors["network"] < 1.05 * errors["least squares"]
    assert errors["least squares"] == pytest.approx(43.2, abs=0.1)  # so the rows held out are the same


def test_mnist_1d(tmp_path: Path) -> None:
    """12 epochs of 60."""
    pytest.importorskip("mnist1d")
    found = example("mnist_1d").accuracy(tmp_path, "normalised", "--epochs 12")
    assert found >= 0.9


def test_mnist_1d_is_written_in_the_shape_of_each_network(tmp_path: Path) -> None:
    pytest.importorskip("mnist1d")
    curves = example("mnist_1d")
    for name, (_, shape, _) in curves.NETS.items():
        t = curves.write(tmp_path, name, shape)
        with np.load(tmp_path / f"curves_{name}_test.npz") as file:
            assert file["x"].shape == (1000, *shape) and np.array_equal(file["t"], t)


def test_sorting(tmp_path: Path) -> None:
    """12 epochs of 60."""
    assert example("sorting").train(tmp_path, epochs=12) >= 0.9


def test_the_questions_held_out_are_not_trained_on() -> None:
    known, held = example("sorting").questions()
    both = {tuple(row) for row in known.tolist()} | {tuple(row) for row in held.tolist()}
    assert len(known) + len(held) == len(both) == 3**6
    assert len(held) == 3**6 // 4
    sample = example("sorting").samples(np.array([[2, 0, 1, 1, 0, 2]]))
    assert sample["x"].tolist() == [[2, 0, 1, 1, 0, 2, 0, 0, 1, 1, 2]]
    assert sample["t"].tolist() == [[0, 1, 1, 0, 2, 0, 0, 1, 1, 2, 2]]


def test_text(tmp_path: Path) -> None:
    """A network a fiftieth the size, on half of the samples: far below the unigrams' 3.16."""
    sizes = {"layers": 1, "heads": 2, "width": 32, "context": 32}
    losses = example("text").train(tmp_path, epochs=4, step=32, sizes=sizes)
    assert losses["gpt"] < 2.6
    assert losses["trigram"] == pytest.approx(1.875, abs=0.005)
    written = example("text").continued(tmp_path, "Alice ", 40, length=32)
    assert written.startswith("Alice ") and len(written) == 46


def test_trigram_loss_is_that_of_counted_letters() -> None:
    """The same from dictionaries, letter by letter, on a small text."""
    rng = np.random.default_rng(0)
    text = rng.integers(4, size=300) * (rng.random(300) < 0.7)
    known, held = text[:250], text[250:]
    counts = collections.Counter(tuple(known[k : k + n].tolist()) for n in (1, 2, 3) for k in range(len(known) - n + 1))

    def p(row: tuple[int, ...], strength: float) -> float:
        before = sum(counts[(*row[:-1], letter)] for letter in range(4))
        shorter = p(row[1:], strength) if len(row) > 1 else 1 / 4
        return (counts[row] + strength * shorter) / (before + strength)

    rows = [tuple(held[k : k + 3].tolist()) for k in range(len(held) - 2)]
    losses = [-sum(math.log(p(row, 2.0**k)) for row in rows) / len(rows) for k in range(-2, 8)]
    assert example("text").trigram_loss(known, held, 4) == pytest.approx(min(losses), rel=1e-12)


def test_the_book_is_whole() -> None:
    alphabet, known, held = example("text").letters()
    book = "".join(alphabet[k] for k in [*known, *held])
    assert book.lstrip().startswith("ALICE'S ADVENTURES IN WONDERLAND") and book.endswith("THE END\n")
    assert len(book) == 148_476 and len(alphabet) == 72


@pytest.mark.parametrize("name", NAMES)
def test_says_how_it_is_run(name: str) -> None:
    command = f"python examples/real_data/{name}.py"
    assert command in (example(name).__doc__ or "")
    assert command in (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert command in (ROOT / "docs" / "real_data.md").read_text(encoding="utf-8")


def test_readme_of_examples_names_nothing_else() -> None:
    text = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert sorted(set(re.findall(r"python examples/real_data/(\w+)\.py", text))) == NAMES
