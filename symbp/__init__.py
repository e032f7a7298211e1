"""symbp: declare a network in SymPy; derive its gradients, count their cost, emit the NumPy code that trains it.

Everything that is meant for use is importable from here:

    from symbp import declare, sizes, Sequential, Dense, Sigmoid, load, derivation, compare, generate, check

Names are imported on first use, so that `import symbp` and `symbp --help` don't wait for SymPy.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "symbp.errors": ("SymbpError", "UnusedParameterWarning"),
    "symbp.language": ("Maximum", "sizes"),
    "symbp.program": ("Equation", "Program", "Tensor"),
    "symbp.declare": ("declare", "extend"),
    "symbp.layers": (
        "AbsoluteError", "Activation", "Attention", "AveragePool1D", "AveragePool2D", "BatchNorm",
        "Bidirectional", "Bilinear", "BinaryCrossEntropy", "Conv1D", "Conv2D", "ConvTranspose1D",
        "ConvTranspose2D", "Cosine", "CrossEntropy", "Dense", "DepthwiseConv2D", "Dropout", "ELU", "Embedding",
        "Exp", "FiLM", "Flatten", "Focal", "GaussianNLL", "GELU", "GELUTanh", "GlobalAverage", "GLU",
        "GroupNorm", "GRU", "HalfSquaredError", "HardTanh", "Hinge", "Huber", "InfoNCE", "InstanceNorm",
        "KullbackLeibler", "Last", "Layer", "LayerNorm", "LeakyReLU", "LearnedPositions", "LinearAttention",
        "LinearScan", "Loss", "LowRank", "LowRankBilinear", "LSTM", "MaxPool1D", "MaxPool2D", "MeanOver",
        "MeanSquaredError", "Mish", "MixtureOfExperts", "MulticlassHinge", "MultiHeadAttention", "Penalised",
        "PReLU", "Quantile", "ReLU", "Residual", "ResNetBlock", "RMSNorm", "RNN", "SELU", "Sigmoid", "SiLU",
        "Sin", "SinusoidalPositions", "Softmax", "Softplus", "Softsign", "SqueezeExcite", "SwiGLU", "Tanh",
        "TiedHead", "TransformerBlock", "Triplet", "WeightNormDense",
    ),
    "symbp.sequence": ("Sequential",),
    "symbp.architectures": ("load",),
    "symbp.evaluate": ("evaluate",),
    "symbp.gradient": ("gradient",),
    "symbp.unroll": ("unroll",),
    "symbp.simplify": ("simplify",),
    "symbp.count": ("compare",),
    "symbp.show.derivation": ("derivation",),
    "symbp.emit": ("generate",),
    "symbp.check": ("check",),
    "symbp.proofread": ("proofread", "proofread_file"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    """A public name, imported on first use; the elementary functions (sigmoid, relu, ...) and all layers too."""
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    if not name.startswith("_"):
        from symbp.functions import TABLE

        if name in TABLE:
            return import_module("symbp.language").FUNCTIONS[name]
        layers = import_module("symbp.layers")
        if name in layers.__all__:
            return getattr(layers, name)
    raise AttributeError(f"module 'symbp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*_MODULE_OF, "__version__"])


class _Package(ModuleType):
    """Where a function has the name of its module (symbp.check), `symbp.check` stays the function once imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _MODULE_OF and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
