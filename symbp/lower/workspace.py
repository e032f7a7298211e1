"""The fast style: arrays made once for all steps, and a step as calls that write into them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from symbp.expr import ONE, ZERO, Expr, add, mul, size
from symbp.lower.beside import Kinds, lay_beside, name_factors
from symbp.lower.calls import Calls
from symbp.lower.constants import constant
from symbp.lower.loops import with_start
from symbp.lower.messages import Message
from symbp.lower.offsets import Affine, offsets_as_weights
from symbp.lower.packing import packed_rooms
from symbp.lower.recorder import Call, Value
from symbp.lower.rooms import Room, arrange_rooms
from symbp.lower.statements import Loop, Lowered, Statement, lower
from symbp.lower.wrapping import WIDTH, break_call, break_line
from symbp.program import Program
from symbp.simplify.share import unused

# What these mean in a workspace; no array is called so there.
IN_WORKSPACE = frozenset("flat flat_grads state empty np math step workspace DTYPE place part tap0 tap1".split())
_VIEW = re.compile(r"_view\d*$")  # at the end of a name


@dataclass(frozen=True)
class Line:
    """A line of the step, the statements that end with it, and (rule that made it so, numbers that it saves)."""

    code: str
    ends: tuple[Statement | Message, ...]
    rules: tuple[tuple[str, Expr | None], ...] = ()


@dataclass(frozen=True)
class Workspace:
    """functions: NumPy's, by the names in the lines. setup: what is made once. moved: state -> its new array."""

    functions: tuple[tuple[str, str], ...]
    setup: tuple[str, ...]
    step: tuple[Line, ...]
    loss: str
    moved: dict[str, str]
    lowered: Lowered


def workspace(program: Program, sharded: str | None = None, *, prepared: bool = False) -> Workspace:
    """The gradient program's loss, gradients and new state.

    All parameters lie in one array `flat`, their gradients in `flat_grads`, in the parameters' order; the old state is
    in the dict `state`. sharded: the size of the batch where each rank has its share of it, see `symbp.lower.lower`.
    prepared: as there; arrays then lie where they take the least room, not where the cache is likely to have it.
    """
    program, alike = (program, ()) if prepared else name_factors(program)
    lowered = lower(program, sharded, placed=True, prepared=prepared)
    return _Builder(lowered).build(alike, None if sharded is None else size(sharded), packed=prepared)


class _Builder:
    def __init__(self, lowered: Lowered) -> None:
        self.lowered = lowered
        self.program = program = lowered.program
        self.calls = Calls({})
        self.statements: dict[int, Statement | Message] = {}
        self.results: dict[int, Value] = {}
        names = self.calls.names
        for t in program.tensors.values():
            if t.role == "input":
                names[t.name] = self.calls.new(Value(t.shape, "DTYPE" if t.dtype == "real" else "", t.name, bound=True))
            elif t.role == "state":
                names[t.name] = self.calls.new(Value(t.shape, "DTYPE", t.name, form=f'state["{t.name}"]'))
        self.fixed: dict[str, Value] = {}
        start: Expr = ZERO
        for p in program.parameters:
            names[p.name], self.fixed[f"d_{p.name}"] = self._of_flat(p.name, start, p.shape)
            start = add(start, mul(*p.shape))
        self.layers = tuple(self._affine())
        for new in program.updates.values():
            t = program.tensors[new]
            code = f"empty({_shape_code(t.shape)}, DTYPE)"
            self.fixed[new] = self.calls.new(Value(t.shape, "DTYPE", new, form=code))

    def build(self, alike: Kinds = (), may_be_zero: Expr | None = None, packed: bool = False) -> Workspace:
        for item in self.lowered.statements:
            self.calls.part += 1
            if isinstance(item, Loop):
                self._loop(item)
            elif isinstance(item, Statement):
                self._statement(item)
            else:
                self._message(item, [self.calls.names[name] for name in item.names])
        offsets_as_weights(self.calls, self.layers)
        parts = {s.name: k for k, s in self.statements.items() if isinstance(s, Statement)}
        lay_beside(self.calls, self.program, alike, parts)
        calls = self.calls.calls
        rooms = packed_rooms(calls) if packed else arrange_rooms(calls, may_be_zero, self._lent(calls))
        calls = [c for c in calls if not _moves_nothing(c, rooms)]
        loss = self.calls.names[str(self.program.loss)]
        self._name(rooms)
        lines: list[Line] = []
        depth = 0
        for k, call in enumerate(calls):
            depth -= call.closes
            if call.closes:
                continue
            following = next((c for c in calls[k + 1 :] if not c.closes), None)
            last = following is None or following.part != call.part
            code = self._code(call)
            left, sent, right = code.partition(" = all_")
            if sent:
                function, arguments = right.removesuffix(")").split("(", 1)
                pieces = break_call(left, f"all_{function}", arguments, WIDTH - 4)
            else:
                pieces = break_line(code, WIDTH - 4) if call.binds else code.split("\n")
            for n, text in enumerate(pieces, 1):
                last_line = last and n == len(pieces)
                rules = _rules(call, rooms) if n == 1 else ()
                ends = [self.statements.get(part) for part in (call.part, *call.also)] if last_line else []
                lines.append(Line("    " * depth + text, tuple(s for s in ends if s is not None), rules))
            depth += call.opens
        moved = {s: self.fixed[new].name for s, new in self.program.updates.items()}
        words = {word for line in lines for word in re.findall(r"\w+", line.code)}
        functions = tuple((local, f"np.{f}") for f, local in self.functions.items() if local in words)
        needed = {*words, loss.name, *moved.values()}
        setup: list[str] = []
        for name, code in reversed(list(self._setup(rooms))):
            if name in needed:  # an array may be read through views alone that it has in common with another
                needed |= set(re.findall(r"\w+", code))
                setup[:0] = break_line(f"{name} = {code}")
        return Workspace(functions, tuple(setup), tuple(lines), loss.name, moved, self.lowered)

    def _lent(self, calls: Sequence[Call]) -> dict[Value, int]:
        """Gradients of matrices, whose places may hold other arrays until the call that is the first to write there."""
        both = {v: a.d_both for a in self.layers for v in (a.d_weights, a.d_offset)}
        first: dict[Value, int] = {}
        for k, call in enumerate(calls):
            for v in call.values:
                first.setdefault(v.root, k)
        grads = [self.fixed[f"d_{p.name}"] for p in self.program.parameters]
        touched = {g: min(first.get(g, len(calls)), first.get(both.get(g, g), len(calls))) for g in grads}
        return {g: k for g, k in touched.items() if g in first and len(g.dims) > 1}

    def _of_flat(self, name: str, start: Expr, shape: tuple[Expr, ...]) -> tuple[Value, Value]:
        """A part of the array of all parameters, and the same part of that of their gradients."""
        part = f"[{constant(start).code}:{constant(add(start, mul(*shape))).code}]{_reshaped(shape)}"
        named = ((f"flat{part}", name), (f"flat_grads{part}", f"d_{name}"))
        one, other = (self.calls.new(Value(shape, "DTYPE", name, form=form)) for form, name in named)
        return one, other

    def _affine(self) -> Iterator[Affine]:
        """The matrices of weights that the offsets of their columns follow."""
        start: Expr = ZERO
        names = self.calls.names
        for p, q in pairwise(self.program.parameters):
            if len(p.shape) == 2 and q.shape == p.shape[1:]:
                name = unused(f"{p.name}_{q.name}", self.program)
                both, d_both = self._of_flat(name, start, (add(p.shape[0], ONE), *q.shape))
                (w, d_w), (b, d_b) = ((names[n], self.fixed[f"d_{n}"]) for n in (p.name, q.name))
                yield Affine(w, b, both, d_w, d_b, d_both)
            start = add(start, mul(*p.shape))

    # --------------------------------------------------------------------------------------- recording

    def _statement(self, s: Statement) -> None:
        self.statements[self.calls.part] = s
        names = self.calls.names
        place = self.fixed.get(s.name)
        if s.equation.reason is not None and s.equation.reason.kind == "recomputed":
            self.calls.forget_copies()
        v = self.calls.compute(s.array, place)
        if not v.name and s.name not in IN_WORKSPACE:
            v.name = s.name
            self.results[self.calls.part] = v
        names[s.name] = v

    def _message(self, message: Message, values: list[Value]) -> None:
        """Arrays are completed where they lie, all gradients as one array."""
        grads = [self.fixed[f"d_{p.name}"] for p in self.program.parameters]
        together = len(grads) > 1 and all(g in values for g in grads)
        named = [v for v in values if not together or v not in grads]
        names = [f"{{{n}}}" for n in range(len(named))] + ["flat_grads"] * together
        places = [f"{{{n}}}" if v.bound and not v.dims else f"{{{n}}}[...]" for n, v in enumerate(named)]
        places += ["flat_grads[:]"] * together
        left = f"({places[0]},)" if len(places) == 1 else ", ".join(places)
        self.calls.calls.append(
            Call(f"{left} = all_{message.op}({', '.join(names)})", tuple(named), None, self.calls.part)
        )
        self.statements[self.calls.part] = message

    def _loop(self, loop: Loop) -> None:
        """Its arrays stay; what a step reads and writes of them are views that are made once."""
        for name, axes in loop.axes.items():
            if name not in loop.shifted:
                self.calls.names[name] = self.calls.new(Value(tuple(i.size for i in axes), "DTYPE", name))
        for name, of in loop.shifted.items():
            self._with_zeros(of, name, loop.backwards)
        for name, array in loop.before.items():
            self.calls.names[name] = self.calls.compute(array)
        names = self.calls.names
        shadowed = names.get(loop.clock)
        names[loop.clock] = self.calls.new(Value((), "", loop.clock, bound=True))
        self.calls.clock = loop.clock
        self.calls.open(loop.header)
        place: Value | None = None
        for s in loop.body:
            self.calls.part += 1
            if isinstance(s, Message):  # about the statement before it
                assert place is not None
                self._message(s, [place])
                continue
            if s.target == s.name:
                self._statement(s)
                place = self.calls.names[s.name]
                continue
            self.statements[self.calls.part] = s
            place = self.calls.view(names[s.name], f"{{}}{s.target[len(s.name) :]}", s.array.dims)
            self.calls.compute(s.array, place)
        self.calls.close()
        self.calls.clock = ""
        del names[loop.clock]
        if shadowed is not None:
            names[loop.clock] = shadowed
        for s in loop.body:
            if isinstance(s, Statement) and s.name in self.fixed:
                self.calls.copy(self.calls.names[s.name], self.fixed[s.name])

    def _with_zeros(self, name: str, earlier: str, backwards: bool) -> None:
        """An array over time lies behind (or before) a step of zeros; so what it was a step earlier is a view too."""
        v = self.calls.names[name]
        length, *rest = v.dims
        if v.base is None:
            self.calls.values.remove(v)
            dims = (add(length, ONE), *rest)
            zeros = Value(dims, name=with_start(name, self.program), form=f"np.zeros({_shape_code(dims)}, DTYPE)")
            whole = self.calls.new(zeros)
            v = self.calls.names[name] = self.calls.view(whole, "{}[:-1]" if backwards else "{}[1:]", v.dims)
            v.name = name
        assert v.base is not None
        found = self.calls.view(v.base, "{}[1:]" if backwards else "{}[:-1]", v.dims)
        found.name = found.name or earlier
        self.calls.names[earlier] = found

    # ------------------------------------------------------------------------------------------- names

    def _name(self, rooms: dict[Value, Room]) -> None:
        """Names for all values in use, and local names for NumPy's functions."""
        helpers = {w for code in self.lowered.helpers.values() for w in re.findall(r"^def (\w+)", code, re.MULTILINE)}
        taken = {*IN_WORKSPACE, *self.program.size_names, *helpers, *self.program.tensors}
        taken |= {v.name for v in self.calls.values if v.name}

        def free(name: str) -> str:
            found, n = name, 2
            while found in taken:
                found, n = f"{name}{'_' if name[-1:].isdigit() else ''}{n}", n + 1
            taken.add(found)
            return found

        self.functions = {f: free(f) for f in self.calls.functions}
        self.used: dict[Value, None] = {}
        for call in self.calls.calls:
            for v in call.values:
                w: Value | None = v
                while w is not None and w not in self.used:
                    self.used[w] = None
                    w = w.base
        writes = [c for c in reversed(self.calls.calls) if c.out is not None]
        parts = {c.out.root: c.part for c in writes if c.out is not None}  # of the first that writes it
        shared: dict[tuple[Room, object], str] = {}
        views: dict[tuple[str, str], str] = {}
        for v in self.calls.values:
            if v.name or v not in self.used:
                continue
            if v in rooms:
                result = self.results.get(parts[v])
                if result in rooms and rooms[result] is rooms[v] and result.dims == v.dims:
                    v.name = result.name  # on the way to it, in its place
                    continue
                key = (rooms[v], v.dims)
                if key not in shared:
                    shared[key] = free("work1")
                v.name = shared[key]
            elif v.place:
                assert v.base is not None
                v.name = v.form.format(v.base.name)
            elif v.base is not None:
                suffix = "_T" if v.form == "{}.T" else "_view"
                read = (v.base.name, v.form)  # not by its room: a line says which of the arrays there it reads
                if read not in views:
                    stem = _VIEW.sub("", v.base.name) if suffix == "_view" and v.base.base else v.base.name
                    views[read] = free(f"{stem}{suffix}")
                v.name = views[read]
            else:
                v.name = free("value" if v.bound else "padded" if v.form.startswith("np.zeros(") else "constant")

    def _code(self, call: Call) -> str:
        names = [v.name for v in call.args]
        if call.out is None:
            return call.form.format(*names)
        if call.binds:
            return f"{call.out.name} = {call.form.format(*names)}"
        function = call.form.split("(", 1)[0].split(".")[0]
        form = call.form
        if function in self.functions:
            form = self.functions[function] + form[len(function) :]
        return form.format(*names, out=call.out.name)

    def _setup(self, rooms: dict[Value, Room]) -> Iterable[tuple[str, str]]:
        """(name, code) of what is made once."""
        done: set[str] = set()
        same: dict[str, str] = {}  # part of a room -> the first name for it
        for v in self.calls.values:
            if v not in self.used or v.root.bound or v.place or v.name in done:
                continue
            done.add(v.name)
            if v.base is not None:
                code = v.form.format(v.base.name)
            elif v.form:
                code = v.form
            else:
                whole = rooms[v].tenants[0]
                made = f"empty({_shape_code(whole.dims)}, {v.dtype})"
                if whole is not v and whole.name not in done:  # it comes first, the others are parts of it
                    done.add(whole.name)
                    yield whole.name, made
                part = whole.name + _cut(whole, v)
                code = made if whole is v else same.get(part, part)
                same.setdefault(part, v.name)
            yield v.name, code


def _rules(call: Call, rooms: dict[Value, Room]) -> tuple[tuple[str, Expr | None], ...]:
    found: list[tuple[str, Expr | None]] = []
    if (call.is_dot or call.form.startswith("matmul(")) and call.out is not None and not call.rule:
        found.append(("matrix product", mul(call.out.count, call.args[0].dims[-1])))
    if call.rule:
        found.append((call.rule, None))
    room = None if call.out is None else rooms.get(call.out)
    if call.out is not None and room is not None:
        if any(rooms.get(v) is room for v in call.args):
            found.append(("in place", call.out.count))
        elif room.tenants[0] is not call.out:
            found.append(("room of an earlier array", call.out.count))
    return tuple(found)


def _moves_nothing(call: Call, rooms: dict[Value, Room]) -> bool:
    """Whether it copies an array to where it lies."""
    if not call.is_copy or call.out is None or len(call.args) != 1:
        return False
    (v,) = call.args
    return v in rooms and rooms.get(call.out) is rooms[v] and call.in_place


def _cut(room: Value, v: Value) -> str:
    """What makes an array of a room's shape one of the value's."""
    if room.dims == v.dims:
        return ""
    shape = ", ".join(constant(n).code for n in v.dims)
    if room.count is v.count:
        return f".reshape({shape})"
    return f".reshape(-1)[:{constant(v.count).code}].reshape({shape})"


def _reshaped(shape: Sequence[Expr]) -> str:
    """What makes numbers in a row an array of this shape."""
    return "" if len(shape) == 1 else f".reshape({', '.join(constant(n).code for n in shape) or '()'})"


def _shape_code(dims: Sequence[object]) -> str:
    codes = [constant(n).code for n in dims]  # type: ignore[arg-type]
    return f"({', '.join(codes)}{',' if len(codes) == 1 else ''})"
