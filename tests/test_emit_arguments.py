"""Emitted modules of networks with several inputs and targets, random inputs, and arrays without a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symbp.check import check
from symbp.emit import generate
from symbp.emit.run import load_module, module_gradients
from symbp.errors import SymbpError
from symbp.layers import CrossEntropy, Dense, Dropout, MultiHeadAttention, Tanh
from symbp.notation import read
from symbp.program import Program
from symbp.sequence import Sequential

CROSS = Sequential(
    MultiHeadAttention(1, memory=("S", 3), padding=True), shape=("T", 2), loss="mean_squared_error"
)
DROPOUT = Sequential(Dense(8), Tanh(), Dropout(0.25), Dense(3), features=2, loss=CrossEntropy(weighted=True))
AUTOENCODER = read("sizes B\ninput x[b,i<4]\nparam W[i<4,h<2], V[h<2,i<4]\nh[b,h<2] = sum[i<4] x[b,i]*W[i,h]\n"
                   "y[b,i<4] = sum[h<2] h[b,h]*V[h,i]\npredict y\nloss = mean[b] (sum[i<4] (y[b,i] - x[b,i])^2)")
NOISE = """
sizes B, I=3
input x[b,i], t[b], noise[b,i] ~ normal(0.1), scale
param w[i]
y[b] = scale*(sum[i] (x[b,i] + noise[b,i])*w[i])
predict y
loss = mean[b] (y[b] - t[b])^2
"""


def module(net: Program) -> Any:
    return load_module(generate(net))


def cross_data(count: int = 20) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    return {
        "x": rng.standard_normal((count, 5, 2)), "memory": rng.standard_normal((count, 4, 3)),
        "sees": np.maximum(rng.integers(2, size=(count, 4)), np.arange(4) == 0),
        "target": rng.standard_normal((count, 5, 2)),
    }  # fmt: skip


def dropout_data(count: int = 40) -> tuple[Any, ...]:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((count, 2))
    return x, (x[:, 0] > 0) + (x[:, 1] > 0), np.array([1.0, 2.0, 0.5])


def test_inputs_come_first_then_targets_each_by_its_name(tmp_path: Path) -> None:
    emitted, data = module(CROSS), cross_data()
    assert list(emitted.INPUTS) == ["x", "memory", "sees"] and list(emitted.TARGETS) == ["target"]
    np.savez(tmp_path / "data.npz", **data, **{f"{name}_val": a[:6] for name, a in data.items()})
    out = tmp_path / "net.npz"
    assert emitted.main(["train", str(tmp_path / "data.npz"), "--epochs", "3", "--out", str(out), "--quiet"]) == 0
    params, state = emitted.load(out)
    assert {"loss", "val_loss", "val_mae"} < set(state["history"][-1])
    y = tmp_path / "y.npy"
    assert emitted.main(["predict", str(out), str(tmp_path / "data.npz"), "-o", str(y)]) == 0
    given = [data[name] for name in emitted.INPUTS]
    np.testing.assert_array_equal(np.load(y), emitted.predict(params, *given))
    assert state["history"][-1]["val_loss"] == pytest.approx(
        emitted.evaluate(params, *(a[:6] for a in data.values()))["loss"], rel=1e-12
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory": np.zeros((20, 3, 3))}, "S is 3 in memory and 4 in sees"),
        ({"memory": np.zeros((19, 4, 3))}, "B is 20 in x and 19 in memory"),
        ({"memory": np.zeros((20, 4, 2))}, r"memory has shape \(20, 4, 2\), not \(B, S, 3\)"),
        ({"sees": np.full((20, 4), 0.5)}, "sees holds 0.5, not whole numbers"),
    ],
)
def test_data_that_do_not_fit_each_other(changes: dict[str, Any], message: str) -> None:
    emitted = module(CROSS)
    data = cross_data() | changes
    with pytest.raises(emitted.InputError, match=message):
        emitted.train(emitted.init_params(), *data.values(), epochs=1, quiet=True)
    with pytest.raises(emitted.InputError, match="2 arrays are given, not 4: x, memory, sees, target"):
        emitted.train(emitted.init_params(), data["x"], data["sees"], epochs=1, quiet=True)
    with pytest.raises(emitted.InputError, match="the targets are missing"):
        emitted.train(emitted.init_params(), *[*cross_data().values()][:3], epochs=1, quiet=True)


def test_what_has_no_batch_is_passed_whole() -> None:
    emitted, (x, t, weight) = module(DROPOUT), dropout_data()
    parts = list(emitted.slices((x, t, weight), size=16))
    assert [len(part[0]) for part in parts] == [16, 16, 8]
    assert all(np.array_equal(part[2], weight) for part in parts)


def test_random_inputs_are_drawn_for_every_batch() -> None:
    emitted, data = module(DROPOUT), dropout_data(4000)
    rng = np.random.default_rng(0)
    first, second = (emitted.draw(rng, *data)[1] for _ in range(2))
    assert first.shape == (4000, 8) and set(np.unique(first)) == {0, 1}
    assert abs(first.mean() - 0.75) < 0.01
    assert np.any(first != second)
    assert max(emitted.gradient_check(emitted.init_params(), *dropout_data(9)).values()) < 1e-6


def test_training_with_random_inputs_resumes_bitwise(tmp_path: Path) -> None:
    emitted, data = module(DROPOUT), dropout_data()
    whole, state = emitted.train(emitted.init_params(), *data, epochs=5, batch_size=8, seed=3, quiet=True)
    half, saved = emitted.train(emitted.init_params(), *data, epochs=2, batch_size=8, seed=3, quiet=True)
    emitted.save(tmp_path / "half.npz", half, saved)
    again, state_again = emitted.train(
        *emitted.load(tmp_path / "half.npz")[:1], *data, epochs=5, state=saved, quiet=True
    )
    assert all(np.array_equal(whole[p], again[p]) for p in whole)
    assert state["history"] == state_again["history"]
    other, _ = emitted.train(emitted.init_params(), *data, epochs=5, batch_size=8, seed=4, quiet=True)
    assert any(np.any(whole[p] != other[p]) for p in whole)


def test_a_network_without_targets() -> None:
    emitted = module(AUTOENCODER)
    assert emitted.TARGETS == {}
    x = np.random.default_rng(0).standard_normal((30, 4))
    _, state = emitted.train(emitted.init_params(), x, epochs=30, lr=0.05, validation=0.2, quiet=True)
    losses = [row["loss"] for row in state["history"]]
    assert losses[-1] < losses[0]
    assert set(state["history"][0]) == {"epoch", "loss", "val_loss", "gradient_norm_1"}
    assert emitted.main(["check"]) == 0


def test_check_takes_such_networks() -> None:
    for net in (CROSS, DROPOUT, AUTOENCODER):
        report = check(net, others={"emitted": module_gradients})
        assert report.passed and "emitted" in {c.method for c in report.comparisons}, report


def test_noise_and_a_scalar_input() -> None:
    inference = "inference\ny[b] = scale*(sum[i] x[b,i]*w[i])\n"
    emitted = module(read(NOISE + inference))
    x = np.random.default_rng(0).standard_normal((300, 3))
    params, _ = emitted.train(emitted.init_params(), x, 2.0, 2 * x.sum(axis=1), epochs=200, lr=0.01, quiet=True)
    np.testing.assert_allclose(params["w"], 1, atol=0.05)
    np.testing.assert_allclose(emitted.predict(params, x, 2.0), 2 * x @ params["w"])


HEAD = "sizes B, T, I=3\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NOISE, "noise is drawn for training batches only, and prediction reads it.*`inference`"),
        (HEAD + "input x[t,b,i], s[b]\nparam w[i]\ny[b] = sum[t,i] x[t,b,i]*w[i]\npredict y\n"
         "loss = mean[b] (y[b]-s[b])^2",
         r"first axis, here B, and x \(T, B, 3\) has it as axis 2: write x with the batch first"),
        (HEAD + "input x[t,b,i]\nparam w[i]\nh[-1,b,i] = 0\nh[t,b,i] = tanh(x[t,b,i] + w[i]*h[t-1,b,i])\n"
         "predict h\nloss = mean[b,t,i] h[t,b,i]^2", "here T, which is the time of a recurrence: put the batch first"),
        ("input x[i<3]\nparam w[i<3]\nloss y = sum[i<3] x[i]*w[i]\npredict y",
         "no input has a symbolic first axis, so there is nothing to split"),
        ("sizes B\ninput x[b]\nparam w\nloss = mean[b] w*x[b]", "a module needs a loss and a prediction"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained(text: str, message: str) -> None:
    with pytest.raises(SymbpError, match=message):
        generate(read(text))
