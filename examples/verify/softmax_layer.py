"""WRONG, kept to show it: a softmax of which only the diagonal of the Jacobian is differentiated.

A function may give what one layer does: it gets, by name, the values of the forward pass and the right gradient of what
comes out of the layer, and is judged on its own.

    symbp verify examples/attention.net examples/verify/softmax_layer.py
"""


def backward(p, d_p):
    """dL/dscore from dL/dp, where p is the softmax of the scores."""
    return {"score": d_p * p * (1 - p)}
