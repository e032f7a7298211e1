"""What every layer's definition is held to: reverse, simplified, forward, complex step and emitted code agree."""

import math
import warnings

import numpy as np

from symbp.check import _evaluate, _loss, along_complex, random_values, relative_error
from symbp.errors import UnusedParameterWarning
from symbp.expr import Size
from symbp.lower import Loop, lower

EXACT = 1e-9


def run(program, values, batch=None, functions=None):
    """All variables after running the lowered program's statements, and their text.

    batch: the size of which these values are a rank's share; functions: what messages call then.
    """
    lowered = lower(program, batch)
    lines = []
    for item in lowered.statements:
        if isinstance(item, Loop):
            lines += [*item.head, *("    " + line for s in item.body for line in s.lines)]
        else:
            lines += item.lines
    names = {"np": np, "math": math, "DTYPE": np.float64, **values, **(functions or {})}
    for tensor in program.tensors.values():
        if tensor.role != "computed":
            sizes = zip(tensor.shape, np.shape(values[tensor.name]), strict=True)
            names.update((s.label, n) for s, n in sizes if isinstance(s, Size))
    if lowered.total:
        names[lowered.total] = names["all_count"](names[batch])
    for helper in lowered.helpers.values():
        exec(helper, names)
    exec("\n".join(lines), names)
    return names, "\n".join(lines)


def errors(net, values=None, wrt=None, seed=0, sizes=None, forward=True, directions=2):
    """The worst relative error of each way to the gradient, against reverse accumulation before any simplification."""
    values = random_values(net, seed, sizes) if values is None else values
    names = [t.name for t in (*net.parameters, *net.inputs) if t.dtype == "real"] if wrt is None else wrt
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedParameterWarning)
        raw = _evaluate(net.gradient(names, simplify=False), values)
        derived = net.gradient(names)
        simplified = _evaluate(derived, values)
        emitted, _ = run(derived, values)
        tangents = _evaluate(net.gradient(names, method="forward", simplify=False), values) if forward else None
    largest = max(float(np.max(np.abs(raw[f"d_{name}"]), initial=0)) for name in names)
    assert largest > 0
    floor = largest / 1000
    rng, loss = np.random.default_rng(seed + 1), _loss(net)
    out = {"loss": relative_error(emitted["L"], raw["L"], EXACT)}
    for name in names:
        g = raw[f"d_{name}"]
        assert np.shape(g) == np.shape(values[name]) == np.shape(emitted[f"d_{name}"])
        for method, found in (("simplified", simplified), ("emitted", emitted), ("forward", tangents)):
            if found is not None:
                out[f"{method} {name}"] = relative_error(found[f"d_{name}"], g, floor)
        for k in range(directions):
            v = rng.standard_normal(np.shape(g))
            numeric = along_complex(loss, values, name, v)
            out[f"complex step {name} {k}"] = relative_error(np.sum(g * v), numeric, floor)
    return out


def assert_exact(net, *arguments, **options):
    found = errors(net, *arguments, **options)
    bad = {k: e for k, e in found.items() if not e < EXACT}
    assert not bad, bad
