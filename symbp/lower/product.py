"""Products: numbers in front, small arrays multiplied before large ones, divisions last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbp.affine import is_mask, where_nonzero
from symbp.expr import ONE, Add, Delta, Expr, Mul, Num, Reduce, coefficient, mul, node
from symbp.lower.array import PRODUCT, SIGN, Array, Axes, as_float, as_mean, elementwise, own, spread
from symbp.lower.conditions import choice
from symbp.lower.constants import fraction
from symbp.operations import is_constant

if TYPE_CHECKING:
    from symbp.lower.writer import Writer


def product(writer: Writer, e: Mul, order: Axes) -> Array:
    for f in e.args:  # in a loop, a product that is zero at some times is chosen, not multiplied
        condition = where_nonzero(f)
        if (is_mask(f) or isinstance(f, Delta)) and writer.is_scalar(condition):
            rest = writer.write(mul(*(g for g in e.args if g is not f)), order)
            return choice(writer, condition, rest, Array("0"))
    flipped = flip(e)
    if not isinstance(flipped, Mul):
        return writer.write(flipped, order)
    return _product(writer, flipped, own(e, order), order)


def _product(writer: Writer, e: Mul, axes: Axes, order: Axes) -> Array:
    above, below = fraction(e)
    arrays = sorted((f for f in above if not is_constant(f)), key=writer.factor_order)
    divisors = sorted((f for f in below if not is_constant(f)), key=writer.factor_order)
    front = [f for f in above if is_constant(f)]
    back = [f for f in below if is_constant(f)]
    negative = bool(front) and isinstance(front[0], Num) and front[0].value < 0
    if negative:
        front = [c for c in (mul(-1, front[0]), *front[1:]) if c is not ONE]
    texts = [writer.write(f, order) for f in arrays]
    scale = mul(*front, *(f**-1 for f in back))
    for n, (f, a) in enumerate(zip(arrays, texts, strict=True)):
        if isinstance(f, Reduce) and a.op == "sum" and mul(scale, *(i.size for i in f.indices)) is ONE:
            texts[n], front, back = as_mean(a), [], []
            break
    if texts and all(a.boolean for a in texts):
        texts[0] = as_float(texts[0])
    under = [writer.write(d, order) for d in divisors]
    small = [a for a in (*texts, *under) if len(a.axes) < len(axes)]
    together = tuple(i for i in axes if any(i in a.axes for a in small))
    number, divisor = _scalar(writer, front), _scalar(writer, back)
    if negative and number is not None:
        number = Array(f"-{number.at(SIGN)}", (), SIGN)
    elif negative and texts:
        texts[0] = elementwise("negative", texts[0], axes=texts[0].axes)
    elif negative:
        number = Array("-1", (), SIGN)
    scaled = writer.layouts is not None and (number is not None or divisor is not None)  # the small one alone
    if len(small) > 1 - scaled and len(together) < len(axes):
        part = _quotient(number, [a for a in texts if a in small], [a for a in under if a in small], divisor, together)
        texts, under = [*(a for a in texts if a not in small), part], [a for a in under if a not in small]
        number = divisor = None
    elif len(small) > 1:  # an outer product: small first all the same
        texts.sort(key=lambda a: len(a.axes))
    return _quotient(number, texts, under, divisor, axes)


def _quotient(number: Array | None, above: list[Array], below: list[Array], divisor: Array | None, axes: Axes) -> Array:
    top = _times([*([number] if number is not None else []), *above], axes) or Array("1")
    under = _times([*([divisor] if divisor is not None else []), *below], axes)
    if under is None:
        return top
    here = tuple(i for i in axes if i in top.axes or i in under.axes)
    return elementwise("divide", spread(top, here), spread(under, here), axes=here)


def _times(texts: list[Array], axes: Axes) -> Array | None:
    out: Array | None = None
    for a in texts:
        if out is None:
            out = a
        else:
            here = tuple(i for i in axes if i in a.axes or i in out.axes)
            out = elementwise("multiply", spread(out, here), spread(a, here), axes=here)
    return out


def _scalar(writer: Writer, constants: list[Expr]) -> Array | None:
    """The product of numbers and sizes, or None for one."""
    if not constants:
        return None
    code = " * ".join(writer.constant(c).at(PRODUCT) for c in constants)
    return writer.constant(constants[0]) if len(constants) == 1 else Array(code, (), PRODUCT)


def flip(e: Mul) -> Expr:
    """-(a - b) c as (b - a) c."""
    c, _ = coefficient(e)
    if c < 0:
        for f in e.args:
            if isinstance(f, Add):  # the canonical form would turn these back: they are only ever printed
                opposite = node(Add, "+", tuple(mul(-1, t) for t in f.args))
                rest = [g for g in e.args if g is not f and not isinstance(g, Num)]
                front = mul(-1, e.args[0]) if isinstance(e.args[0], Num) else ONE
                args = ([front] if front is not ONE else []) + [opposite, *rest]
                return args[0] if len(args) == 1 else node(Mul, "*", tuple(args))
    return e


def turns_positive(e: Expr) -> bool:
    """Whether `flip` gives a product without a sign, and a sum in it whose first term has none either."""
    sums = [f for f in e.args if isinstance(f, Add)] if isinstance(e, Mul) else []
    return bool(sums) and any(coefficient(t)[0] < 0 for t in sums[0].args)
