"""Offsets as one more row of their weights: z = W.T @ h + b is (W, b).T @ (h, 1), and both gradients are one product.

Worth it where the units come first in memory: there h lies above a row of ones that stays. Small nets, whose time is
that of the calls, lose a quarter of them so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symbp.expr import add, num
from symbp.lower.constants import constant, known
from symbp.lower.layouts import TINY
from symbp.lower.recorder import COPY, Call, Recorder, Value

RULE = "offset as one more weight"


@dataclass(frozen=True)
class Affine:
    """Weights (inputs, units), the offset (units,) behind them in memory, both as one array, and their gradients."""

    weights: Value
    offset: Value
    both: Value
    d_weights: Value
    d_offset: Value
    d_both: Value


def offsets_as_weights(recorder: Recorder, layers: Sequence[Affine]) -> None:
    """Merges the calls that concern offsets with those of the weights, where they are as described above."""
    for layer in layers:
        found = _forward(recorder.calls, layer)
        if found is not None:
            _merge(recorder, layer, *found)


def _forward(calls: Sequence[Call], layer: Affine) -> tuple[Call, Call] | None:
    """(product, addition) of z = W.T @ h + b[:, None], outside of loops; None where there are none."""
    depth = 0
    last: dict[Value, Call] = {}
    for call in calls:
        depth += call.opens - call.closes
        if depth or call.out is None:
            continue
        if call.form.startswith("add(") and call.args[1].base is layer.offset and call.args[1].form == "{}[:, None]":
            product = last.get(call.args[0])
            once = sum(call.args[0] in c.args for c in calls) == 1
            if product is not None and once and call.out.contiguous and _is_product(calls, product, layer):
                return product, call
        last[call.out] = call
    return None


def _is_product(calls: Sequence[Call], call: Call, layer: Affine) -> bool:
    """Whether it is W.T @ h with h (inputs, batch) in memory, or the transpose of an argument of the step."""
    if not call.is_dot or call.args[0].base is not layer.weights or call.args[0].form != "{}.T":
        return False
    h = call.args[1]
    if len(h.dims) != 2 or known(h.dims[0]) > TINY:
        return False
    return _binding(calls, h).form == "{}.T" if h.bound else h.needs_room and h.contiguous


def _binding(calls: Sequence[Call], v: Value) -> Call:
    return next(c for c in calls if c.binds and c.out is v)


def _merge(recorder: Recorder, layer: Affine, product: Call, addition: Call) -> None:
    calls, h = recorder.calls, product.args[1]
    dims = (add(h.dims[0], num(1)), h.dims[1])
    shape = ", ".join(constant(n).code for n in dims)
    source = _binding(calls, h).args[0] if h.bound else h
    with_ones = Value(dims, name=f"{source.name}_with_ones" if source.name else "", form=f"np.ones(({shape}), DTYPE)")
    recorder.values.insert(0, with_ones)
    backward = _backward(calls, layer, h)
    product.args = (recorder.view(layer.both, "{}.T", layer.both.dims[::-1]), with_ones)
    product.out, product.rule = addition.out, RULE
    calls.remove(addition)
    if backward is not None:
        weights, offset = backward
        weights.args = (with_ones, weights.args[1])
        weights.out, weights.rule, weights.also = layer.d_both, RULE, (offset.part,)
        calls.remove(offset)
    form = f"{{}}[:{constant(h.dims[0]).code}]"
    if h.bound:
        part = recorder.new(Value(h.dims, base=with_ones, form=form))
        _copy_in(recorder, h, part, product)
    else:
        h.base, h.form = with_ones, form


def _copy_in(recorder: Recorder, h: Value, part: Value, product: Call) -> None:
    """The transpose of an argument is written above the ones; what else reads it, goes on to do so."""
    calls = recorder.calls
    binding = _binding(calls, h)
    turned = recorder.view(part, "{}.T", part.dims[::-1])
    at = calls.index(product)
    calls.insert(at, Call(COPY, binding.args, turned, product.part))
    if not any(h in c.args for c in calls):
        calls.remove(binding)


def _backward(calls: Sequence[Call], layer: Affine, h: Value) -> tuple[Call, Call] | None:
    """The products that give both gradients, h @ d.T and d @ ones; None where they are others."""
    to_weights = [c for c in calls if c.out is layer.d_weights]
    to_offset = [c for c in calls if c.out is layer.d_offset]
    if len(to_weights) != 1 or len(to_offset) != 1:
        return None
    (weights,), (offset,) = to_weights, to_offset
    if not all(c.is_dot for c in (weights, offset)) or weights.args[0] is not h:
        return None
    d = weights.args[1]
    ones = offset.args[1].form.startswith("np.ones(")
    return (weights, offset) if ones and d.form == "{}.T" and d.base is offset.args[0] else None
