"""The command line: teaches, writes whole files or none, and says in one line what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from symbp.cli import main
from symbp.demo import run_demo

TEXTBOOK = "mlp:2-3-2-1,sigmoid,half_squared_error"
NET_FILE = """
from symbp import Dense, Sequential, Tanh
net = Sequential(Dense(2), Tanh(), Dense(1), features=3, loss="mean_squared_error")
"""


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def ok(*words: str) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(message: str, *words: str) -> None:
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert "Traceback" not in result.output


def test_help_teaches() -> None:
    assert "Start here" in ok("--help")
    for command in ("derive", "count", "generate", "check", "verify"):
        assert "Examples:" in ok(command, "--help")
        assert f"symbp {command} " in ok(command, "--help")


def test_help_does_not_wait_for_sympy() -> None:
    code = "import sys; from symbp.cli import main; main(['-h'], standalone_mode=False); print('sympy' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "False"


def test_nets_lists_networks_that_load() -> None:
    shown = ok("nets")
    assert TEXTBOOK in shown
    assert "SIZES" in shown


def test_derive(tmp_path: Path) -> None:
    assert "δ⁽³⁾" in ok("derive", TEXTBOOK, "--level", "neuron")
    assert "\\sum" in ok("derive", TEXTBOOK, "--level", "index", "--format", "latex", "--fragment", "--wrt", "W1,b1")
    target = tmp_path / "d.tex"
    ok("derive", TEXTBOOK, "--format", "latex", "-o", str(target))
    assert target.read_text(encoding="utf-8").startswith("\\documentclass")
    naive = ok("derive", TEXTBOOK, "--method", "naive", "--level", "neuron", "--wrt", "W3")
    written_out, _, reused = naive.partition("the loss written out")[2].partition("the same with reuse")
    assert "δ" not in written_out and "①" in written_out and "δ⁽³⁾" in reused
    page = tmp_path / "d.md"
    ok("derive", TEXTBOOK, "--level", "both", "--lang", "zh", "-o", str(page))
    assert page.read_text(encoding="utf-8").startswith("# 梯度的推导")
    worked = ok("derive", TEXTBOOK, "--level", "neuron", "--at", "seed:0", "--wrt", "W3_0_0")
    assert "δ⁽³⁾ · h⁽²⁾₁ ≈ " in worked
    assert "W⁽¹⁾ x + b⁽¹⁾" in ok("derive", TEXTBOOK, "--convention", "column")
    assert "\\toprule" in ok("derive", TEXTBOOK, "--fragment", "layers")
    assert "What it costs" in target.read_text(encoding="utf-8")


def test_count() -> None:
    assert "reverse" in ok("count", TEXTBOOK)
    found = json.loads(ok("count", TEXTBOOK, "--json", "--set", "B=2"))
    assert found


def test_count_in_other_ways(tmp_path: Path) -> None:
    assert "119*B - 20" in ok("count", TEXTBOOK, "--formula")
    forms = json.loads(ok("count", TEXTBOOK, "--formula", "--json"))
    assert forms["strategies"][0]["operations"] == "55*B"
    assert "backward" in ok("count", TEXTBOOK, "--by", "stage", "--set", "B=64")
    assert "d_W1" in ok("count", TEXTBOOK, "--by", "equation", "--of", "reverse")
    rows = ok("count", TEXTBOOK, "--csv").splitlines()
    assert rows[1].startswith("forward,55,1.0,1,yes,55,14")
    assert "\\toprule" in ok("count", TEXTBOOK, "--latex")
    swept = json.loads(ok("count", "mlp:2-{H}-1,tanh,half_squared_error", "--sweep", "H=2..4", "--json"))
    assert swept["values"] == [2, 3, 4] and len(swept["operations"]["reverse"]) == 3
    picture = tmp_path / "sweep.png"
    ok("count", "mlp:2-{H}-1,tanh,half_squared_error", "--sweep", "H=2..64", "--plot", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert TEXTBOOK in ok("compare", TEXTBOOK, "mlp:2-3-1,tanh,half_squared_error")
    refused("--plot draws a sweep", "count", TEXTBOOK, "--plot", str(picture))
    refused("has no size H", "count", TEXTBOOK, "--sweep", "H=2..4")


def test_generate_and_check(tmp_path: Path) -> None:
    source, module = tmp_path / "mynet.py", tmp_path / "module.py"
    source.write_text(NET_FILE, encoding="utf-8")
    ok("generate", str(source), "-o", str(module), "--optimizer", "sgd", "--dtype", "float32", "--lr", "0.1")
    text = module.read_text(encoding="utf-8")
    assert "DTYPE = np.float32" in text
    assert "def adam" not in text
    ran = subprocess.run([sys.executable, "-m", "symbp.cli", "check", str(module)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "passed" in ok("check", str(source))


def test_errors_write_nothing(tmp_path: Path) -> None:
    target = tmp_path / "net.py"
    refused("did you mean 'sigmoid'?", "generate", "mlp:2-3-1,sigmoyd,half_squared_error", "-o", str(target))
    refused("unknown loss", "derive", "mlp:2-3-1,sigmoid,half_squared")
    refused("there is no file", "derive", str(tmp_path / "none.py"))
    refused("neither a built-in network", "count", "perceptron")
    refused("there is no tensor W9", "derive", TEXTBOOK, "--wrt", "W9")
    refused("say -o derivation.pdf", "derive", TEXTBOOK, "--format", "pdf")
    refused("there is no fragment 'poem'", "derive", TEXTBOOK, "--fragment", "poem")
    refused("--set B: write a size and a positive whole number", "count", TEXTBOOK, "--set", "B")
    refused("has no size C", "count", TEXTBOOK, "--set", "C=2")
    refused("there is no folder", "generate", TEXTBOOK, "-o", str(tmp_path / "none" / "net.py"))
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n", encoding="utf-8")
    refused("does not define `net`", "derive", str(empty))
    empty.write_text("from symbp import Dense\n\nnet = Densee(4)\n", encoding="utf-8")
    refused(f"{empty}:3: NameError: name 'Densee' is not defined", "derive", str(empty))
    assert not target.exists()
    assert list(tmp_path.iterdir()) == [empty]


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_demo(tmp_path) >= 0.97
    made = {path.name for path in tmp_path.iterdir()}
    assert {"textbook_net.py", "digits_net.py", "counts.txt", "derivation_neurons.tex"} <= made
    printed = capsys.readouterr().out
    assert "test accuracy on the held-out fifth" in printed
    assert "96.4% of the expanded gradients' operations repeat one already done" in printed
