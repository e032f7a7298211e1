"""The emitted module: tidy, standalone, trains, resumes bitwise, and says clearly what is wrong."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from symbp.emit import templates
from symbp.emit.module import Body, Data, ModuleContext, Parameter, State
from symbp.emit.render import render_module
from symbp.emit.templates import templates_folder
from symbp.errors import SymbpError

SIGMOID = "def sigmoid(z):\n    return 0.5 * (1 + np.tanh(0.5 * z))\n"
RELU = "def relu(z):\n    return np.maximum(z, 0)"
LOGSUMEXP = (
    "def logsumexp(z):\n"
    '    """log(sum(exp(z))) over the last axis, without overflow."""\n'
    "    top = z.max(axis=-1, keepdims=True)\n"
    "\n"
    "    return top[..., 0] + np.log(np.exp(z - top).sum(axis=-1))"
)


def regressor(**changes: object) -> ModuleContext:
    """2-3-1, sigmoid, half squared error."""
    forward = (
        "z1 = x @ W1 + c1    # (1)  (B, 3)",
        "a1 = sigmoid(z1)    # (2)  (B, 3)",
        "y = a1 @ W2 + c2    # (3)  (B, 1)",
    )
    half = ("r = y - t", "L = np.vdot(r, r) / (2 * B)    # (4)")
    backward = (
        "d_y = r / B    # dL/dy, from (4)",
        "d_W2 = a1.T @ d_y",
        "d_c2 = d_y.sum(axis=0)",
        "d_z1 = (d_y @ W2.T) * a1 * (1 - a1)",
        "d_W1 = x.T @ d_z1",
        "d_c1 = d_z1.sum(axis=0)",
    )
    names = ("W1", "c1", "W2", "c2")
    context = ModuleContext(
        title="mlp:2-3-1,sigmoid,half_squared_error",
        equations=("z1[b,h] = Sum(x[b,i]*W1[i,h], i) + c1[h]", "y[b,o] = Sum(a1[b,h]*W2[h,o], h) + c2[o]"),
        command="symbp emit mlp:2-3-1,sigmoid,half_squared_error -o net.py",
        version="0.1.0",
        licence="MIT",
        dtype="float64",
        helpers=(SIGMOID,),
        batch="B",
        inputs=(Data("x", "(B, 2)", ("B", 2), "rng.standard_normal((7, 2))"),),
        targets=(Data("t", "(B, 1)", ("B", 1), "rng.standard_normal((7, 1))"),),
        parameters=(
            Parameter("W1", "(2, 3)", "rng.standard_normal((2, 3)) * math.sqrt(1 / 2)", 1),
            Parameter("c1", "(3,)", "np.zeros(3)", 1),
            Parameter("W2", "(3, 1)", "rng.standard_normal((3, 1)) * math.sqrt(1 / 3)", 2),
            Parameter("c2", "(1,)", "np.zeros(1)", 2),
        ),
        state=(),
        forward=Body(names, forward),
        loss=Body(names, ("B = x.shape[0]", *forward, *half)),
        grads=Body(names, ("B = x.shape[0]", *forward, *half, *backward)),
        prediction="y",
        prediction_shape="(B, 1)",
        loss_name="L",
        task="regression",
        metric_target="t",
        optimizers=("sgd", "momentum", "adam"),
        learning_rate=0.1,
    )
    return replace(context, **changes)  # type: ignore[arg-type]


def classifier(**changes: object) -> ModuleContext:
    """4-5-3, relu, cross entropy with integer labels."""
    forward = ("z1 = x @ W1 + c1", "a1 = relu(z1)", "z2 = a1 @ W2 + c2")
    entropy = ("L = (logsumexp(z2) - z2[np.arange(B), t]).sum() / B",)
    backward = (
        "d_z2 = np.exp(z2 - logsumexp(z2)[:, None])",
        "d_z2[np.arange(B), t] -= 1",
        "d_z2 /= B",
        "d_W2 = a1.T @ d_z2",
        "d_c2 = d_z2.sum(axis=0)",
        "d_z1 = (d_z2 @ W2.T) * (z1 > 0)",
        "d_W1 = x.T @ d_z1",
        "d_c1 = d_z1.sum(axis=0)",
    )
    names = ("W1", "c1", "W2", "c2")
    context = regressor(
        title="mlp:4-5-3,relu,cross_entropy",
        helpers=(RELU, LOGSUMEXP),
        inputs=(Data("x", "(B, 4)", ("B", 4), "rng.standard_normal((7, 4))"),),
        targets=(Data("t", "(B,)", ("B",), "rng.integers(3, size=7)", True, True, 3),),
        parameters=(
            Parameter("W1", "(4, 5)", "rng.standard_normal((4, 5)) * math.sqrt(2 / 4)", 1),
            Parameter("c1", "(5,)", "np.zeros(5)", 1),
            Parameter("W2", "(5, 3)", "rng.standard_normal((5, 3)) * math.sqrt(2 / 5)", 2),
            Parameter("c2", "(3,)", "np.zeros(3)", 2),
        ),
        forward=Body(names, forward),
        loss=Body(names, ("B = x.shape[0]", *forward, *entropy)),
        grads=Body(names, ("B = x.shape[0]", *forward, *entropy, *backward)),
        prediction="z2",
        prediction_shape="(B, 3)",
        task="classification",
        optimizers=("adam", "momentum", "sgd"),
        learning_rate=0.01,
    )
    return replace(context, **changes)  # type: ignore[arg-type]


def normalised(**changes: object) -> ModuleContext:
    """2-3-1 with batch norm before tanh, binary labels by squared error: running statistics are state."""
    train = (
        "B = x.shape[0]",
        "z1 = x @ W1",
        "m1 = z1.mean(axis=0)",
        "v1 = z1.var(axis=0)",
        "s1 = 1 / np.sqrt(v1 + 1e-5)",
        "n1 = (z1 - m1) * s1",
        "a1 = np.tanh(n1 * g1 + c1)",
        "y = a1 @ W2",
        "r = y - t",
        "L = np.vdot(r, r) / (2 * B)",
        "d_y = r / B",
        "d_W2 = a1.T @ d_y",
        "d_u1 = (d_y @ W2.T) * (1 - a1 * a1)",
        "d_g1 = (d_u1 * n1).sum(axis=0)",
        "d_c1 = d_u1.sum(axis=0)",
        "d_n1 = d_u1 * g1",
        "d_z1 = s1 * (d_n1 - d_n1.mean(axis=0) - n1 * (d_n1 * n1).mean(axis=0))",
        "d_W1 = x.T @ d_z1",
        "new_mean1 = 0.9 * mean1 + 0.1 * m1",
        "new_var1 = 0.9 * var1 + 0.1 * v1",
    )
    infer = (
        "n1 = (x @ W1 - mean1) / np.sqrt(var1 + 1e-5)",
        "a1 = np.tanh(n1 * g1 + c1)",
        "y = a1 @ W2",
    )
    names = ("W1", "g1", "c1", "W2", "mean1", "var1")
    context = regressor(
        title="2-3-1, batch norm, tanh",
        helpers=(),
        parameters=(
            Parameter("W1", "(2, 3)", "rng.standard_normal((2, 3))", 1),
            Parameter("g1", "(3,)", "np.ones(3)", 1),
            Parameter("c1", "(3,)", "np.zeros(3)", 1),
            Parameter("W2", "(3, 1)", "rng.standard_normal((3, 1))", 2),
        ),
        state=(
            State("mean1", "(3,)", "np.zeros(3)", "new_mean1"),
            State("var1", "(3,)", "np.ones(3)", "new_var1"),
        ),
        forward=Body(names, infer),
        loss=Body(names, ("B = x.shape[0]", *infer, "r = y - t", "L = np.vdot(r, r) / (2 * B)")),
        grads=Body(names, train),
        targets=(Data("t", "(B, 1)", ("B", 1), "rng.integers(2, size=(7, 1))", False, True, 2),),
        task="binary",
        threshold=0.5,
    )
    return replace(context, **changes)  # type: ignore[arg-type]


CONTEXTS = {"regressor": regressor, "classifier": classifier, "normalised": normalised}


def load_module(text: str, path: Path) -> ModuleType:
    path.write_text(text, encoding="utf-8")
    spec = spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_data(name: str, count: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """A task that each net can learn."""
    rng = np.random.default_rng(5)
    if name == "classifier":
        t = rng.integers(3, size=count)
        return np.eye(3, 4)[t] + 0.3 * rng.standard_normal((count, 4)), t
    x = rng.standard_normal((count, 2))
    wave = np.sin(x[:, :1]) + 0.5 * x[:, 1:]
    return x, (wave > 0).astype(float) if name == "normalised" else wave


@pytest.fixture(params=CONTEXTS)
def net(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, ModuleType, Path]:
    """(name, module, its file)"""
    path = tmp_path / "net.py"
    return request.param, load_module(render_module(CONTEXTS[request.param]()), path), path


@pytest.fixture
def net_file(tmp_path: Path) -> Path:
    """The classifier as a program, beside data.npz."""
    path = tmp_path / "net.py"
    path.write_text(render_module(classifier()), encoding="utf-8")
    x, t = make_data("classifier")
    np.savez(tmp_path / "data.npz", x=x, t=t)
    return path


def program(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the emitted file in its folder, with only what it needs in sight: no symbp."""
    return subprocess.run(
        [sys.executable, "-W", "error", path.name, *arguments],
        cwd=path.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )


def assert_same_arrays(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], strict=True)


# The text


@pytest.mark.parametrize("name", CONTEXTS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_text_is_tidy_and_the_same_each_time(name: str, dtype: str) -> None:
    text = render_module(CONTEXTS[name](dtype=dtype))
    assert text == render_module(CONTEXTS[name](dtype=dtype))
    assert max(map(len, text.splitlines())) <= 110
    assert all(line == line.rstrip() for line in text.splitlines())
    assert text.endswith("sys.exit(main())\n")
    assert "\n\n\n\n" not in text


@pytest.mark.parametrize("name", CONTEXTS)
def test_imports_numpy_and_the_standard_library_only(name: str) -> None:
    imported = set()
    for node in ast.walk(ast.parse(render_module(CONTEXTS[name]()))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert "numpy" in imported
    assert imported - {"numpy", "matplotlib"} <= sys.stdlib_module_names  # the latter for --plot alone


@pytest.mark.skipif(find_spec("ruff") is None and shutil.which("ruff") is None, reason="ruff isn't installed")
@pytest.mark.parametrize("optimizers", [("sgd",), ("momentum",), ("adam", "sgd")])
@pytest.mark.parametrize("name", CONTEXTS)
def test_ruff_finds_nothing(name: str, optimizers: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(render_module(CONTEXTS[name](optimizers=optimizers)), encoding="utf-8")
    command = [sys.executable, "-m", "ruff"] if find_spec("ruff") else ["ruff"]
    rules = ["--select", "E,F,W,I,B,UP,C4,RUF", "--line-length", "110", "--target-version", "py39"]
    done = subprocess.run([*command, "check", "--isolated", *rules, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_header_says_from_what_by_which_command_and_under_which_licence() -> None:
    tree = ast.parse(render_module(regressor()))
    text = ast.get_docstring(tree) or ""
    context = regressor()
    assert text.splitlines()[0] == context.title
    for part in (*context.equations, context.command, f"symbp {context.version}"):
        assert part in text
    assert render_module(context).startswith("# SPDX-License-Identifier: MIT\n")


def test_many_and_long_names_are_wrapped(tmp_path: Path) -> None:
    names = tuple(f"a_rather_long_parameter_name_{k}" for k in range(30))
    body = Body(
        names,
        (f"L = np.sum(({' + '.join(names[:2])}) * x)  # a comment that goes above its line, as it is long",),
    )
    context = regressor(
        parameters=tuple(Parameter(name, "(2,)", "np.ones(2)", k) for k, name in enumerate(names)),
        forward=Body((), ("y = x",)),
        loss=body,
        grads=replace(body, lines=(*body.lines, *(f"d_{name} = x.sum(axis=0)" for name in names))),
        command="symbp emit " + "--flag value " * 30,
        equations=("L = " + " + ".join(names),),
    )
    module = load_module(render_module(context), tmp_path / "net.py")
    value, grads = module.loss_and_grads(module.init_params(), np.ones((3, 2)), np.ones((3, 1)))
    assert value == 12
    assert tuple(grads) == names


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "ranking"}, "task is 'ranking': it must be one of classification"),
        ({"dtype": "float16"}, "dtype is 'float16'"),
        ({"optimizers": ()}, "optimizers is"),
        ({"optimizers": ("lion",)}, "optimizers is"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"parameters": ()}, "no parameters"),
        ({"title": 'x"""\nimport os'}, "title has"),
        ({"equations": ("a\\",)}, "equations has"),
        ({"inputs": (Data("params", "(B, 2)", ("B", 2), "None"),)}, "'params' can't be the name"),
        ({"inputs": (Data("W1", "(B, 2)", ("B", 2), "None"),)}, "'W1' names two things"),
        ({"helpers": ("def W2(z):\n    return z",)}, "'W2' names two things"),
        ({"forward": Body(("W9",), ("y = x",))}, "forward.reads names 'W9'"),
        ({"helpers": ("def f(:",)}, "isn't Python: line"),
        ({"helpers": (f"a = {' + '.join(['1'] * 60)}",)}, "columns wide"),
        ({"helpers": ("def f(z): \n    return z",)}, "ends in blanks"),
    ],
)
def test_impossible_context_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SymbpError, match=message):
        render_module(regressor(**changes))


def test_templates_come_from_the_package_or_the_source_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (templates_folder() / "module.py.j2").is_file()
    monkeypatch.setattr(templates.resources, "files", lambda _: tmp_path)
    installed = tmp_path / "_templates"
    assert templates_folder() != installed
    installed.mkdir()
    (installed / "module.py.j2").touch()
    assert templates_folder() == installed
    shutil.rmtree(installed)
    monkeypatch.setattr(templates, "__file__", str(tmp_path / "a" / "b" / "templates.py"))
    with pytest.raises(
        SymbpError, match=r"no templates in .*_templates or .*: symbp is installed incompletely"
    ):
        templates_folder()


# The mathematics' surroundings


def test_gradient_check_passes_and_sees_a_wrong_gradient(
    net: tuple[str, ModuleType, Path], tmp_path: Path
) -> None:
    name, module, _ = net
    x, t = make_data(name, 11)
    params = module.init_params(3)
    worst = module.gradient_check(params, x, t)
    assert worst.keys() == module.LAYERS.keys()
    assert max(worst.values()) < 1e-6
    for parameter in module.LAYERS:  # 0.1% off
        context = CONTEXTS[name]()
        lines = (*context.grads.lines, f"d_{parameter} = d_{parameter} * 1.001")
        wrong = load_module(
            render_module(replace(context, grads=replace(context.grads, lines=lines))), tmp_path / "wrong.py"
        )
        worst = wrong.gradient_check(params, x, t)
        assert {key for key, error in worst.items() if error > 1e-4} == {parameter}


def test_gradient_check_reports_a_gradient_that_is_nan(tmp_path: Path) -> None:
    context = regressor()
    lines = (*context.grads.lines, "d_W1 = d_W1 * np.nan")
    text = render_module(replace(context, grads=replace(context.grads, lines=lines)))
    module = load_module(text, tmp_path / "net.py")
    assert module.gradient_check(module.init_params(), *make_data("regressor"))["W1"] == np.inf


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_training_reduces_the_loss(net: tuple[str, ModuleType, Path], optimizer: str) -> None:
    name, module, _ = net
    x, t = make_data(name)
    start = module.init_params(1)
    kept = {key: value.copy() for key, value in start.items()}
    lr = 0.05 if optimizer == "adam" else 0.1
    params, state = module.train(
        start, x, t, epochs=60, batch_size=16, lr=lr, optimizer=optimizer, quiet=True
    )
    losses = [row["loss"] for row in state["history"]]
    assert len(losses) == 60
    assert losses[-1] < 0.4 * losses[0]
    assert_same_arrays(start, kept)  # the caller's arrays are left alone
    scores = module.evaluate(params, x, t)
    assert scores["loss"] == pytest.approx(float(module.loss(params, x, t)), rel=1e-12)
    assert scores["mae"] < 0.2 if name == "regressor" else scores["accuracy"] > 0.9


def test_predictions(net: tuple[str, ModuleType, Path]) -> None:
    name, module, _ = net
    x, _ = make_data(name, 2100)  # more than two slices
    params = module.init_params(2)
    scores = module.forward(params, x)
    expected = {"regressor": scores, "classifier": scores.argmax(axis=1), "normalised": scores > 0.5}[name]
    np.testing.assert_allclose(module.predict(params, x), expected, rtol=1e-12)


def test_one_hot_classifier(tmp_path: Path) -> None:
    context = classifier()
    one_hot = {"d_z2[np.arange(B), t] -= 1": "d_z2 -= t", "z2[np.arange(B), t]": "(z2 * t).sum(axis=1)"}

    def rewrite(body: Body) -> Body:
        lines = body.lines
        for old, new in one_hot.items():
            lines = tuple(line.replace(old, new) for line in lines)
        return replace(body, lines=lines)

    target = Data("t", "(B, 3)", ("B", 3), "np.eye(3)[rng.integers(3, size=7)]")
    text = render_module(
        replace(context, targets=(target,), loss=rewrite(context.loss), grads=rewrite(context.grads))
    )
    module = load_module(text, tmp_path / "net.py")
    x, t = make_data("classifier")
    params, state = module.train(
        module.init_params(), x, np.eye(3)[t], epochs=30, lr=0.05, validation=(x, np.eye(3)[t]), quiet=True
    )
    assert state["history"][-1]["val_accuracy"] > 0.9
    assert np.mean(module.predict(params, x) == t) == state["history"][-1]["val_accuracy"]
    assert program(tmp_path / "net.py", "check").returncode == 0


def test_float32_stays_float32(tmp_path: Path) -> None:
    module = load_module(render_module(normalised(dtype="float32")), tmp_path / "net.py")
    x, t = make_data("normalised")
    for optimizer in module.OPTIMIZERS:
        params, state = module.train(module.init_params(), x, t, epochs=2, optimizer=optimizer, quiet=True)
        assert {value.dtype for value in params.values()} == {np.dtype(np.float32)}
        assert {value.dtype for key, value in state["memory"].items() if key != "step"} <= {
            np.dtype(np.float32)
        }
    assert max(module.gradient_check(params, x.astype(np.float32), t).values()) < 1e-6


# Resuming, saving, loading


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["classifier", "normalised"])
def test_resumed_training_is_bitwise_the_uninterrupted_one(
    name: str, dtype: str, optimizer: str, tmp_path: Path
) -> None:
    module = load_module(render_module(CONTEXTS[name](dtype=dtype)), tmp_path / "net.py")
    x, t = make_data(name)
    file = tmp_path / "net.npz"
    params, state = module.train(
        module.init_params(4),
        x,
        t,
        epochs=7,
        batch_size=16,
        lr=0.03,
        optimizer=optimizer,
        seed=9,
        validation=(x, t),
        quiet=True,
    )
    at_three = []

    def stop(*now: object) -> None:
        if now[1]["epoch"] == 3:  # type: ignore[index]
            at_three.extend(now)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        module.train(
            module.init_params(4),
            x,
            t,
            epochs=7,
            batch_size=16,
            lr=0.03,
            optimizer=optimizer,
            seed=9,
            validation=(x, t),
            on_epoch=stop,
            quiet=True,
        )
    module.save(file, *at_three)
    half, saved = module.load(file)
    again, state_again = module.train(half, x, t, epochs=7, state=saved, validation=(x, t), quiet=True)
    assert_same_arrays(again, params)
    assert_same_arrays(state_again.pop("memory"), state.pop("memory"))
    assert state_again == state
    assert [row["epoch"] for row in state["history"]] == list(range(1, 8))


def test_callback_may_keep_what_it_gets(net: tuple[str, ModuleType, Path]) -> None:
    name, module, _ = net
    x, t = make_data(name)
    kept: list[tuple[dict[str, np.ndarray], dict[str, object]]] = []
    params, _ = module.train(
        module.init_params(),
        x,
        t,
        epochs=5,
        optimizer="adam",
        on_epoch=lambda *now: kept.append(now),
        quiet=True,
    )
    for start, state in kept[:-1]:  # all still as they were at the end of their epoch
        again, _ = module.train(start, x, t, epochs=5, state=state, quiet=True)
        assert_same_arrays(again, params)


def test_failed_save_leaves_the_old_file(
    net: tuple[str, ModuleType, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, module, path = net
    file = path.parent / "net.npz"
    module.save(file, module.init_params(1))
    before = file.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        module.save(file, module.init_params(2))
    assert file.read_bytes() == before
    assert not list(path.parent.glob("*.tmp"))


def test_saved_twice_gives_the_same_bytes(net: tuple[str, ModuleType, Path]) -> None:
    name, module, path = net
    x, t = make_data(name)
    result = module.train(module.init_params(), x, t, epochs=2, quiet=True)
    module.save(path.with_name("a.npz"), *result)
    module.save(path.with_name("b.npz"), *module.load(path.with_name("a.npz")))
    assert path.with_name("a.npz").read_bytes() == path.with_name("b.npz").read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"W2": None}, "no array W2"),
        ({"c1": np.zeros(6)}, r"c1 is float64 \(6,\), not float64 \(5,\)"),
        ({"c1": np.zeros(5, int)}, r"c1 is int64 \(5,\)"),
        ({"c1": np.full(5, np.nan)}, "c1 holds NaN"),
        ({"W3": np.zeros(6)}, r"array W3 \(6,\) doesn't belong"),
        ({"memory.m.W1": np.zeros(6)}, r"array memory.m.W1 \(6,\) doesn't belong"),
        ({"training.state": np.array("{}")}, "training.state can't be read"),
        ({"training.state": np.array("[")}, "training.state can't be read"),
        ({"c1": np.array([None] * 5)}, "not a readable .npz file of plain arrays"),
    ],
)
def test_file_of_another_network_is_refused(
    changes: dict[str, np.ndarray | None], message: str, net_file: Path
) -> None:
    module = load_module(net_file.read_text(), net_file)
    file = net_file.with_name("other.npz")
    arrays = {**module.init_params(), **changes}
    np.savez(file, **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(module.InputError, match=message) as caught:
        module.load(file)
    assert "other.npz" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\3\4 broken", b"text"])
def test_file_that_is_no_npz_is_refused(content: bytes, net_file: Path) -> None:
    module = load_module(net_file.read_text(), net_file)
    net_file.with_name("bad.npz").write_bytes(content)
    with pytest.raises(module.InputError, match=r"bad\.npz: not a readable \.npz"):
        module.load(net_file.with_name("bad.npz"))


def test_npy_file_is_refused(net_file: Path) -> None:
    module = load_module(net_file.read_text(), net_file)
    np.save(net_file.with_name("x.npy"), np.zeros(3))
    with pytest.raises(module.InputError, match=r"x\.npy: not a readable \.npz"):
        module.load(net_file.with_name("x.npy"))


# Trouble in training


def test_loss_that_is_not_finite_stops_the_training(net_file: Path) -> None:
    module = load_module(net_file.read_text(), net_file)
    x, t = make_data("classifier")
    with pytest.raises(
        FloatingPointError, match=r"epoch \d+, batch \d+: the loss is (nan|inf).*smaller learning rate"
    ):
        module.train(
            module.init_params(), x, t, epochs=9, lr=1e200, batch_size=16, optimizer="sgd", quiet=True
        )
    done = program(
        net_file, "train", "data.npz", "--lr", "1e200", "--batch", "16", "--optimizer", "sgd", "--quiet"
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("net.py: error: epoch ")
    assert done.stderr.count("\n") == 1


def test_whole_epochs_before_the_trouble_are_saved(net_file: Path) -> None:
    module = load_module(net_file.read_text(), net_file)
    rows = (
        "train",
        "data.npz",
        "--epochs",
        "9",
        "--lr",
        "1e160",
        "--optimizer",
        "sgd",
        "--quiet",
        "--batch",
        "90",
    )
    done = program(net_file, *rows, "--out", "net.npz")
    saved, trouble = done.stderr.splitlines()
    assert saved.startswith("saved net.npz after epoch ")
    assert trouble.startswith("net.py: error: epoch ")
    assert done.returncode == 1
    assert int(saved.split()[4].rstrip(";")) == module.load(net_file.with_name("net.npz"))[1]["epoch"]


def test_integer_input_of_any_length(tmp_path: Path) -> None:
    """The mean of embedded words against a number: np.add.at in the backward pass."""
    forward = ("y = E[x].mean(axis=1)",)
    half = ("B, N = x.shape", *forward, "r = y - t", "L = np.vdot(r, r) / (2 * B)")
    backward = ("d_E = np.zeros_like(E)", "np.add.at(d_E, x, (r / (B * N))[:, None, :])")
    context = regressor(
        inputs=(Data("x", "(B, N)", ("B", "N"), "rng.integers(5, size=(7, 3))", True, True, 5),),
        parameters=(Parameter("E", "(5, 1)", "rng.standard_normal((5, 1))", 1),),
        helpers=(),
        forward=Body(("E",), forward),
        loss=Body(("E",), half),
        grads=Body(("E",), (*half, *backward)),
    )
    module = load_module(render_module(context), tmp_path / "net.py")
    x = np.random.default_rng(0).integers(5, size=(40, 6))
    t = (x == 2).mean(axis=1, keepdims=True)
    assert module.gradient_check(module.init_params(), x, t)["E"] < 1e-6
    params, _ = module.train(
        module.init_params(), x.astype(float), t, epochs=400, lr=1.0, batch_size=8, quiet=True
    )
    np.testing.assert_allclose(params["E"][:, 0], [0, 0, 1, 0, 0], atol=1e-3)
    with pytest.raises(module.InputError, match="data: x holds 5, not whole numbers from 0 to 4"):
        module.check_data(x + 1, t)
    assert program(tmp_path / "net.py", "check").returncode == 0


@pytest.mark.parametrize(
    ("norms", "words"),
    [
        ({1: 1.0, 2: 1.0}, "^$"),
        ({1: 0.0, 2: 0.0}, "^$"),
        ({1: 1e-5, 2: 1.0}, "^gradients vanish: norm 1.0e-05 in layer 1, 1.0e.00 in 2. Try relu"),
        ({1: 1.0, 2: 2e3}, "^gradients explode: norm 2.0e.03 in layer 2. Try a smaller learning rate"),
        ({1: float("nan"), 2: 1.0}, "^gradients explode: norm nan in layer 1"),
    ],
)
def test_advice_on_gradients(norms: dict[int, float], words: str, net_file: Path) -> None:
    module = load_module(net_file.read_text(), net_file)
    assert re.search(words, module.gradient_advice(norms))


def test_progress_says_norms_and_warns_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    module = load_module(render_module(regressor()), tmp_path / "net.py")
    x, t = make_data("regressor")
    params = module.init_params()
    params["W2"] = params["W2"] * 1e-6  # hardly anything reaches layer 1
    module.train(params, x, t, epochs=3, lr=1e-9, every=2, validation=(x, t), optimizer="sgd")
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert [line.split()[:2] for line in lines] == [["epoch", "1:"], ["epoch", "2/3"], ["epoch", "3/3"]]
    assert "gradients vanish" in lines[0]
    for word in ("loss", "val loss", "val mae", "gradient norms", "samples/s", "left"):
        assert word in lines[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "lion"}, "no optimizer 'lion' here, only adam, momentum, sgd"),
        ({"optimizer": "sgd"}, "training began with adam"),
        ({"epochs": 2}, "2 epochs are done already"),
        ({"batch_size": 0}, "must be above zero"),
        ({"lr": -1.0}, "must be above zero"),
        ({"validation": (np.zeros((2, 3)), [0, 1])}, r"data: x_val has shape \(2, 3\), not \(B, 4\)"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    changes: dict[str, object], message: str, net_file: Path
) -> None:
    module = load_module(net_file.read_text(), net_file)
    x, t = make_data("classifier")
    params, state = module.train(module.init_params(), x, t, epochs=2, quiet=True)
    with pytest.raises(module.InputError, match=message):
        module.train(params, x, t, **{"epochs": 4, "state": state, "quiet": True, **changes})


# The program


def test_train_predict_check_info(net: tuple[str, ModuleType, Path]) -> None:
    name, module, path = net
    x, t = make_data(name)
    np.savez(path.with_name("data.npz"), x=x, t=t)
    common = (
        "train",
        "data.npz",
        "--batch",
        "16",
        "--lr",
        "0.05",
        "--optimizer",
        "adam",
        "--validation",
        "0.2",
    )
    done = program(
        path, *common, "--epochs", "6", "--seed", "3", "--out", "whole.npz", "--history", "whole.csv"
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert len(done.stderr.splitlines()) == 7
    done = program(path, *common, "--epochs", "2", "--seed", "3", "--out", "half.npz", "--quiet")
    assert done.stderr == "saved half.npz after epoch 2; --resume goes on from it\n"
    resumed = (
        "--resume",
        "half.npz",
        "--out",
        "again.npz",
        "--history",
        "again.csv",
        "--epochs",
        "6",
        "--quiet",
    )
    done = program(path, "train", "data.npz", "--validation", "0.2", *resumed)
    assert done.returncode == 0, done.stderr
    for suffix in ("npz", "csv"):
        assert (
            path.with_name(f"again.{suffix}").read_bytes() == path.with_name(f"whole.{suffix}").read_bytes()
        )
    head, *rows = path.with_name("whole.csv").read_text().splitlines()
    metric = "mae" if name == "regressor" else "accuracy"
    assert head == f"epoch,loss,val_loss,val_{metric},gradient_norm_1,gradient_norm_2"
    assert len(rows) == 6

    done = program(path, "predict", "whole.npz", "data.npz", "-o", "predictions.npy")
    assert done.returncode == 0, done.stderr
    params, _ = module.load(path.with_name("whole.npz"))
    predictions = np.load(path.with_name("predictions.npy"), allow_pickle=False)
    np.testing.assert_array_equal(predictions, module.predict(params, x))
    assert "(90 samples)" in done.stderr
    done = program(path, "predict", "whole.npz", "data.npz")
    np.testing.assert_allclose(np.array(done.stdout.split(), float), predictions.ravel(), rtol=1e-8)

    done = program(path, "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("gradient check passed\n")
    done = program(path, "info")
    assert (done.returncode, done.stderr) == (0, "")
    for parameter, value in module.init_params().items():
        assert f"{parameter:16} {value.shape}" in done.stdout
    assert CONTEXTS[name]().equations[0] in done.stdout


def test_check_fails_on_a_wrong_gradient(tmp_path: Path) -> None:
    context = regressor()
    lines = tuple(line.replace("a1.T @ d_y", "a1.T @ d_y * 1.001") for line in context.grads.lines)
    path = tmp_path / "net.py"
    path.write_text(render_module(replace(context, grads=replace(context.grads, lines=lines))))
    done = program(path, "check")
    assert done.returncode == 1
    assert "FAILED" in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines() if line.endswith("WRONG")] == ["W2"]


X, T = make_data("classifier", 10)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, "bad.npz: no array t; it holds x"),
        ({"x": X, "t": T, "x_val": X}, "bad.npz: no array t_val; it holds x, t, x_val"),
        ({"x": X[:, :3], "t": T}, "bad.npz: x has shape (10, 3), not (B, 4)"),
        ({"x": X, "t": T[:, None]}, "bad.npz: t has shape (10, 1), not (B,)"),
        (
            {"x": np.where(X == X[2, 1], np.nan, X), "t": T},
            "bad.npz: x holds NaN or infinity, first at index [2, 1]",
        ),
        ({"x": X, "t": T + 1}, "bad.npz: t holds 3, not whole numbers from 0 to 2"),
        ({"x": X, "t": T + 0.5}, "bad.npz: t holds"),
        ({"x": X, "t": T[:9]}, "bad.npz: B is 10 in x and 9 in t"),
        ({"x": X[:0], "t": T[:0]}, "bad.npz: x is empty"),
        ({"x": X.astype(str), "t": T}, "bad.npz: x holds <U32, not numbers"),
        ({"x": X.astype(object), "t": T}, "bad.npz: not a readable .npz file of plain arrays"),
        (
            {"x": X, "t": T, "x_val": X, "t_val": T - 1},
            "bad.npz: t_val holds -1, not whole numbers from 0 to 2",
        ),
    ],
)
def test_bad_data_gives_one_line_and_status_2(
    arrays: dict[str, np.ndarray], message: str, net_file: Path
) -> None:
    np.savez(net_file.with_name("bad.npz"), **arrays)
    done = program(net_file, "train", "bad.npz", "--out", "net.npz")
    assert done.returncode == 2
    assert done.stderr.startswith(f"net.py: error: {message}")
    assert done.stderr.count("\n") == 1
    assert not net_file.with_name("net.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "none.npz"), "none.npz: No such file or directory"),
        (("train", "data.npz", "--out", "nowhere/net.npz"), "nowhere/net.npz: its folder doesn't exist"),
        (("train", "data.npz", "--resume", "data.npz"), "data.npz: no array W1: not a file of this network"),
        (
            ("train", "data.npz", "--validation", "0.001"),
            "data: validation 0.001 of 90 samples leaves one side empty",
        ),
        (("train", "data.npz", "--lr", "-1"), "batch_size and lr must be above zero"),
        (("train", "data.npz", "--epochs", "0"), "epochs must be above zero"),
        (("train", "data.npz", "--epochs", "x"), "argument --epochs: invalid int value: 'x'"),
        (("train", "data.npz", "--optimizer", "lion"), "argument --optimizer: invalid choice: 'lion'"),
        (("predict", "data.npz", "data.npz"), "data.npz: no array W1"),
    ],
)
def test_bad_arguments_give_status_2(arguments: tuple[str, ...], message: str, net_file: Path) -> None:
    done = program(net_file, *arguments)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_saves_whole_epochs(net_file: Path) -> None:
    command = [
        sys.executable,
        net_file.name,
        "train",
        "data.npz",
        "--epochs",
        "10000000",
        "--every",
        "1",
        "--out",
        "net.npz",
    ]
    def heard() -> None:  # a shell's background jobs ignore SIGINT, and so would what they start
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        command, cwd=net_file.parent, stderr=subprocess.PIPE, text=True, preexec_fn=heard
    ) as process:
        assert process.stderr
        for line in process.stderr:
            if line.startswith("epoch 3/"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert rest.splitlines()[-1] == "net.py: error: interrupted"
    assert "saved net.npz after epoch " in rest
    with np.load(net_file.with_name("net.npz")) as file:
        epochs = json.loads(str(file["training.state"]))["epoch"]
    module = load_module(net_file.read_text(), net_file)
    x, t = make_data("classifier")
    params, _ = module.train(module.init_params(), x, t, epochs=epochs, quiet=True)
    assert_same_arrays(module.load(net_file.with_name("net.npz"))[0], params)
