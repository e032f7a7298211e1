"""The SymPy edge: what users write becomes `symbp.expr`, and comes back as SymPy whenever they look.

Native SymPy wherever SymPy has it: Idx, IndexedBase, Sum, Piecewise, KroneckerDelta, relationals. Added here: a
maximum over indices, and the elementary functions that SymPy lacks, each a `sympy.Function` whose `fdiff` comes
from the table. Nothing here evaluates text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import sympy as sp
from sympy.concrete.expr_with_limits import ExprWithLimits

from symbp import expr as ex
from symbp.errors import SymbpError, nearest
from symbp.expr import Expr, Index
from symbp.functions import TABLE, Row, diff


class Maximum(ExprWithLimits):
    """The largest value of an expression over indices: `Maximum(x[b, k], k)`."""

    __slots__ = ()

    def _latex(self, printer: Any) -> str:
        under = ", ".join(printer._print(v) for v in self.variables)
        return rf"\max_{{{under}}} {printer._print(self.function)}"


def sizes(names: str) -> Any:
    """Symbolic sizes: `B, H = sizes("B H")`. One name gives one symbol, several a tuple."""
    return sp.symbols(names, integer=True, positive=True)


def _function_class(row: Row) -> type[sp.Function]:
    def create(cls: type, *args: Any, **options: Any) -> Any:
        given = list(args) + [sp.Rational(d.numerator, d.denominator) for d in row.defaults[len(args) - row.arity :]]
        return sp.Function.__new__(cls, *(given if len(args) < row.arity else args), **options)

    def fdiff(self: Any, argindex: int = 1) -> Any:
        formal = [ex.access(f"argument{n}") for n in range(row.arity)]
        partial = diff(ex.call(row.name, *formal), formal[argindex - 1])
        names = {sp.Symbol(f"argument{n}", real=True): a for n, a in enumerate(self.args)}
        return to_sympy(partial).xreplace(names)

    def latex(self: Any, printer: Any, exp: str | None = None) -> str:
        text = row.latex.format(*(printer._print(a) for a in self.args))
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"

    members = {"__new__": create, "fdiff": fdiff, "_latex": latex, "nargs": row.arity, "is_real": True}
    return type(row.name, (sp.Function,), {**members, "__doc__": f"{row.name}, elementwise (symbp.functions.TABLE)."})


_NATIVE: dict[str, Any] = {
    "exp": sp.exp,
    "log": sp.log,
    "abs": sp.Abs,
    "sin": sp.sin,
    "cos": sp.cos,
    "tanh": sp.tanh,
    "erf": sp.erf,
}
FUNCTIONS: dict[str, Any] = {name: _NATIVE.get(name) or _function_class(row) for name, row in TABLE.items()}
_BY_CLASS = {cls: name for name, cls in FUNCTIONS.items()} | {sp.sign: "sign"}
_RELATIONS = {sp.Gt: ">", sp.Lt: "<", sp.Ge: ">=", sp.Le: "<=", sp.Eq: "==", sp.Ne: "!="}
_RELATION_OF = {label: cls for cls, label in _RELATIONS.items()}


# ------------------------------------------------------------------------------------------- from SymPy


def from_sympy(value: Any, scalars: Iterable[str] = (), where: str = "expression") -> Expr:
    """A SymPy expression as an `Expr`.

    scalars: names of rank-0 tensors; every other plain symbol is taken as a size. `where` names the place in errors.
    Raises SymbpError on what the language doesn't have.
    """
    try:
        given = sp.sympify(value, strict=True)
    except sp.SympifyError:
        message = f"{where}: {value!r} is no SymPy expression: write it with SymPy objects, not as text"
        raise SymbpError(message) from None
    return _Reader(frozenset(scalars), where).read(given)


class _Reader:
    def __init__(self, scalars: frozenset[str], where: str) -> None:
        self.scalars, self.where = scalars, where
        self.bound: dict[Any, Index] = {}
        self.memo: dict[Any, Expr] = {}

    def read(self, e: Any) -> Expr:
        found = self.memo.get(e)
        if found is None:
            found = self.convert(e)
            if not self.bound:
                self.memo[e] = found
        return found

    def fail(self, message: str) -> SymbpError:
        return SymbpError(f"{self.where}: {message}")

    def convert(self, e: Any) -> Expr:
        if e in self.bound:
            return self.bound[e]
        if isinstance(e, sp.Idx):
            return self.index(e)
        if isinstance(e, sp.Indexed):
            return ex.access(str(e.base.label), [self.read(i) for i in e.indices])
        if isinstance(e, sp.Symbol):
            return ex.access(e.name) if e.name in self.scalars else ex.size(e.name)
        if e.is_Rational:
            return ex.num(Fraction(int(e.p), int(e.q)))
        if e.is_Float:
            return ex.num(Fraction(repr(float(e))))
        if e is sp.pi:
            return ex.PI
        if e in (sp.oo, -sp.oo):
            return ex.INFINITY if e is sp.oo else -ex.INFINITY
        if e is sp.E:
            return ex.call("exp", ex.ONE)
        if e.is_Add:
            return ex.add(*map(self.read, e.args))
        if e.is_Mul:
            return ex.mul(*map(self.read, e.args))
        if e.is_Pow:
            return ex.power(self.read(e.base), self.read(e.exp))
        if isinstance(e, (sp.Sum, Maximum)):
            return self.reduction(e)
        if isinstance(e, sp.Piecewise):
            return self.piecewise(e)
        if isinstance(e, sp.KroneckerDelta):
            return ex.delta(self.read(e.args[0]), self.read(e.args[1]))
        if isinstance(e, (sp.Max, sp.Min)):
            name = "maximum" if isinstance(e, sp.Max) else "minimum"
            args = sorted(map(self.read, e.args), key=lambda a: (isinstance(a, ex.Num), a.digest))
            out = args[0]
            for a in args[1:]:
                out = ex.call(name, out, a)
            return out
        if isinstance(e, sp.Heaviside):
            x, at_zero = self.read(e.args[0]), self.read(e.args[1])
            return ex.select(ex.compare(">", x, 0), ex.ONE, ex.select(ex.compare("==", x, 0), at_zero, ex.ZERO))
        if isinstance(e, sp.DiracDelta):
            return ex.ZERO  # the derivative of sign, away from its jump
        if e in (sp.true, sp.false):
            return ex.TRUE if e == sp.true else ex.FALSE
        if type(e) in _RELATIONS:
            return ex.compare(_RELATIONS[type(e)], self.read(e.lhs), self.read(e.rhs))
        if isinstance(e, sp.ITE):  # what SymPy makes of a comparison with a Piecewise
            when, then, otherwise = map(self.read, e.args)
            return ex.logic("or", ex.logic("and", when, then), ex.logic("and", ex.logic("not", when), otherwise))
        if isinstance(e, (sp.And, sp.Or, sp.Not)):
            return ex.logic(type(e).__name__.lower(), *map(self.read, e.args))
        if e.func in _BY_CLASS:
            return ex.call(_BY_CLASS[e.func], *map(self.read, e.args))
        name = getattr(e.func, "__name__", str(e.func))
        raise self.fail(f"{name} is not in symbp's language ({e}): {nearest(name.lower(), TABLE)}")

    def index(self, i: Any) -> Index:
        if not (i.name.isidentifier() and i.name.isascii()):
            raise self.fail(f"index name {i.name!r} is not a plain identifier: use letters, digits and _")
        if i.lower is None or i.upper is None:
            raise self.fail(f"index {i.name} has no size: write Idx({i.name!r}, size)")
        if i.lower != 0:
            raise self.fail(f"index {i.name} starts at {i.lower}: indices run from 0; write Idx({i.name!r}, size)")
        return ex.index(i.name, self.read(i.upper + 1))

    def reduction(self, e: Any) -> Expr:
        bound: list[Index] = []
        saved = dict(self.bound)
        for limit in e.limits:
            variable, *bounds = limit
            if len(bounds) != 2:
                raise self.fail(f"{e} has no range for {variable}: write Idx({str(variable)!r}, size)")
            if bounds[0] != 0:
                raise self.fail(f"the range of {variable} in {e} starts at {bounds[0]}: indices run from 0")
            i = ex.index(str(variable), self.read(bounds[1] + 1))
            bound.append(i)
            self.bound[variable] = i
        body = self.read(e.function)
        self.bound = saved
        return ex.sum_over(body, bound) if isinstance(e, sp.Sum) else ex.maximum_over(body, bound)

    def piecewise(self, e: Any) -> Expr:
        *branches, (last, condition) = e.args
        if condition != sp.true:
            raise self.fail(f"{e} has no value where no condition holds: add a last branch (value, True)")
        out = self.read(last)
        for value, when in reversed(branches):
            out = ex.select(self.read(when), self.read(value), out)
        return out


# --------------------------------------------------------------------------------------------- to SymPy


def to_sympy(e: Expr, symbols: Mapping[str, Any] | None = None) -> Any:
    """An `Expr` as a SymPy expression. `symbols` gives the SymPy symbol of rank-0 tensors (default: real, by name)."""
    memo: dict[Expr, Any] = {}

    def write(e: Expr) -> Any:
        found = memo.get(e)
        if found is None:
            found = memo[e] = convert(e)
        return found

    def convert(e: Expr) -> Any:
        match e:
            case ex.Num():
                value = Fraction(e.value)
                return sp.Rational(value.numerator, value.denominator)
            case ex.Const():
                return sp.pi if e is ex.PI else sp.oo
            case ex.Size():
                return sp.Symbol(e.label, integer=True, positive=True)
            case ex.Index():
                return sp.Idx(e.label, write(e.size))
            case ex.Access():
                if not e.args:
                    return (symbols or {}).get(e.label) or sp.Symbol(e.label, real=True)
                return sp.IndexedBase(e.label, real=True)[tuple(map(write, e.args))]
            case ex.Add():
                return sp.Add(*map(write, e.args))
            case ex.Mul():
                return sp.Mul(*map(write, e.args))
            case ex.Pow():
                return sp.Pow(write(e.args[0]), write(e.args[1]))
            case ex.Call():
                return FUNCTIONS[e.label](*map(write, e.args))
            case ex.Reduce():
                cls = sp.Sum if e.label == "sum" else Maximum
                return cls(write(e.body), *map(write, e.indices))
            case ex.Delta():
                return sp.KroneckerDelta(*map(write, e.args))
            case ex.Select():
                condition, then, otherwise = map(write, e.args)
                return sp.Piecewise((then, condition), (otherwise, True))
            case ex.Condition() if e.label in _RELATION_OF:
                return _RELATION_OF[e.label](*map(write, e.args))
            case ex.Condition() if not e.args:
                return sp.true if e is ex.TRUE else sp.false
            case ex.Condition():
                return {"and": sp.And, "or": sp.Or, "not": sp.Not}[e.label](*map(write, e.args))
        raise TypeError(f"no SymPy form of {e!r}")

    return write(e)
