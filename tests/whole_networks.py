"""A small network for every definition of the library, and for every option of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symbp import layers as lib
from symbp.layers import Conv2D, CrossEntropy, Dense, Embedding, Last, Tanh
from symbp.program import Program
from symbp.sequence import Sequential


def net(*chain: Any, loss: Any = "mean_squared_error", **options: Any) -> Callable[[], Program]:
    """The network when it is asked for, so that collecting the tests is quick."""
    return lambda: Sequential(*chain, loss=loss, **options)


ACTIVATIONS = ("ELU", "Exp", "GELU", "GELUTanh", "HardTanh", "LeakyReLU", "Mish", "ReLU", "SELU", "SiLU", "Sigmoid",
               "Sin", "Softplus", "Softsign", "Tanh")  # fmt: skip

# The first word of a name is that of the definition.
LAYERS: dict[str, Callable[[], Program]] = {
    **{name: net(Dense(3), getattr(lib, name)(), features=2) for name in ACTIVATIONS},
    "Activation": net(lib.Activation("leaky_relu", (0.2,)), Dense(2), features=3),
    "PReLU": net(Dense(3), lib.PReLU(), features=2),
    "Softmax": net(Dense(3), lib.Softmax(), features=2),
    "Softmax of a sequence": net(Dense(3), lib.Softmax(), shape=("T", 2), loss="cross_entropy"),
    "Dense of a sequence": net(Dense(3), Tanh(), Dense(2), shape=("T", 2)),
    "Dense without bias": net(Dense(3, bias=False), features=2),
    "Dense": net(Dense(2, axes=2), shape=(2, 3, 2)),
    "Flatten": net(lib.Flatten(), Dense(2), shape=(2, 3)),
    "Bilinear": net(lib.Bilinear(3), features=2),
    "LowRank": net(lib.LowRank(3, 2), features=4),
    "LowRankBilinear": net(lib.LowRankBilinear(3, 2), features=2),
    "WeightNormDense": net(lib.WeightNormDense(3), features=2),
    "Last": net(Dense(3), Last(), Dense(2), shape=("T", 2)),
    "MeanOver": net(Dense(3), lib.MeanOver(), Dense(2), shape=("T", 2)),
    "Dropout": net(Dense(4), lib.Dropout(0.25), Dense(2), features=3),
    "Dropout twice": net(lib.Dropout("1/3"), Dense(3), Tanh(), lib.Dropout(0.5), Dense(2), shape=("T", 2)),
    "Embedding": net(Embedding(5, 3), Dense(2), shape=("T",)),
    "Embedding of one": net(Embedding(5, 3), Dense(2)),
    "LearnedPositions": net(Embedding(5, 2), lib.LearnedPositions(), shape=(3,)),
    "TiedHead": net(Embedding(5, 3), Dense(3), lib.TiedHead(), shape=("T",)),
    "SinusoidalPositions": net(Embedding(5, 2), lib.SinusoidalPositions(), Dense(2), shape=("T",)),
    "GLU": net(lib.GLU(3), features=2),
    "SwiGLU": net(lib.SwiGLU(3), features=2),
    "FiLM": net(Dense(3), lib.FiLM(2), features=2),
    "FiLM of pictures": net(lib.FiLM(3), shape=(2, 2, 3)),
    "SqueezeExcite": net(lib.SqueezeExcite(2), shape=(3, 2, 2)),
    "MixtureOfExperts": net(lib.MixtureOfExperts(2, 3, 2), features=3),
    "BatchNorm": net(Dense(3), lib.BatchNorm(), Dense(2), features=2),
    "BatchNorm of pictures": net(Conv2D(2, 2), lib.BatchNorm(), lib.ReLU(), shape=(1, 3, 3)),
    "LayerNorm": net(Dense(3), lib.LayerNorm(), Dense(2), features=2),
    "LayerNorm over two": net(lib.LayerNorm(2), shape=(2, 3)),
    "RMSNorm": net(Dense(3), lib.RMSNorm(), Dense(2), features=2),
    "InstanceNorm": net(lib.InstanceNorm(), shape=(2, 2, 3)),
    "GroupNorm": net(lib.GroupNorm(2), shape=(4, 2, 3)),
    "Conv1D": net(lib.Conv1D(2, 3, stride=2, padding=1), shape=(2, 5)),
    "Conv1D of any length": net(lib.Conv1D(2, 3, padding=1), Tanh(), shape=(2, "T")),
    "Conv2D": net(Conv2D(2, 2, stride=2, padding=1, dilation=1), shape=(2, 3, 4)),
    "Conv2D dilated": net(Conv2D(2, 2, dilation=2), shape=(2, 3, 4)),
    "Conv2D in groups": net(Conv2D(4, 2, groups=2), shape=(2, 3, 2)),
    "ConvTranspose1D": net(lib.ConvTranspose1D(2, 3, stride=2, padding=1), shape=(2, 3)),
    "ConvTranspose2D": net(lib.ConvTranspose2D(2, 2, stride=2), shape=(1, 2, 3)),
    "DepthwiseConv2D": net(lib.DepthwiseConv2D(2), shape=(2, 3, 3)),
    "AveragePool1D": net(lib.AveragePool1D(2, 2), Dense(2), shape=(2, 4)),
    "AveragePool2D": net(lib.AveragePool2D(2), Dense(2), shape=(1, 2, 4)),
    "MaxPool1D": net(lib.MaxPool1D(3, 2, 1), Dense(2), shape=(2, 4)),
    "MaxPool2D": net(lib.MaxPool2D(2), Dense(2), shape=(1, 2, 4)),
    "MaxPool2D padded": net(lib.MaxPool2D(2, 2, 1), Dense(2), shape=(1, 2, 3)),
    "GlobalAverage": net(Conv2D(2, 2), lib.GlobalAverage(), Dense(2), shape=(1, 3, 3)),
    "Attention": net(lib.Attention(2), shape=("T", 3)),
    "Attention causal": net(lib.Attention(2, causal=True), shape=("T", 3)),
    "MultiHeadAttention": net(lib.MultiHeadAttention(2), shape=("T", 4)),
    "MultiHeadAttention causal": net(lib.MultiHeadAttention(2, causal=True), shape=("T", 4)),
    "MultiHeadAttention alibi": net(lib.MultiHeadAttention(2, causal=True, alibi=True), shape=("T", 2)),
    "MultiHeadAttention rotary": net(lib.MultiHeadAttention(2, rotary=True, bias=False), shape=("T", 4)),
    "MultiHeadAttention memory": net(lib.MultiHeadAttention(1, memory=("S", 3)), shape=("T", 2)),
    "MultiHeadAttention padding": net(lib.MultiHeadAttention(1, padding=True), shape=("T", 2)),
    "MultiHeadAttention both": net(lib.MultiHeadAttention(1, memory=("S", 3), padding=True), shape=("T", 2)),
    "LinearAttention": net(lib.LinearAttention(2), shape=("T", 3)),
    "LinearAttention causal": net(lib.LinearAttention(2, causal=True), shape=("T", 3)),
    "RNN": net(lib.RNN(2), Last(), Dense(2), shape=("T", 3)),
    "RNN of steps": net(lib.RNN(2, reverse=True), Dense(2), shape=("T", 3)),
    "RNN of an RNN": net(lib.RNN(3), lib.RNN(2), shape=("T", 2)),
    "LSTM": net(lib.LSTM(2), Dense(2), shape=("T", 3)),
    "LSTM peepholes": net(lib.LSTM(2, peepholes=True), Last(), shape=("T", 3)),
    "GRU": net(lib.GRU(2), Last(), Dense(2), shape=("T", 3)),
    "GRU reset after": net(lib.GRU(2, reset_after=True), shape=("T", 3)),
    "Bidirectional": net(lib.Bidirectional(lib.GRU(2)), Dense(2), shape=("T", 3)),
    "LinearScan": net(lib.LinearScan(), shape=("T", 2)),
    "Residual": net(lib.Residual(Dense(2), Tanh()), features=2),
    "Residual shortcut": net(lib.Residual(Dense(3), shortcut=(Dense(3),)), features=2),
    "ResNetBlock": net(lib.ResNetBlock(2, stride=2), lib.GlobalAverage(), shape=(1, 2, 2)),
    "TransformerBlock": net(lib.TransformerBlock(1, hidden=3), shape=("T", 2)),
    "TransformerBlock dropout": net(lib.TransformerBlock(1, hidden=3, dropout=0.2), shape=("T", 2)),
}  # fmt: skip

_INPUTS: dict[str, Any] = {"triplet": {"shape": (3, 2)}}
_GIVEN: dict[str, Any] = {
    "HalfSquaredError": "half_squared_error", "MeanSquaredError": "mean_squared_error", "Hinge": "hinge",
    "AbsoluteError": "absolute_error", "Huber": "huber", "Quantile": lib.Quantile(0.3),
    "GaussianNLL": "gaussian_nll", "CrossEntropy": "cross_entropy", "CrossEntropy soft": "soft_cross_entropy",
    "CrossEntropy weighted": CrossEntropy(weighted=True, smoothing=0.1), "Focal": "focal",
    "BinaryCrossEntropy": "binary_cross_entropy",
    "BinaryCrossEntropy weighted": lib.BinaryCrossEntropy(positive=3, smoothing=0.1),
    "KullbackLeibler": "kullback_leibler", "MulticlassHinge": "multiclass_hinge", "Cosine": "cosine",
    "Triplet": "triplet", "Penalised": lib.Penalised(lib.MeanSquaredError(), l1=0.1, l2=0.01),
}  # fmt: skip
LOSSES: dict[str, Callable[[], Program]] = {
    name: net(Dense(4), loss=loss, **_INPUTS.get(str(loss), {"features": 3})) for name, loss in _GIVEN.items()
} | {
    "CrossEntropy of a sequence": net(Dense(3), shape=("T", 2), loss="cross_entropy"),
    "InfoNCE": net(Dense(2), shape=(2, 2), loss="info_nce"),
}
USED_LOSSES = {"info_nce", *(loss for loss in _GIVEN.values() if isinstance(loss, str))}
NETS = LAYERS | LOSSES
