"""The GPTs."""

from __future__ import annotations

import math

import numpy as np

from peers.numpy_b.pieces import CE, LN, E, add, dot, exp, f4, mm, mul, mx, rcp, sub, tanh


def gpt(net, P, G, i, y, sc, inv):
    L, d, H, T, V = (net.sizes[k] for k in ("L", "d", "H", "T", "V"))
    D = d // H
    B = len(i)
    M = B * T
    scale = f4(1 / math.sqrt(D))
    R = B * H * T
    # scores are key-major, S[key, (b, h, query)]: reductions over keys are long vector operations
    keep = np.repeat(np.triu(np.ones((T, T), f4))[:, None], B * H, 1).reshape(T, R)
    C1, C2, C3 = (
        f4(math.sqrt(2 / math.pi)),
        f4(math.sqrt(2 / math.pi) * 0.044715),
        f4(3 * math.sqrt(2 / math.pi) * 0.044715),
    )
    half, onef = f4(0.5), f4(1)
    oM, oT = np.ones(M, f4), np.ones(T, f4)
    x = E(M, d)
    x3 = x.reshape(B, T, d)
    dx = E(M, d)
    dn = E(M, d)
    logits = E(M, V)
    nf = E(M, d)
    ce = CE(M, V, y)
    ids = i.reshape(-1)
    oh = E(M, V)
    ohi = np.arange(M) * V
    ch = 64
    nch = M // ch
    t1, t2 = E(ch, 4 * d), E(ch, 4 * d)
    dqkv = E(M, 3 * d)
    da = E(M, d)
    du = E(M, 4 * d)
    dS = E(T, R)
    Dq = E(R)
    mxr = E(R)
    tM = E(M, d)

    def heads(a, k, n):
        return a.reshape(B, T, n, H, D)[:, :, k].transpose(0, 2, 1, 3)

    blocks = []
    for l in range(L):
        s = {k: P[f"{l}.{k}"] for k in ("Wqkv", "Wo", "Wf", "Wp", "bqkv", "bo", "bf", "bp")}
        s.update({"g" + k: G[f"{l}.{k}"] for k in ("Wqkv", "Wo", "Wf", "Wp", "bqkv", "bo", "bf", "bp")})
        s["ln1"] = LN(M, d, P[f"{l}.g1"], P[f"{l}.h1"], G[f"{l}.g1"], G[f"{l}.h1"])
        s["ln2"] = LN(M, d, P[f"{l}.g2"], P[f"{l}.h2"], G[f"{l}.g2"], G[f"{l}.h2"])
        s.update(
            n1=E(M, d),
            n2=E(M, d),
            qkv=E(M, 3 * d),
            S=E(T, R),
            r=E(R),
            a=E(M, d),
            u=E(M, 4 * d),
            h=E(M, 4 * d),
            gg=E(M, 4 * d),
        )
        blocks.append(s)
    lnf = LN(M, d, P["gf"], P["hf"], G["gf"], G["hf"])
    hd, ghd, wte, wpe, gwte, gwpe = P["head"], G["head"], P["wte"], P["wpe"], G["wte"], G["wpe"]
    dq, dk, dv = (heads(dqkv, k, 3) for k in range(3))
    dah = heads(da, 0, 1)
    tMh = tM.reshape(B, T, H, D).transpose(0, 2, 1, 3)
    oD = np.ones(D, f4)
    Dq4 = Dq.reshape(B, H, T)
    dS4 = dS.reshape(T, B, H, T).transpose(1, 2, 0, 3)

    def fb():
        np.take(wte, ids, 0, x, "clip")
        add(x3, wpe, x3)
        for s in blocks:
            s["ln1"].f(x, s["n1"])
            qkv, S, r, a = s["qkv"], s["S"], s["r"], s["a"]
            mm(s["n1"], s["Wqkv"], qkv)
            add(qkv, s["bqkv"], qkv)
            q, k, v = (heads(qkv, j, 3) for j in range(3))
            mul(qkv[:, :d], scale, qkv[:, :d])  # scale q (65k), not the scores (131k)
            S4 = S.reshape(T, B, H, T).transpose(1, 2, 0, 3)
            mm(k, q.swapaxes(-1, -2), S4)
            mx.reduce(S, 0, None, mxr)
            sub(S, mxr, S)
            exp(S, S)
            mul(S, keep, S)
            dot(oT, S, r)
            rcp(r, r)  # never normalise S: scale the 4x smaller output instead
            ah = heads(a, 0, 1)
            mm(S4.swapaxes(-1, -2), v, ah)
            mul(ah, r.reshape(B, H, T, 1), ah)
            mm(a, s["Wo"], dn)
            add(dn, s["bo"], dn)
            add(x, dn, x)
            s["ln2"].f(x, s["n2"])
            u, h, gg = s["u"], s["h"], s["gg"]
            mm(s["n2"], s["Wf"], u)
            for c in range(nch):  # GELU and its derivative, in chunks that stay in L2
                z, hh, g = u[c * ch : c * ch + ch], h[c * ch : c * ch + ch], gg[c * ch : c * ch + ch]
                add(z, s["bf"], z)
                mul(z, z, t1)
                mul(t1, C2, t2)
                add(t2, C1, t2)
                mul(t2, z, t2)
                tanh(t2, t2)
                mul(t1, C3, t1)
                add(t1, C1, t1)  # inner'
                mul(t2, half, hh)
                add(hh, half, hh)  # Phi = (1+t)/2
                mul(t2, t2, t2)
                sub(onef, t2, t2)
                mul(t2, t1, t2)
                mul(t2, z, t2)
                mul(t2, half, t2)
                add(t2, hh, g)
                mul(hh, z, hh)
            mm(h, s["Wp"], dn)
            add(dn, s["bp"], dn)
            add(x, dn, x)
        lnf.f(x, nf)
        mm(nf, hd, logits)
        loss = ce(logits, sc[0], inv)
        mm(nf.T, logits, ghd)
        mm(logits, hd.T, dn)
        dx.fill(0)
        lnf.b(dn, dx)
        for s in reversed(blocks):
            mm(s["h"].T, dx, s["gWp"])
            dot(oM, dx, s["gbp"])
            mm(dx, s["Wp"].T, du)
            mul(du, s["gg"], du)
            mm(s["n2"].T, du, s["gWf"])
            dot(oM, du, s["gbf"])
            mm(du, s["Wf"].T, dn)
            s["ln2"].b(dn, dx)
            a, S, r, qkv = s["a"], s["S"], s["r"], s["qkv"]
            q, k, v = (heads(qkv, j, 3) for j in range(3))
            mm(a.T, dx, s["gWo"])
            dot(oM, dx, s["gbo"])
            mm(dx, s["Wo"].T, da)
            mul(dah, r.reshape(B, H, T, 1), dah)  # dO' = dO / sum
            mul(da, a, tM)
            mm(tMh, oD, Dq4)  # rowsum(dP*P) == rowsum(dO*O)
            S4 = S.reshape(T, B, H, T).transpose(1, 2, 0, 3)
            mm(S4, dah, dv)
            mm(v, dah.swapaxes(-1, -2), dS4)
            sub(dS, Dq, dS)
            mul(dS, S, dS)
            mm(dS4.swapaxes(-1, -2), k, dq)
            mm(dS4, q, dk)
            mul(dqkv[:, :d], scale, dqkv[:, :d])
            mm(s["n1"].T, dqkv, s["gWqkv"])
            dot(oM, dqkv, s["gbqkv"])
            mm(dqkv, s["Wqkv"].T, dn)
            s["ln1"].b(dn, dx)
        add.reduce(dx.reshape(B, T, d), 0, None, gwpe)
        oh.fill(0)
        oh.reshape(-1)[ohi + ids] = 1
        mm(oh.T, dx, gwte)  # scatter-add as a one-hot GEMM, not np.add.at
        return loss

    return fb
