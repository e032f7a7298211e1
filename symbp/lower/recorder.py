"""Calls that write into given arrays, and the values that they work on; views and constants are made once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from symbp.expr import Expr, Size, mul, num, substitute, walk
from symbp.lower.constants import constant, known

Dims = tuple[Expr, ...]
WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
# A method and an assignment: `np.dot` and `np.copyto` take 0.1 us longer, as they first look who may override them.
DOT = "{}.dot({}, {out})"
COPY = "{out}[...] = {}"
_NUMBERS = {"0": "zero", "1": "one", "2": "two", "0.5": "half"}


@dataclass(eq=False)
class Value:
    """An array (or number) that the calls work on.

    base, form: a view of another value, `form` with {} for it. form alone: made once by this code. Neither: it needs
    room. dtype: "DTYPE", "bool" or "" where nobody needs to know. bound: the step itself gives it its name, so that it
    may be another array in every step. contiguous: its numbers lie in order.
    place: of a list of arrays, one a step of a loop, the one at this place.
    """

    dims: Dims
    dtype: str = "DTYPE"
    name: str = ""
    base: Value | None = None
    form: str = ""
    bound: bool = False
    contiguous: bool = True
    place: str = ""

    @property
    def root(self) -> Value:
        return self if self.base is None else self.base.root

    @property
    def needs_room(self) -> bool:
        return self.base is None and not self.form and not self.bound

    @property
    def count(self) -> Expr:
        return mul(*self.dims)


@dataclass(eq=False)
class Call:
    """form with {} for the arguments and {out} for where the result goes.

    in_place: whether `out` may be one of the arguments. binds: `out` is the name that the form's value gets.
    part: the number of the statement that it belongs to; also: of others that it ends. opens: it is the
    head of a loop or a branch, closes: what follows is outside of it.
    """

    form: str
    args: tuple[Value, ...]
    out: Value | None
    part: int
    in_place: bool = False
    binds: bool = False
    rule: str = ""
    also: tuple[int, ...] = ()
    opens: bool = False
    closes: bool = False

    @property
    def values(self) -> tuple[Value, ...]:
        return self.args if self.out is None else (*self.args, self.out)

    @property
    def is_dot(self) -> bool:
        return self.form == DOT

    @property
    def is_copy(self) -> bool:
        return self.form == COPY


@dataclass
class Recorder:
    """Records calls.

    names: what a name in the trees stands for. values: all, in the order in which they can be made.
    functions: NumPy's functions that are called, by their names. clock: in a loop, the name of the step's number.
    """

    names: dict[str, Value]
    values: list[Value] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    functions: dict[str, None] = field(default_factory=dict)
    part: int = 0
    clock: str = ""
    _heads: list[str] = field(default_factory=list)
    _outside: list[dict[tuple[int, str], Value]] = field(default_factory=list)
    _views: dict[tuple[int, str], Value] = field(default_factory=dict)
    _made: dict[str, Value] = field(default_factory=dict)

    # --------------------------------------------------------------------------------------- recording

    def new(self, value: Value) -> Value:
        self.values.append(value)
        return value

    def room(self, dims: Dims, dtype: str = "DTYPE") -> Value:
        return self.new(Value(dims, dtype))

    def call(
        self, function: str, *args: Value, out: Value, in_place: bool = False, form: str = "", rule: str = ""
    ) -> Value:
        """A call of NumPy's function with `out` as its last argument."""
        self.functions[function] = None
        slots = ", ".join("{}" for _ in args)
        last = "out={out}" if function in ("maximum", "minimum") else "{out}"
        self.calls.append(Call(form or f"{function}({slots}, {last})", args, out, self.part, in_place, rule=rule))
        return out

    def bind(self, form: str, args: Iterable[Value], dims: Dims, dtype: str = "") -> Value:
        """A name for what the form gives, in the step."""
        out = self.new(Value(dims, dtype, bound=True, contiguous=False))
        self.calls.append(Call(form, tuple(args), out, self.part, binds=True))
        return out

    def once(self, code: str, dims: Dims, dtype: str = "DTYPE", name: str = "") -> Value:
        """What this code of constants and sizes makes, once."""
        found = self._made.get(code)
        if found is None:
            found = self._made[code] = self.new(Value(dims, dtype, name, form=code))
        return found

    def view(self, v: Value, form: str, dims: Dims) -> Value:
        """The value seen differently; `form` with {} for it. A copy is seen where its numbers lie in another order."""
        if form == "{}.T" and v.form == "{}.T" and v.base is not None:
            return v.base
        if v.place:
            return self._view_in_loop(v, form, dims)
        if self.clock and form.startswith("{}[") and self.clock in WORD.findall(form):
            return self._at_step(v, form, dims)
        if form.startswith("{}.reshape(") and not v.contiguous and (v.dtype or not v.root.bound):
            v = self.copy(v)
        key = (id(v), form)
        found = self._views.get(key)
        if found is None:
            if v.root.bound:
                found = self.bind(form, (v,), dims, v.dtype)
            else:
                ordered = v.contiguous and keeps_order(form)
                found = self.new(Value(dims, v.dtype, base=v, form=form, contiguous=ordered))
            self._views[key] = found
        return found

    def _at_step(self, v: Value, form: str, dims: Dims) -> Value:
        """What a step of a loop reads or writes, out of a list of views that is made once."""
        place = form[len("{}[") : -1]
        if v.root.bound or "," in place or ":" in place:
            return self.bind(form, (v,), dims, v.dtype)
        if v.base is not None and v.form in ("{}[1:]", "{}[:-1]"):  # all but one step, out of the list of all
            steps = self.view(self.view(v.base, "list({})", v.base.dims), v.form, v.dims)
            steps.name = f"{v.name}_view"
        else:
            steps = self.view(v, "list({})", v.dims)
        return self._step(steps, place, dims, v.contiguous)

    def _step(self, steps: Value, place: str, dims: Dims, contiguous: bool) -> Value:
        key = (id(steps), place)
        if key not in self._views:
            found = Value(dims, steps.dtype, base=steps, form=f"{{}}[{place}]", contiguous=contiguous, place=place)
            self._views[key] = self.new(found)
        return self._views[key]

    def _view_in_loop(self, v: Value, form: str, dims: Dims) -> Value:
        assert v.base is not None
        if form.startswith("{}.reshape(") and not v.contiguous:
            return self.view(self.copy(v), form, dims)
        every = self.view(v.base, f"[{form.format('part')} for part in {{}}]", v.base.dims)
        return self._step(every, v.place, dims, v.contiguous and keeps_order(form))

    def open(self, head: str) -> None:
        """The head of a block."""
        self.calls.append(Call(head, (), None, self.part, opens=True))
        self._heads.append(head.split(" ", 1)[0])
        self._outside.append(dict(self._views))

    def close(self) -> None:
        """Ends the block. What it has bound or copied isn't there outside."""
        self.calls.append(Call(self._heads.pop(), (), None, self.part, closes=True))
        outside = self._outside.pop()
        self._views = {
            key: v for key, v in self._views.items()
            if key in outside or not (v.root.bound or v.place or key[1].startswith(("copy", "places")))
        }  # fmt: skip

    def reshaped(self, v: Value, dims: Dims) -> Value:
        """The value in another shape."""
        if v.base is not None and v.form.startswith("{}.reshape("):
            v = v.base
        if tuple(v.dims) == dims:
            return v
        return self.view(v, f"{{}}.reshape({', '.join(constant(n).code for n in dims)})", dims)

    def copy(self, v: Value, into: Value | None = None, rule: str = "") -> Value:
        """The same numbers elsewhere: in the order of the axes, where no place is given."""
        if into is None:
            key = (id(v), "copy")
            if key not in self._views:
                self._views[key] = self._copied(v, self.room(v.dims, v.dtype or "DTYPE"), rule or "copy")
            return self._views[key]
        return self._copied(v, into, rule)

    def forget_copies(self) -> None:
        """What follows makes its own copies: those made so far needn't be kept for it."""
        self._views = {key: v for key, v in self._views.items() if key[1] != "copy"}

    def _copied(self, v: Value, into: Value, rule: str, in_place: bool = False) -> Value:
        return self.statement(COPY, (v,), into, rule, in_place)

    def statement(
        self, form: str, args: tuple[Value, ...], out: Value, rule: str = "", in_place: bool = False
    ) -> Value:
        """Another statement that writes to `out`."""
        self.calls.append(Call(form, args, out, self.part, in_place, rule=rule))
        return out

    def number(self, code: str) -> Value:
        """A number of the arrays' type, which NumPy takes faster than one of Python's."""
        name = _NUMBERS.get(code, "" if not code.replace(".", "").isdigit() else f"c{code.replace('.', '_')}")
        return self.once(f"np.array({code}, DTYPE)", (), name=name)


def keeps_order(form: str) -> bool:
    """Whether a view of numbers in order has them in order."""
    if form.startswith("{}.reshape("):
        return True
    if form.startswith("{}["):
        first, *rest = (s.strip() for s in form[3:-1].split(","))
        return all(s in (":", "None") for s in (first, *rest)) or (not rest and first.count(":") < 2)
    return False


@cache
def typical(count: Expr) -> int:
    """A number for a count of numbers, to tell which of two arrays is the smaller."""
    sizes: dict[Expr, Expr] = {n: num(32) for n in walk(count) if isinstance(n, Size)}
    return known(substitute(count, sizes))
