"""The expressions inside equations: an immutable, hash-consed DAG in a canonical form.

Users write SymPy (`symbp.language` converts at the edge). Inside, equal expressions are one object, so that
equality is identity, every traversal can be memoised on nodes, and the order of operands depends on their
structure alone: the same input gives the same output to the byte. SymPy's own trees were measured first: one
`diff` of a sigmoid took 6 ms and one `KroneckerDelta` 0.8 ms, here both take microseconds.

Canonical form: sums and products are flat, carry one rational coefficient a term, collect equal terms and equal
bases, and are sorted by a structural digest. How people want them ordered is the printers' business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from hashlib import blake2b

Number = int | Fraction
_interned: dict[tuple[type[Expr], str, tuple[Expr, ...]], Expr] = {}
_WALKED = 64  # the nodes of expressions up to this size are kept: they are walked again and again


class Expr:
    """A node. Never constructed directly: use the functions and operators below, which keep the canonical form."""

    __slots__ = ("_accesses", "_free", "_nodes", "_tensors", "args", "digest", "label", "skeleton")
    args: tuple[Expr, ...]
    label: str  # what distinguishes nodes of one class beside their arguments: a name, a number, an operator
    digest: bytes  # of the whole structure
    skeleton: bytes  # the same without the names of indices: equal for expressions that differ by renaming
    _free: frozenset[Index] | None
    _accesses: frozenset[Access] | None
    _tensors: frozenset[str] | None
    _nodes: tuple[Expr, ...] | None

    def __add__(self, other: Expr | Number) -> Expr:
        return add(self, other)

    def __sub__(self, other: Expr | Number) -> Expr:
        return add(self, mul(-1, other))

    def __mul__(self, other: Expr | Number) -> Expr:
        return mul(self, other)

    def __truediv__(self, other: Expr | Number) -> Expr:
        return mul(self, power(other, -1))

    def __pow__(self, exponent: Expr | Number) -> Expr:
        return power(self, exponent)

    def __neg__(self) -> Expr:
        return mul(-1, self)

    def __radd__(self, other: Number) -> Expr:
        return add(other, self)

    def __rsub__(self, other: Number) -> Expr:
        return add(other, mul(-1, self))

    def __rmul__(self, other: Number) -> Expr:
        return mul(other, self)

    def __rtruediv__(self, other: Number) -> Expr:
        return mul(other, power(self, -1))

    @property
    def free(self) -> frozenset[Index]:
        """The indices that occur free in this expression."""
        found = self._free
        if found is None:
            found = frozenset().union(*(a.free for a in self.args)) if self.args else frozenset()
            self._free = found
        return found

    @property
    def accesses(self) -> frozenset[Access]:
        """Every access in this expression, those inside the indices of other accesses included."""
        found = self._accesses
        if found is None:
            found = frozenset().union(*(a.accesses for a in self.args)) if self.args else frozenset()
            self._accesses = found
        return found

    @property
    def tensors(self) -> frozenset[str]:
        """The names of all tensors that are read."""
        found = self._tensors
        if found is None:
            found = self._tensors = frozenset(a.label for a in self.accesses)
        return found

    def __repr__(self) -> str:
        from_label = self.label if not self.args else f"{self.label}({', '.join(map(repr, self.args))})"
        return f"{type(self).__name__}:{from_label}" if not self.args else from_label

    def __reduce__(self) -> tuple[Callable[..., Expr], tuple[object, ...]]:
        return _node, (type(self), self.label, self.args)


class Num(Expr):
    """A rational number."""

    __slots__ = ("value",)
    value: Number


class Const(Expr):
    """An irrational constant, by name: pi."""

    __slots__ = ()


class Size(Expr):
    """A symbolic size such as B: a positive integer."""

    __slots__ = ()


class Index(Expr):
    """A bound variable that runs over 0 .. size-1."""

    __slots__ = ()

    @property
    def size(self) -> Expr:
        return self.args[0]

    @property
    def free(self) -> frozenset[Index]:
        found = self._free
        if found is None:
            found = self._free = frozenset((self,))
        return found


class Access(Expr):
    """A tensor read at one index expression an axis: `x[b, i]`. A scalar is an access without indices."""

    __slots__ = ()

    @property
    def accesses(self) -> frozenset[Access]:
        found = self._accesses
        if found is None:
            found = frozenset((self,)).union(*(a.accesses for a in self.args))
            self._accesses = found
        return found


class Add(Expr):
    """A sum of two or more terms."""

    __slots__ = ()


class Mul(Expr):
    """A product of two or more factors; a numeric coefficient stands first."""

    __slots__ = ()


class Pow(Expr):
    """args = base, exponent."""

    __slots__ = ()


class Call(Expr):
    """An elementary function of the table in `symbp.functions`, by name."""

    __slots__ = ()


class Reduce(Expr):
    """args = body, *indices: the sum or the maximum of the body over the indices, which are bound here."""

    __slots__ = ()

    @property
    def body(self) -> Expr:
        return self.args[0]

    @property
    def indices(self) -> tuple[Index, ...]:
        return self.args[1:]  # type: ignore[return-value]

    @property
    def free(self) -> frozenset[Index]:
        found = self._free
        if found is None:
            found = self.args[0].free - frozenset(self.args[1:])
            self._free = found
        return found


class Delta(Expr):
    """Kronecker's delta of two index expressions: 1 where they're equal, else 0."""

    __slots__ = ()


class Select(Expr):
    """args = condition, value where it holds, value elsewhere."""

    __slots__ = ()


class Condition(Expr):
    """A comparison (label <, <=, >, >=, ==, !=) or a logical connective (label and, or, not)."""

    __slots__ = ()


def _node(cls: type[Expr], label: str, args: tuple[Expr, ...]) -> Expr:
    """The one object of this structure."""
    key = cls, label, args
    found = _interned.get(key)
    if found is not None:
        return found
    new = object.__new__(cls)
    new.args, new.label = args, label
    new._free = new._accesses = new._tensors = new._nodes = None
    head = f"{cls.__name__}:{label}:".encode()
    nameless = b"Index::" if cls is Index else head
    new.digest = blake2b(head + b"".join([a.digest for a in args]), digest_size=12).digest()
    new.skeleton = blake2b(nameless + b"".join([a.skeleton for a in args]), digest_size=12).digest()
    if cls is Num:
        fraction = Fraction(label)
        new.value = fraction.numerator if fraction.denominator == 1 else fraction  # type: ignore[attr-defined]
    _interned[key] = new
    return new


def _order(e: Expr) -> tuple[bytes, bytes]:
    return e.skeleton, e.digest


# ------------------------------------------------------------------------------------------------- leaves


def num(value: Number) -> Num:
    """A rational number."""
    return _node(Num, str(value), ())  # type: ignore[return-value]


ZERO, ONE, HALF = num(0), num(1), num(Fraction(1, 2))
PI, INFINITY = _node(Const, "pi", ()), _node(Const, "oo", ())  # minus infinity: outside of a maximum's window


def size(name: str) -> Size:
    """A symbolic size."""
    return _node(Size, name, ())  # type: ignore[return-value]


def index(name: str, length: Expr | int) -> Index:
    """An index that runs over 0 .. length-1."""
    return _node(Index, name, (as_expr(length),))  # type: ignore[return-value]


def access(tensor: str, indices: Iterable[Expr] = ()) -> Access:
    """The tensor read at the index expressions."""
    return _node(Access, tensor, tuple(indices))  # type: ignore[return-value]


def as_expr(value: Expr | Number) -> Expr:
    """A Python number as an expression; an expression as it is."""
    return value if isinstance(value, Expr) else num(value)


# ------------------------------------------------------------------------------------------- arithmetic


def coefficient(e: Expr) -> tuple[Number, Expr]:
    """(c, rest) with e = c * rest and rest without a numeric coefficient."""
    if isinstance(e, Num):
        return e.value, ONE
    if isinstance(e, Mul) and isinstance(e.args[0], Num):
        rest = e.args[1:]
        return e.args[0].value, rest[0] if len(rest) == 1 else _node(Mul, "*", rest)
    return 1, e


def factors(e: Expr) -> tuple[Expr, ...]:
    """The factors of a product, the numeric coefficient included; (e,) for anything else."""
    return e.args if isinstance(e, Mul) else (e,)


def terms(e: Expr) -> tuple[Expr, ...]:
    """The terms of a sum; (e,) for anything else."""
    return e.args if isinstance(e, Add) else (e,)


def base_exponent(e: Expr) -> tuple[Expr, Expr]:
    """(b, n) with e = b ** n."""
    return (e.args[0], e.args[1]) if isinstance(e, Pow) else (e, ONE)


def add(*operands: Expr | Number) -> Expr:
    """The sum, flat, equal terms collected. A sum whose leading sign is minus is kept as -(its opposite)."""
    collected: dict[Expr, Number] = {}
    stack = [as_expr(o) for o in reversed(operands)]
    while stack:
        e = stack.pop()
        if isinstance(e, Add):
            stack.extend(reversed(e.args))
            continue
        c, rest = coefficient(e)
        if isinstance(rest, Add) and (c in (1, -1) or not rest.accesses):  # opened, so that differences cancel
            stack.extend(mul(c, t) for t in reversed(rest.args))
            continue
        collected[rest] = collected.get(rest, 0) + c
    kept = [(rest, c) for rest, c in collected.items() if c != 0]
    if not kept:
        return ZERO
    if len(kept) == 1:
        return mul(kept[0][1], kept[0][0])
    kept.sort(key=lambda rc: (rc[0] is not ONE, *_order(rc[0])))
    # a - b and b - a share one node: the sign is that of most terms, then of a number, then of the last name (y - t).
    # Index arithmetic has no sign outside: t - 1 and 1 - t are two things.
    majority = sum(1 if c > 0 else -1 for _, c in kept)
    reads = any(rest.accesses for rest, _ in kept)
    if reads and (majority < 0 or (majority == 0 and max(kept, key=_leading)[1] < 0)):
        return mul(-1, _node(Add, "+", tuple([_scaled(-c, rest) for rest, c in kept])))
    return _node(Add, "+", tuple([_scaled(c, rest) for rest, c in kept]))


def uncollected(*operands: Expr) -> Expr:
    """The sum of these very terms: where two are equal they stay two, as they cost two to compute."""
    return operands[0] if len(operands) == 1 else _node(Add, "+", operands)


def _scaled(c: Number, rest: Expr) -> Expr:
    """c * rest for a rest that has no coefficient: mul, without taking the product apart."""
    if c == 1:
        return rest
    if rest is ONE:
        return num(c)
    if type(rest) is Mul:
        return _node(Mul, "*", (num(c), *rest.args))
    return mul(c, rest)


def _leading(term: tuple[Expr, Number]) -> tuple[bool, str, bytes]:
    rest = term[0]
    return rest is ONE, max(rest.tensors, default=""), rest.digest


def mul(*operands: Expr | Number) -> Expr:
    """The product, flat, equal bases collected, exponentials merged."""
    c: Number = 1
    exponents: dict[Expr, Expr] = {}
    in_exp: list[Expr] = []
    stack = [o if isinstance(o, Expr) else num(o) for o in reversed(operands)]
    while stack:
        e = stack.pop()
        kind = type(e)
        if kind is Mul:
            stack.extend(reversed(e.args))
        elif kind is Num:
            c = c * e.value  # type: ignore[attr-defined]
        elif kind is Call and e.label == "exp":
            in_exp.append(e.args[0])
        else:
            base, n = e.args if kind is Pow else (e, ONE)
            exponents[base] = add(exponents[base], n) if base in exponents else n
    if c == 0:
        return ZERO
    parts: list[Expr] = []
    if in_exp:
        merged = call("exp", add(*in_exp))
        if merged is not ONE:
            parts.append(merged)
    reopen = False
    for base, n in exponents.items():
        factor = base if n is ONE else power(base, n)
        if isinstance(factor, (Num, Mul)):
            reopen = True
        parts.append(factor)
    if reopen:
        return mul(c, *parts)
    if isinstance(c, Fraction) and c.denominator == 1:
        c = c.numerator
    if not parts:
        return num(c)
    if c != 1 and len(parts) == 1 and isinstance(parts[0], Add) and not parts[0].accesses:
        return add(*(mul(c, t) for t in parts[0].args))
    parts.sort(key=_order)
    if c != 1:
        parts.insert(0, num(c))
    return parts[0] if len(parts) == 1 else _node(Mul, "*", tuple(parts))


def power(base: Expr | Number, exponent: Expr | Number) -> Expr:
    """base ** exponent; integer powers are distributed over products and powers, rational numbers are evaluated."""
    b, n = as_expr(base), as_expr(exponent)
    if n is ZERO:
        return ONE
    if n is ONE:
        return b
    if not isinstance(n, Num):
        return ONE if b is ONE else _node(Pow, "**", (b, n))
    if isinstance(b, Num):
        if b is ONE:
            return ONE
        if isinstance(n.value, int):
            if b is ZERO and n.value < 0:
                raise ZeroDivisionError("0 ** negative number in an expression")
            return num(Fraction(b.value) ** n.value)
        root = _exact_power(Fraction(b.value), Fraction(n.value))
        return _node(Pow, "**", (b, n)) if root is None else num(root)
    if isinstance(n.value, int):
        if n.value > 0 and (isinstance(b, Delta) or (isinstance(b, Select) and b.args[1:] == (ONE, ZERO))):
            return b
        if isinstance(b, Mul):
            return mul(*(power(f, n) for f in b.args))
        if isinstance(b, Pow):
            return power(b.args[0], mul(b.args[1], n))
        if isinstance(b, Call) and b.label == "exp":
            return call("exp", mul(n, b.args[0]))
    return _node(Pow, "**", (b, n))


def _exact_power(b: Fraction, n: Fraction) -> Fraction | None:
    """b ** n where that is rational (as for sqrt(4)), else None."""
    if b < 0:
        return None

    def root(k: int) -> int | None:
        r = round(k ** (1 / n.denominator)) if k < 2**52 else -1
        return r if r >= 0 and r**n.denominator == k else None

    top, bottom = root(b.numerator), root(b.denominator)
    if top is None or bottom is None or (top == 0 and n < 0):
        return None
    return Fraction(top, bottom) ** n.numerator


def sqrt(e: Expr | Number) -> Expr:
    """The square root."""
    return power(e, HALF)


def call(function: str, *arguments: Expr | Number) -> Expr:
    """An elementary function of the table, with the values at 0 that hold exactly and log(exp(x)) = x."""
    args = tuple(as_expr(a) for a in arguments)
    if function == "exp" and args[0] is ZERO:
        return ONE
    if function in ("maximum", "minimum") and all(isinstance(a, Num) for a in args):
        return (max if function == "maximum" else min)(args, key=lambda a: a.value)  # type: ignore[attr-defined]
    if function == "log":
        if args[0] is ONE:
            return ZERO
        if isinstance(args[0], Call) and args[0].label == "exp":
            return args[0].args[0]
    if function == "exp" and isinstance(args[0], Call) and args[0].label == "log":
        return args[0].args[0]
    if function in ("abs", "sign") and coefficient(args[0])[0] < 0:  # even and odd: of f(u) and f(-u), one
        positive = _node(Call, function, (mul(-1, args[0]),))
        return positive if function == "abs" else mul(-1, positive)
    return _node(Call, function, args)


# ------------------------------------------------------------------------- conditions, deltas, reductions

_COMPARE: dict[str, Callable[[Number, Number], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
TRUE, FALSE = _node(Condition, "true", ()), _node(Condition, "false", ())


def compare(operator: str, a: Expr | Number, b: Expr | Number) -> Expr:
    """A comparison of two values, numbers on the right, the larger one elsewhere."""
    left, right = as_expr(a), as_expr(b)
    if left is right:
        return TRUE if operator in ("<=", ">=", "==") else FALSE
    if isinstance(left, Num):
        if isinstance(right, Num):
            return TRUE if _COMPARE[operator](left.value, right.value) else FALSE
        left, right, operator = right, left, _MIRRORED[operator]
    elif operator in (">", ">=") and not isinstance(right, Num):  # of a >= b and b <= a, one
        left, right, operator = right, left, _MIRRORED[operator]
    return _node(Condition, operator, (left, right))


def logic(operator: str, *conditions: Expr) -> Expr:
    """and, or, not of conditions."""
    if operator == "not":
        (a,) = conditions
        if a in (TRUE, FALSE):
            return FALSE if a is TRUE else TRUE
        return compare(_OPPOSITE[a.label], *a.args) if a.label in _OPPOSITE else _node(Condition, "not", (a,))
    neutral, absorbing = (TRUE, FALSE) if operator == "and" else (FALSE, TRUE)
    kept = [c for c in dict.fromkeys(conditions) if c is not neutral]
    if absorbing in kept:
        return absorbing
    if not kept:
        return neutral
    return kept[0] if len(kept) == 1 else _node(Condition, operator, tuple(kept))


def select(condition: Expr, then: Expr | Number, otherwise: Expr | Number) -> Expr:
    """The first value where the condition holds, elsewhere the second."""
    a, b = as_expr(then), as_expr(otherwise)
    if condition is TRUE or a is b:
        return a
    if condition is FALSE:
        return b
    if a is ZERO and not condition.accesses:  # one form for what is zero at the first step, or outside
        condition, a, b = logic("not", condition), b, a
    if a is ONE and b is ZERO and condition.label == "==" and not condition.accesses:
        return delta(*condition.args)  # so that a sum over the index contracts
    return _node(Select, "if", (condition, a, b))


def delta(a: Expr | Number, b: Expr | Number) -> Expr:
    """Kronecker's delta."""
    left, right = sorted((as_expr(a), as_expr(b)), key=_order)
    if left is right:
        return ONE
    if isinstance(left, Num) and isinstance(right, Num):
        return ZERO
    return _node(Delta, "delta", (left, right))


def maximum_over(body: Expr, indices: Sequence[Index]) -> Expr:
    """The largest value of the body over the indices."""
    bound = tuple(i for i in indices if i in body.free)
    return _node(Reduce, "max", (body, *bound)) if bound else body


def sum_over(body: Expr | Number, indices: Sequence[Index]) -> Expr:
    """The sum of the body over the indices, brought to normal form.

    Deltas on a summed index are contracted, nested sums merged, factors that don't depend on a summed index moved
    out, and an index that the body doesn't read turns into a factor of its size.
    """
    e = as_expr(body)
    left = list(indices)
    if e is ZERO or not left:
        return e
    if isinstance(e, Reduce) and e.label == "sum":
        inner = e.args[1:]
        if not any(i in left for i in inner):
            return sum_over(e.args[0], [*left, *inner])  # type: ignore[list-item]
    if isinstance(e, Add) and any(_has_contractible_delta(t, left) for t in e.args):
        return add(*(sum_over(t, left) for t in e.args))
    contracted = _contract_one_delta(e, left)
    if contracted is not None:
        return sum_over(*contracted)
    outside: list[Expr] = [i.size for i in left if i not in e.free]
    left = [i for i in left if i in e.free]
    inside: list[Expr] = []
    bound = frozenset(left)
    for f in factors(e):
        (inside if f.free & bound else outside).append(f)
    if not left:
        return mul(*outside, *inside)
    inner_body = mul(*inside)
    if outside and (isinstance(inner_body, (Reduce, Add)) or _has_contractible_delta(inner_body, left)):
        return mul(*outside, sum_over(inner_body, left))
    left.sort(key=_order)
    return mul(*outside, _node(Reduce, "sum", (inner_body, *left)))


def _contract_one_delta(e: Expr, bound: list[Index]) -> tuple[Expr, list[Index]] | None:
    """Sum over i of delta(i, j) * f(i) is f(j): one such step, or None."""
    for f in factors(e):
        if isinstance(f, Delta):
            for i, other in (f.args, f.args[::-1]):
                if isinstance(i, Index) and i in bound and i not in other.free and _same_range(i, other):
                    rest = mul(*(g for g in factors(e) if g is not f))
                    return substitute(rest, {i: other}), [k for k in bound if k is not i]
                shifted = _solve(i, other, bound)
                if shifted is not None:
                    k, value = shifted
                    inside = logic("and", compare(">=", value, 0), compare("<", value, k.size))
                    rest = mul(*(g for g in factors(e) if g is not f))
                    left = [j for j in bound if j is not k]
                    return mul(select(inside, ONE, ZERO), substitute(rest, {k: value})), left
    for f in factors(e):
        if isinstance(f, Delta):
            for i, other in (f.args, f.args[::-1]):  # sum over i of delta(i, 2 h + p) * f(i), where that is in range
                if isinstance(i, Index) and i in bound and i not in other.free and not other.accesses:
                    inside = logic("and", compare(">=", other, 0), compare("<", other, i.size))
                    rest = mul(*(g for g in factors(e) if g is not f))
                    found = mul(select(inside, ONE, ZERO), substitute(rest, {i: other}))
                    return found, [k for k in bound if k is not i]
    return None


def _solve(e: Expr, other: Expr, bound: list[Index]) -> tuple[Index, Expr] | None:
    """(k, value) with k a summed index where `other` is k + c for a number c, so that e = other means k = e - c."""
    if isinstance(other, Add) and len(other.args) == 2 and isinstance(other.args[0], Num):
        k = other.args[1]
        if isinstance(k, Index) and k in bound and k not in e.free and not e.free & frozenset(bound):
            return k, add(e, mul(-1, other.args[0]))
    return None


def _has_contractible_delta(e: Expr, bound: Sequence[Index]) -> bool:
    return _contract_one_delta(e, list(bound)) is not None


def _same_range(i: Index, other: Expr) -> bool:
    """Whether `other` surely lies in the range of i: an index of the same size, or a checked integer tensor."""
    if isinstance(other, Index):
        return other.size is i.size
    if isinstance(other, Num):
        return other.value == 0 or (isinstance(i.size, Num) and 0 <= other.value < i.size.value)
    return isinstance(other, Access)


# ------------------------------------------------------------------------------------------- traversal


def rebuild(e: Expr, args: Sequence[Expr]) -> Expr:
    """The node with other arguments, brought to canonical form."""
    match e:
        case Add():
            return add(*args)
        case Mul():
            return mul(*args)
        case Pow():
            return power(args[0], args[1])
        case Call():
            return call(e.label, *args)
        case Reduce():
            over = list(args[1:])
            build = sum_over if e.label == "sum" else maximum_over
            return build(args[0], over)  # type: ignore[arg-type]
        case Delta():
            return delta(*args)
        case Select():
            return select(*args)
        case Condition():
            if e.label in _COMPARE:
                return compare(e.label, *args)
            return logic(e.label, *args) if args else e
        case _:
            return _node(type(e), e.label, tuple(args))


def substitute(e: Expr, mapping: Mapping[Expr, Expr]) -> Expr:
    """All keys replaced by their values at once; bound indices are renamed where they would capture an index."""
    if not mapping:
        return e
    return _substitute(e, mapping, {})


def _substitute(e: Expr, mapping: Mapping[Expr, Expr], memo: dict[Expr, Expr]) -> Expr:
    if e in mapping:
        return mapping[e]
    if not e.args or isinstance(e, Index):
        return e
    found = memo.get(e)
    if found is not None:
        return found
    if isinstance(e, Reduce):
        new = _substitute_under_binder(e, mapping, memo)
    else:
        args = tuple([_substitute(a, mapping, memo) for a in e.args])
        new = e if args == e.args else rebuild(e, args)
    memo[e] = new
    return new


def _substitute_under_binder(e: Reduce, mapping: Mapping[Expr, Expr], memo: dict[Expr, Expr]) -> Expr:
    bound = frozenset(e.indices)
    inner = {k: v for k, v in mapping.items() if k not in bound}
    shadowed = len(inner) != len(mapping)
    arriving = frozenset().union(*(v.free for k, v in inner.items() if k.free <= e.body.free), frozenset())
    clash = bound & arriving
    if clash:
        taken = {i.label for i in arriving | e.body.free}
        renamed: dict[Expr, Expr] = {i: fresh_index(i, taken) for i in sorted(clash, key=_order)}
        e = _node(Reduce, e.label, (substitute(e.body, renamed), *(renamed.get(i, i) for i in e.indices)))  # type: ignore[assignment]
    body = _substitute(e.body, inner, {} if shadowed or clash else memo)
    return e if body is e.body else rebuild(e, (body, *e.indices))


def fresh_index(like: Index, taken: set[str]) -> Index:
    """An index of the same size whose name is not taken (it is then): i, i2, i3, ..."""
    stem = like.label.rstrip("0123456789") or like.label
    name, n = like.label, 2
    while name in taken:
        name, n = f"{stem}{n}", n + 1
    taken.add(name)
    return index(name, like.size)


def walk(e: Expr) -> Iterator[Expr]:
    """Every distinct node of the expression, children first."""
    nodes = e._nodes
    if nodes is None:
        nodes = tuple(_walk(e))
        if len(nodes) <= _WALKED:
            e._nodes = nodes
    return iter(nodes)


def _walk(e: Expr) -> Iterator[Expr]:
    seen: set[Expr] = set()
    stack: list[tuple[Expr, bool]] = [(e, False)]
    while stack:
        node, done = stack.pop()
        if done:
            yield node
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((a, False) for a in reversed(node.args))


def transform(e: Expr, rule: Callable[[Expr], Expr], memo: dict[Expr, Expr] | None = None) -> Expr:
    """The rule applied to every node, children first. memo: kept by the caller where the rule looks at nodes alone."""
    memo = {} if memo is None else memo
    found = memo.get(e)
    if found is None:
        if not e.args or type(e) is Index:
            found = rule(e)
        else:
            args = tuple([transform(a, rule, memo) for a in e.args])
            found = rule(e if args == e.args else rebuild(e, args))
        memo[e] = found
    return found
