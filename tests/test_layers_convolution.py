"""Convolutions and poolings."""

import numpy as np
import pytest
from layer_oracles import assert_exact, run

from symbp.check import random_values
from symbp.errors import SymbpError
from symbp.layers import (
    AveragePool1D,
    AveragePool2D,
    Conv1D,
    Conv2D,
    ConvTranspose1D,
    ConvTranspose2D,
    Dense,
    DepthwiseConv2D,
    GlobalAverage,
    MaxPool1D,
    MaxPool2D,
    Tanh,
)
from symbp.sequence import Sequential


def net(*layers, loss="mean_squared_error", **options):
    return Sequential(*layers, loss=loss, **options)


DEFINITIONS = {
    "conv1": lambda: net(Conv1D(3, 3, stride=2, padding=1), Tanh(), shape=(2, 7)),
    "conv1_any_length": lambda: net(Conv1D(3, 3, padding=1), Tanh(), shape=(2, "T")),
    "conv2": lambda: net(Conv2D(3, 3, stride=2, padding=1, dilation=1), Tanh(), shape=(2, 5, 7)),
    "conv2_dilated": lambda: net(Conv2D(3, 2, stride=1, padding=0, dilation=2), Tanh(), shape=(2, 5, 7)),
    "conv2conv": lambda: net(Conv2D(3, 3, padding=1), Tanh(), Conv2D(2, 3, stride=2), shape=(2, 5, 7)),
    "conv2_groups": lambda: net(Conv2D(6, 3, stride=2, padding=1, groups=2), Tanh(), shape=(4, 5, 7)),
    "depthwise": lambda: net(DepthwiseConv2D(3, stride=2, padding=1), Tanh(), shape=(2, 5, 7)),
    "transposed1": lambda: net(ConvTranspose1D(3, 3, stride=2, padding=1), Tanh(), shape=(2, 5)),
    "transposed2": lambda: net(ConvTranspose2D(3, 3, stride=2, padding=1), Tanh(), shape=(2, 3, 5)),
    "avg1": lambda: net(AveragePool1D(3, 2, 1), Tanh(), shape=(2, 7)),
    "avg2": lambda: net(AveragePool2D(3, 2), Tanh(), shape=(2, 5, 7)),
    "max1": lambda: net(MaxPool1D(3, 2, 1), Tanh(), shape=(2, 7)),
    "max2": lambda: net(MaxPool2D(3, 2), Tanh(), shape=(2, 5, 7)),
    "max2_padded": lambda: net(MaxPool2D(3, 2, 1), Tanh(), shape=(2, 5, 7)),
    "global_average": lambda: net(Conv2D(3, 2), GlobalAverage(), Dense(2), shape=(2, 5, 7)),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_all_ways_to_the_gradient_agree(name):
    assert_exact(DEFINITIONS[name]())


def test_merged_groups_are_convolved_apart():
    both = net(Conv2D(6, 3, groups=2), shape=(4, 5, 7))
    one = net(Conv2D(3, 3), shape=(2, 5, 7))
    v = random_values(both)
    y = both.evaluate(v)["y"]
    for g in range(2):
        half = {"x": v["x"][:, 2 * g : 2 * g + 2], "W1": v["W1"][g], "b1": v["b1"][3 * g : 3 * g + 3], "t": y[:, :3]}
        assert np.allclose(one.evaluate(half)["y"], y[:, 3 * g : 3 * g + 3], rtol=0, atol=1e-12)


def test_a_transposed_convolution_is_the_adjoint_of_a_convolution():
    there = net(Conv1D(3, 3, stride=2, padding=1, bias=False), shape=(2, 7))
    back = net(ConvTranspose1D(2, 3, stride=2, padding=1), shape=(3, 4))
    v = random_values(there)
    y = there.evaluate(v)["y"]
    u = np.random.default_rng(0).standard_normal(y.shape)
    w = back.evaluate({"x": u, "V1": v["W1"], "b1": np.zeros(2), "target": v["x"]})["y"]
    assert np.isclose(np.sum(u * y), np.sum(w * v["x"]), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        ([Conv2D(3, 6)], (2, 5, 7), r"layer 1 \(Conv2D\): the kernel spans 6 along h, more than the 5"),
        ([Conv1D(3, 3, dilation=4)], (2, 7), "the kernel spans 9 along t, more than the 7"),
        ([Conv1D(3, 3)], (2, "T"), "the length T along t is not a number.*padding 1"),
        ([Conv2D(6, 3, groups=4)], (2, 5, 7), "4 groups don't divide 2 input and 6 output channels"),
        ([Conv1D(3, 3), Conv2D(3, 3)], (2, 7), r"layer 2 \(Conv2D\): its input must have the axes \[n, c, h, w\]"),
        ([MaxPool1D(3, padding=2)], (2, 7), "padding 2 is more than half of the kernel 3"),
        ([ConvTranspose1D(3, 2, padding=2)], (2, 2), "padding 2 leaves nothing of axis t"),
    ],
)
def test_what_does_not_fit(layers, shape, message):
    with pytest.raises(SymbpError, match=message):
        net(*layers, shape=shape)


def test_no_loop_in_the_emitted_code():
    program = net(Conv2D(3, 3, stride=2, padding=1), MaxPool2D(2, 1), shape=(2, 5, 7))
    derived = program.gradient(["x", "W1", "b1"])
    _, text = run(derived, random_values(program))
    assert "for " not in text
