"""Blocks of layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from symbp.builder import Builder
from symbp.layers.activation import Activation
from symbp.layers.attention import MultiHeadAttention
from symbp.layers.convolution import Conv2D
from symbp.layers.dense import Dense
from symbp.layers.dropout import Dropout
from symbp.layers.layer import Layer, size_of
from symbp.layers.normalisation import BatchNorm, LayerNorm


class Residual(Layer):
    """u = x + f(x) with f the layers in turn; shortcut: layers that x goes through instead of being added as it is."""

    def __init__(self, *layers: Layer, shortcut: tuple[Layer, ...] = ()) -> None:
        self.layers, self.shortcut = layers, shortcut

    def define(self, net: Builder, x: Any) -> Any:
        f = net.chain(self.layers, x)
        x = net.chain(self.shortcut, x)
        shapes = [[size_of(i) for i in a.indices] for a in (x, f)]
        if shapes[0] != shapes[1]:
            shown = " and ".join(f"({', '.join(map(str, s))})" for s in shapes)
            raise net.fail(f"x and f(x) have the shapes {shown}: make them equal, or give a shortcut=(Dense(...),)")
        return net.tensor("u", x.indices, x + f.base[x.indices])


@dataclass(frozen=True)
class TransformerBlock(Layer):
    """x + attention(norm(x)), then x + dense(gelu(dense(norm(x)))), as in GPT-2. hidden: default 4 times the width.

    dropout: the rate behind the attention and behind the dense layers. The others are those of MultiHeadAttention.
    """

    heads: int
    hidden: int = 0
    causal: bool = True
    activation: str = "gelu"
    dropout: Any = 0
    alibi: bool = False
    rotary: bool = False
    memory: tuple[Any, int] | None = None
    padding: bool = False
    bias: bool = True

    def define(self, net: Builder, x: Any) -> Any:
        if not size_of(x.indices[-1]).is_Integer:
            raise net.fail(f"its width must be a number, not {size_of(x.indices[-1])}: give the last axis a size")
        width = int(size_of(x.indices[-1]))
        attention = MultiHeadAttention(
            self.heads, self.causal, self.alibi, self.rotary, self.memory, self.padding, self.bias
        )
        dense = [Dense(self.hidden or 4 * width), Activation(self.activation), Dense(width)]
        dropout = [Dropout(self.dropout)] if self.dropout else []
        blocks = (Residual(LayerNorm(), attention, *dropout), Residual(LayerNorm(), *dense, *dropout))
        return net.chain(blocks, x)


class ResNetBlock(Layer):
    """relu(x + norm(conv(relu(norm(conv(x)))))) (He et al. 2016); a 1x1 convolution of x where shapes differ."""

    def __init__(self, channels: int, stride: int = 1) -> None:
        self.channels, self.stride = channels, stride

    def define(self, net: Builder, x: Any) -> Any:
        c, s = self.channels, self.stride
        same = s == 1 and len(x.indices) == 4 and size_of(x.indices[1]) == c
        shortcut = () if same else (Conv2D(c, 1, stride=s, bias=False), BatchNorm())
        body = (Conv2D(c, 3, stride=s, padding=1, bias=False), BatchNorm(), Activation("relu"),
                Conv2D(c, 3, padding=1, bias=False), BatchNorm())  # fmt: skip
        return net.chain((Residual(*body, shortcut=shortcut), Activation("relu")), x)
