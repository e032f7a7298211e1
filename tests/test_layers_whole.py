"""Networks of library layers all the way through: printed, counted, emitted, and the emitted module's own check."""

from __future__ import annotations

import pytest

from symbp.emit import generate
from symbp.emit.run import load_module
from symbp.layers import (
    GRU,
    Activation,
    Conv2D,
    Dense,
    Embedding,
    Flatten,
    Last,
    LayerNorm,
    LearnedPositions,
    MaxPool2D,
    ResNetBlock,
    SwiGLU,
    TransformerBlock,
)  # fmt: skip
from symbp.sequence import Sequential
from symbp.show.derivation import derivation

NETS = {
    "convolution": lambda: Sequential(
        Conv2D(2, 3, padding=1), Activation("relu"), MaxPool2D(2, 2), Flatten(), Dense(3), shape=(1, 4, 4),
        loss="cross_entropy",
    ),
    "recurrent": lambda: Sequential(GRU(3), Last(), Dense(2), shape=("T", 2), loss="half_squared_error"),
    "transformer": lambda: Sequential(
        Embedding(5, 4), LearnedPositions(), TransformerBlock(2), LayerNorm(), Dense(5), shape=(3,),
        loss="cross_entropy",
    ),
    "residual": lambda: Sequential(ResNetBlock(2), Flatten(), Dense(2), shape=(1, 4, 4), loss="cross_entropy"),
    "gated": lambda: Sequential(Dense(3), SwiGLU(4), Dense(2), features=2, loss="huber"),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_goes_all_the_way_through(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    net = NETS[name]()
    for level in ("matrix", "index"):
        found = derivation(net, level=level)
        assert len(found.steps) >= len(net.parameters)
        assert "\\begin{document}" in found.latex(document=True)
        assert "All gradients" in found.text()
    assert net.count(dict.fromkeys(net.size_names, 2))["reverse"].total > 0
    assert load_module(generate(net)).main(["check"]) in (0, None)
    assert "gradient check passed" in capsys.readouterr().out
