"""What others count for the same networks: XLA's cost analysis of the compiled gradient, PyTorch's flop counter.

    python benchmarks/flops.py                         # with jax, with torch, or both: what isn't installed is left out
    python benchmarks/flops.py --json counted.json     # keeps the numbers, for another environment to add its own
    python benchmarks/flops.py --add counted.json --write docs/flops.md

XLA counts a product of m x k by k x n as 2 m n k, and 1 for every element that an elementwise operation or a reduction
makes, comparisons and selections included; exp, log, tanh and the like apart, as transcendentals. PyTorch's counter
knows products of matrices and convolutions alone, 2 m n k each. symbp's numbers are those of `Ledger`: "all" is every
kind but the transcendentals, "products" twice the multiply-accumulates.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import markdown
import numpy as np

from symbp.architectures import load
from symbp.count.ledger import Ledger
from symbp.unroll import fix_sizes, shape

TRANSCENDENTAL = ("exp", "log", "tanh", "sin", "cos", "erf", "sqrt", "pow")
WIDTHS = (64, 128, 10)
Params = dict[str, Any]


@dataclass(frozen=True)
class Net:
    """text, sizes: for symbp. loss(xp, params, *inputs): the same with an array module of the peer's."""

    text: str
    sizes: dict[str, int]
    loss: Callable[..., Any]


def cross_entropy(xp: Any, y: Any, t: Any) -> Any:
    """The mean over the last axis but one and all before it."""
    rows = y.reshape(-1, y.shape[-1])
    return (xp.logsumexp(rows) - xp.pick(rows, t.reshape(-1))).mean()


def mlp(xp: Any, p: Params, x: Any, t: Any) -> Any:
    h = xp.relu(x @ p["W1"] + p["b1"])
    return cross_entropy(xp, h @ p["W2"] + p["b2"], t)


def batch_norm_mlp(xp: Any, p: Params, x: Any, t: Any) -> Any:
    z = x @ p["W1"] + p["b1"]
    mean = xp.mean(z, 0)
    variance = xp.mean((z - mean) ** 2, 0)
    h = xp.relu(p["gamma1"] * (z - mean) / xp.sqrt(variance + 1e-5) + p["beta1"])
    return cross_entropy(xp, h @ p["W2"] + p["b2"], t)


def cnn(xp: Any, p: Params, x: Any, t: Any) -> Any:
    h = xp.max_pool(xp.relu(xp.conv(x, p["W1"]) + p["b1"][:, None, None]))
    return cross_entropy(xp, h.reshape(h.shape[0], -1) @ p["W2"] + p["b2"], t)


def lstm(xp: Any, p: Params, x: Any, t: Any) -> Any:
    """The first step has no state before it; the input's products are taken for all steps at once."""
    inputs = {g: x @ p[f"W_{g}1"] for g in "ifgo"}
    h = c = None
    for step in range(x.shape[1]):
        z = {g: inputs[g][:, step] + p[f"b_{g}1"] for g in "ifgo"}
        if h is not None:
            z = {g: z[g] + h @ p[f"U_{g}1"] for g in "ifgo"}
        new = xp.sigmoid(z["i"]) * xp.tanh(z["g"])
        c = new if c is None else new + xp.sigmoid(z["f"]) * c
        h = xp.sigmoid(z["o"]) * xp.tanh(c)
    return cross_entropy(xp, h @ p["W2"] + p["b2"], t)


def layer_norm(xp: Any, x: Any, gamma: Any, beta: Any) -> Any:
    mean = xp.mean(x, -1)[..., None]
    variance = xp.mean((x - mean) ** 2, -1)[..., None]
    return gamma * (x - mean) / xp.sqrt(variance + 1e-5) + beta


def gpt_nano(xp: Any, p: Params, x: Any, t: Any) -> Any:
    """minGPT's blocks; the mask takes the scores away after their product, as everyone computes it."""
    u = xp.rows(p["E1"], x) + p["P2"]
    k = 2
    for _ in range(3):
        v = layer_norm(xp, u, p[f"gamma{k}"], p[f"beta{k}"])
        q, key, value = (xp.heads(v, p[f"{a}{k + 1}"], p[f"b_{a.lower()}{k + 1}"]) for a in "QKV")
        weights = xp.softmax(xp.masked(xp.scores(q, key) * (1 / 4)))  # heads of width 16
        u = u + xp.merged(xp.mixed(weights, value), p[f"O{k + 1}"]) + p[f"c{k + 1}"]
        v = layer_norm(xp, u, p[f"gamma{k + 1}"], p[f"beta{k + 1}"])
        hidden = xp.gelu_tanh(v @ p[f"W{k + 2}"] + p[f"b{k + 2}"])
        u = u + hidden @ p[f"W{k + 3}"] + p[f"b{k + 3}"]
        k += 3
    return cross_entropy(xp, layer_norm(xp, u, p[f"gamma{k}"], p[f"beta{k}"]) @ p[f"W{k + 1}"], t)


NETS = {
    "mlp": Net("mlp:64-128-10,relu,cross_entropy", {"B": 32}, mlp),
    "mlp, batch norm": Net("mlp:64-128-10,batch_norm+relu/linear,cross_entropy", {"B": 32}, batch_norm_mlp),
    "cnn": Net("cnn:1x16x16,8c5+relu+max2,10,cross_entropy", {"B": 16}, cnn),
    "lstm": Net("lstm:16-32-4,cross_entropy", {"B": 8, "T": 6}, lstm),
    "gpt-nano": Net("gpt:nano", {"B": 4}, gpt_nano),
}


# ------------------------------------------------------------------------------------------------- counters


def by_symbp(net: Net) -> dict[str, int]:
    ledger = Ledger(load(net.text), net.sizes)
    found: dict[str, int] = {}
    for name, strategy in (("forward", "forward"), ("gradient", "reverse + CSE")):
        account = ledger[strategy]
        assert account.operations is not None and account.macs is not None
        kinds = {kind: n.number for kind, n in account.operations.items()}
        found[f"{name}, all"] = sum(n for kind, n in kinds.items() if kind not in TRANSCENDENTAL)
        found[f"{name}, transcendental"] = sum(n for kind, n in kinds.items() if kind in TRANSCENDENTAL)
        found[f"{name}, products"] = 2 * account.macs.number
    return found


def values(net: Net, dtype: str) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """Random parameters by name, and inputs."""
    rng = np.random.default_rng(0)
    params, inputs = {}, []
    for t in fix_sizes(load(net.text), net.sizes).tensors.values():
        if t.role == "parameter":
            params[t.name] = rng.normal(size=shape(t)).astype(dtype)
        elif t.role == "input":
            integers = rng.integers(0, 3, shape(t)).astype("int32")
            inputs.append(integers if t.dtype == "int" else rng.normal(size=shape(t)).astype(dtype))
    return params, inputs


class Jax:
    """The functions that the losses above use."""

    def __init__(self) -> None:
        import jax
        import jax.numpy as jnp

        self.jax, self.np = jax, jnp
        self.relu, self.sigmoid, self.tanh = jax.nn.relu, jax.nn.sigmoid, jnp.tanh
        self.mean, self.sqrt, self.softmax = jnp.mean, jnp.sqrt, jax.nn.softmax
        self.logsumexp = lambda y: jax.nn.logsumexp(y, -1)
        self.pick = lambda y, t: jnp.take_along_axis(y, t[:, None], 1)[:, 0]
        self.rows = lambda e, x: e[x]
        self.conv = lambda x, w: jax.lax.conv(x, w, (1, 1), "VALID")
        self.gelu_tanh = lambda z: jax.nn.gelu(z, approximate=True)
        self.heads = lambda v, w, b: jnp.einsum("nti,ihd->nhtd", v, w) + b[None, :, None]
        self.scores = lambda q, k: q @ k.swapaxes(-1, -2)
        self.mixed = lambda w, v: w @ v
        self.merged = lambda o, w: jnp.einsum("nhtd,hdi->nti", o, w)
        self.masked = lambda s: jnp.where(jnp.tril(jnp.ones(s.shape[-2:], bool)), s, -jnp.inf)
        self.max_pool = lambda h: jax.lax.reduce_window(
            h, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"
        )  # fmt: skip

    def count(self, net: Net) -> dict[str, int]:
        params, inputs = values(net, "float32")

        def loss(p: Params, *x: Any) -> Any:
            return net.loss(self, p, *x)

        found = {}
        for name, function in (("forward", loss), ("gradient", self.jax.value_and_grad(loss))):
            cost = self.jax.jit(function).lower(params, *inputs).compile().cost_analysis()
            cost = cost[0] if isinstance(cost, list) else cost
            found[f"{name}, all"] = int(cost["flops"])
            found[f"{name}, transcendental"] = int(cost.get("transcendentals", 0))
        return found


class Torch:
    """The same for PyTorch."""

    def __init__(self) -> None:
        import torch
        import torch.nn.functional as functional

        self.torch = torch
        self.relu, self.sigmoid, self.tanh, self.sqrt = torch.relu, torch.sigmoid, torch.tanh, torch.sqrt
        self.mean = torch.mean
        self.softmax = lambda s: torch.softmax(s, -1)
        self.logsumexp = lambda y: torch.logsumexp(y, -1)
        self.pick = lambda y, t: y.gather(1, t[:, None].long())[:, 0]
        self.rows = lambda e, x: e[x.long()]
        self.conv = functional.conv2d
        self.gelu_tanh = lambda z: functional.gelu(z, approximate="tanh")
        self.heads = lambda v, w, b: torch.einsum("nti,ihd->nhtd", v, w) + b[None, :, None]
        self.scores = lambda q, k: q @ k.swapaxes(-1, -2)
        self.mixed = lambda w, v: w @ v
        self.merged = lambda o, w: torch.einsum("nhtd,hdi->nti", o, w)
        self.masked = lambda s: s.masked_fill(~torch.ones(s.shape[-2:], dtype=torch.bool).tril(), -torch.inf)
        self.max_pool = lambda h: functional.max_pool2d(h, 2)

    def count(self, net: Net) -> dict[str, int]:
        from torch.utils.flop_counter import FlopCounterMode

        params, inputs = values(net, "float32")
        leaves = {name: self.torch.tensor(v, requires_grad=True) for name, v in params.items()}
        given = [self.torch.tensor(v) for v in inputs]
        with FlopCounterMode(display=False) as forward:
            loss = net.loss(self, leaves, *given)
        with FlopCounterMode(display=False) as backward:
            loss.backward()
        n = forward.get_total_flops()
        return {"forward, products": n, "gradient, products": n + backward.get_total_flops()}


PEERS = {"XLA": ("jax", Jax), "PyTorch": ("torch", Torch)}


def counts() -> dict[str, dict[str, dict[str, int]]]:
    """net -> counter -> figure -> number, of the counters that are installed."""
    peers = {name: make() for name, (module, make) in PEERS.items() if find_spec(module)}
    return {
        name: {"symbp": by_symbp(net), **{peer: counter.count(net) for peer, counter in peers.items()}}
        for name, net in NETS.items()
    }


def table(found: dict[str, dict[str, dict[str, int]]]) -> str:
    """All figures as a Markdown table."""
    rows = []
    for net, counters in found.items():
        for figure in counters["symbp"]:
            numbers = [counters.get(peer, {}).get(figure) for peer in ("symbp", *PEERS)]
            rows.append([f"{net}: {figure}", *("" if n is None else f"{n:,}" for n in numbers)])
    return markdown.table(["", "symbp", *PEERS], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--add", type=Path, help="numbers of another environment")
    parser.add_argument("--write", type=Path, help="the document that gets the table")
    options = parser.parse_args()
    found = counts()
    if options.add:
        for net, counters in json.loads(options.add.read_text(encoding="utf-8")).items():
            found[net] = counters | found[net]
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(table(found))
    if options.write:
        markdown.replace_between(options.write, "flops", table(found))


if __name__ == "__main__":
    main()
