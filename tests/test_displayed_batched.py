"""The forms in which matrices are picked from tensors of more indices mean what the program computes.

As in `test_displayed`, of all outputs. SYMBP_DISPLAYED=all takes all networks that have such tensors.
"""

import random
from collections import Counter

import pytest
from displayed.account import has_indices
from displayed.same import Pairs
from displayed.tree import walk
from test_displayed import (
    BUILT_IN,
    DOCUMENT,
    EVERYTHING,
    FILES,
    NETS,
    assert_true,
    is_found,
    network,
    wrong_formulas,
)

from symbp.show.derivation import derivation

FEW = (
    "Dense of a sequence", "Bilinear", "Dropout twice", "TiedHead", "FiLM of pictures", "SqueezeExcite",
    "MixtureOfExperts", "BatchNorm of pictures", "LayerNorm over two", "GroupNorm", "Conv2D", "MaxPool2D padded",
    "Attention causal", "MultiHeadAttention rotary", "LinearAttention causal", "RNN", "TransformerBlock", "InfoNCE",
    "gpt:layers=1,heads=2,width=4,context=3,vocabulary=5", "examples/language_model.net",
)  # fmt: skip


@pytest.mark.parametrize("name", [*NETS, *BUILT_IN, *FILES] if EVERYTHING else FEW)
def test_formulas_of_slices(name):
    found = network(name).account("batched")
    assert_true(found)
    text = Pairs(found.d, network(name).lengths).faults()
    assert not text, "\n".join(text[:5])


@pytest.mark.parametrize("level", ["matrix", "batched"])
@pytest.mark.parametrize("name", [*FEW[:6], "Conv2D", "mlp:4-5-3,tanh/softmax,soft_cross_entropy", "Tanh"])
def test_a_page_says_where_it_falls_back_to_indices(name, level):
    found = network(name).account(level)
    formulas = [f for f in found.shown() if not f.where.startswith("summary")]
    trees = [found.trees(f.sides, found.arrays)[1] for f in formulas]
    slices = [any(found.is_slice(part) for tree in sides for part in walk(tree)) for sides in trees]
    indexed = [any(map(has_indices, sides)) and not s for sides, s in zip(trees, slices, strict=True)]
    said = any(n.text == "Equations without a matrix form are written with indices." for n in found.d.notes)
    assert said == any(indexed)


MUTATED = ("Dense of a sequence", "LayerNorm over two", "Attention causal", "RNN", "TransformerBlock", "SqueezeExcite")
# What changes no value: the letter of an index with one value, or of two that are equal under a delta.
EQUIVALENT = 0.015


def test_a_mistake_in_a_slice_is_found():
    rng = random.Random(1)
    made, missed = Counter(), []
    for name in MUTATED:
        for kind, shown, check in wrong_formulas(network(name).account("batched"), rng, 16):
            made[kind] += 1
            if not is_found(network, name, "batched", shown, check):
                missed.append((name, kind, shown))
    assert len(missed) <= EQUIVALENT * made.total(), missed
    said = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    found = f"{made.total() - len(missed):,} of {made.total():,} mistakes in slices"
    assert found in said, (found, missed)


def test_vectors_that_are_columns_are_named():
    """Else nobody could tell: their shapes don't say so."""
    d = network("TransformerBlock").account("batched").d
    (note,) = [n.text for n in d.notes if "any other vector is a row" in n.text]
    assert "μ" in note
    (turned,) = [n.text for n in derivation(d.network, level="batched", convention="column").notes
                 if "any other vector is a column" in n.text]  # fmt: skip
    assert "μ" in turned and "each of its rows" in " ".join(n.text for n in d.notes)
