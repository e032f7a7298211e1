"""The benchmark compares like with like: every system takes the same step; its tables hold what it measured."""

import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import agreement  # noqa: E402
import growth  # noqa: E402
import lines  # noqa: E402
import markdown  # noqa: E402
import networks  # noqa: E402
import parallel  # noqa: E402
import step  # noqa: E402
import systems  # noqa: E402
from peers import nets  # noqa: E402
from threads import environment  # noqa: E402

from symbp.emit import generate  # noqa: E402

CHECKED = [name for name in nets.NETS if name != "gpt4"]  # gpt-nano has several blocks too


@pytest.fixture(scope="module")
def checked():
    """(network, system, type) of every line that `step.py --quick` prints for a step that agrees."""
    command = [sys.executable, str(BENCHMARKS / "step.py"), "--quick", "--nets", *CHECKED]
    path = os.pathsep.join([str(BENCHMARKS.parent), os.environ.get("PYTHONPATH", "")])
    variables = {**environment(1), "PYTHONPATH": path}  # threads of two libraries would wait for each other
    run = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return {tuple(line.split()[:3]) for line in run.stdout.splitlines() if "not available" not in line}


@pytest.mark.parametrize("name", CHECKED)
def test_all_systems_take_the_same_step(checked, name):
    dtype = nets.make(name).dtype.name
    assert {(name, system, dtype) for system in ("numpy_a", "numpy_b", "symbp_readable")} <= checked
    assert (name, "symbp_readable", "float64") in checked
    assert ((name, "torch", dtype) in checked) == (find_spec("torch") is not None)


@pytest.mark.parametrize("name", ["seed64", "mlp_bn", "gpt-nano"])
def test_a_gradient_that_is_wrong_by_a_thousandth_is_noticed(name):
    net = nets.make(name)
    _, exact = agreement.reference(net)
    right = agreement.one_step(net, systems.prepare("numpy_a", net))
    assert agreement.worst(right, exact)[0] <= agreement.TOLERANCE[net.dtype.name]
    for wrong in exact.grads:
        grads = {**right.grads, wrong: right.grads[wrong] * 1.001}
        error, where = agreement.worst(replace(right, grads=grads), exact)
        assert where == wrong
        assert error > agreement.TOLERANCE[net.dtype.name]
    lost = {**right.grads, wrong: right.grads[wrong] * np.nan}
    error, where = agreement.worst(replace(right, grads=lost), exact)
    assert where == wrong and not error <= agreement.TOLERANCE[net.dtype.name]


@pytest.mark.parametrize("name", nets.NETS)
def test_every_number_of_the_peers_is_one_of_symbps(name):
    net = nets.make(name)
    numbered, start = {}, 0
    for peer, value in net.params.items():
        numbered[peer] = np.arange(start, start + value.size, dtype=float).reshape(value.shape)
        start += value.size
    ours = networks.to_symbp(net, numbered)
    shapes = {p.name: tuple(int(s.value) for s in p.shape) for p in networks.declare(net).parameters}
    assert {key: value.shape for key, value in ours.items()} == shapes
    assert sorted(np.concatenate([value.ravel() for value in ours.values()])) == list(range(start))
    back = networks.from_symbp(replace(net, params=numbered), ours)
    assert all(np.array_equal(back[peer], numbered[peer]) for peer in numbered)


def test_a_system_that_is_not_there_is_left_out(monkeypatch, capsys):
    monkeypatch.setitem(systems.PEERS, "torch", "peers.no_such_system")
    assert agreement.reference(nets.make("xor"))[0] == "numpy_a"
    found = step.quick(["xor"], ["torch", "numpy_a"])
    assert [system for _, system, *_ in found] == ["numpy_a"]
    assert "torch           float64  not available: peers.no_such_system is not installed" in capsys.readouterr().out


def test_flops_of_the_matrix_products():
    mlp, gpt = nets.make("mlp"), nets.make("gpt1")
    assert (mlp.forward_flops, mlp.step_flops) == (60_096_512, 128_909_312)  # XLA's dot products of the same networks
    assert (gpt.forward_flops, gpt.step_flops) == (251_658_240, 754_974_720)


def test_operations_of_a_step_by_hand():
    sizes = growth.Sizes(batch=8, width=16, depth=1)
    found = growth.operations(growth.network(sizes), sizes.batch)
    products = 2 * 8 * 256 * 16 * 2 + 2 * 8 * 16 * 10 * 3  # of the matrices: the input has no gradient
    update = 2 * (256 * 16 + 16 + 16 * 10 + 10)
    assert products + update - (256 * 16 + 16 * 10) < found < 1.02 * (products + update)


def test_lines_are_those_of_the_module():
    whole = nets.make("lstm")
    x, t = whole.data
    net = replace(whole, data=(x[:5, :2], t[:2]), sizes={**whole.sizes, "T": 5, "B": 2})
    found = lines.measure(net, steps=1)
    targets = [text.split(" = ")[0] for _, text in found]
    assert all(microseconds > 0 for microseconds, _ in found)
    assert {"h1[t]", "d_h1", "y", "d_W2"} <= set(targets)  # the first two are in loops
    text = generate(networks.declare(net), dtype="float32")
    assert all(f" {target} = " in text for target in targets if "," not in target)


def test_only_what_is_between_the_markers_is_replaced(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("before\n<!-- steps -->\nold\n<!-- /steps -->\nafter\n", encoding="utf-8")
    markdown.replace_between(path, "steps", "new\nlines")
    assert path.read_text(encoding="utf-8") == "before\n<!-- steps -->\nnew\nlines\n<!-- /steps -->\nafter\n"
    with pytest.raises(ValueError, match=r"needs the lines <!-- growth --> and <!-- /growth -->"):
        markdown.replace_between(path, "growth", "new")


def test_ratios_are_medians_of_rounds():
    def samples(*seconds):
        return {"samples": [{"seconds": s, "clean": True} for s in seconds]}

    rows = {"torch": samples(1, 2, 4, 8, 16), "numpy_b": samples(2, 2, 2, 2, 2)}
    rows["symbp_readable"] = samples(3, 4, 4, 8, 8)
    found = step.summary(rows, "symbp_readable")
    assert (found["to_torch"], found["to_numpy_b"], found["median"]) == (1, 2, 4)
    rows["torch"]["samples"].append({"seconds": 1, "clean": False})
    rows["numpy_b"]["samples"].append({"seconds": 2, "clean": True})
    rows["symbp_readable"]["samples"].append({"seconds": 1000, "clean": True})
    assert step.summary(rows, "symbp_readable")["to_torch"] == 1  # a disturbed round doesn't count


def test_the_document_says_what_was_measured_and_nothing_that_was_disturbed():
    def row(clean):
        ratios = {"median": 2e-6, "to_torch": 0.5, "to_numpy_b": 3}
        return {**ratios, "clean": clean, "bytes": 4000, "prepare_seconds": 0.25}

    systems = {"torch": row(5), "symbp_readable": row(5), "symbp_fast": {"why": "not made yet"}}
    found = {"circumstances": "a day", "nets": [{"net": "xor", "systems": systems}]}
    text = step.document(found)
    assert "a day\n" in text
    assert "| xor | 2 | 0.50 | 3.00 |\n" in text
    assert "| xor | 4 | 0.25 |\n" in text
    assert text.endswith("symbp_fast is not available: not made yet.")
    systems["torch"] = row(4)
    with pytest.raises(ValueError, match="others used the machine, measure again: torch on xor"):
        step.document(found)


def test_the_document_has_a_place_for_each_table():
    text = (BENCHMARKS.parent / "docs" / "speed.md").read_text(encoding="utf-8")
    for name in ("steps", "lines", "growth"):
        assert text.count(f"<!-- {name} -->") == text.count(f"<!-- /{name} -->") == 1


def test_the_document_says_what_data_parallelism_sends():
    document = (BENCHMARKS.parent / "docs" / "parallel.md").read_text(encoding="utf-8")
    for name in ("mlp", "mlp_bn", "cnn_bn", "lstm"):
        assert parallel.traffic_table([name]).splitlines()[-1] in document.splitlines(), name
