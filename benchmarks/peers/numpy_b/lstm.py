"""The LSTM."""

from __future__ import annotations

import numpy as np

from peers.numpy_b.pieces import CE, E, add, dot, f4, mm, mul, sub, tanh


def lstm(net, P, G, x, y, sc, inv):
    H, T = net.sizes["H"], net.sizes["T"]
    B = x.shape[1]
    I = x.shape[2]
    x2 = x.reshape(T * B, I)
    Wx, Wh, b, W, bo = (P[k] for k in ("Wx", "Wh", "b", "W", "bo"))
    gWx, gWh, gb, gW, gbo = (G[k] for k in ("Wx", "Wh", "b", "W", "bo"))
    pre = np.full(4 * H, 0.5, f4)
    pre[2 * H : 3 * H] = 1  # sigmoid(z) = tanh(z/2)/2 + 1/2: ONE tanh for the four gates
    Wxs, Whs, bs = E(I, 4 * H), E(H, 4 * H), E(4 * H)
    # Z[t] holds the pre-activations, then the gates, then the derivative factors, then dz: one 3 MB array, never four
    Z = E(T, B, 4 * H)
    zz = E(B, 4 * H)
    Ff_ = E(T, B, H)
    Hs = np.zeros((T + 1, B, H), f4)
    Cs = np.zeros((T + 1, B, H), f4)
    Fc = E(T, B, H)
    tc, t1, t2, dh, dc = (E(B, H) for _ in range(5))
    half = f4(0.5)
    z10 = E(B, 10)
    ce = CE(B, 10, y)
    oB, oTB = np.ones(B, f4), np.ones(T * B, f4)
    one = f4(1)
    I_, G_, O_ = zz[:, :H], zz[:, 2 * H : 3 * H], zz[:, 3 * H :]
    S2, S1, FF = zz[:, : 2 * H], zz[:, 3 * H :], zz[:, H : 2 * H]
    gates = []
    for t in range(T):
        z = Z[t]
        gates.append(
            (
                z,
                Hs[t],
                Hs[t + 1],
                Cs[t],
                Cs[t + 1],
                z[:, :H],
                z[:, H : 2 * H],
                z[:, 2 * H : 3 * H],
                z[:, 3 * H :],
                Fc[t],
                Ff_[t],
                z.reshape(B, 4, H)[:, :3],
            )
        )
    dc3 = dc[:, None, :]

    def fb():
        mul(Wx, pre, Wxs)
        mul(Wh.T, pre, Whs)
        mul(b, pre, bs)
        mm(x2, Wxs, Z.reshape(T * B, 4 * H))
        for z, hp, h, cp, c, Fi, Ff, Fg, Fo, fc, f, _ in gates:
            mm(hp, Whs, zz)
            add(zz, z, zz)
            add(zz, bs, zz)
            tanh(zz, zz)
            mul(S2, half, S2)
            add(S2, half, S2)
            mul(S1, half, S1)
            add(S1, half, S1)
            np.copyto(f, FF)
            mul(f, cp, t1)
            mul(I_, G_, t2)
            add(t1, t2, c)
            tanh(c, tc)
            mul(O_, tc, h)
            # derivative factors now, while everything is in L1: dz = [dc Fi, dc Ff, dc Fg, dh Fo]
            sub(one, I_, Fi)
            mul(Fi, t2, Fi)
            sub(one, f, Ff)
            mul(Ff, t1, Ff)
            mul(t2, G_, Fg)
            sub(I_, Fg, Fg)
            sub(one, O_, Fo)
            mul(Fo, h, Fo)
            mul(h, tc, fc)
            sub(O_, fc, fc)
        h = Hs[T]
        mm(h, W, z10)
        add(z10, bo, z10)
        loss = ce(z10, sc[0], inv)
        mm(h.T, z10, gW)
        dot(oB, z10, gbo)
        mm(z10, W.T, dh)
        dc.fill(0)
        for z, _, _, _, _, _, _, _, Fo, fc, f, F3 in reversed(gates):
            mul(dh, fc, t1)
            add(dc, t1, dc)
            mul(dc3, F3, F3)
            mul(dh, Fo, Fo)
            mul(dc, f, dc)
            mm(z, Wh, dh)
        D2 = Z.reshape(T * B, 4 * H)
        mm(x2.T, D2, gWx)
        mm(D2.T, Hs[:T].reshape(T * B, H), gWh)
        dot(oTB, D2, gb)
        return loss

    return fb
