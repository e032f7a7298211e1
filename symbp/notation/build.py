"""Syntax tree to `symbp.expr`, all names looked up and all sizes known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction

from symbp import expr as ex
from symbp.errors import SymbpError, nearest
from symbp.expr import Expr
from symbp.functions import TABLE
from symbp.notation import syntax as s
from symbp.notation.scope import Known, Names, Start
from symbp.notation.sizes import Variable

DIGITS = 400  # of a number
BITS = 100_000  # of a power of numbers
SIZE_POWER = 16  # the highest power of something made of sizes and indices

_INSTEAD = {
    "if": "write where(condition, value, otherwise), or [condition]*value",
    "Piecewise": "write where(condition, value, otherwise)",
    "Sum": "write sum[i] x[i]",
    "argmax": "an index of a maximum has no derivative and is not in the notation",
    "transpose": "exchange the indices: x[j,i]",
    "dot": "write sum[i] x[i]*y[i]",
    "matmul": "write sum[i] x[b,i]*W[i,h]",
    "ln": "write log(x)",
    "pow": "write x^n",
    "square": "write x^2",
}


class Builder:
    """Builds the expressions of one equation. scope: the indices that are bound."""

    def __init__(self, names: Names, scope: Mapping[str, Variable]) -> None:
        self.names, self.source = names, names.source
        self.scope = dict(scope)

    # ---------------------------------------------------------------------------------------- conditions

    def condition(self, node: s.Node) -> Expr:
        """A comparison, or several joined by and, or, not."""
        match node:
            case s.Comparison():
                sides = [node.first, *(n for _, n in node.rest)]
                values = [self.value(n) for n in sides]
                for side, value in zip(sides, values, strict=True):
                    self.small(side, value)
                pairs = zip(node.rest, values, values[1:], strict=False)
                return ex.logic("and", *(ex.compare(op, a, b) for (op, _), a, b in pairs))
            case s.Logic():
                return ex.logic(node.operator, *(self.condition(c) for c in node.conditions))
        raise self.source.error(node.at, "a condition is expected here: a comparison such as j <= i")

    def small(self, node: s.Node, value: Expr) -> None:
        """Refuses high powers of sizes, whose sign nobody could prove in finite time."""
        for n in ex.walk(value):
            if isinstance(n, ex.Pow) and not n.accesses:
                exponent = n.args[1]
                if isinstance(exponent, ex.Num) and abs(Fraction(exponent.value)) > SIZE_POWER:
                    raise self.source.error(node.at, f"the power {exponent.label} of a size is above {SIZE_POWER}")

    # --------------------------------------------------------------------------------------- expressions

    def value(self, node: s.Node) -> Expr:
        """The expression that a node stands for."""
        match node:
            case s.Number():
                return self.number(node)
            case s.Name():
                return self.name(node)
            case s.Bracket():
                return self.value(node.value)
            case s.Negative():
                return -self.value(node.value)
            case s.Total():
                terms = [self.value(node.first)]
                terms += [self.value(n) if op == "+" else -self.value(n) for op, n in node.rest]
                return self.safely(node, lambda: ex.add(*terms))
            case s.Product():
                return self.product(node)
            case s.Power():
                return self.power(node)
            case s.Iverson():
                return ex.select(self.condition(node.condition), ex.ONE, ex.ZERO)
            case s.Read():
                return self.read(node)
            case s.Apply():
                return self.apply(node)
            case s.Reduction():
                return self.reduction(node)
        raise self.source.error(node.at, "a condition stands where a number is expected: write [condition], 1 or 0")

    def safely(self, node: s.Node, make: Callable[[], Expr]) -> Expr:
        """The arithmetic, with what can't be computed as an error at its place."""
        try:
            return make()
        except ZeroDivisionError:
            raise self.source.error(node.at, "this divides by zero") from None
        except (ValueError, OverflowError):
            raise self.source.error(node.at, "this number is too large") from None

    def number(self, node: s.Number) -> Expr:
        exponent = re.search(r"[eE](.*)", node.text)
        if len(node.text) > DIGITS or (exponent and abs(int(exponent[1])) > DIGITS):
            raise self.source.error(node.at, f"a number has at most {DIGITS} digits")
        value = Fraction(node.text.rstrip(".") if exponent is None else node.text.replace(".e", "e").replace(".E", "e"))
        return ex.num(value.numerator if value.denominator == 1 else value)

    def name(self, node: s.Name) -> Expr:
        if node.text == "pi" and not node.quoted:
            return ex.PI
        if node.text == "inf" and not node.quoted:
            return ex.INFINITY
        if node.text in self.scope and not node.primed:
            return self.scope[node.text].index(self.source)
        known = self.names.tensors.get(self.names.tensor_name(node))
        if known is not None and not known.axes:
            return ex.access(known.name)
        if node.text in self.names.sizes and not node.primed:
            return self.names.sizes[node.text]
        raise self.names.unknown_name(node, self.scope)

    def product(self, node: s.Product) -> Expr:
        first, sign = _unsigned(node.first)  # the sign is the product's: -(a + b)*c is -1*(a + b)*c
        out = [ex.num(sign), self.value(first)]
        for op, f in node.rest:
            out += [self.value(f)] if op == "*" else self.inverse(f)
        return self.safely(node, lambda: ex.mul(*out))

    def inverse(self, node: s.Node) -> list[Expr]:
        """What a division by this multiplies by: the inverse of each factor."""
        reduction = _unclear(node)
        if reduction is not None:
            kind = reduction.kind
            fix = f"write a/{kind}[...] (b*c) or (a/{kind}[...] b)*c"
            raise self.source.error(reduction.at, f"where does this {kind} behind a / end? {fix}")
        inner = node.value if isinstance(node, s.Bracket) else node
        if not isinstance(inner, s.Product):
            value = self.value(node)
            return [self.safely(node, lambda: ex.power(value, -1))]
        first, sign = _unsigned(inner.first)
        out = [ex.num(sign), *self.inverse(first)]
        for op, f in inner.rest:
            out += self.inverse(f) if op == "*" else [self.value(f)]
        return out

    def power(self, node: s.Power) -> Expr:
        base, exponent = self.value(node.base), self.value(node.exponent)
        if isinstance(exponent, ex.Num):
            for f in ex.factors(base):
                inner, n = ex.base_exponent(f)
                if isinstance(inner, ex.Num) and isinstance(n, ex.Num):
                    bits = abs(inner.value.numerator).bit_length() + abs(inner.value.denominator).bit_length()
                    if bits * abs(Fraction(n.value) * exponent.value) > BITS:
                        raise self.source.error(node.at, "this number is too large")
        return self.safely(node, lambda: ex.power(base, exponent))

    def read(self, node: s.Read) -> Expr:
        known = self.names.tensor(node.name)
        places = [self.value(p) for p in node.places]
        for p, e in zip(node.places, places, strict=True):
            self.small(p, e)
        return self.started(node, known, places)

    # ------------------------------------------------------------------------------------------- calls

    def apply(self, node: s.Apply) -> Expr:
        name, given = node.name.text, node.arguments
        if name == "where":
            return self.where_(node)
        if name == "size":
            return self.size(node)
        if name == "delta":
            self.arity(node, 2, 2)
            a, b = (self.value(g) for g in given)
            for g, e in zip(given, (a, b), strict=True):
                self.small(g, e)
            return ex.delta(a, b)
        if name == "sqrt":
            self.arity(node, 1, 1)
            return ex.sqrt(self.value(given[0]))
        row = TABLE.get({"max": "maximum", "min": "minimum"}.get(name, name))
        if row is None:
            raise self.unknown_function(node)
        self.arity(node, row.arity - len(row.defaults), row.arity)
        left_out = row.defaults[len(given) - row.arity :] if len(given) < row.arity else ()
        arguments = [*map(self.value, given), *(ex.num(d.numerator if d.denominator == 1 else d) for d in left_out)]
        return self.safely(node, lambda: ex.call(row.name, *arguments))

    def unknown_function(self, node: s.Apply) -> SymbpError:
        name, at = node.name.text, node.at
        if name in _INSTEAD:
            return self.source.error(at, f"{name} is not a function of the notation: {_INSTEAD[name]}")
        if name in self.names.tensors:
            return self.source.error(at, f"{name} is a tensor: write {name}[...] with square brackets")
        if name in ("sum", "mean", "logsumexp", "softmax"):
            return self.source.error(at, f"write {name}[i] (...), with the indices in square brackets")
        functions = [*TABLE, "sqrt", "where", "delta"]
        return self.source.error(at, f"there is no function {name}: {nearest(name, functions)}")

    def arity(self, node: s.Apply, least: int, most: int) -> None:
        n = len(node.arguments)
        if not least <= n <= most:
            wanted = str(most) if least == most else f"{least} to {most}"
            raise self.source.error(
                node.at, f"{node.name.text} takes {wanted} argument{'s' * (most != 1)} and has {n} here"
            )

    def where_(self, node: s.Apply) -> Expr:
        given = node.arguments
        if len(given) < 3 or len(given) % 2 == 0:
            raise self.source.error(
                node.at, "write where(condition, value, otherwise); further conditions and values go before `otherwise`"
            )
        out = self.value(given[-1])
        for n in range(len(given) - 3, -1, -2):
            out = ex.select(self.condition(given[n]), self.value(given[n + 1]), out)
        return out

    def size(self, node: s.Apply) -> Expr:
        self.arity(node, 1, 1)
        (name,) = node.arguments
        if not isinstance(name, s.Name) or name.text not in self.names.sizes:
            raise self.source.error(name.at, f"size(...) takes a size: {nearest('', self.names.sizes)}")
        return self.names.sizes[name.text]

    # -------------------------------------------------------------------------------------- reductions

    @contextmanager
    def binding(self, binders: tuple[s.Binder, ...]) -> Iterator[list[ex.Index]]:
        variables = [self.names.variables[id(b)] for b in binders]
        outer = self.scope
        self.scope = {**outer, **{v.name: v for v in variables}}
        try:
            yield [v.index(self.source) for v in variables]
        finally:
            self.scope = outer

    def reduction(self, node: s.Reduction) -> Expr:
        if node.kind == "softmax":
            return self.softmax(node)
        with self.binding(node.binders) as over:
            body = self.value(node.body)
            condition = None if node.condition is None else self.condition(node.condition)
        kept = ex.ONE if condition is None else ex.select(condition, ex.ONE, ex.ZERO)
        match node.kind:
            case "sum":
                return self.safely(node, lambda: ex.sum_over(ex.mul(kept, body), over))
            case "mean":
                count = ex.sum_over(kept, over) if condition is not None else ex.mul(*(i.size for i in over))
                return self.safely(node, lambda: ex.sum_over(ex.mul(kept, body), over) / count)
            case "logsumexp":
                return ex.call("log", ex.sum_over(ex.mul(kept, ex.call("exp", body)), over))
        sign = 1 if node.kind == "max" else -1
        body = ex.mul(sign, body)
        if condition is not None:
            body = ex.select(condition, body, -ex.INFINITY)
        return ex.mul(sign, ex.maximum_over(body, over))

    def softmax(self, node: s.Reduction) -> Expr:
        """exp(x[k]) / sum over k2 of exp(x[k2])."""
        body = ex.call("exp", self.value(node.body))
        if node.condition is not None:
            body = ex.mul(ex.select(self.condition(node.condition), ex.ONE, ex.ZERO), body)
        over = [self.scope[b.name.text].index(self.source) for b in node.binders]
        return self.safely(node, lambda: softmax(body, over))

    # ------------------------------------------------------------------------------------ recurrences

    def started(self, node: s.Read, known: Known, places: list[Expr]) -> Expr:
        """The read, with the values of the start equations where it lies before the first step or behind the last."""
        out: Expr = ex.access(known.name, places)
        starts = self.names.starts.get(known.name, [])
        for place in {st.place for st in starts}:
            at = places[place]
            if not (isinstance(at, ex.Add) and len(at.args) == 2):
                continue
            shift, time = at.args
            if not isinstance(time, ex.Index) or not isinstance(shift, ex.Num):
                continue
            lags = {st.lag: st for st in starts if st.place == place and st.backwards == (shift.value > 0)}
            if not lags:
                continue
            for lag in range(1, abs(int(shift.value)) + 1):
                if lag not in lags:
                    outside = _outside(known, place, lag, shift.value > 0)
                    raise self.source.error(
                        node.places[place].at,
                        f"{known.name} is read {abs(int(shift.value))} steps away, and the start {outside} is missing: "
                        f"write its equation",
                    )
                steps = abs(int(shift.value)) - lag  # from the first step on, or back from the last
                first = ex.num(steps) if shift.value < 0 else ex.add(time.size, -1 - steps)
                out = ex.select(ex.compare("==", time, first), self.start(lags[lag], places), out)
        return out

    def start(self, start: Start, places: list[Expr]) -> Expr:
        scope = {v.name: v for v in start.variables if v is not None}
        value = Builder(self.names, scope).value(start.equation.value)
        formal: dict[Expr, Expr] = {
            v.index(self.source): place for v, place in zip(start.variables, places, strict=True) if v is not None
        }
        return ex.substitute(value, formal)


def _outside(known: Known, place: int, lag: int, backwards: bool) -> str:
    time = "T" if backwards and lag == 1 else f"T+{lag - 1}" if backwards else f"-{lag}"
    return f"{known.name}[{', '.join(time if n == place else v.name for n, v in enumerate(known.axes))}]"


def softmax(body: Expr, over: Sequence[ex.Index]) -> Expr:
    """body / its sum over other indices in place of these. The new names depend on the body alone."""
    taken = {n.label for n in ex.walk(body) if isinstance(n, ex.Index)}
    others = [ex.fresh_index(i, taken) for i in over]
    renamed: dict[Expr, Expr] = dict(zip(over, others, strict=True))
    total = ex.sum_over(ex.substitute(body, renamed), others)
    return ex.mul(body, ex.power(total, -1))


def _unsigned(node: s.Node) -> tuple[s.Node, int]:
    sign = 1
    while isinstance(node, s.Negative):
        node, sign = node.value, -sign
    return node, sign


def _unclear(node: s.Node) -> s.Reduction | None:
    """The reduction at the head of a factor, if it takes in a product without brackets."""
    while isinstance(node, s.Negative):
        node = node.value
    if not isinstance(node, s.Reduction):
        return None
    inner: s.Node = node
    while isinstance(inner, (s.Reduction, s.Negative)):
        inner = inner.body if isinstance(inner, s.Reduction) else inner.value
    return node if isinstance(inner, s.Product) else None
