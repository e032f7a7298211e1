"""Recurrences over a symbolic length."""

import numpy as np
import pytest
from layer_oracles import assert_exact, run

from symbp.check import random_values
from symbp.errors import SymbpError
from symbp.layers import GRU, LSTM, RNN, Bidirectional, Dense, Last, LinearScan
from symbp.sequence import Sequential


def net(*layers, loss="mean_squared_error", **options):
    return Sequential(*layers, loss=loss, **options)


DEFINITIONS = {
    "rnn": lambda: net(RNN(3), Dense(2), shape=("T", 5)),
    "rnn_reversed": lambda: net(RNN(3, reverse=True), Dense(2), shape=("T", 5)),
    "rnn_last": lambda: net(RNN(3), Last(), Dense(2), shape=("T", 5)),
    "lstm": lambda: net(LSTM(3), Dense(2), shape=("T", 5)),
    "lstm_peepholes": lambda: net(LSTM(3, peepholes=True), Dense(2), shape=("T", 5)),
    "gru": lambda: net(GRU(3), Dense(2), shape=("T", 5)),
    "gru_reset_after": lambda: net(GRU(3, reset_after=True), Dense(2), shape=("T", 5)),
    "bidirectional": lambda: net(Bidirectional(LSTM(3)), Dense(2), shape=("T", 5)),
    "rnn_of_rnn": lambda: net(RNN(3), RNN(2), shape=("T", 5)),
    "linear_scan": lambda: net(LinearScan(), shape=("T", 5)),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_all_ways_to_the_gradient_agree(name):
    assert_exact(DEFINITIONS[name]())


def test_backwards_is_forwards_on_the_reversed_sequence():
    ahead, back = (net(GRU(3, reverse=r), shape=("T", 5)) for r in (False, True))
    v = random_values(ahead)
    y = ahead.evaluate(v)["y"]
    assert np.allclose(back.evaluate({**v, "x": v["x"][:, ::-1]})["y"], y[:, ::-1], rtol=0, atol=1e-12)


def test_a_linear_scan_against_numpy():
    program = net(LinearScan(), shape=("T", 5))
    v = random_values(program)
    h, rows = 0, []
    for x in np.moveaxis(v["x"], 1, 0):
        h = v["a1"] * h + v["b1"] * x
        rows.append(v["c1"] * h + v["d1"] * x)
    assert np.allclose(program.evaluate(v)["y"], np.stack(rows, 1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("layer", [RNN(3), LSTM(3, peepholes=True), GRU(3)], ids=lambda x: type(x).__name__)
def test_one_step(layer):
    assert_exact(net(layer, shape=("T", 5)), sizes={"T": 1})


def test_only_the_cycle_is_in_the_loop():
    _, text = run(net(LSTM(3), shape=("T", 5)).gradient(), random_values(net(LSTM(3), shape=("T", 5))))
    inside = [line for line in text.splitlines() if line.startswith("    ") and "d_W" in line]
    assert not inside
    assert all(f"d_W_{gate}1 = np.tensordot(x, d_" in text for gate in "ifgo")


def test_a_layer_without_a_direction():
    with pytest.raises(SymbpError, match=r"layer 1 \(Bidirectional\): Dense has no direction"):
        net(Bidirectional(Dense(3)), shape=("T", 5))
