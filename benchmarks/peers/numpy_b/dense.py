"""The multilayer perceptrons, without and with batch norm."""

from __future__ import annotations

import numpy as np

from peers.numpy_b.pieces import CE, E, Relu, add, dot, f4, mm, mul, rcp, sub


def mlp(net, P, G, x, y, sc, inv):
    B = len(x)
    a1, a2, z = E(B, 256), E(B, 128), E(B, 10)
    d1, d2 = E(B, 256), E(B, 128)
    one = np.ones(B, f4)
    r1, r2, ce = Relu(B, 256), Relu(B, 128), CE(B, 10, y)
    xT = x.T
    a1T, a2T = a1.T, a2.T
    W1, W2, W3, b1, b2, b3 = (P[k] for k in ("W1", "W2", "W3", "b1", "b2", "b3"))
    W2T, W3T = W2.T, W3.T
    gW1, gW2, gW3, g1, g2, g3 = (G[k] for k in ("W1", "W2", "W3", "b1", "b2", "b3"))

    def fb():
        mm(x, W1, a1)
        add(a1, b1, a1)
        r1.f(a1)
        mm(a1, W2, a2)
        add(a2, b2, a2)
        r2.f(a2)
        mm(a2, W3, z)
        add(z, b3, z)
        loss = ce(z, sc[0], inv)
        mm(a2T, z, gW3)
        dot(one, z, g3)
        mm(z, W3T, d2)
        r2.b(d2)
        mm(a1T, d2, gW2)
        dot(one, d2, g2)
        mm(d2, W2T, d1)
        r1.b(d1)
        mm(xT, d1, gW1)
        dot(one, d1, g1)
        return loss

    return fb


def mlp_bn(net, P, G, x, y, sc, inv):
    B = len(x)
    iB = f4(1 / B)
    one = np.ones(B, f4)
    z3, ce = E(B, 10), CE(B, 10, y)
    S = []
    for l, o in (("1", 256), ("2", 128)):
        S.append(
            {
                "W": P["W" + l],
                "WT": P["W" + l].T,
                "g": P["g" + l],
                "h": P["h" + l],
                "gW": G["W" + l],
                "gg": G["g" + l],
                "gh": G["h" + l],
                "xh": E(B, o),
                "a": E(B, o),
                "t": E(B, o),
                "d": E(B, o),
                "mu": E(o),
                "r": E(o),
                "v": E(o),
                "w": E(o),
                "r_": Relu(B, o),
            }
        )
    W3, b3, gW3, g3 = P["W3"], P["b3"], G["W3"], G["b3"]
    W3T = W3.T
    eps = f4(1e-5)

    def fb():
        h = x
        for s in S:
            xh, t, mu, r, a = s["xh"], s["t"], s["mu"], s["r"], s["a"]
            mm(h, s["W"], xh)
            dot(one, xh, mu)
            mul(mu, iB, mu)
            sub(xh, mu, xh)
            mul(xh, xh, t)
            dot(one, t, r)
            mul(r, iB, r)
            add(r, eps, r)
            np.sqrt(r, r)
            rcp(r, r)
            mul(xh, r, xh)
            mul(xh, s["g"], a)
            add(a, s["h"], a)
            s["r_"].f(a)
            h = a
        mm(h, W3, z3)
        add(z3, b3, z3)
        loss = ce(z3, sc[0], inv)
        mm(h.T, z3, gW3)
        dot(one, z3, g3)
        mm(z3, W3T, S[1]["d"])
        for l in (1, 0):
            s = S[l]
            d, xh, t, v, w = s["d"], s["xh"], s["t"], s["v"], s["w"]
            s["r_"].b(d)
            mul(d, xh, t)
            dot(one, t, s["gg"])
            dot(one, d, s["gh"])
            mul(s["gg"], iB, v)
            mul(s["gh"], iB, w)
            mul(s["r"], s["g"], s["mu"])  # dx = r g (d - mean d - xh mean(d xh))
            sub(d, w, d)
            mul(xh, v, t)
            sub(d, t, d)
            mul(d, s["mu"], d)
            if l:
                mm(S[0]["a"].T, d, s["gW"])
                mm(d, s["WT"], S[0]["d"])
            else:
                mm(x.T, d, s["gW"])
        return loss

    return fb
