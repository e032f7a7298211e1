"""Losses."""

import numpy as np
import pytest
from layer_oracles import assert_exact

from symbp.check import random_values
from symbp.errors import SymbpError
from symbp.layers import (
    LOSSES,
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    Huber,
    MeanSquaredError,
    Penalised,
    Quantile,
    Softmax,
    Tanh,
)
from symbp.sequence import Sequential

INPUTS = {"triplet": {"shape": (3, 2)}, "info_nce": {"shape": (2, 3)}}


@pytest.mark.parametrize("name", LOSSES)
def test_all_ways_to_the_gradient_agree(name):
    assert_exact(Sequential(Dense(6), loss=name, **INPUTS.get(name, {"features": 3})))


OTHERS = {
    "smoothed": CrossEntropy(smoothing=0.1),
    "weighted": CrossEntropy(weighted=True),
    "weighted_smoothed": CrossEntropy(weighted=True, smoothing=0.1),
    "binary": BinaryCrossEntropy(positive=3, smoothing=0.1),
    "quantile": Quantile(0.3),
    "huber": Huber(0.4),
    "penalised": Penalised(MeanSquaredError(), l1=0.1, l2=0.01),
}


@pytest.mark.parametrize("name", OTHERS)
def test_options(name):
    assert_exact(Sequential(Dense(5), Tanh(), Dense(2), features=3, loss=OTHERS[name]))


@pytest.mark.parametrize("softmax", [[], [Softmax()]])
def test_labels_of_a_sequence(softmax):
    net = Sequential(Dense(5), *softmax, shape=("T", 3), loss="cross_entropy")
    assert_exact(net)
    v = random_values(net)
    s = v["x"] @ v["W1"] + v["b1"]
    p = np.exp(s) / np.exp(s).sum(-1, keepdims=True)
    mean = -np.mean(np.log(np.take_along_axis(p, v["target"][..., None], -1)))
    assert np.isclose(net.evaluate(v)["L"], mean, rtol=0, atol=1e-12)


def test_weighted_mean_is_divided_by_the_weights_of_the_targets():
    net = Sequential(Dense(5), features=3, loss=CrossEntropy(weighted=True))
    v = random_values(net)
    plain = Sequential(Dense(5), features=3, loss="cross_entropy")
    even = net.evaluate({**v, "weight": np.full(5, 7.0)})["L"]
    assert np.isclose(even, plain.evaluate(v)["L"], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        ("triplet", {"shape": (2, 5)}, r"the loss \(Triplet\): .*not 2 rows"),
        ("info_nce", {"features": 5}, r"the loss \(InfoNCE\): its input must have the axes \[n, r, k\]"),
        ("gaussian_nll", {"features": 5}, "pairs of mean and log-variance, not 3 outputs"),
        ("cros_entropy", {"features": 5}, "did you mean 'cross_entropy'"),
    ],
)
def test_what_does_not_fit(loss, options, message):
    with pytest.raises(SymbpError, match=message):
        Sequential(Dense(3), loss=loss, **options)
