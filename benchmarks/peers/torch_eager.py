"""PyTorch, eager: the loss by torch.nn.functional, torch.autograd.grad, one fused update of all parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from peers.nets import Net, Step

Loss = Callable[..., torch.Tensor]


def sigmoid_net(net: Net) -> Loss:
    def loss(p: dict[str, Any], x: Any, t: Any) -> torch.Tensor:
        for layer in range(1, net.sizes["L"] + 1):
            x = torch.sigmoid(F.linear(x, p[f"W{layer}"], p[f"b{layer}"]))
        return F.mse_loss(x, t, reduction="sum") * (0.5 / x.shape[0])

    return loss


def mlp(net: Net) -> Loss:
    def loss(p: dict[str, Any], x: Any, t: Any) -> torch.Tensor:
        x = F.relu(F.linear(x, p["W1"], p["b1"]))
        x = F.relu(F.linear(x, p["W2"], p["b2"]))
        return F.cross_entropy(F.linear(x, p["W3"], p["b3"]), t)

    return loss


def mlp_bn(net: Net) -> Loss:
    def loss(p: dict[str, Any], x: Any, t: Any) -> torch.Tensor:
        for layer in "12":
            z = F.linear(x, p["W" + layer])
            x = F.relu(F.batch_norm(z, None, None, p["g" + layer], p["h" + layer], True))
        return F.cross_entropy(F.linear(x, p["W3"], p["b3"]), t)

    return loss


def cnn(net: Net) -> Loss:
    dense = mlp(net)

    def loss(p: dict[str, Any], x: Any, t: Any) -> torch.Tensor:
        x = F.max_pool2d(F.relu(F.conv2d(x, p["K1"], p["c1"], padding=2)), 2)
        x = F.max_pool2d(F.relu(F.conv2d(x, p["K2"], p["c2"])), 2).flatten(1)
        return dense(p, x, t)

    return loss


def gpt(net: Net) -> Loss:
    L, d, H, T, V, B = (net.sizes[k] for k in ("L", "d", "H", "T", "V", "B"))

    def loss(p: dict[str, Any], i: Any, t: Any) -> torch.Tensor:
        x = F.embedding(i, p["wte"]) + p["wpe"]
        for k in range(L):
            h = F.layer_norm(x, (d,), p[f"{k}.g1"], p[f"{k}.h1"])
            qkv = F.linear(h, p[f"{k}.Wqkv"], p[f"{k}.bqkv"])
            q, key, v = qkv.view(B, T, 3, H, d // H).permute(2, 0, 3, 1, 4)
            a = F.scaled_dot_product_attention(q, key, v, is_causal=True)
            x = x + F.linear(a.transpose(1, 2).reshape(B, T, d), p[f"{k}.Wo"], p[f"{k}.bo"])
            h = F.layer_norm(x, (d,), p[f"{k}.g2"], p[f"{k}.h2"])
            h = F.gelu(F.linear(h, p[f"{k}.Wf"], p[f"{k}.bf"]), approximate="tanh")
            x = x + F.linear(h, p[f"{k}.Wp"], p[f"{k}.bp"])
        x = F.layer_norm(x, (d,), p["gf"], p["hf"])
        return F.cross_entropy(F.linear(x, p["head"]).view(B * T, V), t.view(-1))

    return loss


def lstm(net: Net) -> Loss:
    H = net.sizes["H"]

    def loss(p: dict[str, Any], x: Any, t: Any) -> torch.Tensor:
        zero = x.new_zeros(1, x.shape[1], H)
        weights = [p["Wx"], p["Wh"], p["b"], torch.zeros_like(p["b"])]  # PyTorch's LSTM has two offsets
        _, h, _ = torch._VF.lstm(x, (zero, zero), weights, True, 1, 0.0, True, False, False)
        return F.cross_entropy(F.linear(h[0], p["W"], p["bo"]), t)

    return loss


KINDS = {"sigmoid_net": sigmoid_net, "mlp": mlp, "mlp_bn": mlp_bn, "cnn": cnn, "gpt": gpt, "lstm": lstm}


def begin(net: Net) -> Step:
    """Training begins from the net's parameters."""
    params = {name: torch.tensor(value).requires_grad_() for name, value in net.params.items()}
    data = [torch.tensor(a) for a in net.data]
    loss, values, rate = KINDS[net.kind](net), list(params.values()), [1.0]

    def step() -> object:
        value = loss(params, *data)
        grads = torch.autograd.grad(value, values)
        with torch.no_grad():
            torch._foreach_add_(values, grads, alpha=-rate[0])
        return value.detach()

    def now() -> dict[str, Any]:
        return {name: value.detach().numpy().copy() for name, value in params.items()}

    return Step(step, now, lambda lr: rate.__setitem__(0, lr))
