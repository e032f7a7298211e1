"""The functions that formulas name, as the literature defines them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

_erf = np.vectorize(math.erf, otypes=[float])


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Any) -> Any:
    return np.log1p(np.exp(x))


def _elu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _gelu_tanh(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _selu(x: Any) -> Any:
    return 1.0507009873554804934193349852946 * _elu(x, 1.6732632423543772848170429916717)


PREFIX: dict[str, Callable[[Any], Any]] = {  # may stand before an argument without brackets
    r"\log": np.log,
    r"\sin": np.sin,
    r"\cos": np.cos,
    r"\tanh": np.tanh,
    r"\operatorname{sign}": np.sign,
    r"\operatorname{erf}": _erf,
    r"\operatorname{softplus}": _softplus,
}
BRACKETED: dict[str, Callable[..., Any]] = {
    r"\exp": np.exp,
    r"\sigma": _sigmoid,
    r"\max": np.maximum,
    r"\min": np.minimum,
    r"\operatorname{ReLU}": lambda x: np.maximum(x, 0),
    r"\operatorname{SELU}": _selu,
    r"\operatorname{SiLU}": lambda x: x * _sigmoid(x),
    r"\operatorname{GELU}": lambda x: x * (1 + _erf(x / math.sqrt(2))) / 2,
    r"\operatorname{GELU}_{\tanh}": _gelu_tanh,
    r"\operatorname{Mish}": lambda x: x * np.tanh(_softplus(x)),
    r"\operatorname{softsign}": lambda x: x / (1 + np.abs(x)),
    r"\operatorname{hardtanh}": lambda x: np.clip(x, -1, 1),
}
# With a parameter as subscript, or this one where none stands there: (function, usual parameter).
WITH_PARAMETER: dict[str, tuple[Callable[[Any, float], Any], float]] = {
    r"\operatorname{LeakyReLU}": (lambda x, a: np.where(x > 0, x, a * x), 0.01),
    r"\operatorname{ELU}": (_elu, 1.0),
}
