"""Losses: a scalar of the prediction y[..., k] and of targets; means run over all axes before the last, unless said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import sympy as sp
from sympy import Abs, KroneckerDelta, Max, Sum

from symbp.builder import Builder
from symbp.language import FUNCTIONS
from symbp.layers.activation import Softmax
from symbp.layers.layer import ABOVE_ZERO, AT_LEAST_ZERO, SHARE, Loss, axes, piecewise, size_of


class Elementwise(Loss):
    """The mean over all entries of a function of y and t."""

    def define(self, net: Builder, y: Any) -> Any:
        t = net.target("t", y.indices)
        return Sum(self.of(y, t), *y.indices) / size_of(*y.indices)

    def of(self, y: Any, t: Any) -> Any:
        """The loss of one entry."""
        raise NotImplementedError


@dataclass(frozen=True)
class HalfSquaredError(Loss):
    """L = Sum((y - t)^2) / (2 B): the sum over outputs, the mean over the batch."""

    def define(self, net: Builder, y: Any) -> Any:
        t = net.target("t", y.indices)
        return Sum((y - t) ** 2, *y.indices) / (2 * size_of(y.indices[0]))


@dataclass(frozen=True)
class MeanSquaredError(Elementwise):
    """L = Sum((y - t)^2) / (B K): the mean over outputs and batch."""

    def of(self, y: Any, t: Any) -> Any:
        return (y - t) ** 2


@dataclass(frozen=True)
class AbsoluteError(Elementwise):
    """The mean of |y - t|."""

    def of(self, y: Any, t: Any) -> Any:
        return Abs(y - t)


@dataclass(frozen=True)
class Huber(Elementwise):
    """The mean of r^2/2 where |r| <= delta, delta (|r| - delta/2) elsewhere, r = y - t (Huber 1964)."""

    delta: Any = 1
    within: ClassVar = {"delta": ABOVE_ZERO}

    def of(self, y: Any, t: Any) -> Any:
        d = sp.nsimplify(self.delta)
        return piecewise((y - t) ** 2 / 2, Abs(y - t) <= d, d * (Abs(y - t) - d / 2))


@dataclass(frozen=True)
class Quantile(Elementwise):
    """The mean of max(q (t - y), (q - 1) (t - y)): y estimates the q-quantile of t (Koenker & Bassett 1978)."""

    q: Any
    within: ClassVar = {"q": sp.Interval.open(0, 1)}

    def of(self, y: Any, t: Any) -> Any:
        q = sp.nsimplify(self.q)
        return Max(q * (t - y), (q - 1) * (t - y), evaluate=False)


@dataclass(frozen=True)
class Hinge(Elementwise):
    """The mean of max(0, 1 - t y), t being -1 or 1."""

    task: ClassVar[str] = "regression"

    def of(self, y: Any, t: Any) -> Any:
        return Max(1 - t * y, 0, evaluate=False)


@dataclass(frozen=True)
class GaussianNLL(Loss):
    """The mean of ((t - mu)^2 exp(-s) + s + log(2 pi)) / 2 with mu = y[n, 2 k] and s = y[n, 2 k + 1] in turn."""

    def define(self, net: Builder, y: Any) -> Any:
        *lead, m = y.indices
        if size_of(m) % 2:
            raise net.fail(f"it takes pairs of mean and log-variance, not {size_of(m)} outputs: use an even number")
        k = net.index("k", size_of(m) // 2, *y.indices)
        t = net.target("t", (*lead, k))
        mu, s = y.base[(*lead, 2 * k)], y.base[(*lead, 2 * k + 1)]
        whole = Sum((t - mu) ** 2 * sp.exp(-s) + s + sp.log(2 * sp.pi), *lead, k)
        return whole / (2 * size_of(*lead, k))


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """L = -Sum(t log p) / B with p the softmax of the scores y, or y itself behind a Softmax layer.

    targets: "integer" labels t[n], or "soft" targets t[n, k] that add up to one over k. smoothing: the targets are
    (1 - smoothing) t + smoothing / K (Szegedy et al. 2016). weighted: an input weight[k] counts each class, and the
    sum is divided by the weights of the targets instead of by B.
    """

    targets: str = "integer"
    smoothing: Any = 0
    weighted: bool = False
    within: ClassVar = {"smoothing": SHARE}
    task: ClassVar[str] = "classification"
    takes_scores: ClassVar[bool] = True

    def define(self, net: Builder, y: Any) -> Any:
        *lead, k = axes(net, y, "... k")
        p = y if net.is_softmax(y) else Softmax().define(net, y)
        if self.targets == "soft":
            t = net.target("t", y.indices)
            net.fact(Sum(t, k), 1)
        else:
            t = KroneckerDelta(k, net.labels("t", lead), evaluate=False)
        smoothing, count = sp.nsimplify(self.smoothing), size_of(*lead)
        smooth = (1 - smoothing) * t + smoothing / size_of(k) if smoothing else t
        if self.weighted:
            w = net.input("weight", (k,), symbol="w")
            smooth, count = w * smooth, Sum(w * t, *lead, k)
        return -Sum(smooth * sp.log(p), *lead, k) / count


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """L = -Sum(t log p + (1 - t) log(1 - p)) / B with p = sigmoid(y), from logits y.

    positive: how much a positive target counts. smoothing: the targets are (1 - smoothing) t + smoothing / 2.
    """

    positive: Any = 1
    smoothing: Any = 0
    within: ClassVar = {"positive": ABOVE_ZERO, "smoothing": SHARE}
    task: ClassVar[str] = "binary"
    takes_scores: ClassVar[bool] = True

    def define(self, net: Builder, y: Any) -> Any:
        t = net.target("t", y.indices)
        w, smoothing = sp.nsimplify(self.positive), sp.nsimplify(self.smoothing)
        p = net.tensor("p", y.indices, FUNCTIONS["sigmoid"](y))
        s = (1 - smoothing) * t + smoothing / 2 if smoothing else t
        return -Sum(w * s * sp.log(p) + (1 - s) * sp.log(1 - p), *y.indices) / size_of(*y.indices[:-1])


@dataclass(frozen=True)
class Focal(Loss):
    """L = -Sum((1 - p_t)^gamma log p_t) / B, p_t the probability of the label (Lin et al. 2017, eq. 4)."""

    gamma: Any = 2
    within: ClassVar = {"gamma": AT_LEAST_ZERO}
    task: ClassVar[str] = "classification"
    takes_scores: ClassVar[bool] = True

    def define(self, net: Builder, y: Any) -> Any:
        *lead, _ = axes(net, y, "... k")
        p = y if net.is_softmax(y) else Softmax().define(net, y)
        t = net.labels("t", lead)
        of_label = net.tensor("log_p_t", lead, sp.log(p.base[(*lead, t)]))  # not p_t, which may round to 0
        return -Sum((1 - sp.exp(of_label)) ** sp.nsimplify(self.gamma) * of_label, *lead) / size_of(*lead)


@dataclass(frozen=True)
class KullbackLeibler(Loss):
    """L = Sum(t (log t - log p)) / B with p the softmax of the scores y; the targets t[n, k] add up to one over k."""

    task: ClassVar[str] = "classification"
    takes_scores: ClassVar[bool] = True

    def define(self, net: Builder, y: Any) -> Any:
        *lead, k = axes(net, y, "... k")
        p = y if net.is_softmax(y) else Softmax().define(net, y)
        t = net.target("t", y.indices)
        net.fact(Sum(t, k), 1)
        return Sum(t * (sp.log(t) - sp.log(p)), *lead, k) / size_of(*lead)


@dataclass(frozen=True)
class MulticlassHinge(Loss):
    """L = Sum(max(0, margin + y[n, k] - y[n, t]), k != t) / B (Weston & Watkins 1999)."""

    margin: Any = 1
    within: ClassVar = {"margin": AT_LEAST_ZERO}
    task: ClassVar[str] = "classification"
    takes_scores: ClassVar[bool] = True

    def define(self, net: Builder, y: Any) -> Any:
        *lead, k = axes(net, y, "... k")
        t = net.labels("t", lead)
        slack = Max(sp.nsimplify(self.margin) + y - y.base[(*lead, t)], 0, evaluate=False)
        return Sum((1 - KroneckerDelta(k, t, evaluate=False)) * slack, *lead, k) / size_of(*lead)


@dataclass(frozen=True)
class Cosine(Loss):
    """L = Sum(1 - y . t / (|y| |t|)) / B."""

    def define(self, net: Builder, y: Any) -> Any:
        *lead, k = axes(net, y, "... k")
        t = net.target("t", y.indices)
        cosine = Sum(y * t, k) / (sp.sqrt(Sum(y**2, k)) * sp.sqrt(Sum(t**2, k)))
        return Sum(1 - net.tensor("cosine", lead, cosine), *lead) / size_of(*lead)


@dataclass(frozen=True)
class Triplet(Loss):
    """L = Sum(max(0, |a - p|^2 - |a - q|^2 + margin)) / B (Schroff et al. 2015, eq. 3).

    y[n, 0, :] is the anchor, y[n, 1, :] what it should be near to, y[n, 2, :] what not: one network run on all three.
    """

    margin: Any = 1
    within: ClassVar = {"margin": AT_LEAST_ZERO}

    def define(self, net: Builder, y: Any) -> Any:
        n, r, k = axes(net, y, "n r k")
        if size_of(r) != 3:
            raise net.fail(f"it takes y[n, 3, k], not {size_of(r)} rows: give the network shape=(3, features)")
        near = net.tensor("near", (n,), Sum((y.base[n, 0, k] - y.base[n, 1, k]) ** 2, k))
        far = net.tensor("far", (n,), Sum((y.base[n, 0, k] - y.base[n, 2, k]) ** 2, k))
        return Sum(Max(near - far + sp.nsimplify(self.margin), 0, evaluate=False), n) / size_of(n)


@dataclass(frozen=True)
class InfoNCE(Loss):
    """L = -Sum(log p[n, n]) / B, p the softmax of cos(y[n, 0], y[m, 1]) / temperature over m (van den Oord 2018)."""

    temperature: Any = "1/10"
    within: ClassVar = {"temperature": ABOVE_ZERO}

    def define(self, net: Builder, y: Any) -> Any:
        n, r, k = axes(net, y, "n r k")
        if size_of(r) != 2:
            raise net.fail(f"it takes pairs y[n, 2, k], not {size_of(r)} rows: give the network shape=(2, features)")
        m = net.index("m", size_of(n), *y.indices)
        unit = net.tensor("unit", y.indices, y / sp.sqrt(Sum(y**2, k)))
        a, b = unit.base[n, 0, k], unit.base[m, 1, k]
        s = net.tensor("s", (n, m), Sum(a * b, k) / sp.nsimplify(self.temperature))
        p = net.tensor("p", (n, m), sp.exp(s) / Sum(sp.exp(s), m))
        return -Sum(sp.log(p.base[n, n]), n) / size_of(n)


@dataclass(frozen=True)
class Penalised(Loss):
    """Another loss + l1 Sum(|W|) + l2 Sum(W^2) over all weights W: parameters with two or more axes."""

    loss: Loss
    l1: Any = 0
    l2: Any = 0
    within: ClassVar = {"l1": AT_LEAST_ZERO, "l2": AT_LEAST_ZERO}

    @property
    def task(self) -> str:  # type: ignore[override]
        return self.loss.task

    def define(self, net: Builder, y: Any) -> Any:
        value = net.checked(self.loss).define(net, y)
        for W in net.weights():
            value += sp.nsimplify(self.l1) * Sum(Abs(W), *W.indices) + sp.nsimplify(self.l2) * Sum(W**2, *W.indices)
        return value


LOSSES: dict[str, Loss] = {
    "half_squared_error": HalfSquaredError(),
    "mean_squared_error": MeanSquaredError(),
    "absolute_error": AbsoluteError(),
    "huber": Huber(),
    "hinge": Hinge(),
    "cross_entropy": CrossEntropy(),
    "soft_cross_entropy": CrossEntropy("soft"),
    "binary_cross_entropy": BinaryCrossEntropy(),
    "kullback_leibler": KullbackLeibler(),
    "focal": Focal(),
    "multiclass_hinge": MulticlassHinge(),
    "cosine": Cosine(),
    "triplet": Triplet(),
    "info_nce": InfoNCE(),
    "gaussian_nll": GaussianNLL(),
}
