"""The table of elementary functions: the only place where a derivative is written down.

A row is either primitive, and gives its derivative as mathematics (through its own value y where that's shorter),
or defined by a formula over other rows, and then its derivative is derived like any layer's. Layers and losses
are equations over these functions and have no derivative of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from symbp.expr import (
    HALF,
    ONE,
    PI,
    ZERO,
    Access,
    Add,
    Call,
    Condition,
    Expr,
    Mul,
    Num,
    Pow,
    Reduce,
    Select,
    add,
    call,
    compare,
    mul,
    num,
    power,
    select,
    sqrt,
    transform,
)

Derivative = Callable[[tuple[Expr, ...], Expr], tuple[Expr, ...]]


@dataclass(frozen=True)
class Row:
    """One elementary function of real arguments.

    derivative: (arguments, value) -> the partial derivative by each argument; None where `definition` is given.
    textbook: arguments -> the formula that books define a primitive by, where it isn't as well known as exp.
    definition: arguments -> the formula over other rows.
    evaluate: the function on NumPy arrays; analytic in a strip around the real axis (complex step), for primitives.
    numpy: the text of the call in emitted code, with {0}, {1} for the arguments; `helper` is the function it calls.
    latex: with {0}, {1}. cost: operations of one evaluation by kind. domain, kinks: where tests take their points.
    defaults: values of trailing arguments that may be left out. increasing: it never falls where its first argument
    rises, if the others are no less than 0.
    """

    name: str
    latex: str
    domain: tuple[float, float] = (-3.0, 3.0)
    kinks: tuple[float, ...] = ()
    arity: int = 1
    derivative: Derivative | None = None
    definition: Callable[[tuple[Expr, ...]], Expr] | None = None
    textbook: Callable[[tuple[Expr, ...]], Expr] | None = None
    evaluate: Callable[..., Any] | None = None
    numpy: str = ""
    helper: str = ""
    cost: Mapping[str, int] = field(default_factory=dict)
    defaults: tuple[Fraction, ...] = ()
    increasing: bool = False


def _primitive_abs(x: Any) -> Any:
    return np.where(np.real(x) < 0, -x, x)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Any) -> Any:
    return np.log(1 + np.exp(x))


def _erf(x: Any) -> Any:
    """Real or complex argument, the latter for complex-step differentiation."""
    if not np.iscomplexobj(x):
        return np.vectorize(math.erf, otypes=[float])(x)
    if np.all(np.abs(np.imag(x)) < 1e-12):  # exact to rounding, unlike mpmath, which rounds by the larger part
        real = np.real(x)
        return np.vectorize(math.erf, otypes=[float])(real) + 2j / math.sqrt(math.pi) * np.exp(-(real**2)) * np.imag(x)
    import mpmath  # type: ignore[import-untyped]

    with mpmath.workdps(60):  # the step of 1e-30 must not be lost beside the real part
        return np.vectorize(lambda z: complex(mpmath.erf(z)), otypes=[complex])(x)


_SIGMOID_HELPER = '''
def sigmoid(z):
    """1 / (1 + exp(-z)); exp goes as far as it can, where the result is next to 0."""
    return 1 / (1 + np.exp(np.minimum(-z, 88 if DTYPE is np.float32 else 709)))
'''
_SOFTPLUS_HELPER = '''
def softplus(z):
    """log(1 + exp(z)), without overflow for any z."""
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
'''
_ERF_HELPER = '''
def erf(z):
    """The error function, entry by entry: NumPy has none, the standard library's is exact."""
    z = np.asarray(z)
    return np.array([math.erf(v) for v in z.ravel().tolist()], dtype=z.dtype).reshape(z.shape)
'''

SELU_SCALE, SELU_ALPHA = Fraction("1.0507009873554804934193349852946"), Fraction("1.6732632423543772848170429916717")


def _elu(x: Expr, alpha: Expr) -> Expr:
    return select(compare(">", x, 0), x, alpha * (call("exp", x) - 1))


def _max_gate(a: tuple[Expr, ...], _: Expr) -> tuple[Expr, ...]:
    first = compare(">=", a[0], a[1])  # a tie goes to the first argument, so that the shares always add up to one
    return select(first, ONE, ZERO), select(first, ZERO, ONE)


def _min_gate(a: tuple[Expr, ...], _: Expr) -> tuple[Expr, ...]:
    first = compare("<=", a[0], a[1])
    return select(first, ONE, ZERO), select(first, ZERO, ONE)


_ROWS = (
    # ------------------------------------------------------------------------------------------ primitive
    Row(
        "exp",
        r"e^{{{0}}}",
        derivative=lambda a, y: (y,),
        evaluate=np.exp,
        numpy="np.exp({0})",
        cost={"exp": 1},
        increasing=True,
    ),
    Row(
        "log",
        r"\log {0}",
        (0.2, 4.0),
        derivative=lambda a, y: (1 / a[0],),
        evaluate=np.log,
        numpy="np.log({0})",
        cost={"log": 1},
        increasing=True,
    ),
    Row(
        "abs",
        r"\lvert {0} \rvert",
        kinks=(0.0,),
        derivative=lambda a, y: (call("sign", a[0]),),
        evaluate=_primitive_abs,
        numpy="np.abs({0})",
        cost={"compare": 1},
    ),
    Row(
        "sign",
        r"\operatorname{{sign}} {0}",
        kinks=(0.0,),
        derivative=lambda a, y: (ZERO,),
        evaluate=lambda x: np.sign(np.real(x)),
        numpy="np.sign({0})",
        cost={"compare": 1},
        increasing=True,
    ),
    Row(
        "sin",
        r"\sin {0}",
        derivative=lambda a, y: (call("cos", a[0]),),
        evaluate=np.sin,
        numpy="np.sin({0})",
        cost={"sin": 1},
    ),
    Row(
        "cos",
        r"\cos {0}",
        derivative=lambda a, y: (-call("sin", a[0]),),
        evaluate=np.cos,
        numpy="np.cos({0})",
        cost={"cos": 1},
    ),
    Row(
        "tanh",
        r"\tanh {0}",
        derivative=lambda a, y: (1 - y**2,),
        evaluate=np.tanh,
        numpy="np.tanh({0})",
        cost={"tanh": 1},
        increasing=True,
    ),
    Row(
        "erf",
        r"\operatorname{{erf}} {0}",
        derivative=lambda a, y: (2 / sqrt(PI) * call("exp", -(a[0] ** 2)),),
        evaluate=_erf,
        numpy="erf({0})",
        helper=_ERF_HELPER,
        cost={"erf": 1},
        increasing=True,
    ),
    Row(
        "sigmoid",
        r"\sigma({0})",
        textbook=lambda a: 1 / (1 + call("exp", -a[0])),
        derivative=lambda a, y: (y * (1 - y),),
        evaluate=_sigmoid,
        numpy="sigmoid({0})",
        helper=_SIGMOID_HELPER,
        cost={"neg": 1, "exp": 1, "add": 1, "div": 1},
        increasing=True,
    ),
    Row(
        "softplus",
        r"\operatorname{{softplus}} {0}",
        textbook=lambda a: call("log", 1 + call("exp", a[0])),
        derivative=lambda a, y: (call("sigmoid", a[0]),),
        evaluate=_softplus,
        numpy="softplus({0})",
        helper=_SOFTPLUS_HELPER,
        cost={"exp": 1, "add": 1, "log": 1},
        increasing=True,
    ),
    Row(
        "relu",
        r"\operatorname{{ReLU}}({0})",
        textbook=lambda a: call("maximum", a[0], 0),
        kinks=(0.0,),
        derivative=lambda a, y: (select(compare(">", a[0], 0), ONE, ZERO),),
        evaluate=lambda x: np.where(np.real(x) > 0, x, 0),
        numpy="np.maximum({0}, 0)",
        cost={"compare": 1},
        increasing=True,
    ),
    Row(
        "maximum",
        r"\max({0}, {1})",
        arity=2,
        derivative=_max_gate,
        evaluate=lambda x, y: np.where(np.real(x) >= np.real(y), x, y),
        numpy="np.maximum({0}, {1})",
        cost={"compare": 1},
        increasing=True,
    ),
    Row(
        "minimum",
        r"\min({0}, {1})",
        arity=2,
        derivative=_min_gate,
        evaluate=lambda x, y: np.where(np.real(x) <= np.real(y), x, y),
        numpy="np.minimum({0}, {1})",
        cost={"compare": 1},
        increasing=True,
    ),
    # ---------------------------------------------------------------- defined: their derivatives are derived
    Row(
        "leaky_relu",
        r"\operatorname{{LeakyReLU}}({0})",
        kinks=(0.0,),
        arity=2,
        defaults=(Fraction(1, 100),),
        definition=lambda a: select(compare(">", a[0], 0), a[0], a[1] * a[0]),
        increasing=True,
    ),
    Row(
        "elu",
        r"\operatorname{{ELU}}({0})",
        kinks=(0.0,),
        arity=2,
        defaults=(Fraction(1),),
        definition=lambda a: _elu(a[0], a[1]),
        increasing=True,
    ),
    Row(  # constants: Klambauer et al. 2017, Self-Normalizing Neural Networks, eq. 14
        "selu",
        r"\operatorname{{SELU}}({0})",
        kinks=(0.0,),
        definition=lambda a: SELU_SCALE * _elu(a[0], num(SELU_ALPHA)),
        increasing=True,
    ),
    Row("silu", r"\operatorname{{SiLU}}({0})", definition=lambda a: a[0] * call("sigmoid", a[0])),
    Row(
        "gelu",
        r"\operatorname{{GELU}}({0})",
        definition=lambda a: a[0] * HALF * (1 + call("erf", a[0] / sqrt(2))),
    ),
    Row(  # the tanh form: Hendrycks & Gimpel 2016, Gaussian Error Linear Units, section 2
        "gelu_tanh",
        r"\operatorname{{GELU}}_{{\tanh}}({0})",
        definition=lambda a: a[0] * HALF * (1 + call("tanh", sqrt(2 / PI) * (a[0] + Fraction("0.044715") * a[0] ** 3))),
    ),
    Row("mish", r"\operatorname{{Mish}}({0})", definition=lambda a: a[0] * call("tanh", call("softplus", a[0]))),
    Row(
        "softsign",
        r"\operatorname{{softsign}}({0})",
        kinks=(0.0,),
        definition=lambda a: a[0] / (1 + call("abs", a[0])),
        increasing=True,
    ),
    Row(
        "hard_tanh",
        r"\operatorname{{hardtanh}}({0})",
        kinks=(-1.0, 1.0),
        definition=lambda a: call("minimum", call("maximum", a[0], -1), 1),
        increasing=True,
    ),
)

TABLE: dict[str, Row] = {row.name: row for row in _ROWS}


def partials(function: Expr) -> tuple[Expr, ...]:
    """The partial derivatives of a primitive function's call by its arguments."""
    row = TABLE[function.label]
    if row.derivative is None:
        raise KeyError(f"{row.name} is defined by a formula: expand it before differentiating")
    return row.derivative(function.args, function)


def definition(function: Expr) -> Expr | None:
    """The formula of a defined function's call, None for a primitive."""
    row = TABLE[function.label]
    return None if row.definition is None else row.definition(function.args)


def expand(e: Expr) -> Expr:
    """For `expr.transform`: a call of a defined function replaced by its formula."""
    if isinstance(e, Call):
        formula = definition(e)
        if formula is not None:
            return transform(formula, expand)
    return e


@cache
def zero_of_zeros(e: Call) -> bool:
    """Whether a function is zero where all that it reads is, as tanh is."""
    at_zero = call(e.label, *(ZERO if a.accesses else a for a in e.args))
    return transform(at_zero, _settled_at_zero) is ZERO


def _settled_at_zero(e: Expr) -> Expr:
    e = expand(e)
    if isinstance(e, Call) and all(isinstance(a, Num) for a in e.args):
        with np.errstate(all="ignore"):
            value = TABLE[e.label].evaluate(*(float(a.value) for a in e.args))  # type: ignore[attr-defined,misc]
        return ZERO if value == 0 else e
    return e


def diff(e: Expr, variable: Expr) -> Expr:
    """The derivative of an expression without reductions by one of its accesses, taken as a scalar variable.

    Sums, products, powers and conditions follow the textbook rules, functions the table.
    """
    return _diff(e, variable, {})


def _diff(e: Expr, v: Expr, memo: dict[Expr, Expr]) -> Expr:
    if e is v:
        return ONE
    if not e.args or v not in e.accesses or isinstance(e, (Access, Condition)):
        return ZERO
    found = memo.get(e)
    if found is not None:
        return found
    match e:
        case Add():
            out = add(*(_diff(t, v, memo) for t in e.args))
        case Mul():
            out = add(
                *(mul(d, *(g for g in e.args if g is not f)) for f in e.args if (d := _diff(f, v, memo)) is not ZERO)
            )
        case Pow():
            base, n = e.args
            out = n * power(base, n - 1) * _diff(base, v, memo)
            if v in n.accesses:
                out = out + e * call("log", base) * _diff(n, v, memo)
        case Call():
            formula = definition(e)
            if formula is not None:
                out = _diff(formula, v, memo)
            else:
                out = add(*(p * _diff(a, v, memo) for p, a in zip(partials(e), e.args, strict=True) if v in a.accesses))
        case Select():
            out = select(e.args[0], _diff(e.args[1], v, memo), _diff(e.args[2], v, memo))
        case Reduce():
            raise ValueError("a reduction inside a local derivative: normalise first")
        case _:
            out = ZERO
    memo[e] = out
    return out
