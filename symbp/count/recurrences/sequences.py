"""Counts that grow with every step of a recurrence: linear recurrences with constant coefficients, found and solved.

One step of a network makes the sizes of the values and tangents written out by one linear map of those of the step
before. So the sizes over the number of steps follow a linear recurrence, of an order no higher than the map's
dimension (Cayley and Hamilton). It is found from as many values as determine it (Berlekamp 1968, Massey 1969), and has
to hold for further ones, kind by kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import sympy as sp

from symbp.count.algebra.polynomial import ONE, ZERO, Polynomial, as_polynomial, through_points, total, variable
from symbp.count.equations.closed import MORE, through
from symbp.count.equations.written import Amounts, added
from symbp.errors import SymbpError

PRIME = 2**521 - 1  # coefficients are found modulo this
SAMPLES = (7, 11, 13, 17, 19, 23, 29, 31)  # values of the other sizes at which it is looked for
DEGREE = 8  # of a coefficient in one of them, at most
LONGEST = 10**6  # steps
LONG = 300  # characters of the first values in a table's notes


@dataclass(frozen=True)
class Growth:
    """Amounts over a size: a(n) = coefficients[0] a(n - 1) + coefficients[1] a(n - 2) + ..., kind by kind.

    values: the first ones, from the size `first` on, as many as there are coefficients.
    """

    size: str
    first: int
    coefficients: tuple[Polynomial, ...]
    values: tuple[Amounts, ...]

    def at(self, n: int) -> Amounts:
        """The amounts at a value of the size, from `first` on. Raises SymbpError for a value beyond LONGEST."""
        if n > LONGEST:
            raise SymbpError(f"not counted for more than {LONGEST:,} steps: its number has more digits than that")
        weights = self.power(n - self.first)
        return added({k: c * w for k, c in a.items()} for a, w in zip(self.values, weights, strict=True))

    def power(self, n: int) -> list[Polynomial]:
        """x^n modulo the characteristic polynomial: how often each of the first values is in the n-th one."""
        order = len(self.coefficients)
        out = [ONE, *[ZERO] * (order - 1)]
        for bit in bin(n)[2:]:
            product = [ZERO] * (2 * order - 1)
            for i, a in enumerate(out):
                for k, b in enumerate(out):
                    product[i + k] = product[i + k] + a * b
            if bit == "1":
                product.insert(0, ZERO)
            while len(product) > order:
                last = product.pop()
                for k, c in enumerate(self.coefficients):
                    product[-1 - k] = product[-1 - k] + last * c
            out = product
        return out

    @cached_property
    def totals(self) -> tuple[Polynomial, ...]:
        """All kinds together."""
        return tuple(total(a.values()) for a in self.values)

    @cached_property
    def factors(self) -> list[tuple[sp.Poly, int]]:
        """Of the characteristic polynomial in x, each with its multiplicity, that of the largest root last."""
        x = sp.Symbol("x")
        order = len(self.coefficients)
        whole = x**order - sum(symbolic(c) * x ** (order - 1 - k) for k, c in enumerate(self.coefficients))
        found = [(sp.Poly(f, x), n) for f, n in sp.factor_list(whole)[1]]
        return sorted(found, key=lambda fn: (largest_root(fn[0]), fn[1]))

    def words(self, name: str) -> list[str]:
        """How it grows, for a table's notes: the recurrence too, where it isn't solved."""
        if self.solved is not None:
            return []
        given = ", ".join(f"{name}({self.first + n}) = {v.text()}" for n, v in enumerate(self.totals))
        if len(given) > LONG:
            given = f"{name}({self.first}) to {name}({self.first + len(self.values) - 1}) as --json has them"
        roots = "".join(f"({power(f)})" + (f"^{n}" if n > 1 else "") for f, n in self.factors)
        return [
            f"{self.equation(name)} from {self.size} = {self.first + len(self.values)} on, {given}.",
            f"Its characteristic polynomial is {roots}: its factor from step to step tends to {self.rate}.",
        ]

    def equation(self, name: str) -> str:
        """E(T) = 19*E(T-1) - 103*E(T-2) + ..."""
        pieces = []
        for k, c in enumerate(self.coefficients, 1):
            if c:
                text = c.text() if len(c.terms) == 1 else f"({c.text()})"
                pieces.append(("" if c == 1 else "-" if c == -1 else f"{text}*") + f"{name}({self.size}-{k})")
        return f"{name}({self.size}) = {' + '.join(pieces).replace('+ -', '- ')}"

    def json(self) -> dict[str, object]:
        """All of it as text."""
        return {
            "size": self.size,
            "first": self.first,
            "values": [str(v) for v in self.totals],
            "coefficients": [str(c) for c in self.coefficients],
            "factor": self.rate,
            "closed_form": self.closed_form(),
            "by_kind": [{k: str(n) for k, n in a.items()} for a in self.values],
        }

    @property
    def rate(self) -> str:
        """The largest root, by which it grows: 8.77, or in the sizes."""
        f, _ = self.factors[-1]
        if f.degree() == 1:
            return power(f, root=True)
        if f.free_symbols - {f.gen}:
            return f"the largest root of {power(f)}"
        return f"{largest_root(f):.6g}"

    @property
    def order(self) -> str:
        """As a column of a table: T 8.77^T."""
        f, n = self.factors[-1]
        rate = self.rate if f.degree() == 1 or not f.free_symbols - {f.gen} else "r"
        rate = f"({rate})" if not rate.isalnum() and "." not in rate else rate
        names = sorted({s for v in self.totals for s in v.sizes})
        degrees = ((s, max(v.degree(s) for v in self.totals)) for s in names)
        others = [s + (f"^{k}" if k > 1 else "") for s, k in degrees]
        sizes_of_rate = {str(s) for s in f.free_symbols}
        others = [s for s in others if s.partition("^")[0] not in sizes_of_rate]
        power_of_t = [] if n == 1 else [self.size if n == 2 else f"{self.size}^{n - 1}"]
        return " ".join([*others, *power_of_t, f"{rate}^{self.size}"])

    @cached_property
    def solved(self) -> list[tuple[int, Polynomial]] | None:
        """All kinds together in closed form: roots r, the largest first, each with the polynomial that r^T is times.

        None where a root isn't a whole number.
        """
        roots: list[tuple[int, int]] = []
        for f, n in self.factors:
            if f.degree() != 1 or f.free_symbols - {f.gen}:
                return None
            roots.append((int(-f.all_coeffs()[1]), n))
        basis = [(r, j) for r, n in roots for j in range(n)]
        steps = range(self.first, self.first + len(basis))
        inverse = sp.Matrix([[sp.Integer(r) ** t * t**j for r, j in basis] for t in steps]).inv()
        out = {r: ZERO for r, _ in reversed(roots)}
        for k, (r, j) in enumerate(basis):
            weights = (Fraction(int(w.p), int(w.q)) for w in inverse.row(k))
            c = total(v * w for v, w in zip(self.totals, weights, strict=True))
            out[r] = out[r] + c * variable(self.size) ** j
        return list(out.items())

    def closed_form(self, characters: int = 10**9) -> str | None:
        """The same as text, (154*B*T - 15*B)*2^T - 46*B, cut behind so many characters."""
        if self.solved is None:
            return None
        out = ""
        for n, (root, p) in enumerate(self.solved):
            text = p.text()
            if root != 1:
                text = f"({text})" if len(p.terms) > 1 else text
                text += f"*{root}^{self.size}" if root > 0 else f"*({root})^{self.size}"
            if out and len(out) + len(text) > characters:
                return f"{out} + ... ({len(self.solved) - n} more)"
            out += f" - {text[1:]}" if out and text.startswith("-") else f" + {text}" if out else text
        return out


def grown(size: str, points: Mapping[int, Amounts], what: str) -> Amounts | Growth | None:
    """Amounts over a size: a polynomial in it, or a Growth; None where more points are needed.

    points: at successive values.
    """
    if len(points) <= MORE:
        return None
    try:
        return through(size, points, what)
    except SymbpError:  # no polynomial
        pass
    first, values = min(points), [points[n] for n in sorted(points)]
    kinds = sorted({k for a in values for k in a})
    mixed = [total(a.get(k, ZERO) * (n + 2) for n, k in enumerate(kinds)) for a in values]
    others = sorted({name for v in mixed for name in v.sizes})
    base = dict(zip(others, SAMPLES, strict=False))
    if len(base) < len(others):
        raise SymbpError(f"not counted with {len(others)} sizes left open: give some of them values")
    found = shortest([v.at(base).number for v in mixed])
    order = len(found)
    if 2 * order + MORE > len(values):
        return None
    varied = [s for s in others if shortest([v.at({**base, s: base[s] + 1}).number for v in mixed]) != found]
    coefficients = interpolated(mixed, base, varied, order)
    for n in range(order, len(values)):
        for k in kinds:
            before = total(c * values[n - 1 - i].get(k, ZERO) for i, c in enumerate(coefficients))
            if before != values[n].get(k, ZERO):
                return None
    return Growth(size, first, coefficients, tuple(values[:order]))


def interpolated(
    mixed: Sequence[Polynomial], base: Mapping[str, int], varied: Sequence[str], order: int
) -> tuple[Polynomial, ...]:
    """The recurrence's coefficients as polynomials in the sizes that they depend on."""
    if not varied:
        return tuple(map(as_polynomial, shortest([v.at(base).number for v in mixed])))
    name, *left = varied
    at: dict[int, tuple[Polynomial, ...]] = {}
    for n in range(base[name], base[name] + DEGREE + MORE + 1):
        here = interpolated(mixed, {**base, name: n}, left, order)
        if len(here) != order:
            break
        at[n] = here
        if len(at) > MORE:
            few, more = list(at)[:-MORE], list(at)[-MORE:]
            forms = [through_points(name, {m: at[m][k] for m in few}) for k in range(order)]
            if all(f.at({name: m}) == at[m][k] for k, f in enumerate(forms) for m in more):
                return tuple(forms)
    raise SymbpError(f"the growth follows no polynomial in {name}: give it a value")


def shortest(values: Sequence[int]) -> list[int]:
    """The coefficients of the shortest linear recurrence that these values obey (Massey 1969), whole numbers."""
    now, before, order, gap, last = [1], [1], 0, 1, 1
    for n, value in enumerate(values):
        off = (value + sum(now[i] * values[n - i] for i in range(1, order + 1))) % PRIME
        if off == 0:
            gap += 1
            continue
        changed = [*now, *[0] * (len(before) + gap - len(now))]
        factor = off * pow(last, -1, PRIME)
        for k, b in enumerate(before):
            changed[k + gap] = (changed[k + gap] - factor * b) % PRIME
        if 2 * order <= n:
            now, before, order, gap, last = changed, now, n + 1 - order, 1, off
        else:
            now, gap = changed, gap + 1
    found = [-c % PRIME for c in [*now, *[0] * order][1 : order + 1]]
    return [c if c <= PRIME // 2 else c - PRIME for c in found]


def symbolic(p: Polynomial) -> sp.Expr:
    """For SymPy."""
    return sp.Add(*(sp.Rational(c) * sp.Mul(*(sp.Symbol(s) ** n for s, n in m)) for m, c in p.terms.items()))


def largest_root(f: sp.Poly) -> float:
    """By absolute value; with sizes left open, where these are large."""
    samples = {s: 1000 + k for k, s in enumerate(sorted(f.free_symbols - {f.gen}, key=str))}
    return max(abs(complex(r)) for r in sp.Poly(f.as_expr().subs(samples), f.gen).nroots())


def power(f: sp.Poly, root: bool = False) -> str:
    """A factor as text, x^2 - 9*x + 2; root: that of a linear one."""
    if root:
        return as_text(-f.all_coeffs()[1])
    out = ""
    for n, c in reversed(list(enumerate(reversed(f.all_coeffs())))):
        x = "" if n == 0 else "x" if n == 1 else f"x^{n}"
        text = as_text(c)
        if c == 0 or (text in ("1", "-1") and x):
            text = "" if c == 0 else text.replace("1", "") + x
        elif x:
            text = f"({text})*{x}" if " " in text else f"{text}*{x}"
        if text:
            out += f" - {text[1:]}" if out and text.startswith("-") else f" + {text}" if out else text
    return out


def as_text(c: sp.Expr) -> str:
    """A coefficient, as `Polynomial.text` writes it."""
    terms = sp.Poly(c, *sorted(c.free_symbols, key=str)).terms() if c.free_symbols else [((), c)]
    names = [str(s) for s in sorted(c.free_symbols, key=str)]
    return Polynomial({
        tuple((s, n) for s, n in zip(names, m, strict=True) if n): Fraction(int(v.p), int(v.q)) for m, v in terms
    }).text()  # fmt: skip
