# SPDX-License-Identifier: MIT
"""lstm:8-16-4,cross_entropy

The network, in index notation:

    (1) s_i1[n, t, j] = b_i1[j] + Sum(W_i1[i, j]*x[n, t, i], (i, 0, 7)) + Sum(Piecewise((U_i1[j2, j]*h1[n, t -
        1, j2], Ne(t, 0)), (0, True)), (j2, 0, 15))
    (2) i1[n, t, j] = sigmoid(s_i1[n, t, j])
    (3) s_f1[n, t, j] = b_f1[j] + Sum(W_f1[i, j]*x[n, t, i], (i, 0, 7)) + Sum(Piecewise((U_f1[j2, j]*h1[n, t -
        1, j2], Ne(t, 0)), (0, True)), (j2, 0, 15))
    (4) f1[n, t, j] = sigmoid(s_f1[n, t, j])
    (5) s_g1[n, t, j] = b_g1[j] + Sum(W_g1[i, j]*x[n, t, i], (i, 0, 7)) + Sum(Piecewise((U_g1[j2, j]*h1[n, t -
        1, j2], Ne(t, 0)), (0, True)), (j2, 0, 15))
    (6) g1[n, t, j] = tanh(s_g1[n, t, j])
    (7) c1[n, t, j] = Piecewise((c1[n, t - 1, j], Ne(t, 0)), (0, True))*f1[n, t, j] + g1[n, t, j]*i1[n, t, j]
    (8) s_o1[n, t, j] = b_o1[j] + Sum(W_o1[i, j]*x[n, t, i], (i, 0, 7)) + Sum(Piecewise((U_o1[j2, j]*h1[n, t -
        1, j2], Ne(t, 0)), (0, True)), (j2, 0, 15))
    (9) o1[n, t, j] = sigmoid(s_o1[n, t, j])
    (10) h1[n, t, j] = tanh(c1[n, t, j])*o1[n, t, j]
    (11) last1[n, j] = h1[n, T - 1, j]
    (12) y[n, k] = b2[k] + Sum(W2[j, k]*last1[n, j], (j, 0, 15))
    (13) p2[n, k] = exp(y[n, k])/Sum(exp(y[n, k2]), (k2, 0, 3))
    (14) L = -Sum(log(p2[n, target[n]]), (n, 0, B - 1))/B

Written by symbp 0.1.0; this makes it again:

    symbp generate lstm:8-16-4,cross_entropy -o lstm_fast.py --optimizer adamw --dtype float32 --lr 0.001
        --style fast

Needs Python >= 3.9 and NumPy >= 1.24, nothing else. `--help` says what it does as a program.
"""

import argparse
import contextlib
import json
import math
import os
import sys
import tempfile
import time
import zipfile
import zlib

import numpy as np

DTYPE = np.float32


def one_hot(labels, classes):
    """Integers (...,) -> (..., classes): 1 at the label, 0 elsewhere."""
    return (labels[..., None] == np.arange(classes)).astype(DTYPE)


def sigmoid(z):
    """1 / (1 + exp(-z)); exp goes as far as it can, where the result is next to 0."""
    return 1 / (1 + np.exp(np.minimum(-z, 88 if DTYPE is np.float32 else 709)))


def init_params(seed=0):
    """Fresh parameters, a dict of arrays; the same seed gives the same ones."""
    rng = np.random.default_rng(seed)
    params = {
        "W_i1": rng.uniform(-1, 1, (8, 16)) * math.sqrt(6 / (8 + 16)),    # (8, 16)
        "U_i1": rng.uniform(-1, 1, (16, 16)) * math.sqrt(6 / (16 + 16)),  # (16, 16)
        "b_i1": np.zeros((16,)),                                          # (16,)
        "W_f1": rng.uniform(-1, 1, (8, 16)) * math.sqrt(6 / (8 + 16)),    # (8, 16)
        "U_f1": rng.uniform(-1, 1, (16, 16)) * math.sqrt(6 / (16 + 16)),  # (16, 16)
        "b_f1": np.zeros((16,)),                                          # (16,)
        "W_g1": rng.uniform(-1, 1, (8, 16)) * math.sqrt(6 / (8 + 16)),    # (8, 16)
        "U_g1": rng.uniform(-1, 1, (16, 16)) * math.sqrt(6 / (16 + 16)),  # (16, 16)
        "b_g1": np.zeros((16,)),                                          # (16,)
        "W_o1": rng.uniform(-1, 1, (8, 16)) * math.sqrt(6 / (8 + 16)),    # (8, 16)
        "U_o1": rng.uniform(-1, 1, (16, 16)) * math.sqrt(6 / (16 + 16)),  # (16, 16)
        "b_o1": np.zeros((16,)),                                          # (16,)
        "W2": rng.uniform(-1, 1, (16, 4)) * math.sqrt(6 / (16 + 4)),      # (16, 4)
        "b2": np.zeros((4,)),                                             # (4,)
    }
    return {name: np.asarray(value, DTYPE) for name, value in params.items()}


def forward(params, x):
    """The prediction y (B, 4) for x (B, T, 8)."""
    W_i1, U_i1, b_i1, W_f1 = params["W_i1"], params["U_i1"], params["b_i1"], params["W_f1"]
    U_f1, b_f1, W_g1, U_g1 = params["U_f1"], params["b_f1"], params["W_g1"], params["U_g1"]
    b_g1, W_o1, U_o1, b_o1, W2 = params["b_g1"], params["W_o1"], params["U_o1"], params["b_o1"], params["W2"]
    b2 = params["b2"]
    T = x.shape[1]
    B = x.shape[0]
    s_i1_in = x.transpose(1, 0, 2) @ W_i1 + b_i1  # (T, B, 16)
    s_f1_in = x.transpose(1, 0, 2) @ W_f1 + b_f1  # (T, B, 16)
    s_g1_in = x.transpose(1, 0, 2) @ W_g1 + b_g1  # (T, B, 16)
    s_o1_in = x.transpose(1, 0, 2) @ W_o1 + b_o1  # (T, B, 16)
    h1_with_start = np.zeros((T + 1, B, 16), DTYPE)
    h1_shifted, h1 = h1_with_start[:-1], h1_with_start[1:]  # h1_shifted: h1 a step before
    c1 = np.zeros((B, 16), DTYPE)
    for t in range(T):
        s_i1 = h1_shifted[t] @ U_i1 + s_i1_in[t]      # (B, 16)
        i1 = sigmoid(s_i1)                            # (B, 16)
        s_f1 = h1_shifted[t] @ U_f1 + s_f1_in[t]      # (B, 16)
        f1 = sigmoid(s_f1)                            # (B, 16)
        s_g1 = h1_shifted[t] @ U_g1 + s_g1_in[t]      # (B, 16)
        g1 = np.tanh(s_g1)                            # (B, 16)
        c1 = c1 * f1 + g1 * i1                        # (B, 16)
        s_o1 = h1_shifted[t] @ U_o1 + s_o1_in[t]      # (B, 16)
        o1 = sigmoid(s_o1)                            # (B, 16)
        h1[t] = o1 * np.tanh(c1)                      # (B, 16)
    last1 = h1[T - 1]                             # (B, 16)
    y = last1 @ W2 + b2                           # (B, 4)
    return y


def loss(params, x, target):
    """The loss of a batch, a number: x (B, T, 8), target (B,) integers."""
    W_i1, U_i1, b_i1, W_f1 = params["W_i1"], params["U_i1"], params["b_i1"], params["W_f1"]
    U_f1, b_f1, W_g1, U_g1 = params["U_f1"], params["b_f1"], params["W_g1"], params["U_g1"]
    b_g1, W_o1, U_o1, b_o1, W2 = params["b_g1"], params["W_o1"], params["U_o1"], params["b_o1"], params["W2"]
    b2 = params["b2"]
    T = x.shape[1]
    B = x.shape[0]
    s_i1_in = x.transpose(1, 0, 2) @ W_i1 + b_i1     # (T, B, 16)
    s_f1_in = x.transpose(1, 0, 2) @ W_f1 + b_f1     # (T, B, 16)
    s_g1_in = x.transpose(1, 0, 2) @ W_g1 + b_g1     # (T, B, 16)
    s_o1_in = x.transpose(1, 0, 2) @ W_o1 + b_o1     # (T, B, 16)
    h1_with_start = np.zeros((T + 1, B, 16), DTYPE)
    h1_shifted, h1 = h1_with_start[:-1], h1_with_start[1:]  # h1_shifted: h1 a step before
    c1 = np.zeros((B, 16), DTYPE)
    for t in range(T):
        s_i1 = h1_shifted[t] @ U_i1 + s_i1_in[t]         # (B, 16)
        i1 = sigmoid(s_i1)                               # (B, 16)
        s_f1 = h1_shifted[t] @ U_f1 + s_f1_in[t]         # (B, 16)
        f1 = sigmoid(s_f1)                               # (B, 16)
        s_g1 = h1_shifted[t] @ U_g1 + s_g1_in[t]         # (B, 16)
        g1 = np.tanh(s_g1)                               # (B, 16)
        c1 = c1 * f1 + g1 * i1                           # (B, 16)
        s_o1 = h1_shifted[t] @ U_o1 + s_o1_in[t]         # (B, 16)
        o1 = sigmoid(s_o1)                               # (B, 16)
        h1[t] = o1 * np.tanh(c1)                         # (B, 16)
    last1 = h1[T - 1]                                # (B, 16)
    y = last1 @ W2 + b2                              # (B, 4)
    y_max = y.max(axis=1)                            # (B,)
    p2_sum = np.exp(y - y_max[:, None]).sum(axis=1)  # (B,)
    L = (np.log(p2_sum) + y_max - y[np.arange(B), target]).mean()  # scalar
    return L


def workspace(flat, flat_grads, x, target):
    """step(x, target) for arguments of these shapes: it returns L.

    flat: all parameters in one array, in the order of LAYERS, see flatten(); read where it is, so change it
    in place. flat_grads: such an array for the gradients. All other arrays are made here, once.
    """
    B = x.shape[0]
    T = x.shape[1]
    matmul, add, multiply = np.matmul, np.add, np.multiply
    tanh, maximum, subtract = np.tanh, np.maximum, np.subtract
    exp, divide, log = np.exp, np.divide, np.log
    W_i1 = flat[0:128].reshape(8, 16)
    d_W_i1 = flat_grads[0:128].reshape(8, 16)
    U_i1 = flat[128:384].reshape(16, 16)
    d_U_i1 = flat_grads[128:384].reshape(16, 16)
    b_i1 = flat[384:400]
    d_b_i1 = flat_grads[384:400]
    W_f1 = flat[400:528].reshape(8, 16)
    d_W_f1 = flat_grads[400:528].reshape(8, 16)
    U_f1 = flat[528:784].reshape(16, 16)
    d_U_f1 = flat_grads[528:784].reshape(16, 16)
    b_f1 = flat[784:800]
    d_b_f1 = flat_grads[784:800]
    W_g1 = flat[800:928].reshape(8, 16)
    d_W_g1 = flat_grads[800:928].reshape(8, 16)
    U_g1 = flat[928:1184].reshape(16, 16)
    d_U_g1 = flat_grads[928:1184].reshape(16, 16)
    b_g1 = flat[1184:1200]
    d_b_g1 = flat_grads[1184:1200]
    W_o1 = flat[1200:1328].reshape(8, 16)
    d_W_o1 = flat_grads[1200:1328].reshape(8, 16)
    U_o1 = flat[1328:1584].reshape(16, 16)
    d_U_o1 = flat_grads[1328:1584].reshape(16, 16)
    b_o1 = flat[1584:1600]
    d_b_o1 = flat_grads[1584:1600]
    W2 = flat[1600:1664].reshape(16, 4)
    d_W2 = flat_grads[1600:1664].reshape(16, 4)
    b2 = flat[1664:1668]
    d_b2 = flat_grads[1664:1668]
    s_i1_in = empty((T, B, 16), DTYPE)
    s_i1_in_view = s_i1_in.transpose(1, 0, 2)
    s_f1_in = empty((T, B, 16), DTYPE)
    s_f1_in_view = s_f1_in.transpose(1, 0, 2)
    s_g1_in = empty((T, B, 16), DTYPE)
    s_g1_in_view = s_g1_in.transpose(1, 0, 2)
    s_o1_in = empty((T, B, 16), DTYPE)
    s_o1_in_view = s_o1_in.transpose(1, 0, 2)
    i1 = s_i1_in
    f1 = s_f1_in
    g1 = s_g1_in
    o1 = s_o1_in
    tanh_c1 = empty((T, B, 16), DTYPE)
    h1_with_start = np.zeros((T + 1, B, 16), DTYPE)
    h1 = h1_with_start[1:]
    h1_shifted = h1_with_start[:-1]
    c1_with_start = np.zeros((T + 1, B, 16), DTYPE)
    h1_with_start_view = list(h1_with_start)
    h1_shifted_view = h1_with_start_view[:-1]
    s_i1 = empty((B, 16), DTYPE)
    s_i1_in_view2 = list(s_i1_in)
    i1_view = list(i1)
    half = np.array(0.5, DTYPE)
    s_f1 = s_i1
    s_f1_in_view2 = list(s_f1_in)
    f1_view = list(f1)
    s_g1 = s_i1
    s_g1_in_view2 = list(s_g1_in)
    g1_view = list(g1)
    c1_with_start_view = list(c1_with_start)
    c1_view = c1_with_start_view[1:]
    c1_shifted_view = c1_with_start_view[:-1]
    work1 = s_i1
    work1_2 = empty((B, 16), DTYPE)
    s_o1 = work1_2
    s_o1_in_view2 = list(s_o1_in)
    o1_view = list(o1)
    tanh_c1_view = list(tanh_c1)
    h1_view = h1_with_start_view[1:]
    h1_view2 = h1[T - 1]
    last1 = h1_view2.T
    W2_T = W2.T
    y = work1_2.reshape(-1)[:4 * B].reshape(4, B)
    b2_view = b2[:, None]
    y_max = s_i1.reshape(-1)[:B].reshape(B)
    exp_y = empty((4, B), DTYPE)
    p2_sum = empty((B,), DTYPE)
    ones_4 = np.ones(4, DTYPE)
    p2 = exp_y
    work1_3 = p2_sum
    constant = np.arange(B)
    work1_4 = y_max
    y_view = y.reshape(4 * B)
    ones_B = np.ones(B, DTYPE)
    d_y = exp_y
    d_y_view = d_y.reshape(4 * B)
    constant2 = np.array(1 / B, DTYPE)
    d_y_T = d_y.T
    d_h1_in = s_i1.reshape(16, B)
    d_s_o1 = empty((T, B, 16), DTYPE)
    d_c1 = s_o1_in
    d_s_g1 = tanh_c1
    d_s_f1 = empty((T, B, 16), DTYPE)
    d_s_i1 = s_i1_in
    U_i1_T = U_i1.T
    work1_5 = d_U_o1
    U_f1_T = U_f1.T
    work1_6 = d_U_g1
    U_g1_T = U_g1.T
    work1_7 = d_U_f1
    U_o1_T = U_o1.T
    work1_8 = d_U_i1
    d_h1 = work1_2
    d_s_i1_view = list(d_s_i1)
    d_s_f1_view = list(d_s_f1)
    work1_9 = empty((B, 16), DTYPE)
    d_s_g1_view = list(d_s_g1)
    d_s_o1_view = list(d_s_o1)
    d_h1_T = d_h1.T
    one = np.array(1, DTYPE)
    work1_10 = empty((B, 16), DTYPE)
    d_c1_view = list(d_c1)
    d_g1 = work1_2
    work1_11 = s_g1_in.reshape(-1)[:8 * B * T].reshape(8, T, B)
    work1_11_view = work1_11.reshape(8, B * T)
    d_s_i1_view2 = d_s_i1.reshape(B * T, 16)
    h1_shifted_view2 = h1_shifted.reshape(-1, 16)
    h1_shifted_view2_T = h1_shifted_view2.T
    d_s_i1_view3 = d_s_i1.reshape(-1, 16)
    ones_B_T = np.ones(B * T, DTYPE)
    d_s_f1_view2 = d_s_f1.reshape(B * T, 16)
    d_s_f1_view3 = d_s_f1.reshape(-1, 16)
    d_s_g1_view2 = d_s_g1.reshape(B * T, 16)
    d_s_g1_view3 = d_s_g1.reshape(-1, 16)
    d_s_o1_view2 = d_s_o1.reshape(B * T, 16)
    d_s_o1_view3 = d_s_o1.reshape(-1, 16)

    def step(x, target):
        matmul(x, W_i1, s_i1_in_view)
        add(s_i1_in, b_i1, s_i1_in)                               # (T, B, 16)
        matmul(x, W_f1, s_f1_in_view)
        add(s_f1_in, b_f1, s_f1_in)                               # (T, B, 16)
        matmul(x, W_g1, s_g1_in_view)
        add(s_g1_in, b_g1, s_g1_in)                               # (T, B, 16)
        matmul(x, W_o1, s_o1_in_view)
        add(s_o1_in, b_o1, s_o1_in)                               # (T, B, 16)
        for t in range(T):
            h1_shifted_view[t].dot(U_i1, s_i1)
            add(s_i1, s_i1_in_view2[t], s_i1)                     # (1)  (B, 16)
            multiply(s_i1, half, i1_view[t])
            tanh(i1_view[t], i1_view[t])
            multiply(i1_view[t], half, i1_view[t])
            add(i1_view[t], half, i1_view[t])                     # (2)  (B, 16)
            h1_shifted_view[t].dot(U_f1, s_f1)
            add(s_f1, s_f1_in_view2[t], s_f1)                     # (3)  (B, 16)
            multiply(s_f1, half, f1_view[t])
            tanh(f1_view[t], f1_view[t])
            multiply(f1_view[t], half, f1_view[t])
            add(f1_view[t], half, f1_view[t])                     # (4)  (B, 16)
            h1_shifted_view[t].dot(U_g1, s_g1)
            add(s_g1, s_g1_in_view2[t], s_g1)                     # (5)  (B, 16)
            tanh(s_g1, g1_view[t])                                # (6)  (B, 16)
            multiply(c1_shifted_view[t], f1_view[t], work1)
            multiply(g1_view[t], i1_view[t], work1_2)
            add(work1, work1_2, c1_view[t])                       # (7)  (B, 16)
            h1_shifted_view[t].dot(U_o1, s_o1)
            add(s_o1, s_o1_in_view2[t], s_o1)                     # (8)  (B, 16)
            multiply(s_o1, half, o1_view[t])
            tanh(o1_view[t], o1_view[t])
            multiply(o1_view[t], half, o1_view[t])
            add(o1_view[t], half, o1_view[t])                     # (9)  (B, 16)
            tanh(c1_view[t], tanh_c1_view[t])                     # (B, 16)
            multiply(tanh_c1_view[t], o1_view[t], h1_view[t])     # (10)  (B, 16)
        W2_T.dot(last1, y)
        add(y, b2_view, y)                                        # (12)  (4, B)
        maximum.reduce(y, 0, None, y_max)                         # (B,)
        subtract(y, y_max, exp_y)
        exp(exp_y, exp_y)                                         # (4, B)
        ones_4.dot(exp_y, p2_sum)                                 # (B,)
        divide(exp_y, p2_sum, p2)                                 # (13)  (4, B)
        log(p2_sum, work1_3)
        add(work1_3, y_max, work1_3)
        value = target * B + constant
        y_view.take(value, None, work1_4, 'clip')
        subtract(work1_3, work1_4, work1_3)
        L = work1_3.dot(ones_B) / B                               # (14)  scalar
        d_y_view[value] -= 1
        multiply(d_y, constant2, d_y)                             # dL/dy, from (14), (13)  (4, B)
        last1.dot(d_y_T, d_W2)                                    # dL/dW2, from (12)  (16, 4)
        d_y.dot(ones_B, d_b2)                                     # dL/db2, from (12)  (4,)
        W2.dot(d_y, d_h1_in)                                      # (16, B)
        work1_5[...] = U_i1_T
        work1_6[...] = U_f1_T
        work1_7[...] = U_g1_T
        work1_8[...] = U_o1_T
        for t in reversed(range(T)):
            if t + 1 < T:
                d_s_i1_view[t + 1].dot(work1_5, d_h1)
                d_s_f1_view[t + 1].dot(work1_6, work1_9)
                add(d_h1, work1_9, d_h1)
                d_s_g1_view[t + 1].dot(work1_7, work1_9)
                add(d_h1, work1_9, d_h1)
                d_s_o1_view[t + 1].dot(work1_8, work1_9)
                add(d_h1, work1_9, d_h1)
            else:
                # dL/dh1, from (12), (11), (1), (3), (5), (8)  (B, 16)
                d_h1_T[...] = d_h1_in
            multiply(h1_view[t], d_h1, work1_9)
            subtract(one, o1_view[t], work1_10)
            multiply(work1_9, work1_10, d_s_o1_view[t])           # dL/ds_o1, from (10), (9)  (B, 16)
            if t + 1 < T:
                multiply(d_c1_view[t + 1], f1_view[t + 1], work1_10)
            else:
                work1_10.fill(0)
            multiply(h1_view[t], tanh_c1_view[t], work1_9)
            subtract(o1_view[t], work1_9, work1_9)
            multiply(d_h1, work1_9, work1_2)
            add(work1_10, work1_2, d_c1_view[t])                  # dL/dc1, from (10), (7)  (B, 16)
            multiply(d_c1_view[t], i1_view[t], d_g1)              # dL/dg1, from (7)  (B, 16)
            multiply(g1_view[t], g1_view[t], work1_10)
            subtract(one, work1_10, work1_10)
            multiply(d_g1, work1_10, d_s_g1_view[t])              # dL/ds_g1, from (6)  (B, 16)
            multiply(d_c1_view[t], c1_shifted_view[t], work1_10)
            multiply(work1_10, f1_view[t], work1_10)
            subtract(one, f1_view[t], work1_9)
            multiply(work1_10, work1_9, d_s_f1_view[t])           # dL/ds_f1, from (7), (4)  (B, 16)
            multiply(g1_view[t], d_g1, work1_2)
            subtract(one, i1_view[t], work1_9)
            multiply(work1_2, work1_9, d_s_i1_view[t])            # dL/ds_i1, from (7), (2)  (B, 16)
        value2 = x.transpose(2, 1, 0)
        work1_11[...] = value2
        work1_11_view.dot(d_s_i1_view2, d_W_i1)                   # dL/dW_i1, from (1)  (8, 16)
        h1_shifted_view2_T.dot(d_s_i1_view3, d_U_i1)              # dL/dU_i1, from (1)  (16, 16)
        ones_B_T.dot(d_s_i1_view2, d_b_i1)                        # dL/db_i1, from (1)  (16,)
        work1_11_view.dot(d_s_f1_view2, d_W_f1)                   # dL/dW_f1, from (3)  (8, 16)
        h1_shifted_view2_T.dot(d_s_f1_view3, d_U_f1)              # dL/dU_f1, from (3)  (16, 16)
        ones_B_T.dot(d_s_f1_view2, d_b_f1)                        # dL/db_f1, from (3)  (16,)
        work1_11_view.dot(d_s_g1_view2, d_W_g1)                   # dL/dW_g1, from (5)  (8, 16)
        h1_shifted_view2_T.dot(d_s_g1_view3, d_U_g1)              # dL/dU_g1, from (5)  (16, 16)
        ones_B_T.dot(d_s_g1_view2, d_b_g1)                        # dL/db_g1, from (5)  (16,)
        work1_11_view.dot(d_s_o1_view2, d_W_o1)                   # dL/dW_o1, from (8)  (8, 16)
        h1_shifted_view2_T.dot(d_s_o1_view3, d_U_o1)              # dL/dU_o1, from (8)  (16, 16)
        ones_B_T.dot(d_s_o1_view2, d_b_o1)                        # dL/db_o1, from (8)  (16,)
        return float(L)

    return step


def loss_and_grads(params, x, target):
    """L, dL/dparameter by name, for a batch: x (B, T, 8), target (B,) integers."""
    flat, views = flatten({name: np.asarray(params[name], DTYPE) for name in LAYERS})
    flat_grads, grads = flatten(views)
    x = np.asarray(x, DTYPE)
    step = workspace(flat, flat_grads, x, target)
    value = step(x, target)
    return value, grads


def empty(shape, dtype):
    """An array that begins, if it is large, with a line of the cache: some steps take a tenth less."""
    if math.prod(shape) < 1024:
        return np.empty(shape, dtype)
    a = np.empty(math.prod(shape) + 64 // np.dtype(dtype).itemsize, dtype)
    start = -a.ctypes.data % 64 // a.itemsize
    return a[start : start + math.prod(shape)].reshape(shape)


def flatten(arrays):
    """One array with all numbers of these, and by name a view of each one's part of it."""
    views, start = {}, 0
    flat = empty((sum(a.size for a in arrays.values()),), next(iter(arrays.values())).dtype)
    np.concatenate([np.ravel(a) for a in arrays.values()], out=flat)
    for name, a in arrays.items():
        views[name] = flat[start : start + a.size].reshape(a.shape)
        start += a.size
    return flat, views


def pieces(flat, size=2**15):
    """Views of one array's numbers, so many at a time: what an optimiser makes of them stays in the cache."""
    return {str(k): flat[k : k + size] for k in range(0, flat.size, size)}


def regrouped(memory, parts, into):
    """What an optimiser remembers of all arrays `parts`, as of other arrays that hold the same numbers."""
    found = {name: np.array(value) for name, value in memory.items() if "." not in name}
    for kind in dict.fromkeys(name.partition(".")[0] for name in memory if "." in name):
        flat = np.concatenate([memory[f"{kind}.{name}"].ravel() for name in parts])
        ends = np.cumsum([a.size for a in into.values()])
        for (name, a), end in zip(into.items(), ends):
            found[f"{kind}.{name}"] = flat[end - a.size : end].reshape(a.shape).copy()
    return found


def gradient_check(params, x, t, *, entries=10, step=1e-5, floor=1e-4, seed=0):
    """Worst relative error of dL/dparameter against central differences: a dict, one float a parameter.

    Looks at up to `entries` random entries of each parameter, in float64. The error is relative to the
    larger derivative, or to floor * max(1, |L|) where both are smaller. Right gradients stay below 1e-5.
    A kink (relu, max, abs) within a step spoils a difference: each entry counts by the better of two steps.
    """
    global DTYPE
    usual, DTYPE = DTYPE, np.float64
    try:
        rng = np.random.default_rng(seed)
        params = {name: np.array(value, np.float64) for name, value in params.items()}
        data = take([np.asarray(a) for a in (x, t)], slice(None))
        value, grads = loss_and_grads(params, *data)[:2]
        floor *= max(1.0, abs(float(value)))
        worst = {}
        for name, grad in grads.items():
            flat, slopes = params[name].reshape(-1), np.ravel(grad)  # flat is a view: writing to it moves L
            worst[name] = 0.0
            for k in rng.choice(flat.size, min(entries, flat.size), replace=False):
                kept, errors = flat[k], []
                for h in (step, step / 10):
                    flat[k] = kept + h
                    above = loss_and_grads(params, *data)[0]
                    flat[k] = kept - h
                    below = loss_and_grads(params, *data)[0]
                    flat[k] = kept
                    slope = float(above - below) / (2 * h)
                    error = abs(slope - slopes[k]) / max(abs(slope), abs(slopes[k]), floor)
                    errors.append(float(error) if math.isfinite(error) else math.inf)
                worst[name] = max(worst[name], min(errors))
        return worst
    finally:
        DTYPE = usual


# What follows is the machinery of training: data, settings, optimisers, a monitor, files, commands.

LAYERS = {
    "W_i1": 1, "U_i1": 1, "b_i1": 1, "W_f1": 1, "U_f1": 1, "b_f1": 1, "W_g1": 1, "U_g1": 1, "b_g1": 1,
    "W_o1": 1, "U_o1": 1, "b_o1": 1, "W2": 2, "b2": 2,
}
# The shapes of the data, in the order of the arguments; B is the batch.
INPUTS = {"x": ("B", "T", 8)}
TARGETS = {"t": ("B",)}
WHOLE = {"t": 4}  # what holds whole numbers only: how many values they take


class InputError(ValueError):
    """Data, a file or a setting that can't be used; the message is one line and says which."""


def check_data(*arrays, source="data", suffix=""):
    """The data as arrays, if they fit; else an InputError. Targets may be left out.

    They stay as they are; what np.load(..., mmap_mode="r") gave is read in slices and stays on disk.
    """
    wanted = {**INPUTS, **TARGETS} if len(arrays) != len(INPUTS) else INPUTS
    if len(arrays) != len(wanted):
        raise InputError(f"{source}: {len(arrays)} arrays are given, not {len(wanted)}: {', '.join(wanted)}")
    arrays, sizes = [np.asarray(array) for array in arrays], {}
    for (name, shape), array in zip(wanted.items(), arrays):
        what = name + suffix
        if array.dtype.kind not in "biuf":
            raise InputError(f"{source}: {what} holds {array.dtype}, not numbers")
        fits = [isinstance(n, str) or n == size for n, size in zip(shape, array.shape)]
        if array.ndim != len(shape) or not all(fits):
            asked = str(shape).replace("'", "")
            raise InputError(f"{source}: {what} has shape {array.shape}, not {asked}")
        if array.size == 0:
            raise InputError(f"{source}: {what} is empty")
        for n, size in zip(shape, array.shape):
            known, where = sizes.setdefault(n, (size, what))
            if known != size:
                raise InputError(f"{source}: {n} is {known} in {where} and {size} in {what}")
        _check_numbers(array, f"{source}: {what}", name in WHOLE, WHOLE.get(name))
    return arrays


def _check_numbers(array, what, whole, limit):
    """An InputError if not all are finite, and whole numbers from 0 to limit - 1 where asked."""
    array = np.atleast_1d(array)
    rows = max(1, 2**20 // array[0].size)
    for start in range(0, len(array), rows):
        part = array[start : start + rows]
        if not np.isfinite(part).all():
            row, *rest = np.argwhere(~np.isfinite(part))[0].tolist()
            raise InputError(f"{what} holds NaN or infinity, first at index {[start + row, *rest]}")
        if whole:
            bad = (part != np.floor(part)) | (part < 0) | (part >= (limit or np.inf))
            if bad.any():
                upto = f" from 0 to {limit - 1}" if limit else ""
                raise InputError(f"{what} holds {part[bad][0]}, not whole numbers{upto}")


def take(arrays, rows):
    """These rows of the arrays as numbers to compute with."""
    kinds = [np.intp if name in {"t"} else DTYPE for name in (*INPUTS, *TARGETS)]
    return [np.asarray(array[rows], kind, order="C") for array, kind in zip(arrays, kinds)]


def split(samples, fraction):
    """Indices to train on and to hold back, the same ones each time."""
    count = round(fraction * samples) if 0 <= fraction <= 1 else -1
    if fraction and not 0 < count < samples:
        raise InputError(f"data: validation {fraction:g} of {samples} samples leaves one side empty")
    order = np.random.default_rng(0).permutation(samples) if count else np.arange(samples)
    return order[count:], order[:count]


def slices(arrays, rows=None, size=None):
    """take() for one slice of `size` samples (1024, fewer if large) after another; rows: of these only."""
    whole = arrays[0]
    size = size or max(1, min(1024, 2**22 * len(whole) // whole.size))
    samples = len(whole) if rows is None else len(rows)
    for i in range(0, samples, size):
        yield take(arrays, slice(i, i + size) if rows is None else rows[i : i + size])


# Settings of a training: kept in its state, resumed with it.
DEFAULTS = {
    "optimizer": "adamw",
    "lr": 0.001,
    "batch_size": 64,
    "schedule": "constant",  # or "step" or "cosine", see rate()
    "warmup": 0,  # steps over which the learning rate rises from 0
    "clip": 0.0,  # largest norm of all gradients together, 0: any
    "decay": 0.01,  # of parameters with two or more axes: decoupled
    "patience": 0,  # stop when that many epochs haven't improved the validation loss, 0: never
    "dtype": "float32",
}


def settings_from(given, before):
    """All settings: those given, else those of a state, else DEFAULTS. InputError for impossible ones."""
    for name in given:
        if name not in DEFAULTS:
            raise InputError(f"there is no setting {name}: they are {', '.join(DEFAULTS)}")
    settings = {**DEFAULTS, **before, **{name: value for name, value in given.items() if value is not None}}
    for name, value in DEFAULTS.items():  # numbers of one kind, whatever they were given as
        try:
            settings[name] = type(value)(settings[name])
        except (TypeError, ValueError) as error:
            raise InputError(f"{name} is {settings[name]!r}, which is no number") from error
    if settings["optimizer"] not in OPTIMIZERS:
        raise InputError(f"no optimizer {settings['optimizer']!r} here, only {', '.join(OPTIMIZERS)}")
    if before and before["optimizer"] != settings["optimizer"]:
        raise InputError(f"training began with {before['optimizer']}: resume it with that")
    if settings["schedule"] not in SCHEDULES:
        raise InputError(f"no schedule {settings['schedule']!r}, only {', '.join(SCHEDULES)}")
    if settings["batch_size"] < 1 or not 0 < settings["lr"] < math.inf:
        raise InputError("batch_size and lr must be above zero")
    if not all(0 <= settings[name] < math.inf for name in ("warmup", "clip", "decay", "patience")):
        raise InputError("warmup, clip, decay and patience can't be below zero")
    return settings


def use_dtype(name):
    """Compute with "float32" or "float64" from now on."""
    global DTYPE
    if name not in ("float32", "float64"):
        raise InputError(f"dtype is {name!r}, not float32 or float64")
    DTYPE = np.dtype(name).type


SCHEDULES = ("constant", "step", "cosine")


def rate(settings, step, steps):
    """The learning rate of a step out of 0 .. steps - 1, after a linear warm-up.

    step: a tenth after half of the steps, a hundredth after three quarters (He et al. 2016, section 4.2).
    cosine: falls to 0 along half a wave (Loshchilov and Hutter 2017, equation 5).
    """
    lr, warmup = settings["lr"], settings["warmup"]
    if step < warmup:
        return lr * (step + 1) / warmup
    if settings["schedule"] == "step":
        return lr * (1.0 if 2 * step < steps else 0.1 if 4 * step < 3 * steps else 0.01)
    if settings["schedule"] == "cosine":
        return lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
    return lr


# Optimisers: in place, entry by entry, so that they work on one flat array {"": flat} as well. What they
# remember stands in `memory`, under names such as m.W1.


def adam(params, grads, memory, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    """Adam (Kingma and Ba 2015, algorithm 1); memory: step, m.<name>, v.<name>."""
    step = int(memory.get("step", 0)) + 1
    memory["step"] = np.array(step)
    for name, grad in grads.items():
        m = memory.setdefault("m." + name, np.zeros_like(grad))
        v = memory.setdefault("v." + name, np.zeros_like(grad))
        m *= beta1
        m += (1 - beta1) * grad
        v *= beta2
        v += (1 - beta2) * grad * grad
        params[name] -= lr / (1 - beta1**step) * m / (np.sqrt(v / (1 - beta2**step)) + eps)


def adamw(params, grads, memory, lr):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), which update() has done."""
    adam(params, grads, memory, lr)


OPTIMIZERS = {"adamw": adamw}


def update(params, grads, memory, settings, lr, flat_parts, grad_parts):
    """One step in place: gradients clipped by their norm, weights decayed, the optimiser of the settings.

    flat_parts, grad_parts: all params and all grads in pieces, see pieces().
    """
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in grad_parts.values())) if settings["clip"] else 0.0
    if norm > settings["clip"]:
        for g in grad_parts.values():
            g *= settings["clip"] / norm
    for name, grad in grads.items() if settings["decay"] else ():
        if grad.ndim > 1:
            if settings["optimizer"] == "adamw":
                params[name] -= lr * settings["decay"] * params[name]  # decoupled
            else:
                grad += settings["decay"] * params[name]
    OPTIMIZERS[settings["optimizer"]](flat_parts, grad_parts, memory, lr)


def gradient_norms(grads):
    """Euclidean norm of the gradient by layer: {layer: float}, first layer first."""
    squares = dict.fromkeys(sorted(set(LAYERS.values())), 0.0)
    for name, grad in grads.items():
        squares[LAYERS[name]] += float(np.vdot(grad, grad))
    return {layer: math.sqrt(square) for layer, square in squares.items()}


def gradient_advice(norms):
    """One line on gradients that vanish or explode, from gradient_norms(); "" if they look healthy."""
    first, last = min(norms), max(norms)
    for layer, norm in norms.items():
        if not norm <= 1e3:  # NaN too
            return (f"gradients explode: norm {norm:.1e} in layer {layer}. Try a smaller learning rate, "
                    "clipping, smaller initial weights, scaled inputs, or normalisation.")
    if norms[first] < 1e-3 * norms[last]:
        return (f"gradients vanish: norm {norms[first]:.1e} in layer {first}, {norms[last]:.1e} in {last}. "
                "Try relu for sigmoid or tanh, He or Glorot weights, normalisation, or fewer layers.")
    return ""


ACTIVATIONS = {"i1": "sigmoid", "f1": "sigmoid", "g1": "tanh", "o1": "sigmoid"}


def activations(params, x):
    """The units that ACTIVATIONS names, by name, for a batch."""
    W_i1, U_i1, b_i1, W_f1 = params["W_i1"], params["U_i1"], params["b_i1"], params["W_f1"]
    U_f1, b_f1, W_g1, U_g1 = params["U_f1"], params["b_f1"], params["W_g1"], params["U_g1"]
    b_g1, W_o1, U_o1, b_o1 = params["b_g1"], params["W_o1"], params["U_o1"], params["b_o1"]
    T = x.shape[1]
    B = x.shape[0]
    s_i1_in = x.transpose(1, 0, 2) @ W_i1 + b_i1  # (T, B, 16)
    s_f1_in = x.transpose(1, 0, 2) @ W_f1 + b_f1  # (T, B, 16)
    s_g1_in = x.transpose(1, 0, 2) @ W_g1 + b_g1  # (T, B, 16)
    s_o1_in = x.transpose(1, 0, 2) @ W_o1 + b_o1  # (T, B, 16)
    i1 = np.empty((B, T, 16), DTYPE)
    f1 = np.empty((B, T, 16), DTYPE)
    g1 = np.empty((B, T, 16), DTYPE)
    o1 = np.empty((B, T, 16), DTYPE)
    h1_with_start = np.zeros((T + 1, B, 16), DTYPE)
    h1_shifted, h1 = h1_with_start[:-1], h1_with_start[1:]  # h1_shifted: h1 a step before
    c1 = np.zeros((B, 16), DTYPE)
    for t in range(T):
        s_i1 = h1_shifted[t] @ U_i1 + s_i1_in[t]      # (B, 16)
        i1[:, t] = sigmoid(s_i1)                      # (B, 16)
        s_f1 = h1_shifted[t] @ U_f1 + s_f1_in[t]      # (B, 16)
        f1[:, t] = sigmoid(s_f1)                      # (B, 16)
        s_g1 = h1_shifted[t] @ U_g1 + s_g1_in[t]      # (B, 16)
        g1[:, t] = np.tanh(s_g1)                      # (B, 16)
        c1 = f1[:, t] * c1 + g1[:, t] * i1[:, t]      # (B, 16)
        s_o1 = h1_shifted[t] @ U_o1 + s_o1_in[t]      # (B, 16)
        o1[:, t] = sigmoid(s_o1)                      # (B, 16)
        h1[t] = o1[:, t] * np.tanh(c1)                # (B, 16)
    return {"i1": i1, "f1": f1, "g1": g1, "o1": o1}


IDLE = {  # what a unit that does nothing is called, and where its value says so
    "sigmoid": ("saturated", lambda h: np.abs(h - 0.5) > 0.49),
    "tanh": ("saturated", lambda h: np.abs(h) > 0.99),
}
CURES = {
    "saturated": "are at a bound for a whole batch. Try smaller weights, scaled inputs, or normalisation.",
}


def idle_units(params, *inputs):
    """The share of units that are idle for every sample of a batch: {"dead_h1": 0.1, ...}."""
    shares = {}
    for name, h in activations(params, *inputs).items():
        word, idle = IDLE[ACTIVATIONS[name]]
        shares[f"{word}_{name}"] = float(np.mean(np.all(idle(h), axis=0)))
    return shares


def unit_advice(shares):
    """One line on the units of which most are idle, from idle_units(); "" if half of them are at work."""
    worst = max(shares, key=lambda name: shares[name])
    word, _, name = worst.partition("_")
    return f"units are {word}: {shares[worst]:.0%} of {name} {CURES[word]}" if shares[worst] > 0.5 else ""


def predict(params, x):
    """Class labels (integers) for x (B, T, 8)."""
    y = np.concatenate([forward(params, *part) for part in slices((x,))])
    return y.argmax(axis=-1)


def evaluate(params, x, t, rows=None):
    """{"loss": its mean over slices(), "accuracy": accuracy}; rows: of these samples."""
    total = samples = score = values = 0
    for part in slices((x, t), rows):
        total += float(loss(params, *part)) * len(part[0])
        samples += len(part[0])
        found, right = predict(params, *part[:1]), part[1]
        score += float(np.sum(found == right))
        values += found.size
    return {"loss": total / samples, "accuracy": score / values}


def train(params, x, t, *, epochs, validation=None, seed=0, state=None, every=0, on_epoch=None,
          quiet=False, **settings):
    """Mini-batch training until epoch `epochs` -> new params, and a state for save() and a later train().

    Data: x (B, T, 8), t (B,).
    validation: such data too, or the fraction of the samples to hold back for it, always the same ones.
    settings: any of DEFAULTS; those left out are those of `state`, else the defaults. With the `state` of an
    earlier call, training goes on bitwise as if it had never stopped, if data and `epochs` are the same: a
    schedule depends on them. state["history"] holds a dict an epoch.
    With patience, the params are the best so far by the validation loss: state["best"] says of which epoch,
    state["last"] holds the latest. After each epoch, on_epoch(params, state) gets copies of what would be
    returned. Every `every` epochs (0: some 20 times) a line goes to stderr.
    Raises InputError for data or settings that don't fit, FloatingPointError for numbers that aren't finite.
    """
    before = state or {"epoch": 0, "settings": {}, "history": [], "memory": {}, "best": None, "last": {},
                       "held": 0.0}
    settings = settings_from(settings, before["settings"])
    data = check_data(x, t)
    if validation is None or isinstance(validation, (int, float)):
        fraction = before["held"] if validation is None else float(validation)
        if state and fraction != before["held"]:
            raise InputError(f"training began with validation {before['held']:g}: resume it with that")
        rows, held = split(len(data[0]), fraction)
        validation = data if fraction else None
    else:
        fraction, rows, held = 0.0, np.arange(len(data[0])), None
        validation = check_data(*validation, suffix="_val")
    begin, best, patience = before["epoch"], before["best"], settings["patience"]
    if epochs < 1:
        raise InputError("epochs must be above zero")
    if begin >= epochs:
        raise InputError(f"{begin} epochs are done already; epochs={epochs} counts them too")
    if patience and validation is None:
        raise InputError("patience needs data for validation: hold a tenth back, say (--validation 0.1)")
    if patience and best and begin - best["epoch"] >= patience:
        raise InputError(f"stopped at epoch {begin}, {best['epoch']} being the best: raise patience to go on")
    use_dtype(settings["dtype"])
    # Copies, as updates are in place; all of one layout, as a product's last bits depend on it.
    best_params = {name: np.array(value, DTYPE, order="C") for name, value in params.items()}
    params = {name: np.array(value, DTYPE, order="C") for name, value in {**params, **before["last"]}.items()}
    flat, views = flatten({name: params[name] for name in LAYERS})
    params.update(views)
    flat_grads, grads = flatten(views)
    flat_parts, grad_parts, shapes, step = pieces(flat), pieces(flat_grads), None, None
    memory = regrouped(before["memory"], views, flat_parts)
    history, rng = list(before["history"]), np.random.default_rng(seed)
    if state:
        rng.bit_generator.state = state["rng"]
    report = Report(begin, epochs, len(rows), every, quiet)
    count = math.ceil(len(rows) / settings["batch_size"])
    for epoch in range(begin + 1, epochs + 1):
        # Equal batches to within one sample: no tiny last batch with noisy gradients and statistics.
        total, seen = 0.0, 0
        for number, batch in enumerate(np.array_split(rng.permutation(rows), count)):
            part = take(data, batch)
            if shapes != [a.shape for a in part]:
                shapes = [a.shape for a in part]
                step = workspace(flat, flat_grads, *part)
            with np.errstate(over="ignore", invalid="ignore"):  # looked at in the next lines
                value = step(*part)
            lr = rate(settings, (epoch - 1) * count + number, epochs * count)
            if not math.isfinite(value):
                raise FloatingPointError(f"epoch {epoch}, batch {number + 1}: the loss is {value}. Try a "
                                         f"smaller learning rate (now {lr:g}), clipping, or scaled inputs.")
            if number == count - 1:
                norms = gradient_norms(grads)  # of the last batch, as update() changes them in place
            with np.errstate(over="ignore", invalid="ignore"):  # looked at after the epoch
                update(params, grads, memory, settings, lr, flat_parts, grad_parts)
            total += float(value) * len(batch)
            seen += len(batch)
            report.batch(epoch, number + 1, total / seen, seen)
        if not all(map(math.isfinite, norms.values())):
            raise FloatingPointError(f"epoch {epoch}, last batch: {gradient_advice(norms)}")
        if not all(np.isfinite(value).all() for value in params.values()):
            raise FloatingPointError(f"epoch {epoch}: a parameter isn't finite. Try a smaller learning rate.")
        row = {"epoch": epoch, "loss": total / len(rows)}
        if validation is not None:
            scores = evaluate(params, *validation, rows=held)
            row.update({f"val_{key}": value for key, value in scores.items()})
        shares = idle_units(params, *part[:1])
        history.append({**row, **{f"gradient_norm_{layer}": norm for layer, norm in norms.items()}, **shares})
        if not patience or best is None or row["val_loss"] < best["loss"]:
            best = {"epoch": epoch, "loss": row["val_loss"]} if patience else None
            best_params = {name: value.copy() for name, value in params.items()}
        stop = patience and epoch - best["epoch"] >= patience
        state = {"epoch": epoch, "settings": settings, "rng": rng.bit_generator.state,
                 "history": list(history), "best": best, "held": fraction,
                 "memory": regrouped(memory, flat_parts, views),
                 "last": {name: value.copy() for name, value in params.items()} if best else {}}
        if on_epoch is not None:
            on_epoch({name: value.copy() for name, value in best_params.items()}, state)
        report.epoch(row, norms, stop)
        report.advice(epoch, gradient_advice(norms), unit_advice(shares))
        if stop:
            break
    return best_params, state


class Report:
    """Lines on stderr about a training: progress with rate and time left, and warnings."""

    def __init__(self, begin, epochs, samples, every, quiet):
        self.begin, self.epochs, self.samples, self.quiet = begin, epochs, samples, quiet
        self.every = every or max(1, epochs // 20)
        self.live = not quiet and sys.stderr.isatty()
        self.started = self.shown = time.monotonic()
        self.said = {}

    def batch(self, epoch, number, value, seen):
        """A live line, some times a second, on a terminal."""
        if self.live and time.monotonic() - self.shown > 0.2:
            self.shown = time.monotonic()
            done = epoch - 1 + seen / self.samples
            show(f"epoch {epoch}/{self.epochs}  batch {number}  loss {value:.4g}  {self.pace(done)}", True)

    def epoch(self, row, norms, stop):
        """A line every so many epochs, and for the last one."""
        epoch = row["epoch"]
        if not self.quiet and (epoch % self.every == 0 or epoch == self.epochs or stop):
            words = [f"{key.replace('_', ' ')} {value:.4g}" for key, value in row.items() if key != "epoch"]
            words.append("gradient norms " + " ".join(f"{norm:.1e}" for norm in norms.values()))
            words.append("stopped: the validation loss no longer improves" if stop else self.pace(epoch))
            show("  ".join([f"epoch {epoch}/{self.epochs}", *words]))

    def advice(self, epoch, *advice):
        """Each trouble, named in front of a colon, said again only when it turns into another one."""
        for word, text in zip(("gradients", "units"), advice):
            trouble = text.partition(":")[0]
            if not self.quiet and trouble != self.said.get(word, ""):
                show(f"epoch {epoch}: {text or word + ' look healthy again.'}")
                self.said[word] = trouble

    def pace(self, done):
        """Rate so far and time left, after `done` epochs."""
        speed = max(done - self.begin, 1e-9) / max(time.monotonic() - self.started, 1e-9)
        minutes, seconds = divmod(round((self.epochs - done) / speed), 60)
        return f"{speed * self.samples:.0f} samples/s  {minutes}:{seconds:02d} left"


def show(text, live=False):
    """Write a line to stderr; the next one overwrites a live one (which only a terminal gets)."""
    before = "\r\033[K" if sys.stderr.isatty() else ""
    print(before + text, end="" if live else "\n", file=sys.stderr, flush=True)


def save(path, params, state=None):
    """Write params, and train()'s state if given, to an .npz file: the whole of it or nothing."""
    arrays = dict(params)
    if state is not None:
        for part in ("memory", "last"):
            arrays.update({f"{part}.{name}": value for name, value in state[part].items()})
        rest = {key: value for key, value in state.items() if key not in ("memory", "last")}
        arrays["training.state"] = np.array(json.dumps(rest))
    _write(path, lambda file: np.savez(file, **arrays))


def load(path):
    """(params, state) out of save()'s file, params as float32 or float64 as they were; state None if there is
    none. InputError for a file that doesn't fit.
    """
    arrays = _read(path)
    params = {}
    for name, like in init_params().items():
        if name not in arrays:
            raise InputError(f"{path}: no array {name}: not a file of this network")
        value = arrays.pop(name)
        if value.shape != like.shape or value.dtype.kind != "f":
            unlike = f"{name} is {value.dtype} {value.shape}, not {like.dtype} {like.shape}"
            raise InputError(f"{path}: not a file of this network: {unlike}")
        if not np.isfinite(value).all():
            raise InputError(f"{path}: {name} holds NaN or infinity")
        params[name] = value
    rest = arrays.pop("training.state", None)
    found = {"memory": {}, "last": {}}
    for key, value in arrays.items():
        part, _, name = key.partition(".")
        owner = params.get(name if part == "last" else name.partition(".")[2])  # m.W1 belongs to W1
        if part not in found or value.shape != (() if owner is None else owner.shape):
            raise InputError(f"{path}: array {key} {value.shape} doesn't belong to this network")
        found[part][name] = value
    if rest is None:
        return params, None
    try:
        rest = json.loads(str(rest))
        state = {key: rest[key] for key in ("epoch", "settings", "rng", "history", "best", "held")}
        state = {**rest, **state, **found}
        settings_from({}, state["settings"])
        np.random.default_rng().bit_generator.state = state["rng"]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: array training.state can't be read") from error
    return params, state


def _read(path, mapped=False):
    """The arrays of an .npz file, a dict; mapped: that of an .npy file, left on disk. Never unpickles."""
    try:
        if mapped:
            return np.lib.format.open_memmap(path, mode="r")
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        kind = ".npy file of one plain array" if mapped else ".npz file of plain arrays"
        raise InputError(f"{path}: not a readable {kind}") from error


def _write(path, write):
    """Call write(file) on a file beside path, then rename it to path: a failure leaves the old file whole."""
    temporary = f"{os.fspath(path)}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        if isinstance(error, OSError):
            error.filename = os.fspath(path)  # not the temporary one
        raise


def check_writable(path):
    """An InputError where no file can be made at path: said now, not after hours of training."""
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise InputError(f"{path}: its folder doesn't exist")
    if os.path.isdir(path):
        raise InputError(f"{path}: it is a folder: add a file name")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(f"{path}: no file can be written there: {error.strerror or error}") from error


def _arrays(args):
    """The arrays that the command line names, by name, where they come from."""
    files = {name: getattr(args, "array_" + name) for name in (*INPUTS, *TARGETS)}
    files = {name: path for name, path in files.items() if path}
    if bool(files) == bool(args.data):
        raise InputError("give one data file, or an .npy file for each array (--x FILE ...)")
    if files:
        arrays = {name: _read(path, mapped=True) for name, path in files.items()}
        return arrays, ", ".join(files.values())
    return _read(args.data), args.data


def _pick(arrays, wanted, source, suffix=""):
    """The wanted ones of the arrays, checked; an InputError names the first that is missing."""
    for name in wanted:
        if name + suffix not in arrays:
            raise InputError(f"{source}: no array {name}{suffix}; it holds {', '.join(arrays) or 'nothing'}")
    return check_data(*(arrays[name + suffix] for name in wanted), source=source, suffix=suffix)


def _train(args):
    for path in filter(None, (args.out, args.checkpoint, args.history, args.plot)):
        check_writable(path)
    if args.plot:
        _pyplot()
        if os.path.splitext(args.plot)[1] not in (".png", ".svg", ".pdf"):
            raise InputError(f"{args.plot}: the name of a picture ends in .png, .svg or .pdf")
    params, state = load(args.resume) if args.resume else (init_params(args.seed), None)
    arrays, source = _arrays(args)
    wanted, validation = [*INPUTS, *TARGETS], args.validation
    data = _pick(arrays, wanted, source)
    if any(name + "_val" in arrays for name in wanted):
        if validation is not None:
            raise InputError(f"{source}: it has x_val already, so leave out --validation")
        validation = _pick(arrays, wanted, source, "_val")
    latest, trouble = [], None

    def keep(params, state):
        latest[:] = params, state
        if args.checkpoint and state["epoch"] % max(1, args.save_every) == 0:
            save(args.checkpoint, *latest)

    settings = {name: getattr(args, name) for name in DEFAULTS}
    try:
        train(params, *data, epochs=args.epochs, validation=validation, seed=args.seed, state=state,
              every=args.every, on_epoch=keep, quiet=args.quiet, **settings)
    except (KeyboardInterrupt, FloatingPointError) as error:
        trouble = error  # the whole epochs before it are worth keeping
    if latest:
        epoch, best, rows = (latest[1][key] for key in ("epoch", "best", "history"))
        if args.out:
            save(args.out, *latest)
            which = f", the best by validation being {best['epoch']}" if best else ""
            show(f"saved {args.out} after epoch {epoch}{which}; --resume goes on from it")
        if args.history:
            keys = list(dict.fromkeys(key for row in rows for key in row))
            lines = [",".join(keys), *(",".join(str(row.get(key, "")) for key in keys) for row in rows), ""]
            _write(args.history, lambda file: file.write("\n".join(lines).encode()))
        if args.plot:
            plot(rows, args.plot)
    if trouble:
        raise trouble
    return 0


def _pyplot():
    """matplotlib's pyplot, drawing to files; an InputError where it isn't installed."""
    try:
        import matplotlib
    except ImportError as error:
        raise InputError("--plot needs matplotlib: pip install matplotlib, or use --history") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def plot(history, path):
    """Losses, and gradient norms by layer, of a state's history as a picture."""
    figure, axes = _pyplot().subplots(1, 2, figsize=(10, 4), layout="constrained")
    epochs = [row["epoch"] for row in history]
    for key in history[-1]:
        if "loss" in key or "gradient_norm" in key:
            values = [row.get(key, math.nan) for row in history]
            axes[int("loss" not in key)].plot(epochs, values, marker=".", label=key)
    for axis, title in zip(axes, ("loss", "gradient norm by layer")):
        positive = all(min(line.get_ydata()) > 0 for line in axis.lines)
        axis.set(title=title, xlabel="epoch", yscale="log" if positive else "linear")
        axis.legend()
    _write(path, lambda file: figure.savefig(file, format=os.path.splitext(path)[1][1:]))
    _pyplot().close(figure)


def _predict(args):
    if args.out:
        check_writable(args.out)
    params, _ = load(args.net)
    use_dtype(args.dtype or min(value.dtype.name for value in params.values()))
    params = {name: np.asarray(value, DTYPE) for name, value in params.items()}
    arrays, source = _arrays(args)
    wanted = [*INPUTS, *TARGETS] if TARGETS.keys() <= arrays.keys() else [*INPUTS]
    data = _pick(arrays, wanted, source)
    y = predict(params, *data[:1])
    if args.out:
        _write(args.out, lambda file: np.save(file, y, allow_pickle=False))
    else:
        np.savetxt(sys.stdout, y.reshape(len(y) if y.ndim else 1, -1), fmt="%d")
    if len(data) == 2:
        scores = "  ".join(f"{key} {value:.6g}" for key, value in evaluate(params, *data).items())
        show(f"{scores}  ({len(data[0])} samples)")
    return 0


def _check(args):
    rng = np.random.default_rng(args.seed)
    params = init_params(args.seed)
    for name in LAYERS:  # away from zero biases and unit scales, which could hide an error
        params[name] = params[name] + 0.05 * rng.standard_normal(params[name].shape)
    x = rng.standard_normal((7, 3, 8))
    t = rng.integers(4, size=(7,))
    worst = gradient_check(params, x, t, seed=args.seed)
    for name, error in worst.items():
        print(f"{name:16} {error:.1e}  {'ok' if error <= args.tolerance else 'WRONG'}")
    passed = max(worst.values()) <= args.tolerance
    print("gradient check passed" if passed else f"gradient check FAILED (above {args.tolerance:g})")
    return 0 if passed else 1


def _info(args):
    print(__doc__)
    params = init_params()
    for name, value in params.items():
        note = "" if name in LAYERS else "  (not trained)"
        print(f"{name:16} {value.shape!s:20} {value.size:12,}{note}")
    print(f"{'trained':37} {sum(params[name].size for name in LAYERS):12,}")
    return 0


OPTIONS = ["--x", "--t"]
TRAIN_EXAMPLES = """The arrays are x, t, those for validation x_val and so on.

examples:
  train data.npz --epochs 20 --validation 0.1 --out net.npz
  train --x x.npy --t t.npy ...
  train data.npz --schedule cosine --warmup 100 --clip 1 --validation 0.1 --patience 10
  train data.npz --epochs 40 --resume net.npz --out net.npz
"""


def _add_data(add):
    """The arguments that name data."""
    add.add_argument("data", nargs="?", help="an .npz file")
    for (name, shape), option in zip({**INPUTS, **TARGETS}.items(), OPTIONS):
        shown = str(shape).replace("'", "")
        text = f"{name} {shown} as .npy, read from disk as needed"
        add.add_argument(option, dest="array_" + name, metavar="FILE", help=text)


def main(argv=None):
    """The command line. Exit status: 0, 1 (the check or the training failed), 2 (bad input), 130 (Ctrl-C)."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="command")
    kind = argparse.RawDescriptionHelpFormatter
    add = commands.add_parser("train", formatter_class=kind, epilog=TRAIN_EXAMPLES, help="train on data")
    _add_data(add)
    add.add_argument("--epochs", type=int, default=20, help="in all, resumed ones included (default 20)")
    add.add_argument("--validation", type=float, help="fraction of the samples held back, kept with --resume")
    add.add_argument("--seed", type=_whole, default=0, help="of weights and shuffling (default 0)")
    group = add.add_argument_group("settings, kept in the file and resumed with it")
    for name, text in (
        ("batch", "samples a step"), ("lr", "learning rate"), ("warmup", "steps over which it rises from 0"),
        ("clip", "largest norm of all gradients together, 0: any"),
        ("decay", "weight decay of matrices: decoupled"),
        ("patience", "epochs without a better validation loss before training stops, 0: never"),
    ):
        key = "batch_size" if name == "batch" else name
        text += f" (default {DEFAULTS[key]:g})"
        group.add_argument("--" + name, dest=key, type=type(DEFAULTS[key]), metavar="N", help=text)
    choices = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "dtype": ("float32", "float64")}
    for name, known in choices.items():
        group.add_argument("--" + name, choices=known, help=f"(default {DEFAULTS[name]})")
    group = add.add_argument_group("files and messages")
    group.add_argument("--out", help="write the trained network and the state of training here (.npz)")
    group.add_argument("--checkpoint", help="write the same here while training")
    group.add_argument("--save-every", type=_whole, default=1, metavar="N", help="every N epochs")
    group.add_argument("--resume", help="go on from such a file, with its settings unless given here")
    group.add_argument("--history", help="write losses, idle units and gradient norms by epoch here (.csv)")
    group.add_argument("--plot", help="draw losses and gradient norms (.png, .svg, .pdf); needs matplotlib")
    group.add_argument("--every", type=int, default=0, help="epochs from one progress line to the next")
    group.add_argument("--quiet", action="store_true", help="no progress lines")
    add.set_defaults(run=_train)
    add = commands.add_parser("predict", help="predict with a trained network")
    add.add_argument("net", help="what train --out wrote")
    _add_data(add)
    add.add_argument("-o", "--out", help="write an .npy file (default: print)")
    add.add_argument("--dtype", choices=("float32", "float64"), help="(default: the trained network's)")
    add.set_defaults(run=_predict)
    add = commands.add_parser("check", help="compare the gradients with central differences on random data")
    add.add_argument("--seed", type=_whole, default=0)
    add.add_argument("--tolerance", type=float, default=1e-5)
    add.set_defaults(run=_check)
    add = commands.add_parser("info", help="the equations and the parameters")
    add.set_defaults(run=_info)
    args = parser.parse_args(argv)
    try:
        return args.run(args)
    except (InputError, OSError) as error:
        message, status = error, 2
    except FloatingPointError as error:
        message, status = error, 1
    except KeyboardInterrupt:
        message, status = "interrupted", 130
    print(f"{parser.prog}: error: {message}", file=sys.stderr)
    return status


def _whole(text):
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
