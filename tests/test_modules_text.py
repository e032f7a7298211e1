"""Emitted modules as texts: tidy by ruff, no imports but NumPy's and the standard library's, documented options."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from training_modules import OPTIMIZERS, fresh

from symbp import cli
from symbp.architectures import load
from symbp.emit import generate
from symbp.emit.loading import load_module

ROOT = Path(__file__).resolve().parents[1]
NETS = [
    "mlp:64-64-32-10,relu,cross_entropy",
    "mlp:4-8-3,sigmoid,soft_cross_entropy",
    "mlp:3-4-2,tanh,mean_squared_error",
    "mlp:3-4-1,gelu,binary_cross_entropy",
    "cnn:1x8x8,4c3p1+batch_norm+relu+max2,dropout0.2,10,cross_entropy",
    "cnn:1x20,4c5s2p1+relu,3,cross_entropy",
    "resnet18:3x8x8,classes=3",
    "gpt:nano",
    "lstm:3-4-2,cross_entropy",
    "gru:3-4-2,bidirectional,each,cross_entropy",
    "gpt:layers=1,heads=2,width=8,context=4,vocabulary=5,dropout=0.1",
]


@cache
def text_of(net: str) -> str:
    return generate(load(net), optimizers=OPTIMIZERS)


@pytest.mark.parametrize("options", [{}, {"style": "fast"}, {"style": "fast", "parallel": "processes"}])
@pytest.mark.parametrize("net", NETS)
def test_imports_and_width(net: str, options: dict) -> None:
    text = generate(load(net), **options) if options else text_of(net)
    imported = set()
    for node in ast.walk(ast.parse(text, feature_version=(3, 9))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or ".").partition(".")[0])
    assert imported - {"numpy", "matplotlib"} <= sys.stdlib_module_names  # the latter for --plot alone
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.skipif(find_spec("ruff") is None and shutil.which("ruff") is None, reason="ruff isn't installed")
def test_ruff_finds_nothing(tmp_path: Path) -> None:
    for number, net in enumerate(NETS):
        (tmp_path / f"net_{number}.py").write_text(text_of(net), encoding="utf-8")
        generate(load(net), tmp_path / f"fast_{number}.py", style="fast")
        generate(load(net), tmp_path / f"team_{number}.py", style="fast", parallel="processes")
    for optimizer in OPTIMIZERS:
        generate(load(NETS[0]), tmp_path / f"{optimizer}.py", optimizers=(optimizer,))
    command = [sys.executable, "-m", "ruff"] if find_spec("ruff") else ["ruff"]
    rules = ["--select", "E,F,W,I,B,UP,C4,RUF", "--line-length", "110", "--target-version", "py39"]
    done = subprocess.run([*command, "check", "--isolated", *rules, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def options(command: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The options that a command's --help names."""
    with pytest.raises(SystemExit, match="0"):
        fresh().main([command, "--help"])
    return set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}


def test_the_documentation_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "modules.md").read_text(encoding="utf-8")
    named = set(re.findall(r"--[a-z][a-z-]+", text)) - {"--help"}
    there = options("train", capsys) | options("predict", capsys)
    of_generate = {option for p in cli.generate.params for option in p.opts}
    assert there <= named <= there | of_generate


def test_the_readme_names_the_important_ones(capsys: pytest.CaptureFixture[str]) -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Code that trains")[1].split("\n## ")[0]
    named = set(re.findall(r"--[a-z][a-z-]+", section))
    assert options("train", capsys) - named <= {"--seed", "--save-every", "--every", "--quiet"}
    assert named <= options("train", capsys)


@pytest.mark.parametrize("parallel", [None, "processes"])
def test_many_arguments_keep_to_the_width(parallel: str | None) -> None:
    """A mask for each of many layers with dropout: calls, docstrings and lists are broken where they are long."""
    net = load("mlp:4-3-3-3-3-3-3-3-3-3-3-3-3-3-3-2,batch_norm+relu+dropout0.1,cross_entropy")
    text = generate(net, style="fast", parallel=parallel)  # which raises for longer lines
    module = load_module(text)
    data = module.draw(np.random.default_rng(0), np.ones((6, 4)), np.zeros(6, int))
    assert len(data) == 16
    value, grads, moved = module.loss_and_grads(module.init_params(), *data)
    assert np.isfinite(value) and set(grads) == set(module.LAYERS) and len(moved) == 28


def test_a_rate_of_dropout_divides_as_a_decimal() -> None:
    text = generate(load("mlp:4-8-3,tanh+dropout0.1,cross_entropy"))
    assert re.search(r"^    u1 = h1 \* keep / 0\.9 +#", text, re.MULTILINE) and "/ 9" not in text
