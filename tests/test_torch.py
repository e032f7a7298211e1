"""Layers and losses against PyTorch: forward values and gradients."""

import numpy as np
import pytest
from layer_oracles import run

from symbp import layers as L
from symbp.check import random_values, relative_error
from symbp.sequence import Sequential

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
F = torch.nn.functional


def compare(net, reference, values=None, names=None):
    """reference: a function of tensors by name that gives y and L; gradients by every real input and parameter."""
    values = random_values(net) if values is None else values
    names = names or [
        t.name for t in (*net.parameters, *net.inputs) if t.dtype == "real" and t.name not in ("t", "target", "weight")
    ]
    found, _ = run(net.gradient(names), values)
    given = {k: torch.tensor(np.asarray(v)) for k, v in values.items()}
    for name in names:
        given[name] = given[name].to(torch.float64).requires_grad_()
    y, loss = reference(given)
    loss.backward()
    assert relative_error(net.evaluate(values)["y"], y.detach().numpy()) < 1e-10
    assert abs(found["L"] - loss.item()) < 1e-10
    largest = max(float(given[name].grad.abs().max()) for name in names)
    for name in names:
        assert relative_error(found[f"d_{name}"], given[name].grad.numpy(), largest / 1000) < 1e-10, name


def mse(function):
    """The reference for a net with mean_squared_error."""

    def reference(v):
        y = function(v)
        return y, ((y - v["target" if "target" in v else "t"]) ** 2).mean()

    return reference


def net(*layers, **options):
    return Sequential(*layers, loss="mean_squared_error", **options)


S = (2, 5, 7)
CASES = {
    "dense": (net(L.Dense(3), shape=("T", 5)), lambda v: F.linear(v["x"], v["W1"].T, v["b1"])),
    "bilinear": (net(L.Bilinear(3), features=5),
                 lambda v: F.bilinear(v["x"], v["x"], v["W1"].movedim(1, 0), v["b1"])),
    "conv1": (net(L.Conv1D(3, 3, stride=2, padding=1), shape=(2, 7)),
              lambda v: F.conv1d(v["x"], v["W1"], v["b1"], stride=2, padding=1)),
    "conv2": (net(L.Conv2D(3, 3, stride=2, padding=1), shape=S),
              lambda v: F.conv2d(v["x"], v["W1"], v["b1"], stride=2, padding=1)),
    "conv2_dilated": (net(L.Conv2D(3, 2, dilation=2, padding=1), shape=S),
                      lambda v: F.conv2d(v["x"], v["W1"], v["b1"], dilation=2, padding=1)),
    "conv2_groups": (net(L.Conv2D(6, 3, groups=2), shape=(4, 5, 7)),
                     lambda v: F.conv2d(v["x"], v["W1"].reshape(6, 2, 3, 3), v["b1"], groups=2)),
    "depthwise": (net(L.DepthwiseConv2D(3, padding=1), shape=S),
                  lambda v: F.conv2d(v["x"], v["W1"][:, None], v["b1"], padding=1, groups=2)),
    "transposed1": (net(L.ConvTranspose1D(3, 3, stride=2, padding=1), shape=(2, 5)),
                    lambda v: F.conv_transpose1d(v["x"], v["V1"], v["b1"], stride=2, padding=1)),
    "transposed2": (net(L.ConvTranspose2D(3, 3, stride=2, padding=1), shape=(2, 3, 5)),
                    lambda v: F.conv_transpose2d(v["x"], v["V1"], v["b1"], stride=2, padding=1)),
    "average1": (net(L.AveragePool1D(3, 2, 1), shape=(2, 7)), lambda v: F.avg_pool1d(v["x"], 3, 2, 1)),
    "average2": (net(L.AveragePool2D(3, 2), shape=S), lambda v: F.avg_pool2d(v["x"], 3, 2)),
    "max1": (net(L.MaxPool1D(3, 2, 1), shape=(2, 7)), lambda v: F.max_pool1d(v["x"], 3, 2, 1)),
    "max2": (net(L.MaxPool2D(3, 2, 1), shape=S), lambda v: F.max_pool2d(v["x"], 3, 2, 1)),
    "embedding": (net(L.Embedding(7, 5), shape=("T",)), lambda v: F.embedding(v["x"], v["E1"])),
    "batch_norm": (net(L.BatchNorm(), shape=S),
                   lambda v: F.batch_norm(v["x"], None, None, v["gamma"], v["beta"], training=True)),
    "layer_norm": (net(L.LayerNorm(), shape=("T", 3)),
                   lambda v: F.layer_norm(v["x"], (3,), v["gamma"], v["beta"])),
    "layer_norm_3": (net(L.LayerNorm(3), shape=S), lambda v: F.layer_norm(v["x"], S, v["gamma"], v["beta"])),
    "instance_norm": (net(L.InstanceNorm(), shape=S),
                      lambda v: F.instance_norm(v["x"], weight=v["gamma"], bias=v["beta"])),
    "group_norm": (net(L.GroupNorm(2), shape=(6, 5, 3)), lambda v: F.group_norm(v["x"], 2, v["gamma"], v["beta"])),
    "rms_norm": (net(L.RMSNorm(), features=5), lambda v: F.rms_norm(v["x"], (5,), v["gamma"], eps=1e-5)),
    "softmax": (net(L.Softmax(), features=5), lambda v: F.softmax(v["x"], -1)),
    "weight_norm": (net(L.WeightNormDense(3), features=5),
                    lambda v: v["x"] @ (v["g1"] * v["V1"] / v["V1"].norm(dim=0)) + v["b1"]),
    "glu": (net(L.GLU(3), features=5),
            lambda v: F.glu(torch.cat([v["x"] @ v["W1"] + v["b1"], v["x"] @ v["V1"] + v["c1"]], -1))),
    "prelu": (net(L.PReLU(), features=5), lambda v: F.prelu(v["x"], v["a"].reshape(1))),
    **{name: (net(getattr(L, name)(), features=5), lambda v, f=f: f(v["x"])) for name, f in {
        "ELU": F.elu, "SELU": F.selu, "SiLU": F.silu, "GELU": F.gelu, "Mish": F.mish, "Softplus": F.softplus,
        "Softsign": F.softsign, "HardTanh": F.hardtanh, "ReLU": F.relu, "LeakyReLU": F.leaky_relu,
        "GELUTanh": lambda x: F.gelu(x, approximate="tanh")}.items()},
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_layer(name):
    program, function = CASES[name]
    compare(program, mse(function))


def heads(v, name, source):
    return torch.einsum("nti,ihd->nhtd", source, v[f"{name}1"]) + v[f"b_{name.lower()}1"][:, None]


@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal):
    def reference(v):
        q, k, u = (heads(v, a, v["x"]) for a in "QKV")
        o = F.scaled_dot_product_attention(q, k, u, is_causal=causal)
        return torch.einsum("nhtd,hdj->ntj", o, v["O1"]) + v["c1"]

    compare(net(L.MultiHeadAttention(2, causal=causal), shape=("T", 6)), mse(reference))


def test_cross_attention_with_padding():
    program = net(L.MultiHeadAttention(2, memory=("S", 5), padding=True), shape=("T", 6))
    values = random_values(program)
    values["sees"][:, 0] = 1

    def reference(v):
        q, k, u = heads(v, "Q", v["x"]), heads(v, "K", v["memory"]), heads(v, "V", v["memory"])
        o = F.scaled_dot_product_attention(q, k, u, attn_mask=(v["sees"] == 1)[:, None, None, :])
        return torch.einsum("nhtd,hdj->ntj", o, v["O1"]) + v["c1"]

    compare(program, mse(reference), values)


def recurrent(kind, gates, bidirectional=False):
    """PyTorch's layer as a function of our tensors; gates in PyTorch's order, as suffixes of W, U and b."""

    def reference(v):
        layer = kind(5, 3, batch_first=True, bidirectional=bidirectional, dtype=torch.float64)
        weights = {}
        for n, suffix in (("1", ""), ("2", "_reverse"))[: 1 + bidirectional]:
            weights[f"weight_ih_l0{suffix}"] = torch.cat([v[f"W{g}{n}"].T for g in gates])
            weights[f"weight_hh_l0{suffix}"] = torch.cat([v[f"U{g}{n}"].T for g in gates])
            weights[f"bias_ih_l0{suffix}"] = torch.cat([v[f"b{g}{n}"] for g in gates])
            hidden = [v.get(f"b_a{n}", torch.zeros(3, dtype=torch.float64)) if g == "_g" and kind is torch.nn.GRU
                      else torch.zeros(3, dtype=torch.float64) for g in gates]  # fmt: skip
            weights[f"bias_hh_l0{suffix}"] = torch.cat(hidden)
        return torch.func.functional_call(layer, weights, (v["x"],))[0]

    return mse(reference)


@pytest.mark.parametrize(
    ("layer", "reference"),
    [
        (L.RNN(3), recurrent(torch.nn.RNN, [""])),
        (L.LSTM(3), recurrent(torch.nn.LSTM, ["_i", "_f", "_g", "_o"])),
        (L.GRU(3, reset_after=True), recurrent(torch.nn.GRU, ["_r", "_z", "_g"])),
        (L.Bidirectional(L.LSTM(3)), recurrent(torch.nn.LSTM, ["_i", "_f", "_g", "_o"], bidirectional=True)),
    ],
    ids=["RNN", "LSTM", "GRU", "Bidirectional"],
)
def test_recurrent(layer, reference):
    compare(net(layer, shape=("T", 5)), reference)


def of_loss(function, scale=1):
    def reference(v):
        y = v["x"] @ v["W1"] + v["b1"]
        return y, function(y, v) * scale

    return reference


LOSSES = {
    "mean_squared_error": of_loss(lambda y, v: F.mse_loss(y, v["t"])),
    "absolute_error": of_loss(lambda y, v: F.l1_loss(y, v["t"])),
    "huber": of_loss(lambda y, v: F.huber_loss(y, v["t"])),
    "cross_entropy": of_loss(lambda y, v: F.cross_entropy(y, v["t"])),
    "soft_cross_entropy": of_loss(lambda y, v: F.cross_entropy(y, v["t"])),
    "binary_cross_entropy": of_loss(lambda y, v: F.binary_cross_entropy_with_logits(y, v["t"]), 6),
    "kullback_leibler": of_loss(lambda y, v: F.kl_div(F.log_softmax(y, -1), v["t"], reduction="batchmean")),
    "multiclass_hinge": of_loss(lambda y, v: F.multi_margin_loss(y, v["t"]), 6),
    "cosine": of_loss(lambda y, v: (1 - F.cosine_similarity(y, v["t"])).mean()),
    L.CrossEntropy(smoothing=0.1): of_loss(lambda y, v: F.cross_entropy(y, v["t"], label_smoothing=0.1)),
    L.CrossEntropy(weighted=True): of_loss(lambda y, v: F.cross_entropy(y, v["t"], v["weight"])),
    L.CrossEntropy(weighted=True, smoothing=0.1): of_loss(
        lambda y, v: F.cross_entropy(y, v["t"], v["weight"], label_smoothing=0.1)
    ),
    L.BinaryCrossEntropy(positive=3): of_loss(
        lambda y, v: F.binary_cross_entropy_with_logits(y, v["t"], pos_weight=torch.tensor(3.0, dtype=torch.float64)), 6
    ),
    "gaussian_nll": of_loss(lambda y, v: F.gaussian_nll_loss(y[:, ::2], v["t"], y[:, 1::2].exp(), full=True, eps=0), 1),
}


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_loss(loss):
    compare(Sequential(L.Dense(6), features=5, loss=loss), LOSSES[loss])


def test_triplet():
    program = Sequential(L.Dense(5), shape=(3, 2), loss="triplet")

    def reference(v):
        y = v["x"] @ v["W1"] + v["b1"]
        squared = lambda a, b: ((a - b) ** 2).sum(-1)  # noqa: E731
        f = F.triplet_margin_with_distance_loss
        return y, f(y[:, 0], y[:, 1], y[:, 2], distance_function=squared, margin=1)

    compare(program, reference)


def test_info_nce():
    program = Sequential(L.Dense(5), shape=(2, 3), loss="info_nce")

    def reference(v):
        y = v["x"] @ v["W1"] + v["b1"]
        u = F.normalize(y, dim=-1)
        return y, F.cross_entropy(u[:, 0] @ u[:, 1].T * 10, torch.arange(len(y)))

    compare(program, reference)
