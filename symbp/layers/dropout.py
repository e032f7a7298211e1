"""Dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import sympy as sp

from symbp.builder import Builder
from symbp.layers.layer import SHARE, Layer


@dataclass(frozen=True)
class Dropout(Layer):
    """u = m x / (1 - rate) in training, x in prediction (Srivastava et al. 2014).

    The mask m, ones and zeros of x's shape with a share `rate` of zeros, is an input that is drawn anew for every
    training batch.
    """

    rate: Any
    within: ClassVar = {"rate": SHARE}

    def define(self, net: Builder, x: Any) -> Any:
        rate = sp.nsimplify(self.rate)
        if not net.training:
            return x
        keep = net.input("keep", x.indices, symbol="m", init=f"bernoulli({1 - rate})")
        return net.tensor("u", x.indices, keep * x / (1 - rate))
