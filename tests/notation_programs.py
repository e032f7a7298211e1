"""For the tests of the notation: whether two Programs are the same, and random Programs."""

from fractions import Fraction

from hypothesis import assume
from hypothesis import strategies as st

from symbp.expr import (
    HALF,
    ONE,
    PI,
    ZERO,
    Num,
    access,
    add,
    call,
    compare,
    delta,
    index,
    logic,
    maximum_over,
    mul,
    num,
    power,
    select,
    size,
    sum_over,
)
from symbp.functions import TABLE
from symbp.notation import read, write
from symbp.notation.build import softmax
from symbp.program import Equation, Program, Tensor


def assert_same(a, b):
    """Everything but reasons, and the place of declarations among equations."""
    assert dict(a.tensors) == dict(b.tensors)
    for role in ("input", "parameter", "state"):
        assert [t.name for t in a.of_role(role)] == [t.name for t in b.of_role(role)]
    assert [e.name for e in a.equations] == [e.name for e in b.equations]
    for x, y in zip(a.equations, b.equations, strict=True):
        assert x.target is y.target, x.name
        assert x.value is y.value, x.name
    for field in ("title", "loss", "prediction", "outputs", "facts", "task"):
        assert getattr(a, field) == getattr(b, field)
    assert dict(a.updates) == dict(b.updates)
    assert (a.inference is None) == (b.inference is None)
    if a.inference is not None:
        assert_same(a.inference, b.inference)


def assert_reads_back(program):
    """The text of a Program is that Program's."""
    text = write(program)
    assert_same(program, read(text))
    assert write(read(text)) == text


LENGTHS = (size("B"), size("T"), num(3), num(5))
LABELS = "ijkbt"
NUMBERS = (1, 2, -1, 3, 0, -5, *map(Fraction, ("1/2", "-1/3", "1/10", "1/100000", "7/4", "22/7", "0.044715")))


@st.composite
def programs(draw):
    """Programs with scalars and matrices, all kinds of expressions, and index names that mean other sizes elsewhere."""
    return _Random(draw).program()


class _Random:
    def __init__(self, draw):
        self.draw, self.tensors = draw, {}

    def pick(self, options):
        return self.draw(st.sampled_from(list(options)))

    def below(self, n):
        return self.draw(st.integers(0, n - 1))

    def indices(self, rank):
        labels = self.draw(st.permutations(LABELS))[:rank]
        return tuple(index(label, self.pick(LENGTHS)) for label in labels)

    def declare(self, name, role, rank=None, **more):
        self.tensors[name] = Tensor(name, self.indices(self.below(3) if rank is None else rank), role, **more)

    def program(self):
        for name in ("x", "y"):
            self.declare(name, "input")
        self.declare("ids", "input", rank=1, dtype="int")
        self.declare("W", "parameter", init=self.pick(("", "he", "zeros", "ones")), symbol=self.pick(("", 'W^"')))
        self.declare("t", "parameter", layer=self.pick((None, 2)))
        self.declare(self.pick(("mean", "label", "pi", "for_")), "state")
        self.tensors["E"] = Tensor("E", (index("v", num(7)), index("i", LENGTHS[0])), "parameter")
        axes = tuple(index(n, s) for n, s in zip("ijkb", LENGTHS, strict=True))
        self.tensors["F"] = Tensor("F", axes, "input")
        equations = []
        for name in ("q", *(f"z{n}" for n in range(1 + self.below(3)))):
            tensor = Tensor(name, () if name == "q" else self.indices(self.below(3)))
            equations.append(Equation(tensor.access, self.expression(tensor.indices, self.below(5))))
            self.tensors[name] = tensor
        self.tensors["L"] = Tensor("L")
        total = add(*(sum_over(e.target, e.target.args) for e in equations))
        equations.append(Equation(access("L"), total))
        outputs = self.pick((("L",), ("q", "L")))
        prediction = self.pick((None, "q"))
        return Program(self.pick(("network", 'a "b"')), self.tensors, tuple(equations), outputs, "L", prediction)

    def number(self):
        value = self.pick(NUMBERS)
        return num(value)

    def read(self, scope):
        name = self.pick(n for n, t in self.tensors.items() if t.dtype == "real")
        places, guards = [], []
        for axis in self.tensors[name].indices:
            fit = [i for i in scope if i.size is axis.size]
            ids = [i for i in scope if i.size is self.tensors["ids"].indices[0].size]
            way = self.below(5)
            if fit and way < 3:
                places.append(self.pick(fit))
            elif fit and way == 3:
                places.append(add(self.pick(fit), self.pick((-2, -1, 1))))
                guards += [compare(">=", places[-1], 0), compare("<", places[-1], axis.size)]
            elif isinstance(axis.size, Num) and way == 4:
                places.append(num(self.below(axis.size.value)))
            elif axis.label == "v" and ids:
                places.append(access("ids", [self.pick(ids)]))
            else:
                places.append(ZERO)
        e = access(name, places)
        return select(logic("and", *guards), e, self.pick((ZERO, ONE))) if guards else e

    def condition(self, scope, depth):
        way = self.below(6)
        if way == 0 and depth:
            return logic(self.pick(("and", "or")), self.condition(scope, depth - 1), self.condition(scope, depth - 1))
        if way == 1 and depth:
            return logic("not", self.condition(scope, depth - 1))
        sign = self.pick(("<", "<=", ">", ">=", "==", "!="))
        if scope and self.below(2):
            return compare(sign, self.pick(scope), add(self.pick(scope), self.below(5) - 2))
        return compare(sign, self.read(scope), self.number())

    def expression(self, scope, depth):
        if depth == 0:
            way = self.below(10)
            if way == 0:
                return self.number()
            return self.pick((*LENGTHS[:2], PI, *scope)) if way == 1 else self.read(scope)

        def sub():
            return self.expression(scope, depth - 1)

        match self.below(12):
            case 0:
                return add(sub(), sub(), sub())
            case 1:
                return sub() - sub()
            case 2 | 3:
                return mul(self.number(), sub(), sub())
            case 4:
                return self.power(sub())
            case 5:
                row = TABLE[self.pick(sorted(TABLE))]
                further = [num(self.pick((d, Fraction(1, 3)))) for d in row.defaults]
                return call(row.name, *(sub() for _ in range(row.arity - len(further))), *further)
            case 6 | 7 | 8:
                return self.reduction(scope, depth)
            case 9 if scope:
                return mul(delta(self.pick(scope), add(self.pick(scope), self.below(3) - 1)), sub())
            case 10:
                return select(self.condition(scope, 1), sub(), sub())
            case 11 if scope:
                return softmax(call("exp", sub()), [self.pick(scope)])
        return sub()

    def power(self, base):
        assume(not isinstance(base, Num))
        exponents = [2, -1, -3, HALF, Fraction(-1, 2), Fraction(1, 3)]
        return power(base, self.pick(e if e is HALF else num(e) for e in exponents))

    def reduction(self, scope, depth):
        over = self.indices(1 + self.below(2))
        labels = {i.label for i in over}
        body = self.expression((*(i for i in scope if i.label not in labels), *over), depth - 1)
        match self.below(4):
            case 0:
                return maximum_over(body, over)
            case 1:
                return call("log", sum_over(call("exp", body), over))
        return sum_over(body, over)
