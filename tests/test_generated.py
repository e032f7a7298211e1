"""generated/: what symbp makes of the examples today, byte by byte, and right."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import os
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from symbp.architectures import load
from symbp.cli import main as command_line
from symbp.emit.arguments import label_limit
from symbp.program import Program

ROOT = Path(__file__).resolve().parents[1]
UPDATE = "python examples/regenerate.py"


def load_file(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


regenerate = load_file(ROOT / "examples" / "regenerate.py", "regenerate")
NAMES = sorted(regenerate.MODULES)


@cache
def expected() -> dict[str, str]:
    return regenerate.texts()


@cache
def network(name: str) -> Program:
    net, _ = regenerate.MODULES[name]
    return load(str(ROOT / net) if net.endswith(".py") else net)


@cache
def module(name: str) -> ModuleType:
    return load_file(regenerate.GENERATED / name, f"generated_{name.removesuffix('.py')}")


def values_for(net: Program, seed: int = 0, batch: int = 7) -> dict[str, Any]:
    """Random values of a network's parameters, state and data; variances are positive, soft targets add up to one."""
    rng = np.random.default_rng(seed)
    values: dict[str, Any] = {}
    for t in net.tensors.values():
        shape = tuple(int(getattr(s, "value", batch)) for s in t.shape)
        if t.role == "computed":
            continue
        if t.dtype == "int":
            values[t.name] = rng.integers(label_limit(net, t.name), size=shape)
        elif t.role == "state":
            values[t.name] = rng.uniform(0.5, 2, shape)
        elif t.role == "input" and any(t.name in left.tensors for left, _ in net.facts):
            values[t.name] = rng.dirichlet(np.ones(shape[1]), size=shape[0])
        else:
            values[t.name] = rng.standard_normal(shape)
    return values


@pytest.mark.parametrize("name", NAMES)
def test_is_what_symbp_writes_today(name: str) -> None:
    path = regenerate.GENERATED / name
    assert path.is_file(), f"generated/{name} is missing; {UPDATE} writes it"
    there, today = path.read_bytes().decode(), expected()[name]
    difference = difflib.unified_diff(
        there.splitlines(True), today.splitlines(True), f"generated/{name}", f"generated/{name} as symbp writes it now"
    )
    if there != today:
        pytest.fail(f"{''.join(difference)}\nIf that is meant: {UPDATE}", pytrace=False)


def test_holds_nothing_else() -> None:
    names = [path.name for path in regenerate.orphans()]
    assert not names, f"nothing makes generated/{', generated/'.join(names)}; {UPDATE} deletes what isn't needed"


def test_every_example_that_can_be_emitted_is_there() -> None:
    networks = {net for net, _ in regenerate.MODULES.values()}
    for path in sorted((ROOT / "examples").glob("*.py")):
        assigned = {
            target.id
            for statement in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(statement, ast.Assign)
            for target in statement.targets
            if isinstance(target, ast.Name)
        }
        if "net" in assigned and path.name != "dense_relu.py":  # that one has no batch: it is about single numbers
            assert f"examples/{path.name}" in networks


def header_command(text: str) -> list[str]:
    """The words of the command in a module's header."""
    lines = text.split("this makes it again:\n\n", 1)[1].split("\n\n", 1)[0]
    return shlex.split(" ".join(line.strip() for line in lines.splitlines()))


@pytest.mark.parametrize("name", NAMES)
def test_the_command_in_the_header_makes_it_again(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    there = regenerate.GENERATED / name
    program, *words = header_command(there.read_text(encoding="utf-8"))
    assert program == "symbp"
    written = tmp_path / name
    words[words.index("-o") + 1] = str(written)
    done = CliRunner().invoke(command_line, words)
    assert done.exit_code == 0, done.output
    assert written.read_bytes() == there.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_the_reference_interpreter(name: str) -> None:
    net = network(name)
    values = values_for(net)
    x, t = (tensor.name for tensor in net.inputs)
    params = {tensor.name: values[tensor.name] for tensor in (*net.parameters, *net.state)}
    module(name).use_dtype("float64")
    loss, grads, *updates = module(name).loss_and_grads(params, values[x], values[t])
    reference = net.gradient().evaluate(values)
    assert loss == pytest.approx(reference[net.loss], rel=1e-12)
    assert module(name).loss(params, values[x], values[t]) == pytest.approx(
        (net.inference or net).evaluate(values)[net.loss], rel=1e-12
    )
    assert list(grads) == [p.name for p in net.parameters]
    largest = max(np.abs(reference[f"d_{p}"]).max() for p in grads)
    for p, found in grads.items():
        right = reference[f"d_{p}"]
        assert found.shape == right.shape
        # Zero by cancellation, as a bias's in front of batch norm is: held to the rounding of the others.
        zero = np.abs(right).max() < 1e-13 * largest
        assert np.abs(found - right).max() <= (1e-13 * largest if zero else 1e-12 * np.abs(right).max()), p
    for state, new in (updates[0] if updates else {}).items():
        np.testing.assert_allclose(new, reference[net.updates[state]], rtol=1e-12)
    assert bool(updates) == bool(net.state)


@pytest.mark.parametrize("name", NAMES)
def test_passes_its_own_check(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert module(name).main(["check"]) == 0
    assert "gradient check passed" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_its_check_catches_a_wrong_gradient(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net, emitted = network(name), module(name)
    values = values_for(net)
    x, t = (tensor.name for tensor in net.inputs)
    params = {tensor.name: values[tensor.name] for tensor in (*net.parameters, *net.state)}
    assert max(emitted.gradient_check(params, values[x], values[t]).values()) < 1e-5
    right, last = emitted.loss_and_grads, net.parameters[-1].name

    def wrong(*arguments: Any) -> tuple[Any, ...]:
        loss, grads, *updates = right(*arguments)
        return loss, grads | {last: 1.001 * grads[last]}, *updates

    monkeypatch.setattr(emitted, "loss_and_grads", wrong)
    errors = emitted.gradient_check(params, values[x], values[t])
    assert errors[last] > 1e-4
    assert max(error for p, error in errors.items() if p != last) < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_imports_only_numpy_and_the_standard_library(name: str) -> None:
    """matplotlib is imported by --plot alone, inside a function."""
    tree = ast.parse((regenerate.GENERATED / name).read_text(encoding="utf-8"))
    pyplot = [f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == "_pyplot"]
    plotting = {node for f in pyplot for node in ast.walk(f)}
    nodes = [node for node in ast.walk(tree) if node not in plotting]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {found.partition(".")[0] for found in imported} <= sys.stdlib_module_names | {"numpy"}


def test_runs_without_symbp_and_sympy(tmp_path: Path) -> None:
    run = "import runpy, sys; sys.modules.update(symbp=None, sympy=None); sys.argv = sys.argv[1:]; " \
          "runpy.run_path(sys.argv[0], run_name='__main__')"  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", run, str(regenerate.GENERATED / "circle.py"), "check"],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "gradient check passed" in done.stdout
