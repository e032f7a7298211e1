"""Convolutional networks by short text, `cnn:1x28x28,6c5p2+relu+max2,...,10,cross_entropy`."""

from __future__ import annotations

import re
from typing import Any

from symbp.architectures.fields import Family, Field, built, fields, is_integer
from symbp.errors import SymbpError
from symbp.layers import (
    AveragePool1D,
    AveragePool2D,
    Conv1D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAverage,
    Layer,
    MaxPool1D,
    MaxPool2D,
)
from symbp.program import Program
from symbp.sequence import Sequential

WINDOW = re.compile(r"([0-9]*)(c|dw|max|avg)([0-9]+)((?:[a-z][0-9]+)*)")
OPTIONS = {"s": "stride", "p": "padding", "d": "dilation", "g": "groups"}
TAKES = {"c": "spdg", "dw": "spd", "max": "sp", "avg": "sp"}
FORMS = "6c5p2 (6 filters of 5, padding 2), max2, avg2, dw3, global, 120 (dense), batch_norm, or an activation"
USAGE = "cnn:SHAPE,STEP,...,LOSS"


def cnn(text: str) -> Program:
    """A convolutional network from its text, see FAMILY."""
    first, *steps = fields(text, "cnn")
    if len(steps) < 2:
        raise SymbpError(f"{text!r}: expected {USAGE} as in {next(iter(FAMILY.examples))}")
    shape = first.sizes("x", "channels x height x width as in 1x28x28, or channels x length as in 1x40", (2, 3))
    loss = steps.pop().loss()
    layers: list[Layer] = []
    flat = False  # whether channels and space have become one axis of features
    for step in steps:
        for word in step.text.split("+"):
            windowed = WINDOW.fullmatch(word)
            if (windowed or word == "global") and flat:
                raise step.error(f"{word} needs channels and space: put it in front of the first dense layer")
            if windowed:
                layers.append(_window(step, windowed, len(shape) - 1))
            elif word == "global":
                layers.append(GlobalAverage())
                flat = True
            elif is_integer(word):
                layers += [*([] if flat else [Flatten()]), Dense(step.integer(word, "a dense layer's width"))]
                flat = True
            elif word[:1].isdigit() or not word:
                raise step.error(f"expected a layer such as {FORMS}")
            else:
                layers.append(step.layer(word, others=("max2", "avg2", "global")))
    return built(text, lambda: Sequential(*layers, shape=shape, loss=loss, title=text))


def _window(step: Field, found: re.Match[str], axes: int) -> Layer:
    """A convolution or a pooling over one axis or two."""
    channels, kind, kernel, rest = found.groups()
    if bool(channels) != (kind == "c"):
        said = "takes no number in front" if channels else "needs the number of filters in front, as in 6c5"
        raise step.error(f"{found[0]}: {kind} {said}")
    options: dict[str, Any] = {}
    for letter, digits in re.findall(r"([a-z])([0-9]+)", rest):
        if letter not in TAKES[kind]:
            known = ", ".join(f"{o} ({OPTIONS[o]})" for o in TAKES[kind])
            raise step.error(f"{found[0]}: {kind} takes no {letter!r}; behind its window it takes {known}")
        name = OPTIONS[letter]
        if name in options:
            raise step.error(f"{found[0]}: the {name} is given twice: keep one")
        options[name] = step.integer(digits, f"the {name}", least=0 if letter == "p" else 1)
    window = step.integer(kernel, "the window")
    if kind == "c":
        return (Conv1D if axes == 1 else Conv2D)(step.integer(channels, "the number of filters"), window, **options)
    if kind == "dw":
        if axes == 1:
            raise step.error(f"{found[0]}: a depthwise convolution needs height and width: the shape has one axis")
        return DepthwiseConv2D(window, **options)
    if kind == "max":
        return (MaxPool1D if axes == 1 else MaxPool2D)(window, **options)
    return (AveragePool1D if axes == 1 else AveragePool2D)(window, **options)


FAMILY = Family(
    name="cnn",
    about="convolutions over images and signals",
    usage=USAGE,
    grammar="""\
SHAPE    of one sample: channels x height x width as in 1x28x28, or channels x length as in 1x40
STEP     a layer, or several joined by +, as in 6c5p2+relu+max2:
           6c5        a convolution, 6 filters with a window of 5 (5x5 over images); behind it, in any order,
                      s2 stride, p2 padding, d2 dilation, g2 groups: 16c3s2p1
           dw3        a depthwise convolution, with s, p, d (images only)
           max2 avg2  pooling over windows of 2 that don't overlap; with s, p: max3s2p1
           global     the mean of each channel
           120        a dense layer of that width; what is in front of the first one is flattened
           batch_norm, softmax, dropout0.1, and the activations: relu, tanh, gelu, ...""",
    examples={
        "cnn:1x28x28,6c5p2+relu+max2,16c5+relu+max2,120+relu,84+relu,10,cross_entropy":
            "LeNet-5 with ReLU and max-pooling, 61,706 parameters",
        "cnn:1x8x8,8c3p1+batch_norm+relu,8c3s2p1+batch_norm+relu,global,10,cross_entropy":
            "all-convolutional, for 8x8 digits",
        "cnn:1x40,8c5p2+relu+max2,16c5+relu+avg2,5,cross_entropy": "a signal of 40 samples, five classes",
    },
    build=cnn,
)  # fmt: skip
