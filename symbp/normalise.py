"""Administrative normal form: what reverse accumulation needs to see only local derivatives.

A sum stays inside an equation where it is a term with a constant factor (`z = Sum(x*W) + b`), a maximum where it is
the whole right-hand side and its body one access (its derivative compares the two). Every other reduction gets an
equation of its own, named after the tensor that it belongs to. No sum is over an index of its equation's target.
"""

from __future__ import annotations

from dataclasses import replace

from symbp.affine import mask_of, opposite, where_nonzero
from symbp.expr import (
    TRUE,
    ZERO,
    Access,
    Expr,
    Index,
    Mul,
    Reduce,
    Select,
    access,
    add,
    factors,
    fresh_index,
    logic,
    mul,
    rebuild,
    select,
    substitute,
    sum_over,
    terms,
    transform,
    walk,
)
from symbp.program import Equation, Program, Reason, Tensor


def normalise(program: Program) -> Program:
    """The program with its nested reductions in equations of their own; the same object if there are none."""
    taken = set(program.tensors)
    new: list[Tensor] = []
    equations: list[Equation] = []
    for equation in map(separate_indices, program.equations):
        hoisted: list[Equation] = []
        value = _Hoister(program.tensors[equation.name], taken, new, hoisted).equation(equation.value)
        equations += hoisted
        equations.append(equation if not hoisted else Equation(equation.target, value, equation.reason))
    return program if tuple(equations) == program.equations else program.with_(equations, new)


def separate_indices(equation: Equation) -> Equation:
    """The equation with the indices of its sums renamed where they are the target's too: a[i] = x[i] + Sum(y[i], i)."""
    own = {i.label for i in equation.target.free}

    def rename(e: Expr) -> Expr:
        if not (isinstance(e, Reduce) and any(i.label in own for i in e.indices)):
            return e
        taken = own | {n.label for n in walk(e) if isinstance(n, Index)}
        new: dict[Expr, Expr] = {i: fresh_index(i, taken) for i in e.indices if i.label in own}
        return rebuild(e, (substitute(e.body, new), *(new.get(i, i) for i in e.indices)))

    value = transform(equation.value, rename)
    return equation if value is equation.value else replace(equation, value=value)


def free_in_order(read: Access) -> list[Index]:
    """The free indices of a read, axis by axis."""
    return [i for at in read.args for i in sorted(at.free, key=lambda i: i.label)]


def linear_sum(term: Expr) -> tuple[Expr, Reduce] | None:
    """(constant, sum) where the term is a sum with a factor of numbers and sizes only, else None."""
    sums = [f for f in factors(term) if isinstance(f, Reduce) and f.label == "sum"]
    rest = mul(*(f for f in factors(term) if f not in sums))
    if len(sums) == 1 and not rest.accesses and not rest.free and not _has_reduction(rest):
        return rest, sums[0]
    return None


def _has_reduction(e: Expr) -> bool:
    return isinstance(e, Reduce) or any(_has_reduction(a) for a in e.args)


class _Hoister:
    def __init__(self, tensor: Tensor, taken: set[str], new: list[Tensor], equations: list[Equation]) -> None:
        self.tensor, self.taken, self.new, self.equations = tensor, taken, new, equations
        self.known: dict[Expr, Access] = {}

    def equation(self, value: Expr) -> Expr:
        if isinstance(value, Reduce) and value.label == "max":
            return self.inside(value)
        return add(*(self.term(t) for t in terms(value)))

    def term(self, term: Expr) -> Expr:
        linear = linear_sum(term)
        if linear is None:
            return self.hoist(term)
        constant, total = linear
        return mul(constant, sum_over(self.hoist(total.body), total.indices))

    def hoist(self, e: Expr, where: Expr = TRUE) -> Expr:
        """The expression with every reduction replaced by an access to the tensor that now holds it.

        where: the conditions around it. A sum that only has a meaning under conditions is zero elsewhere.
        """
        if not e.args or isinstance(e, Index) or not _has_reduction(e):
            return e
        if isinstance(e, Select):
            condition, then, otherwise = e.args
            inside, outside = logic("and", where, condition), logic("and", where, opposite(condition))
            return rebuild(e, (condition, self.hoist(then, inside), self.hoist(otherwise, outside)))
        if isinstance(e, Mul):
            return rebuild(e, [self.hoist(f, logic("and", where, self.around(e, f))) for f in e.args])
        if not isinstance(e, Reduce):
            return rebuild(e, [self.hoist(a, where) for a in e.args])
        key = mul(mask_of(where), e)
        if key not in self.known:
            self.known[key] = self.named(self.inside(e, where), e.label)
        return self.known[key]

    def inside(self, e: Reduce, where: Expr = TRUE) -> Expr:
        """The reduction with nothing left to hoist in its body, which is zero where the conditions don't hold."""
        body = self.hoist(e.body, where)
        if e.label == "sum" and not where.accesses:
            body = select(where, body, ZERO)
        if e.label == "max" and not isinstance(body, Access):
            body = self.named(body, "values")
        return rebuild(e, (body, *e.indices))

    def around(self, product: Expr, factor: Expr) -> Expr:
        """Where the other factors aren't zero, if the factor reads at computed places that may not exist elsewhere."""
        if all(isinstance(i, (Index, Access)) for a in factor.accesses for i in a.args):
            return TRUE
        conditions = (where_nonzero(f) for f in product.args if f is not factor)
        return logic("and", *(c for c in conditions if not c.accesses))

    def named(self, value: Expr, suffix: str) -> Access:
        """The access to a new tensor that holds the value."""
        reads = sorted(value.accesses, key=lambda a: (-len(a.args), a.label, a.digest))
        order = list(dict.fromkeys((*self.tensor.indices, *(i for a in reads for i in free_in_order(a)))))
        axes = tuple(sorted(value.free, key=order.index))
        target = access(self.name(suffix), axes)
        self.new.append(Tensor(target.label, axes, layer=self.tensor.layer))
        self.equations.append(Equation(target, value, Reason("normalised")))
        return target

    def name(self, suffix: str) -> str:
        name, n = f"{self.tensor.name}_{suffix}", 2
        while name in self.taken:
            name, n = f"{self.tensor.name}_{suffix}{n}", n + 1
        self.taken.add(name)
        return name
