"""Textbook NumPy, as a careful student writes it: forward and backward by hand, a new array for every result."""

from __future__ import annotations

import math

import numpy as np

from peers.nets import Net, Step


def ce(z, y):
    m = z - z.max(1, keepdims=True)
    e = np.exp(m)
    s = e.sum(1, keepdims=True)
    n = len(y)
    loss = (np.log(s[:, 0]) - m[np.arange(n), y]).mean()
    d = e / s
    d[np.arange(n), y] -= 1
    return loss, d / n


def lin_b(d, x, W, g, l):
    g["W" + l] = d.T @ x
    g["b" + l] = d.sum(0)
    return d @ W


def sigmoid_net(net, p, x, y):
    L = net.sizes["L"]
    a = [x]
    for l in range(1, L + 1):
        a.append(1 / (1 + np.exp(-(a[-1] @ p[f"W{l}"].T + p[f"b{l}"]))))
    e = a[-1] - y
    n = len(x)
    loss = 0.5 * (e * e).sum() / n
    d = e / n
    g = {}
    for l in range(L, 0, -1):
        d = d * a[l] * (1 - a[l])
        d = lin_b(d, a[l - 1], p[f"W{l}"], g, str(l))
    return loss, g


def mlp(net, p, x, y):
    a1 = np.maximum(x @ p["W1"].T + p["b1"], 0)
    a2 = np.maximum(a1 @ p["W2"].T + p["b2"], 0)
    loss, d = ce(a2 @ p["W3"].T + p["b3"], y)
    g = {}
    d = lin_b(d, a2, p["W3"], g, "3") * (a2 > 0)
    d = lin_b(d, a1, p["W2"], g, "2") * (a1 > 0)
    g["W1"] = d.T @ x
    g["b1"] = d.sum(0)
    return loss, g


def mlp_bn(net, p, x, y):
    st, a = {}, [x]
    for l in "12":
        z = a[-1] @ p["W" + l].T
        mu = z.mean(0)
        inv = 1 / np.sqrt(z.var(0) + 1e-5)
        xh = (z - mu) * inv
        st[l] = inv, xh
        a.append(np.maximum(xh * p["g" + l] + p["h" + l], 0))
    loss, d = ce(a[2] @ p["W3"].T + p["b3"], y)
    g = {}
    d = lin_b(d, a[2], p["W3"], g, "3")
    for l in "21":
        inv, xh = st[l]
        d = d * (a[int(l)] > 0)
        g["g" + l] = (d * xh).sum(0)
        g["h" + l] = d.sum(0)
        d = d * p["g" + l]
        d = inv * (d - d.mean(0) - xh * (d * xh).mean(0))
        g["W" + l] = d.T @ a[int(l) - 1]
        if l == "2":
            d = d @ p["W2"]
    return loss, g


def im2col(x, k):
    n, c, h, w = x.shape
    v = np.lib.stride_tricks.sliding_window_view(x, (k, k), (2, 3))
    return v.transpose(0, 2, 3, 1, 4, 5).reshape(n * (h - k + 1) * (w - k + 1), c * k * k)


def cnn(net, p, x, y):
    def conv(x, K, c):
        n, _, h, w = x.shape
        F = K.shape[0]
        cols = im2col(x, 5)
        return (cols @ K.reshape(F, -1).T + c).reshape(n, h - 4, w - 4, F).transpose(0, 3, 1, 2), cols

    def pool(a):
        n, c, h, w = a.shape
        r = a.reshape(n, c, h // 2, 2, w // 2, 2)
        m = r.max((3, 5), keepdims=True)
        return m.reshape(n, c, h // 2, w // 2), r == m

    def conv_b(d, cols, K, g, k, c):
        F = len(K)
        d2 = d.transpose(0, 2, 3, 1).reshape(-1, F)
        g[k] = (d2.T @ cols).reshape(K.shape)
        g[c] = d2.sum(0)
        return d2

    xp = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    z1, c1 = conv(xp, p["K1"], p["c1"])
    a1 = np.maximum(z1, 0)
    q1, m1 = pool(a1)
    z2, c2 = conv(q1, p["K2"], p["c2"])
    a2 = np.maximum(z2, 0)
    q2, m2 = pool(a2)
    f = q2.reshape(len(x), -1)
    h1 = np.maximum(f @ p["W1"].T + p["b1"], 0)
    h2 = np.maximum(h1 @ p["W2"].T + p["b2"], 0)
    loss, d = ce(h2 @ p["W3"].T + p["b3"], y)
    g = {}
    d = lin_b(d, h2, p["W3"], g, "3") * (h2 > 0)
    d = lin_b(d, h1, p["W2"], g, "2") * (h1 > 0)
    d = lin_b(d, f, p["W1"], g, "1").reshape(q2.shape)
    d = (m2 * d[:, :, :, None, :, None]).reshape(a2.shape) * (a2 > 0)
    d2 = conv_b(d, c2, p["K2"], g, "K2", "c2")
    dc = (d2 @ p["K2"].reshape(16, -1)).reshape(len(x), 10, 10, 6, 5, 5)
    d = np.zeros_like(q1)
    for i in range(5):
        for j in range(5):
            d[:, :, i : i + 10, j : j + 10] += dc[:, :, :, :, i, j].transpose(0, 3, 1, 2)
    d = (m1 * d[:, :, :, None, :, None]).reshape(a1.shape) * (a1 > 0)
    conv_b(d, c1, p["K1"], g, "K1", "c1")
    return loss, g


def gpt(net, p, i, y):
    L, dm, H, T, V, B = (net.sizes[k] for k in ("L", "d", "H", "T", "V", "B"))
    D = dm // H
    mask = np.triu(np.full((T, T), -np.inf, net.dtype), 1)
    C = math.sqrt(2 / math.pi)
    sc = 1 / math.sqrt(D)
    g, st = {}, []

    def ln(x, w, b):
        mu = x.mean(-1, keepdims=True)
        r = 1 / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        xh = (x - mu) * r
        return xh * w + b, (xh, r, w)

    def ln_b(d, c, k):
        xh, r, w = c
        g[k[0]] = (d * xh).sum((0, 1))
        g[k[1]] = d.sum((0, 1))
        d = d * w
        return r * (d - d.mean(-1, keepdims=True) - xh * (d * xh).mean(-1, keepdims=True))

    def lb(d, x, w, b=None):
        d2 = d.reshape(-1, d.shape[-1])
        g[w] = d2.T @ x.reshape(-1, x.shape[-1])
        if b:
            g[b] = d2.sum(0)
        return d @ p[w]

    x = p["wte"][i] + p["wpe"]
    for l in range(L):
        n1, c1 = ln(x, p[f"{l}.g1"], p[f"{l}.h1"])
        q, k, v = (n1 @ p[f"{l}.Wqkv"].T + p[f"{l}.bqkv"]).reshape(B, T, 3, H, D).transpose(2, 0, 3, 1, 4)
        s = q @ k.swapaxes(-1, -2) * sc + mask
        s = np.exp(s - s.max(-1, keepdims=True))
        s /= s.sum(-1, keepdims=True)
        a = (s @ v).transpose(0, 2, 1, 3).reshape(B, T, dm)
        x = x + a @ p[f"{l}.Wo"].T + p[f"{l}.bo"]
        n2, c2 = ln(x, p[f"{l}.g2"], p[f"{l}.h2"])
        u = n2 @ p[f"{l}.Wf"].T + p[f"{l}.bf"]
        t = np.tanh(C * (u + 0.044715 * u * u * u))
        h = 0.5 * u * (1 + t)
        x = x + h @ p[f"{l}.Wp"].T + p[f"{l}.bp"]
        st.append((n1, c1, q, k, v, s, a, n2, c2, u, t, h))
    xf, cf = ln(x, p["gf"], p["hf"])
    loss, d = ce((xf @ p["head"].T).reshape(B * T, V), y.reshape(-1))
    d = d.reshape(B, T, V)
    d = ln_b(lb(d, xf, "head"), cf, ("gf", "hf"))
    for l in range(L - 1, -1, -1):
        n1, c1, q, k, v, s, a, n2, c2, u, t, h = st[l]
        e = lb(d, h, f"{l}.Wp", f"{l}.bp")
        e = e * (0.5 * (1 + t) + 0.5 * u * (1 - t * t) * C * (1 + 3 * 0.044715 * u * u))
        d = d + ln_b(lb(e, n2, f"{l}.Wf", f"{l}.bf"), c2, (f"{l}.g2", f"{l}.h2"))
        da = lb(d, a, f"{l}.Wo", f"{l}.bo").reshape(B, T, H, D).transpose(0, 2, 1, 3)
        dv = s.swapaxes(-1, -2) @ da
        ds = da @ v.swapaxes(-1, -2)
        ds = s * (ds - (ds * s).sum(-1, keepdims=True)) * sc
        dqkv = np.stack([ds @ k, ds.swapaxes(-1, -2) @ q, dv]).transpose(1, 3, 0, 2, 4).reshape(B, T, 3 * dm)
        d = d + ln_b(lb(dqkv, n1, f"{l}.Wqkv", f"{l}.bqkv"), c1, (f"{l}.g1", f"{l}.h1"))
    g["wpe"] = d.sum(0)
    g["wte"] = np.zeros_like(p["wte"])
    np.add.at(g["wte"], i, d)
    return loss, g


def lstm(net, p, x, y):
    H, T, B = (net.sizes[k] for k in "HTB")

    def sg(z):
        return 1 / (1 + np.exp(-z))

    h = c = np.zeros((B, H), net.dtype)
    st, g = [], {k: np.zeros_like(v) for k, v in p.items()}
    for t in range(T):
        z = x[t] @ p["Wx"].T + h @ p["Wh"].T + p["b"]
        i, f, u, o = sg(z[:, :H]), sg(z[:, H : 2 * H]), np.tanh(z[:, 2 * H : 3 * H]), sg(z[:, 3 * H :])
        cn = f * c + i * u
        tc = np.tanh(cn)
        st.append((h, c, i, f, u, o, tc))
        c = cn
        h = o * tc
    loss, d = ce(h @ p["W"].T + p["bo"], y)
    g["W"], g["bo"] = d.T @ h, d.sum(0)
    dh = d @ p["W"]
    dc = 0
    for t in range(T - 1, -1, -1):
        hp, cp, i, f, u, o, tc = st[t]
        dc = dc + dh * o * (1 - tc * tc)
        dz = np.concatenate(
            [dc * u * i * (1 - i), dc * cp * f * (1 - f), dc * i * (1 - u * u), dh * tc * o * (1 - o)], 1
        )
        g["Wx"] += dz.T @ x[t]
        g["Wh"] += dz.T @ hp
        g["b"] += dz.sum(0)
        dh = dz @ p["Wh"]
        dc = dc * f
    return loss, g


KINDS = {"sigmoid_net": sigmoid_net, "mlp": mlp, "mlp_bn": mlp_bn, "cnn": cnn, "gpt": gpt, "lstm": lstm}


def begin(net: Net) -> Step:
    """Training begins from the net's parameters."""
    loss_and_grads, params, rate = KINDS[net.kind], {k: v.copy() for k, v in net.params.items()}, [1.0]

    def step() -> object:
        value, grads = loss_and_grads(net, params, *net.data)
        for name, param in params.items():
            param -= rate[0] * grads[name]
        return value

    return Step(step, lambda: {k: v.copy() for k, v in params.items()}, lambda lr: rate.__setitem__(0, lr))
