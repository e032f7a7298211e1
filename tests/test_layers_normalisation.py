"""Normalisations and the blocks that hold them."""

import numpy as np
import pytest
from layer_oracles import assert_exact

from symbp.check import random_values
from symbp.errors import SymbpError
from symbp.layers import (
    BatchNorm,
    Conv2D,
    Dense,
    Embedding,
    GlobalAverage,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LearnedPositions,
    ReLU,
    ResNetBlock,
    RMSNorm,
    Tanh,
    TransformerBlock,
)
from symbp.sequence import Sequential


def net(*layers, loss="mean_squared_error", **options):
    return Sequential(*layers, loss=loss, **options)


DEFINITIONS = {
    "batch_norm": lambda: net(Dense(5), BatchNorm(), Dense(3), features=2),
    "batch_norm_2d": lambda: net(Conv2D(3, 2), BatchNorm(), ReLU(), shape=(2, 5, 7)),
    "layer_norm": lambda: net(Dense(5), LayerNorm(), Dense(3), features=2),
    "layer_norm_3": lambda: net(LayerNorm(3), shape=(2, 5, 7)),
    "rms_norm": lambda: net(Dense(5), RMSNorm(), Dense(3), features=2),
    "instance_norm": lambda: net(InstanceNorm(), shape=(2, 5, 7)),
    "group_norm": lambda: net(GroupNorm(2), Tanh(), shape=(6, 5, 3)),
    "resnet": lambda: net(ResNetBlock(2), shape=(2, 3, 5)),
    "resnet2": lambda: net(ResNetBlock(3, stride=2), GlobalAverage(), Dense(3), shape=(2, 5, 3), loss="cross_entropy"),
    "transformer_block": lambda: net(TransformerBlock(2, hidden=5, activation="silu"), shape=("T", 6)),
    "gpt": lambda: net(
        Embedding(7, 6),
        LearnedPositions(),
        TransformerBlock(2, hidden=5, activation="gelu"),
        LayerNorm(),
        Dense(7),
        shape=(5,),
        loss="cross_entropy",
    ),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_all_ways_to_the_gradient_agree(name):
    assert_exact(DEFINITIONS[name]())


def test_running_statistics_move_towards_those_of_the_batch():
    program = net(Conv2D(3, 2), BatchNorm(), shape=(2, 5, 7))
    v = random_values(program)
    out = program.evaluate(v)
    z = out["z1"]
    assert np.allclose(out["new_running_mean1"], 0.9 * v["running_mean1"] + 0.1 * z.mean((0, 2, 3)), rtol=0, atol=1e-12)
    assert np.allclose(out["new_running_var1"], 0.9 * v["running_var1"] + 0.1 * z.var((0, 2, 3)), rtol=0, atol=1e-12)
    y = program.inference.evaluate(v)["y"]
    spread = np.sqrt(v["running_var1"] + 1e-5)[:, None, None]
    plain = v["gamma1"][:, None, None] * (z - v["running_mean1"][:, None, None]) / spread + v["beta1"][:, None, None]
    assert np.allclose(y, plain, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layer", [GroupNorm(2), InstanceNorm(), LayerNorm(3)], ids=lambda x: type(x).__name__)
def test_what_is_normalised_has_mean_zero(layer):
    program = net(layer, shape=(6, 5, 3))
    v = random_values(program)
    hat = program.evaluate(v)["xhat"]
    over = tuple(range(2 if hat.ndim < 5 and layer != LayerNorm(3) else 2 if hat.ndim == 5 else 1, hat.ndim))
    assert np.allclose(hat.mean(over), 0, atol=1e-12)


@pytest.mark.parametrize(
    ("layers", "options", "message"),
    [
        ([GroupNorm(4)], {"shape": (6, 5, 3)}, "4 groups don't divide 6 channels"),
        ([BatchNorm(axis=2)], {"features": 3}, "no axis 2"),
        ([LayerNorm(2)], {"features": 3}, "it normalises over 2 axes"),
    ],
)
def test_what_does_not_fit(layers, options, message):
    with pytest.raises(SymbpError, match=message):
        net(*layers, **options)
