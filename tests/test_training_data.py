"""Where emitted modules read from: .npy files that stay on disk, tables, and what they say where those don't fit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_modules import fresh, task

from symbp.architectures import load
from symbp.emit import generate

HEADER = "a,b,c,d,kind"
NAMES = np.array(["ant", "bee", "cat"])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(rows: list[str] | None = None, header: str = HEADER) -> str:
    x, t = task()
    ours = [",".join([*map(repr, map(float, row)), name]) for row, name in zip(x, NAMES[t], strict=True)]
    return "\n".join([header, *(ours if rows is None else rows), ""])


# .npy files


@pytest.mark.parametrize("options", [[], ["--validation", "0.25", "--patience", "3"]])
def test_mapped_files_train_as_arrays_in_memory_do(options: list[str], here: Path) -> None:
    module = fresh()
    x, t = task(90)
    np.savez("data.npz", x=x, t=t)
    np.save("x.npy", x)
    np.save("t.npy", t)
    opened: list[Any] = []
    read = module._read
    module._read = lambda path, mapped=False: opened.append(read(path, mapped)) or opened[-1]
    common = ["--epochs", "4", "--batch", "16", "--quiet", *options]
    assert module.main(["train", "--x", "x.npy", "--t", "t.npy", *common, "--out", "mapped.npz"]) == 0
    assert [type(array) for array in opened] == [np.memmap, np.memmap]
    assert Path(opened[0].filename) == here / "x.npy" and not opened[0].flags.writeable
    assert module.main(["train", "data.npz", *common, "--out", "loaded.npz"]) == 0
    assert Path("mapped.npz").read_bytes() == Path("loaded.npz").read_bytes()
    assert module.main(["predict", "mapped.npz", "--x", "x.npy", "-o", "mapped.npy"]) == 0
    assert module.main(["predict", "loaded.npz", "data.npz", "-o", "loaded.npy"]) == 0
    assert Path("mapped.npy").read_bytes() == Path("loaded.npy").read_bytes()


LIMITED = """
import resource, runpy, sys
limit = int(sys.argv.pop(1)) << 20  # of what is written to: files that are mapped for reading don't count
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory in Linux's way")
def test_a_file_that_does_not_fit_into_memory(here: Path) -> None:
    """512 MB of zeros, on disk a few blocks: 256 MB are enough to train and predict; a copy of it is too large."""
    generate(load("mlp:16384-2-2,tanh,cross_entropy"), here / "net.py", dtype="float32")
    rows = 8192
    x = np.lib.format.open_memmap("x.npy", mode="w+", dtype=np.float32, shape=(rows, 16384))
    x[::64, 0] = 1
    del x
    assert os.path.getsize("x.npy") > 1 << 29
    np.save("t.npy", (np.arange(rows) % 64 == 0).astype(int))

    def limited(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", LIMITED, "256", "net.py", *words]
        one = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, capture_output=True, text=True, env=one, timeout=300)

    done = limited("train", "--x", "x.npy", "--t", "t.npy", "--epochs", "1", "--batch", "512", "--out", "net.npz")
    assert done.returncode == 0, done.stderr
    done = limited("predict", "net.npz", "--x", "x.npy", "-o", "y.npy")
    assert done.returncode == 0, done.stderr
    assert np.load("y.npy").shape == (rows,)
    Path("copy.py").write_text("import numpy as np\nnp.load('x.npy')\n")
    copied = subprocess.run([sys.executable, "-c", LIMITED, "256", "copy.py"], capture_output=True, text=True)
    assert "MemoryError" in copied.stderr  # so the limit is one


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--x", "x.npy"], "x.npy: no array t; it holds x"),
        (["--x", "t.npy", "--t", "x.npy"], "t.npy, x.npy: x has shape (60,), not (B, 4)"),
        (["--x", "data.npz", "--t", "t.npy"], "data.npz: not a readable .npy file of one plain array"),
        (["--x", "none.npy", "--t", "t.npy"], "none.npy: No such file or directory"),
        (["data.npz", "--x", "x.npy"], "give one data file, or an .npy file for each array (--x FILE ...)"),
        ([], "give one data file, or an .npy file for each array (--x FILE ...)"),
        (["x.npy"], "x.npy: not a readable .npz file of plain arrays"),
        (["data.npz", "--label", "kind"], "--label is for .csv files"),
        (["data.npz", "--standardise"], "--standardise is for .csv files"),
    ],
)
def test_files_that_do_not_fit(words: list[str], message: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, t = task()
    np.savez("data.npz", x=x, t=t)
    np.save("x.npy", x)
    np.save("t.npy", t)
    assert fresh().main(["train", *words]) == 2
    assert capsys.readouterr().err.endswith(f"error: {message}\n")


# Tables


def test_a_table_is_read_scaled_and_remembered(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = fresh()
    Path("table.csv").write_text(table())
    words = ["--label", "kind", "--standardise", "--validation", "0.2", "--epochs", "60", "--lr", "0.02"]
    assert module.main(["train", "table.csv", *words, "--batch", "8", "--quiet", "--out", "net.npz"]) == 0
    params, state = module.load("net.npz")
    x, t = task()
    rows, _ = module.split(60, 0.2)
    known = state["table"]
    assert known["classes"] == list(NAMES) and known["features"] == ["a", "b", "c", "d"]
    np.testing.assert_allclose(known["mean"], x[rows].mean(axis=0))  # of those trained on alone
    scaled = (x - x[rows].mean(axis=0)) / x[rows].std(axis=0)

    moved = table().replace(HEADER, "a,b,c,d,other").splitlines()  # no label; the columns in another order
    columns = [line.split(",") for line in moved]
    Path("moved.csv").write_text("\n".join(",".join(cells[k] for k in (3, 1, 4, 0, 2)) for cells in columns))
    capsys.readouterr()
    assert module.main(["predict", "net.npz", "moved.csv"]) == 0
    assert capsys.readouterr().out.split() == list(NAMES[module.predict(params, scaled)])
    assert module.main(["predict", "net.npz", "table.csv", "-o", "y.npy"]) == 0
    right = np.mean(np.load("y.npy") == t)
    assert right > 0.85
    assert f"accuracy {right:.6g}  (60 samples)" in capsys.readouterr().err


def test_resumed_with_a_table_is_uninterrupted(here: Path) -> None:
    module = fresh()
    Path("table.csv").write_text(table())
    words = ["train", "table.csv", "--quiet", "--out"]
    first = ["--label", "kind", "--standardise", "--validation", "0.2"]
    assert module.main([*words, "whole.npz", *first, "--epochs", "6"]) == 0
    assert module.main([*words, "half.npz", *first, "--epochs", "3"]) == 0
    assert module.main([*words, "again.npz", "--resume", "half.npz", "--epochs", "6"]) == 0
    assert Path("again.npz").read_bytes() == Path("whole.npz").read_bytes()


def change(line: int, old: str, new: str) -> Callable[[str], str]:
    """Edits one line of a table, counted from 1."""

    def edit(text: str) -> str:
        lines = text.splitlines()
        assert old in lines[line - 1]
        lines[line - 1] = lines[line - 1].replace(old, new, 1)
        return "\n".join([*lines, ""])

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (change(9, ",", ",x"), "table.csv, line 9, column b: 'x"),
        (change(5, ",", ",,"), "table.csv, line 5: 6 cells, not 5 as in the header"),
        (change(1, "kind", "class"), "no column kind: the header holds a, b, c, d, class"),
        (change(1, "b", "a"), "2 columns a: the header holds a, a, c, d, kind"),
        (change(1, "d,", "d,e,"), "line 2: 5 cells, not 6"),
        (lambda text: "\n".join(line.partition(",")[2] for line in text.split()), "x has shape (60, 3), not (B, 4)"),
        (lambda text: text + "1,2,3,4,dog\n", "column kind has 4 values, not 3: ant, bee, cat, dog"),
        (lambda text: text + "1,2,3,4,\n", "line 62, column kind: missing"),
        (lambda text: text + "1,nan,3,4,ant\n", "line 62, column b: 'nan' is not a finite number"),
        (lambda text: HEADER + "\n", "table.csv: no rows below a header"),
        (lambda text: "", "table.csv: no rows below a header"),
        (lambda text: "\ud800", "table.csv: not a readable .csv file in UTF-8"),
    ],
)
def test_tables_that_do_not_fit(
    edit: Callable[[str], str], message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("table.csv").write_bytes(edit(table()).encode("utf-8", "surrogatepass"))
    assert fresh().main(["train", "table.csv", "--label", "kind"]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_table_needs_a_label_and_predict_the_known_columns(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = fresh()
    Path("table.csv").write_text(table())
    assert module.main(["train", "table.csv"]) == 2
    assert "say which column is the target: --label; there are a, b, c, d, kind" in capsys.readouterr().err
    assert module.main(["train", "table.csv", "--label", "kind", "--epochs", "1", "--out", "net.npz", "--quiet"]) == 0
    Path("other.csv").write_text("a,b,d\n1,2,3\n")
    assert module.main(["predict", "net.npz", "other.csv"]) == 2
    assert "no column c: the header holds a, b, d" in capsys.readouterr().err
    Path("dogs.csv").write_text(f"{HEADER}\n1,2,3,4,dog\n")
    assert module.main(["predict", "net.npz", "dogs.csv"]) == 2
    assert "column kind: dog is none of ant, bee, cat" in capsys.readouterr().err


def test_the_label_by_number(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = fresh()
    Path("table.csv").write_text(table())
    for label, out in (("kind", "a.npz"), ("5", "b.npz"), ("-1", "c.npz")):
        words = ["train", "table.csv", "--label", label, "--epochs", "1", "--quiet", "--out", out]
        assert module.main(words) == 0
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes() == Path("c.npz").read_bytes()
    for label, message in (("6", "no column 6"), ("0", "no column 0"), ("kind,a", "the target is one column")):
        assert module.main(["train", "table.csv", "--label", label]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [["train", "d.npz", "--epochs", "1", "--out"], ["predict", "d.npz", "d.npz", "-o"]])
def test_where_nothing_can_be_written_is_said_first(
    words: list[str], here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = fresh()

    def refused(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module.tempfile, "TemporaryFile", refused)
    assert module.main([*words, "net.npz"]) == 2  # there is no d.npz: it isn't even looked for
    assert "net.npz: no file can be written there: Permission denied" in capsys.readouterr().err


def test_several_target_columns_of_numbers(here: Path) -> None:
    module = fresh("mlp:2-8-2,tanh,half_squared_error")
    x, _ = task(80)
    rows = [",".join(map(str, [*row[:2], row[0] - row[1], 2 * row[0]])) for row in x.tolist()]
    Path("table.csv").write_text("\n".join(["u,v,difference,double", *rows]))
    words = ["--label", "difference,double", "--epochs", "150", "--lr", "0.02", "--quiet", "--out", "net.npz"]
    assert module.main(["train", "table.csv", *words]) == 0
    params, _ = module.load("net.npz")
    t = np.column_stack([x[:, 0] - x[:, 1], 2 * x[:, 0]])
    assert module.evaluate(params, x[:, :2], t)["mae"] < 0.2
    assert module.TARGETS == {"t": ("B", 2)}


