"""The convolutional net."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from peers.numpy_b.pieces import CE, E, Relu, add, dot, f4, mm, mx, sub


class BlockConv:
    """Convolution k x k, offset, 2x2 max pooling and ReLU, the batch last.

    im2col is done for each pool window: a column holds the (k+1)^2 patch that feeds 2x2 outputs, and the weights
    are the (4F, C(k+1)^2) block-Toeplitz matrix: fewer and longer copies, a fatter GEMM, and the pool is a maximum
    of 4 contiguous blocks. The source lies in polyphase layout (C, 2, 2, H/2, W/2, N), so that copies are long.
    """

    def __init__(s, C, F, k, oh, N, K, c, gK, gc, want_dx):
        q, u = oh // 2, (k + 1) // 2
        s.q, s.u, s.N, s.C, s.F, s.k = q, u, N, C, F, k
        s.src = np.zeros((C, 2, 2, q + u - 1, q + u - 1, N), f4)
        s.L = L = q * q * N
        st = s.src.strides
        s.win = as_strided(s.src, (C, u, u, 2, 2, q, q, N), (st[0], st[3], st[4], st[1], st[2], st[3], st[4], st[5]))
        s.cols = E(C * u * u * 4, L)
        s.colsv = s.cols.reshape(C, u, u, 2, 2, q, q, N)
        s.colsT = s.cols.T
        s.T = np.zeros((2, 2, F, C, u, u, 2, 2), f4)
        s.T2 = s.T.reshape(4 * F, -1)
        s.gT = np.empty_like(s.T)
        s.gT2 = s.gT.reshape(4 * F, -1)
        s.gTT = E(C * u * u * 4, 4 * F)
        s.nb = q if L > 4096 else 1  # a long, thin dW is split over K: one batched GEMM, then a sum
        s.colsK = s.cols.reshape(-1, s.nb, L // s.nb).transpose(1, 0, 2)
        s.gK3 = E(s.nb, C * u * u * 4, 4 * F)
        # T[a,b,f,c,i,j] as a plain (2k+2)-grid: index (2*u2+pu) must be interleaved -> keep index maps
        idx = np.arange(s.T.size).reshape(s.T.shape).transpose(0, 1, 2, 3, 4, 6, 5, 7).reshape(2, 2, F, C, 2 * u, 2 * u)
        s.ix = np.stack([idx[a, b, :, :, a : a + k, b : b + k].reshape(-1) for a in (0, 1) for b in (0, 1)])
        s.K, s.c, s.gK, s.gc = K.reshape(-1), c[:, None], gK.reshape(-1), gc
        s.y = E(4 * F, L)
        s.y4 = s.y.reshape(4, F, L)
        s.a, s.b, s.m = E(F, L), E(F, L), E(F, L)
        s.one = np.ones(L, f4)
        s.i0, s.i1, s.i2 = (np.empty((F, L), np.int32) for _ in range(3))
        s.relu = Relu(F, L)
        s.d = E(4 * F, L)
        s.d4 = s.d.reshape(4, F, L)
        s.dK = s.d.reshape(4 * F, s.nb, L // s.nb).transpose(1, 2, 0)
        if want_dx:
            s.dcols = E(*s.cols.shape)
            s.dcv = s.dcols.reshape(s.colsv.shape)
            s.dsrc = np.zeros_like(s.src)
            s.TT = s.T2.T
            s.adds = [(s.dsrc[:, :, :, i : i + q, j : j + q], s.dcv[:, i, j]) for i in range(u) for j in range(u)]

    def fwd(s):
        np.copyto(s.colsv, s.win)
        Tf = s.T.reshape(-1)
        for r in s.ix:
            Tf[r] = s.K
        mm(s.T2, s.cols, s.y)
        y = s.y4
        mx(y[0], y[1], out=s.a)
        mx(y[2], y[3], out=s.b)
        mx(s.a, s.b, out=s.m)
        add(s.m, s.c, s.m)
        s.relu.f(s.m)
        return s.m

    def bwd(s, g):  # g: (F, L), destroyed
        s.relu.b(g)
        dot(g, s.one, s.gc)
        y, d, gi = s.y4, s.d4, g.view(np.int32)
        di = d.view(np.int32)
        # ties go to the first of the two, as in torch: sign bit of the difference selects the second
        sub(s.a, s.b, s.b)
        np.right_shift(s.b.view(np.int32), 31, s.i0)
        np.bitwise_and(gi, s.i0, s.i1)
        sub(g, s.i1.view(f4), g)
        for k, h in ((0, g), (2, s.i1.view(f4))):
            sub(y[k], y[k + 1], s.a)
            np.right_shift(s.a.view(np.int32), 31, s.i0)
            np.bitwise_and(h.view(np.int32), s.i0, di[k + 1])
            sub(h, d[k + 1], d[k])
        if s.nb > 1:
            mm(s.colsK, s.dK, s.gK3)
            add.reduce(s.gK3, 0, None, s.gTT)
        else:
            mm(s.cols, s.d.T, s.gTT)
        np.copyto(s.gT2, s.gTT.T)
        np.take(s.gT.reshape(-1), s.ix).sum(0, out=s.gK)

    def dx(s):
        mm(s.TT, s.d, s.dcols)
        s.dsrc.fill(0)
        for a, b in s.adds:
            add(a, b, a)
        return s.dsrc


def cnn(net, P, G, x, y, sc, inv):
    N = len(x)
    c1 = BlockConv(1, 6, 5, 28, N, P["K1"], P["c1"], G["K1"], G["c1"], False)
    c2 = BlockConv(6, 16, 5, 10, N, P["K2"], P["c2"], G["K2"], G["c2"], True)
    # interior of the padded, polyphase image <- (N, 1, 28, 28): padding 2 = one cell of each phase
    tgt = c1.src[0, :, :, 1:15, 1:15]
    src = x[:, 0].reshape(N, 14, 2, 14, 2).transpose(2, 4, 1, 3, 0)
    q1 = c1.m.reshape(6, 7, 2, 7, 2, N).transpose(0, 2, 4, 1, 3, 5)  # pooled map 14x14 -> phases 7x7
    gq1 = E(6, c1.L)
    gq1v = gq1.reshape(6, 7, 2, 7, 2, N).transpose(0, 2, 4, 1, 3, 5)
    f = c2.m.reshape(400, N)
    h1, h2, z = E(120, N), E(84, N), E(N, 10)
    d2, d1, df = E(84, N), E(120, N), E(400, N)
    one = np.ones(N, f4)
    r1, r2, ce = Relu(120, N), Relu(84, N), CE(N, 10, y)
    W1, W2, W3, b1, b2, b3 = (P[k] for k in ("W1", "W2", "W3", "b1", "b2", "b3"))
    b1, b2 = b1[:, None], b2[:, None]
    gW1, gW2, gW3, g1, g2, g3 = (G[k] for k in ("W1", "W2", "W3", "b1", "b2", "b3"))

    def fb():
        np.copyto(tgt, src)
        c1.fwd()
        np.copyto(c2.src, q1)
        c2.fwd()
        mm(W1, f, h1)
        add(h1, b1, h1)
        r1.f(h1)
        mm(W2, h1, h2)
        add(h2, b2, h2)
        r2.f(h2)
        mm(h2.T, W3.T, z)
        add(z, b3, z)
        loss = ce(z, sc[0], inv)
        mm(z.T, h2.T, gW3)
        dot(one, z, g3)
        mm(W3.T, z.T, d2)
        r2.b(d2)
        mm(d2, h1.T, gW2)
        dot(d2, one, g2)
        mm(W2.T, d2, d1)
        r1.b(d1)
        mm(d1, f.T, gW1)
        dot(d1, one, g1)
        mm(W1.T, d1, df)
        c2.bwd(df.reshape(16, c2.L))
        np.copyto(gq1v, c2.dx())
        c1.bwd(gq1)
        return loss

    return fb
