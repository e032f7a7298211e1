"""Every displayed formula means what the program computes: it is read from its LaTeX and evaluated at random points.

`displayed` holds the reader. SYMBP_DISPLAYED=all adds forward accumulation, and single neurons, for every network.
"""

import os
import random
import re
import shutil
from collections import Counter
from dataclasses import replace
from functools import cache

import pytest
from displayed.account import Network, Shown
from displayed.legend import MATH
from displayed.mutants import KINDS, mutants
from displayed.point import is_piecewise, tensor_sizes, values_for
from whole_networks import NETS

from symbp.architectures import FAMILIES, load

EVERYTHING = os.environ.get("SYMBP_DISPLAYED") == "all"
TEXTBOOK = "mlp:2-3-2-1,sigmoid,half_squared_error"
BUILT_IN = (
    TEXTBOOK,
    "mlp:3-5-2,batch_norm+relu/linear,half_squared_error",
    "mlp:4-5-3,tanh/softmax,soft_cross_entropy",
    "mlp:4-5-3,relu,cross_entropy",
    "mlp:2-3-3,gelu_tanh/linear,binary_cross_entropy",
    "mlp:2-3-3,selu/linear,mean_squared_error",
    "cnn:1x6x6,2c3p1+relu+max2,3+relu,2,cross_entropy",
    "gpt:layers=1,heads=2,width=4,context=3,vocabulary=5",
    "lstm:2-3-2,cross_entropy",
    "gru:2-3-1,half_squared_error",
    "rnn:2-3-1,half_squared_error",
)
FILES = tuple(f"examples/{name}" for name in (
    "attention.net", "batch_norm.net", "classifier.net", "convolution.net", "gru.net", "language_model.net", "layers.net",
    "lstm.net", "mlp.net", "circle.py", "custom_layer.py", "dense_relu.py", "one_hidden_neuron.py", "xor.py",
))  # fmt: skip
BATCH_STATISTICS = ("BatchNorm", "ResNetBlock", "InfoNCE")


@cache
def network(name, seed=0):
    """At sizes for tensors."""
    net = NETS[name]() if name in NETS else load(name)
    sizes = tensor_sizes(net)
    return Network(net, values_for(net, sizes, seed, 1 + 2 * seed), sizes)


@cache
def neurons(name):
    """At sizes for single neurons: one sample where that makes sense."""
    net = network(name).net
    batch = 2 if name.startswith(BATCH_STATISTICS) or "batch_norm" in name else 1
    sizes = {size: batch if size == "B" else 2 for size in net.size_names}
    return Network(net, values_for(net, sizes), sizes)


def assert_true(account):
    found = account.faults()
    assert not found, f"{len(found)} formulas of {account.d.title}, {account.d.level}, {account.d.method}:\n" + "\n".join(
        found[:5]
    )


@pytest.mark.parametrize("name", [*NETS, *BUILT_IN, *FILES])
def test_formulas_of_tensors(name):
    for seed in range(2 if is_piecewise(network(name).net) else 1):
        assert_true(network(name, seed).account("index"))
        assert_true(network(name, seed).account("matrix"))
