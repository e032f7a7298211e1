"""What the networks by hand share: NumPy functions by short names, buffers, loss, ReLU, layer norm."""

from __future__ import annotations

import numpy as np

mul, add, sub, div, dot, mm, exp, tanh, neg, rcp, mx = (
    np.multiply,
    np.add,
    np.subtract,
    np.divide,
    np.dot,
    np.matmul,
    np.exp,
    np.tanh,
    np.negative,
    np.reciprocal,
    np.maximum,
)
f4 = np.float32


def E(*shape: int) -> np.ndarray:
    """A buffer."""
    return np.empty(shape, f4)


class CE:
    """softmax cross-entropy on z (n, k), in place: z becomes the cotangent, scaled."""

    def __init__(s, n, k, y):
        s.r, s.o, s.base, s.y, s.sm, s.lg = E(n, 1), np.ones(k, f4), np.arange(n) * k, y.reshape(-1), E(n), E(n)

    def __call__(s, z, scale, inv):
        mx.reduce(z, 1, None, s.r, True)
        sub(z, s.r, z)
        zf = z.reshape(-1)
        idx = s.base + s.y
        zy = zf[idx]
        exp(z, z)
        dot(z, s.o, s.sm)
        np.log(s.sm, s.lg)
        loss = (s.lg.sum() - zy.sum()) * inv
        div(scale, s.sm, s.sm)
        mul(z, s.sm[:, None], z)
        zf[idx] -= scale
        return float(loss)


class Relu:
    """sign-bit mask: three integer passes forward, one backward (np.maximum + bool multiply cost twice that)."""

    def __init__(s, *shape):
        s.m = np.empty(shape, np.int32)

    def f(s, z):
        zi = z.view(np.int32)
        np.right_shift(zi, 31, s.m)
        np.invert(s.m, s.m)
        np.bitwise_and(zi, s.m, zi)

    def b(s, d):
        di = d.view(np.int32)
        np.bitwise_and(di, s.m, di)


class LN:
    def __init__(s, M, d, g, h, gg, gh):
        s.g, s.h, s.gg, s.gh = g, h, gg, gh
        s.xh, s.t, s.mu, s.r = E(M, d), E(M, d), E(M), E(M)
        s.c, s.rc = s.mu[:, None], s.r[:, None]
        s.o, s.id, s.oM, s.c1 = np.full(d, 1 / d, f4), f4(1e-5), np.ones(M, f4), E(M)

    def f(s, x, out):
        xh, t = s.xh, s.t
        dot(x, s.o, s.mu)
        sub(x, s.c, xh)
        mul(xh, xh, t)
        dot(t, s.o, s.r)
        add(s.r, s.id, s.r)
        np.sqrt(s.r, s.r)
        rcp(s.r, s.r)
        mul(xh, s.rc, xh)
        mul(xh, s.g, out)
        add(out, s.h, out)

    def b(s, d, acc):  # acc += dx; d destroyed
        xh, t = s.xh, s.t
        mul(d, xh, t)
        dot(s.oM, t, s.gg)
        dot(s.oM, d, s.gh)
        mul(d, s.g, d)
        mul(d, xh, t)
        dot(t, s.o, s.c1)
        dot(d, s.o, s.mu)
        sub(d, s.c, d)
        mul(xh, s.c1[:, None], t)
        sub(d, t, d)
        mul(d, s.rc, d)
        add(acc, d, acc)
