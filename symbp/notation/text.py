"""Expressions as text that reads back as the same expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from symbp import expr as ex
from symbp.expr import Expr, Index
from symbp.functions import TABLE
from symbp.notation.build import softmax
from symbp.notation.words import WORDS

TOTAL, PRODUCT, SIGNED, POWER, ATOM = range(5)  # how tightly a text holds together
Written = tuple[str, int]
_PLAIN = re.compile(r"[^\W\d]\w*\Z")
_FUNCTIONS = {"maximum": "max", "minimum": "min"}


def quoted(name: str) -> str:
    """A name, in backquotes where it isn't one to the grammar."""
    return name if _PLAIN.match(name) and name not in WORDS else f"`{name}`"


def number(value: ex.Number) -> Written:
    """The exact number: a decimal where it has one, else a fraction."""
    value = Fraction(value)
    if value < 0:
        text, _ = number(-value)
        return f"-{text}", SIGNED
    if value.denominator == 1:
        return str(value.numerator), ATOM
    places = _decimals(value.denominator)
    if value.denominator == 2 or places is None:
        return f"{value.numerator}/{value.denominator}", PRODUCT
    digits = str(value.numerator * 10**places // value.denominator)
    if len(digits) <= 3 < places:
        while digits.endswith("0"):
            digits, places = digits[:-1], places - 1
        return f"{digits}e-{places}", ATOM
    digits = digits.rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}", ATOM


def _decimals(denominator: int) -> int | None:
    """Digits behind the point that 1/denominator has; None where they don't end."""
    twos = fives = 0
    while denominator % 2 == 0:
        denominator, twos = denominator // 2, twos + 1
    while denominator % 5 == 0:
        denominator, fives = denominator // 5, fives + 1
    return max(twos, fives) if denominator == 1 else None


class Text:
    """Writes expressions. sizes: of indices, by name, as the text's head gives them; others are annotated.

    order: the place of each tensor, for the order of terms and factors. primes: tensors written m', with their states.
    starts: guarded reads, each with the access that is written instead, as a start equation says the rest.
    clashes: names that are an index and something else. partial: indices that are read at a part of an axis.
    """

    def __init__(
        self,
        sizes: Mapping[str, Expr],
        order: Mapping[str, int],
        primes: Mapping[str, str],
        starts: Mapping[Expr, Expr],
        clashes: frozenset[str] = frozenset(),
        partial: frozenset[Index] = frozenset(),
    ) -> None:
        self.partial = partial
        self.sizes, self.order, self.primes, self.starts, self.clashes = sizes, order, primes, starts, clashes
        self.memo: dict[Expr, Written] = {}

    def tensor(self, name: str) -> str:
        """A tensor's name."""
        return f"{quoted(self.primes[name])}'" if name in self.primes else quoted(name)

    def binder(self, i: Index) -> str:
        """An index where it is introduced."""
        name = quoted(i.label)
        usual = self.sizes.get(i.label) is i.size and i not in self.partial
        return name if usual else f"{name}<{self.at_least(i.size, TOTAL)}"

    def target(self, name: str, indices: tuple[Index, ...]) -> str:
        """The left-hand side of an equation, or a declared tensor."""
        return self.tensor(name) + (f"[{','.join(map(self.binder, indices))}]" if indices else "")

    def at_least(self, e: Expr, level: int) -> str:
        """The text, in brackets where it holds together less tightly than asked for."""
        text, own = self.write(e)
        return text if own >= level else f"({text})"

    def write(self, e: Expr) -> Written:
        """The text and how tightly it holds together."""
        found = self.memo.get(e)
        if found is None:
            found = self.memo[e] = self.convert(e)
        return found

    def convert(self, e: Expr) -> Written:
        match e:
            case ex.Num():
                return number(e.value)
            case ex.Const():
                return ("pi" if e is ex.PI else "inf"), ATOM
            case ex.Size():
                return (f"size({quoted(e.label)})" if e.label in self.clashes else quoted(e.label)), ATOM
            case Index():
                return quoted(e.label), ATOM
            case ex.Access():
                places = ",".join(self.place(a) for a in e.args)
                bare = "" if e.label not in self.clashes else "[]"
                return self.tensor(e.label) + (f"[{places}]" if e.args else bare), ATOM
            case ex.Add():
                return self.total(e.args), TOTAL
            case ex.Mul() | ex.Pow():
                return self.product(e)
            case ex.Call():
                return self.call(e), ATOM if not self.is_logsumexp(e) else PRODUCT
            case ex.Reduce():
                return self.reduction(e.label, e.indices, e.body), PRODUCT
            case ex.Delta():
                return f"delta({', '.join(self.at_least(a, TOTAL) for a in e.args)})", ATOM
            case ex.Select():
                return self.select(e), ATOM
        raise TypeError(f"no text of {e!r}")

    def place(self, e: Expr) -> str:
        """An index expression, without blanks."""
        return self.at_least(e, TOTAL).replace(" ", "") if not e.accesses else self.at_least(e, TOTAL)

    # -------------------------------------------------------------------------------------- arithmetic

    def total(self, terms: tuple[Expr, ...], negative: bool = False) -> str:
        """A sum, terms with a plus first."""
        signed = []
        for t in terms:
            c, _ = ex.coefficient(t)
            below = (c < 0) is not negative
            signed.append((below, self.rank(t), ex.mul(-1, t) if c < 0 else t))
        signed.sort(key=lambda item: item[:2])
        out = ""
        for n, (below, _, t) in enumerate(signed):
            text = self.at_least(t, PRODUCT)
            out += (" - " if below else " + ") + text if n else ("-" if below else "") + text
        return out

    def rank(self, e: Expr) -> tuple[int, int, str]:
        """Where a term or factor stands: numbers and sizes, then in the order of the tensors, sums last."""
        if isinstance(e, ex.Num):
            return 2, 0, ""
        places = [self.order.get(n, 0) for n in e.tensors]
        if not places:
            return (0 if e.free else 1), 0, self.write(e)[0]
        return 0, min(places), self.write(e)[0]

    def product(self, e: Expr) -> Written:
        c, rest = ex.coefficient(e)
        top: list[Expr] = []
        bottom: list[str] = []
        fs = ex.factors(rest)
        head, fs = self.named(e, fs)
        for f in fs:
            base, n = ex.base_exponent(f)
            if isinstance(n, ex.Num) and n.value < 0:
                bottom.append(self.power(base, ex.num(-n.value)))
            elif f is not ex.ONE:
                top.append(f)
        if c == -1 and len(top) == 1 and not bottom and not head and isinstance(top[0], ex.Add):
            return self.total(top[0].args, negative=True), TOTAL
        if c == 1 and len(top) == 1 and not bottom and not head:
            (only,) = top
            return (self.power(*ex.base_exponent(only)), POWER) if isinstance(only, ex.Pow) else self.write(only)
        negative, size = c < 0, abs(Fraction(c))
        above = ""
        if size.denominator != 1 and (size.denominator == 2 or _decimals(size.denominator) is None):
            bottom.insert(0, str(size.denominator))
            above = str(size.numerator) if size.numerator != 1 else ""
        elif size != 1:
            above = number(size)[0]
        return self.joined(negative, above, top, bottom, head)

    def named(self, e: Expr, fs: tuple[Expr, ...]) -> tuple[str, tuple[Expr, ...]]:
        """(text, the factors left) where some factors make up a mean or a softmax, else ("", all of them)."""
        for f in fs:
            others = [g for g in fs if g is not f]
            if isinstance(f, ex.Reduce) and f.label == "sum":
                means = [i for i in f.indices if ex.power(i.size, -1) in others and isinstance(i.size, ex.Size)]
                if not means or len({i.size for i in means}) < len(means):
                    continue
                inner = ex.sum_over(f.body, [i for i in f.indices if i not in means])
                divided = [ex.power(i.size, -1) for i in means]
                if ex.sum_over(inner, means) is f:
                    return self.reduction("mean", tuple(means), inner), tuple(g for g in others if g not in divided)
            if isinstance(f, ex.Pow) and f.args[1] is ex.num(-1) and isinstance(f.args[0], ex.Reduce):
                for g in (g for g in others if isinstance(g, ex.Call) and g.label == "exp"):
                    for k in sorted(g.free, key=lambda i: i.label):
                        if len(f.args[0].indices) == 1 and softmax(g, [k]) is ex.mul(g, f):
                            text = f"softmax[{quoted(k.label)}] {self.at_least(g.args[0], PRODUCT)}"
                            return text, tuple(h for h in others if h is not g)
        return "", fs

    def joined(self, negative: bool, above: str, top: list[Expr], bottom: list[str], head: str) -> Written:
        """A product over a product; what doesn't show its end, such as the head, stands last or in brackets."""
        open_ended = [f for f in top if isinstance(f, ex.Reduce) or self.is_logsumexp(f)]
        parts = [above] if above else []
        for f in sorted((f for f in top if f not in open_ended), key=self.factor_rank):
            if negative and isinstance(f, ex.Add) and isinstance(ex.mul(-1, f), ex.Mul):  # -(a - b)*c is (b - a)*c
                parts.append(f"({self.total(f.args, negative=True)})")
                negative = False
            else:
                parts.append(self.at_least(f, POWER))
        ends = [*(self.write(f)[0] for f in open_ended), *([head] if head else [])]
        parts += [text if n == len(ends) - 1 and not bottom else f"({text})" for n, text in enumerate(ends)]
        text = ("-" if negative else "") + ("*".join(parts) or "1")
        if len(bottom) == 1:
            text += f"/{bottom[0]}"
        elif bottom:
            text += f"/({'*'.join(bottom)})"
        return text, PRODUCT

    def factor_rank(self, f: Expr) -> tuple[int, int, int, str]:
        a, b, text = self.rank(f)
        kind = 0 if not f.tensors else 1
        return kind, b, a, text

    def power(self, base: Expr, n: Expr) -> str:
        """base^n at the level of a power."""
        if n is ex.ONE:
            return self.at_least(base, POWER)
        if n is ex.HALF:
            return f"sqrt({self.at_least(base, TOTAL)})"
        return f"{self.at_least(base, ATOM)}^{self.at_least(n, ATOM)}"

    # ------------------------------------------------------------------------- functions and conditions

    @staticmethod
    def is_logsumexp(e: Expr) -> bool:
        """log of a sum of exp(...)."""
        if not (isinstance(e, ex.Call) and e.label == "log"):
            return False
        inner = e.args[0]
        if not (isinstance(inner, ex.Reduce) and inner.label == "sum"):
            return False
        return isinstance(inner.body, ex.Call) and inner.body.label == "exp"

    def call(self, e: ex.Call) -> str:
        if self.is_logsumexp(e):
            total = e.args[0]
            assert isinstance(total, ex.Reduce)
            return self.reduction("logsumexp", total.indices, total.body.args[0])
        row = TABLE.get(e.label)
        args = list(e.args)
        if row is not None:
            for default in reversed(row.defaults):
                if len(args) == row.arity - len(row.defaults) or args[-1] is not _exact(default):
                    break
                args.pop()
        return f"{_FUNCTIONS.get(e.label, e.label)}({', '.join(self.at_least(a, TOTAL) for a in args)})"

    def reduction(self, kind: str, indices: tuple[Index, ...], body: Expr) -> str:
        shown = indices if kind == "max" else sorted(indices, key=lambda i: i.label)
        return f"{kind}[{','.join(map(self.binder, shown))}] {self.at_least(body, PRODUCT)}"

    def select(self, e: Expr) -> str:
        if e in self.starts:
            return self.write(self.starts[e])[0]
        condition, then, otherwise = e.args
        if then is ex.ONE and otherwise is ex.ZERO:
            return f"[{self.condition(condition)}]"
        parts = [self.condition(condition), self.at_least(then, TOTAL)]
        while isinstance(otherwise, ex.Select) and otherwise not in self.starts and not _is_mask(otherwise):
            condition, then, otherwise = otherwise.args
            parts += [self.condition(condition), self.at_least(then, TOTAL)]
        return f"where({', '.join([*parts, self.at_least(otherwise, TOTAL)])})"

    def condition(self, e: Expr, inner: bool = False) -> str:
        """A condition, in brackets where it stands inside another one."""
        if e.label == "not":
            return f"not ({self.condition(e.args[0])})"
        if e.label == "and" and (chain := self.chain(e.args)):
            return chain
        if e.label in ("and", "or"):
            text = f" {e.label} ".join(self.condition(a, True) for a in e.args)
            return f"({text})" if inner else text
        a, b = e.args
        return f"{self.at_least(a, TOTAL)} {e.label} {self.at_least(b, TOTAL)}"

    def chain(self, conditions: tuple[Expr, ...]) -> str:
        """0 <= e < n for e >= 0 and e < n."""
        if len(conditions) != 2 or [c.label[0] for c in conditions] != [">", "<"]:
            return ""
        (value, low), (again, _) = conditions[0].args, conditions[1].args
        if value is not again or not isinstance(low, ex.Num):
            return ""
        sign = conditions[0].label.replace(">", "<")
        return f"{self.at_least(low, TOTAL)} {sign} {self.condition(conditions[1])}"


def _exact(value: Fraction) -> Expr:
    return ex.num(value.numerator if value.denominator == 1 else value)


def _is_mask(e: Expr) -> bool:
    return e.args[1] is ex.ONE and e.args[2] is ex.ZERO
