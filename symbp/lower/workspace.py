"""The fast style: arrays made once for all steps, and a step as calls that write into them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from symbp.expr import Expr, mul
from symbp.lower.calls import Calls
from symbp.lower.constants import constant
from symbp.lower.packing import packed_rooms
from symbp.lower.recorder import Call, Value
from symbp.lower.rooms import Room, arrange_rooms
from symbp.lower.statements import Loop, Lowered, Statement, lower
from symbp.lower.wrapping import WIDTH, break_line
from symbp.program import Program

# What these mean in a workspace; no array is called so there.
IN_WORKSPACE = frozenset("params grads np math step workspace DTYPE place part tap0 tap1".split())


@dataclass(frozen=True)
class Line:
    """A line of the step, what it is part of, and (rule that made it so, numbers that it saves)."""

    code: str
    statement: Statement | None
    last: bool
    rules: tuple[tuple[str, Expr | None], ...] = ()


@dataclass(frozen=True)
class Workspace:
    """functions: NumPy's, by the names in the lines. grads: (name, parameter) of the arrays that take the gradients.
    setup: what is made once. moved: state -> its new array.
    """

    functions: tuple[tuple[str, str], ...]
    grads: tuple[tuple[str, str], ...]
    setup: tuple[str, ...]
    step: tuple[Line, ...]
    loss: str
    moved: dict[str, str]
    lowered: Lowered


def workspace(program: Program, *, prepared: bool = False) -> Workspace:
    """The gradient program's loss, gradients and new state, the gradients in arrays `grads[name]` that exist.

    prepared: as for `lower`; arrays then lie where they take the least room, not where the cache is likely to have it.
    """
    lowered = lower(program, placed=True, prepared=prepared)
    return _Builder(lowered).build(packed_rooms if prepared else arrange_rooms)


class _Builder:
    def __init__(self, lowered: Lowered) -> None:
        self.lowered = lowered
        self.program = program = lowered.program
        self.calls = Calls({})
        self.statements: dict[int, Statement] = {}
        self.results: dict[int, Value] = {}
        names = self.calls.names
        for t in program.tensors.values():
            if t.role == "input":
                names[t.name] = self.calls.new(Value(t.shape, "", t.name, bound=True))
            elif t.role in ("parameter", "state"):
                names[t.name] = self.calls.new(Value(t.shape, "DTYPE", t.name, given=True))
        self.fixed: dict[str, Value] = {}
        for p in program.parameters:
            if f"d_{p.name}" in program.tensors:
                name = f"d_{p.name}"
                self.fixed[name] = self.calls.new(Value(p.shape, "DTYPE", name, given=True))
        for new in program.updates.values():
            t = program.tensors[new]
            code = f"np.empty({_shape_code(t.shape)}, DTYPE)"
            self.fixed[new] = self.calls.new(Value(t.shape, "DTYPE", new, form=code))

    def build(self, arrange: Callable[[Sequence[Call]], dict[Value, Room]]) -> Workspace:
        for item in self.lowered.statements:
            self.calls.part += 1
            if isinstance(item, Loop):
                self._loop(item)
            elif isinstance(item, Statement):
                self._statement(item)
        calls = self.calls.calls
        rooms = arrange(calls)
        calls = [c for c in calls if not _moves_nothing(c, rooms)]
        loss = self.calls.names[str(self.program.loss)]
        self._name(rooms)
        lines: list[Line] = []
        depth = 0
        for k, call in enumerate(calls):
            depth -= call.closes
            if call.closes:
                continue
            last = k + 1 == len(calls) or calls[k + 1].part != call.part
            code = self._code(call)
            pieces = break_line(code, WIDTH - 4) if call.binds else code.split("\n")
            for n, text in enumerate(pieces, 1):
                last_line = last and n == len(pieces)
                rules = _rules(call, rooms) if n == 1 else ()
                lines.append(Line("    " * depth + text, self.statements.get(call.part), last_line, rules))
            depth += call.opens
        moved = {s: self.fixed[new].name for s, new in self.program.updates.items()}
        functions = tuple((self.functions[f], f"np.{f}") for f in self.calls.functions)
        grads = tuple((self.fixed[f"d_{p.name}"].name, p.name) for p in self.program.parameters)
        setup = tuple(self._setup(rooms))
        return Workspace(functions, grads, setup, tuple(lines), loss.name, moved, self.lowered)

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

    def _loop(self, loop: Loop) -> None:
        """Its arrays stay; what a step reads and writes of them are views that are made once."""
        for line in loop.arrays:
            name = line.split(" = ", 1)[0]
            v = self.calls.new(Value(tuple(i.size for i in loop.axes[name]), "DTYPE", name))
            self.calls.names[name] = v
        for name, array in loop.before.items():
            self.calls.names[name] = self.calls.compute(array)
        names = self.calls.names
        shadowed = names.get(loop.clock)
        names[loop.clock] = self.calls.new(Value((), "", loop.clock, bound=True))
        self.calls.clock = loop.clock
        self.calls.open(loop.header)
        for s in loop.body:
            assert isinstance(s, Statement)
            self.calls.part += 1
            if s.target == s.name:
                self._statement(s)
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

    # ------------------------------------------------------------------------------------------- names

    def _name(self, rooms: dict[Value, Room]) -> None:
        """Names for all values in use, and local names for NumPy's functions."""
        helpers = {w for code in self.lowered.helpers.values() for w in re.findall(r"^def (\w+)", code, re.MULTILINE)}
        taken = {*IN_WORKSPACE, *self.program.size_names, *helpers, *self.program.tensors}
        taken |= {v.name for v in self.calls.values if v.name}

        def unused(name: str) -> str:
            found, n = name, 2
            while found in taken:
                found, n = f"{name}{'_' if name[-1:].isdigit() else ''}{n}", n + 1
            taken.add(found)
            return found

        self.functions = {f: unused(f) for f in self.calls.functions}
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
                    shared[key] = unused("work1")
                v.name = shared[key]
            elif v.place:
                assert v.base is not None
                v.name = v.form.format(v.base.name)
            elif v.base is not None:
                suffix = "_T" if v.form == "{}.T" else "_view"
                v.name = unused(f"{v.base.name}{suffix}")
            else:
                v.name = unused("value" if v.bound else "constant")

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

    def _setup(self, rooms: dict[Value, Room]) -> Iterable[str]:
        done: set[str] = set()
        for v in self.calls.values:
            if v not in self.used or v.root.bound or v.given or v.place or v.name in done:
                continue
            done.add(v.name)
            if v.base is not None:
                code = v.form.format(v.base.name)
            elif v.form:
                code = v.form
            else:
                whole = rooms[v].tenants[0]
                made = f"np.empty({_shape_code(whole.dims)}, {v.dtype})"
                if whole is not v and whole.name not in done:  # it comes first, the others are parts of it
                    done.add(whole.name)
                    yield from break_line(f"{whole.name} = {made}")
                code = made if whole is v else whole.name + _cut(whole, v)
            yield from break_line(f"{v.name} = {code}")


def _rules(call: Call, rooms: dict[Value, Room]) -> tuple[tuple[str, Expr | None], ...]:
    found: list[tuple[str, Expr | None]] = []
    if call.form.startswith(("dot(", "matmul(")) and call.out is not None and not call.rule:
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
    if not call.form.startswith("copyto(") or call.out is None or len(call.args) != 1:
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


def _shape_code(dims: Sequence[object]) -> str:
    codes = [constant(n).code for n in dims]  # type: ignore[arg-type]
    return f"({', '.join(codes)}{',' if len(codes) == 1 else ''})"
