"""WRONG, kept to show it: the backward pass of a tutorial's network with batch norm, which skips the normalisation.

The network is that of examples/circle.py: four dense layers, each followed by batch norm, ReLU behind the first three.
The forward pass is right. The backward pass goes through dense layers and ReLU as if batch norm weren't there, and
gives no gradient for its gamma and beta.

    symbp verify examples/circle.py examples/verify/skipped_batch_norm.py
"""

import numpy as np

LAYERS, EPSILON = 4, 1e-8


def forward(params, x):
    """What each layer reads, and what its ReLU reads; the output last."""
    inputs, normalised = [x], []
    for k in range(1, LAYERS + 1):
        z = inputs[-1] @ params[f"W{k}"] + params[f"b{k}"]
        xhat = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + EPSILON)
        normalised.append(params[f"gamma{k}"] * xhat + params[f"beta{k}"])
        inputs.append(np.maximum(normalised[-1], 0) if k < LAYERS else normalised[-1])
    return inputs, normalised


def loss_and_grads(params, x, t):
    """Half the mean squared error, and what is taken for its gradients."""
    inputs, normalised = forward(params, x)
    error = inputs.pop() - t
    delta, grads = error, {}
    for k in range(LAYERS, 0, -1):
        grads[f"W{k}"] = inputs[k - 1].T @ delta / len(x)  # delta hasn't been through the normalisation
        grads[f"b{k}"] = delta.sum(axis=0) / len(x)
        if k > 1:
            delta = (delta @ params[f"W{k}"].T) * (normalised[k - 2] > 0)
    return float((error**2).sum() / (2 * len(x))), grads
