"""Layers that contract the last axes, gates, dropout, embeddings."""

import numpy as np
import pytest
from layer_oracles import assert_exact

from symbp.check import random_values
from symbp.errors import SymbpError
from symbp.layers import (
    GLU,
    Bilinear,
    Dense,
    Dropout,
    Embedding,
    FiLM,
    Flatten,
    LearnedPositions,
    LowRank,
    LowRankBilinear,
    MeanOver,
    MixtureOfExperts,
    PReLU,
    Residual,
    SinusoidalPositions,
    SqueezeExcite,
    SwiGLU,
    Tanh,
    TiedHead,
    WeightNormDense,
)
from symbp.sequence import Sequential


def net(*layers, loss="mean_squared_error", **options):
    return Sequential(*layers, loss=loss, **options)


DEFINITIONS = {
    "dense_sequence": lambda: net(Dense(5), Tanh(), Dense(2), shape=("T", 3)),
    "dense_axes": lambda: net(Dense(5, axes=3), shape=(2, 5, 7)),
    "flatten": lambda: net(Flatten(), Dense(3), shape=(2, 5, 7)),
    "bilinear": lambda: net(Bilinear(3), features=5),
    "low_rank": lambda: net(LowRank(3, 2), features=5),
    "low_rank_bilinear": lambda: net(LowRankBilinear(3, 2), features=5),
    "weight_norm": lambda: net(WeightNormDense(3), features=5),
    "prelu": lambda: net(Dense(3), PReLU(), features=5),
    "embedding": lambda: net(Embedding(7, 5), Dense(3), shape=("T",)),
    "embedding_of_one": lambda: net(Embedding(7, 5), Dense(3)),
    "learned_positions": lambda: net(Embedding(7, 5), LearnedPositions(), shape=(3,)),
    "sinusoidal_positions": lambda: net(Embedding(7, 5), SinusoidalPositions(), Dense(3), shape=("T",)),
    "dropout": lambda: net(Dense(5), Dropout(0.25), Dense(3), features=2),
    "glu": lambda: net(GLU(3), features=5),
    "swiglu": lambda: net(SwiGLU(3), features=5),
    "squeeze_excite": lambda: net(SqueezeExcite(2), shape=(3, 5, 7)),
    "film": lambda: net(FiLM(3), features=5),
    "film_2d": lambda: net(FiLM(3), shape=(2, 5, 7)),
    "mixture_of_experts": lambda: net(MixtureOfExperts(3, 5, 2), features=7),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_all_ways_to_the_gradient_agree(name):
    assert_exact(DEFINITIONS[name]())


def forward(program, **values):
    given = {**random_values(program), **values}
    return program.evaluate(given)["y"], given


def test_flatten_is_a_reshape():
    y, v = forward(net(Flatten(), Dense(3), shape=(2, 5, 7)))
    assert np.allclose(y, v["x"].reshape(len(v["x"]), -1) @ v["W1"] + v["b1"], rtol=0, atol=1e-12)
    program = net(Dense(3, axes=3), shape=(2, 5, 7))
    v = {**v, "W1": v["W1"].reshape(2, 5, 7, 3)}
    assert np.allclose(program.evaluate(v)["y"], y, rtol=0, atol=1e-12)


def test_rows_of_an_embedding_that_occur_twice_accumulate():
    program = net(Embedding(7, 5), shape=("T",))
    v = random_values(program)
    v["x"][:] = 4
    g = program.gradient().evaluate(v)["d_E1"]
    assert np.count_nonzero(np.any(g != 0, axis=1)) == 1


def test_a_tied_head_reads_the_embedding_s_table():
    y, v = forward(net(Embedding(7, 5), Tanh(), TiedHead(), shape=("T",)))
    assert np.allclose(y, np.tanh(v["E1"][v["x"]]) @ v["E1"].T, rtol=0, atol=1e-12)


def test_sinusoidal_positions():
    y, v = forward(net(Embedding(7, 4), SinusoidalPositions(), shape=("T",)))
    t = np.arange(y.shape[1])[:, None]
    angles = t / 10000 ** (np.array([0, 2]) / 4)
    table = np.stack([np.sin(angles), np.cos(angles)], -1).reshape(-1, 4)
    assert np.allclose(y, v["E1"][v["x"]] + table, rtol=0, atol=1e-12)


def test_dropout_has_a_mask_in_training_only():
    program = net(Dense(5), Dropout(0.25), Dense(3), features=2)
    assert [t.name for t in program.inputs] == ["x", "keep", "t"]
    assert [t.name for t in program.inference.inputs] == ["x", "t"]


@pytest.mark.parametrize(
    ("layers", "options", "message"),
    [
        ([Dense(3, axes=2)], {"features": 5}, r"layer 1 \(Dense\): it sums over 2 axes, and its input has 2"),
        ([Dropout(1.5)], {"features": 5}, r"layer 1 \(Dropout\): the rate is 1.5"),
        ([Dense(3)], {}, "give the input's size"),
        ([Dense(3)], {"features": 0}, "must be a positive integer"),
        ([Dense(4), TiedHead()], {"features": 2}, r"layer 2 \(TiedHead\): there is no Embedding in front of it"),
        ([Embedding(7, 5), Dense(4), TiedHead()], {"shape": (3,)}, "its input has 4 features, the Embedding's rows 5"),
        ([Dense(4), Residual(Dense(3))], {"features": 2}, r"layer 2 \(Residual\): .*\(B, 4\) and \(B, 3\).*shortcut"),
        ([SqueezeExcite(2)], {"features": 5}, r"layer 1 \(SqueezeExcite\): its input must have the axes"),
        ([MeanOver(3)], {"features": 5}, r"layer 1 \(MeanOver\).*no axis 3"),
    ],
)
def test_what_does_not_fit(layers, options, message):
    with pytest.raises(SymbpError, match=message):
        net(*layers, **options)
