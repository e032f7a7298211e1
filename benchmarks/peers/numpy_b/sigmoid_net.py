"""The tiny sigmoid nets, in as few calls as possible."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from peers.nets import Net, Step
from peers.numpy_b.pieces import add, dot, exp, mul, neg, rcp, sub


def begin(net: Net) -> Step:
    """Feature-major; [W|b] is one matrix and a row of ones lies under each activation: offsets come with the GEMM."""
    p, (x, y), L = net.params, net.data, net.sizes["L"]
    B = len(x)
    dt = net.dtype
    sizes = [x.shape[1]] + [len(p[f"b{l}"]) for l in range(1, L + 1)]
    P = np.concatenate([np.c_[p[f"W{l}"], p[f"b{l}"]].ravel() for l in range(1, L + 1)])
    G = np.zeros_like(P)
    W, D, n = [None], [None], 0
    for i, o in pairwise(sizes):
        W.append(P[n : n + o * (i + 1)].reshape(o, i + 1))
        D.append(G[n : n + o * (i + 1)].reshape(o, i + 1))
        n += o * (i + 1)
    A = [np.ones((s + 1, B), dt) for s in sizes]
    A[0][:-1] = x.T
    A[L] = np.empty((sizes[L], B), dt)
    H = [A[0][:-1]] + [A[l][:-1] for l in range(1, L)] + [A[L]]
    AT = [a.T for a in A]
    dA = [np.empty((s, B), dt) for s in sizes]
    T = [np.empty((s, B), dt) for s in sizes]
    WT = [None] + [W[l][:, :-1].T for l in range(1, L + 1)]
    yT = np.ascontiguousarray(y.T)
    e = dA[L]
    ef = e.reshape(-1)
    one = np.ones((), dt)
    sc = np.zeros((), dt)
    half = 0.5 / B
    fw = [(W[l], A[l - 1], H[l]) for l in range(1, L + 1)]
    bw = [(l, dA[l], H[l], T[l], AT[l - 1], D[l], WT[l], dA[l - 1]) for l in range(L, 0, -1)]

    def step():
        for w, a, h in fw:
            dot(w, a, h)
            neg(h, h)
            exp(h, h)
            add(h, one, h)
            rcp(h, h)
        sub(A[L], yT, e)
        loss = half * dot(ef, ef)
        mul(e, sc, e)
        for l, d, h, t, at, dw, wt, dp in bw:
            mul(d, h, d)
            sub(one, h, t)
            mul(d, t, d)
            dot(d, at, dw)
            if l > 1:
                dot(wt, d, dp)
        sub(P, G, P)
        return loss

    def params():
        r = {}
        for l in range(1, L + 1):
            r[f"W{l}"], r[f"b{l}"] = W[l][:, :-1].copy(), W[l][:, -1].copy()
        return r

    def set_lr(v):
        sc[...] = v / B

    set_lr(1.0)
    return Step(step, params, set_lr)
