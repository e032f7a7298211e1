"""One statement an equation: the array operation, its shape and where it comes from; recurrences as loops."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field, replace

from symbp.expr import Access, Expr, Index, access, mul, transform
from symbp.lower.array import Array, Axes, arrange, as_float, copy, opaque, own, spread
from symbp.lower.constants import into_coefficients
from symbp.lower.contraction import contract, factors_of_sums
from symbp.lower.layouts import layouts
from symbp.lower.loops import hoist_invariants, left_by_step_before, made_before, shifted, time_first, turned_before
from symbp.lower.messages import Message, schedule
from symbp.lower.parallel import Sharded, shard
from symbp.lower.precision import in_precision
from symbp.lower.reads import has_windows, is_windows
from symbp.lower.stabilise import stabilise
from symbp.lower.wrapping import break_line
from symbp.lower.writer import Writer
from symbp.program import Equation, Program, Tensor, shape_text
from symbp.recurrence import Group, carried, groups, local_to_step
from symbp.simplify.share import unused


@dataclass(frozen=True)
class Statement:
    """target = array, of this shape, computing the equation."""

    target: str
    array: Array
    shape: str
    equation: Equation

    @property
    def name(self) -> str:
        return self.equation.name

    @property
    def lines(self) -> list[str]:
        """The statement, broken at its outermost operators where it is long."""
        code = self.array.code
        return break_line(f"{self.target} = {code[1:-1] if self.array.op == 'choice' else code}")


@dataclass(frozen=True)
class Loop:
    """A recurrence: arrays over time, then `for time in steps` with the statements of one step.

    time: its index; clock: the name of the step's number. axes: of each array, in its order in memory. before: what is
    computed before the first step, by name. shifted: arrays that are views of others, a step of zeros in front of
    these: name -> which other.
    """

    arrays: tuple[str, ...]
    axes: dict[str, Axes]
    header: str
    body: tuple[Statement | Message, ...]
    before: dict[str, Array]
    time: Index
    clock: str
    shifted: dict[str, str] = field(default_factory=dict)
    backwards: bool = False

    @property
    def head(self) -> list[str]:
        """The lines before the body."""
        return [*(f"{name} = {a.code}" for name, a in self.before.items()), *self.arrays, self.header]


@dataclass(frozen=True)
class Lowered:
    """A program as statements, with the helper functions that they call and the sizes that they name.

    total: the name of the global batch's size where the batch is sharded.
    """

    statements: tuple[Statement | Loop | Message, ...]
    helpers: dict[str, str]
    sizes: tuple[str, ...]
    program: Program
    total: str = ""

    @property
    def messages(self) -> tuple[Message, ...]:
        """All messages, those inside recurrences too."""
        flat = (s for item in self.statements for s in (item.body if isinstance(item, Loop) else (item,)))
        return tuple(s for s in flat if isinstance(s, Message))


def prepare(program: Program) -> Program:
    """A simplified program in forms that don't overflow, with what a recurrence doesn't change outside of it."""
    return hoist_invariants(stabilise(program))


def lower(program: Program, sharded: str | None = None, *, placed: bool = False, prepared: bool = False) -> Lowered:
    """Statements of array operations for a simplified program, in forms that don't overflow.

    sharded: the size of the batch where each rank has its share of it: sums over it are completed by messages. Raises
    SymbpError where it can't be sharded. placed: results are written to given places, so that their axes may lie in any
    order (`symbp.lower.layouts`). prepared: the program has been through `prepare`, and what came after it stays: what
    is computed twice isn't shared.
    """
    program = program if prepared else prepare(program)
    if placed:
        program = program.with_(replace(e, value=transform(e.value, into_coefficients)) for e in program.equations)
    parts = None if sharded is None else shard(program, sharded)
    order: tuple[Group | Message, ...] = tuple(groups(program.equations)) if parts is None else schedule(parts)
    if parts is not None:
        equations = [e for item in order if isinstance(item, Group) for e in item.equations]
        program = parts.program.with_(equations)
    position = {e.name: n for n, e in enumerate(program.equations, 1)}
    known = time_first(program)
    writer = Writer(program, contract, {}, {}, position, dict(known), layouts(program, known) if placed else None)
    looped = {e.name for g in groups(program.equations) if g.time is not None for e in g.equations}
    fixed = {*program.outputs, *program.updates.values(), *looped, *(() if placed else (program.prediction,))}
    statements: list[Statement | Loop | Message] = []
    for group in order:
        if isinstance(group, Message):
            statements.append(group)
        elif group.time is None:
            statements += [_statement(writer, program.tensors[e.name], e, e.name not in fixed) for e in group.equations]
        else:
            statements.append(_loop(writer, group, group.time))
    if parts is not None:
        statements = [_on_a_rank(item, parts) for item in statements]
    total = "" if parts is None or parts.total.label not in writer.sizes else parts.total.label
    return Lowered(tuple(statements), dict(writer.helpers), tuple(writer.sizes), program, total)


def _on_a_rank(item: Statement | Loop | Message, parts: Sharded) -> Statement | Loop | Message:
    """The statement where a rank has a part of the batch: a loop completes partial results step by step, and a maximum
    may be one over no samples.
    """
    match item:
        case Statement() if parts.partial.get(item.name) == "max":
            return replace(item, array=_or_less(item.array))
        case Loop():
            body: list[Statement | Message] = []
            for s in item.body:
                assert isinstance(s, Statement)
                body.append(_on_a_rank(s, parts))  # type: ignore[arg-type]
                if s.name in parts.partial:
                    left = [i.size for i in s.equation.target.free if i is not item.time]
                    body.append(Message((s.target,), parts.partial[s.name], mul(*left), item.time.size))
            return replace(item, body=tuple(body))
    return item


def _or_less(a: Array) -> Array:
    """The maximum, -infinity where there is nothing to take it of."""
    if a.op != "max":
        return replace(a, args=tuple(map(_or_less, a.args)))
    arguments = a.form.removesuffix(")") + ("" if a.form.endswith("()") else ", ")
    return replace(a, form=f"{arguments}initial=-math.inf)")


def _loop(writer: Writer, group: Group, time: Index) -> Loop:
    length = writer.size(time.size)
    steps = f"reversed(range({length}))" if group.backwards else f"range({length})"
    moved = {a: b for a, b in shifted(group).items() if all(_stored(writer, n)[0] is time for n in (a, b))}
    views = {a: b for a, b in moved.items() if b not in moved}
    alone: dict[str, Axes] = {}
    if writer.layouts is None:
        names = carried(group, writer.program) - {*views, *views.values()}
        indices = {e.name: writer.tensors[e.name].indices for e in group.equations if e.name in names}
        alone = {name: tuple(i for i in own if i is not time) for name, own in indices.items()}
    local = local_to_step(group, writer.program) - views.keys() | alone.keys()
    kept: dict[str, Axes] = {}
    before: dict[str, Array] = {}
    body: list[Statement] = []
    clock = unused(time.label, writer.program)
    layout = {name: order for name, order in writer.layout.items() if name not in local}
    program = _without_time(writer.program, local, time)
    inner = replace(writer, time=time, clock=clock, program=program, layout=layout)
    for e in group.equations:
        tensor = writer.tensors[e.name]
        if e.name not in local:
            kept[e.name] = _stored(writer, e.name)
        if e.name in views:
            continue
        left = tuple(i for i in tensor.indices if i is not time)
        value = transform(e.value, lambda node: _carried(node, alone, group))
        value = transform(value, lambda node: _now(node, local, time))
        statement = _statement(inner, replace(tensor, indices=left), Equation(access(e.name, left), value, e.reason))
        statement = replace(statement, array=turned_before(statement.array, group, writer.program, before))
        target = e.name
        if e.name in kept:
            slots = [clock if i is time else ":" for i in kept[e.name]]
            while slots[-1] == ":":
                slots.pop()
            target = f"{e.name}[{', '.join(slots)}]"
        elif left and _may_be_zero(statement.array) and writer.layouts is None:
            # a later statement may multiply it as a matrix
            code = statement.array.code
            zeros = f"np.zeros({writer.shape(left)}, DTYPE)"
            code = f"{code[:-2]}{zeros})" if statement.array.op == "choice" else f"{zeros} + {code}"
            statement = replace(statement, array=Array(code, left, op=statement.array.op))
        body.append(replace(statement, target=target, equation=e))
    arrays = made_before(writer, kept, views, alone, group.backwards)
    header = f"for {clock} in {steps}:"
    return Loop(tuple(arrays), kept, header, tuple(body), before, time, clock, views, group.backwards)


def _stored(writer: Writer, name: str) -> Axes:
    return tuple(writer.stored(name, writer.tensors[name].indices))


def _may_be_zero(a: Array) -> bool:
    """Whether it is the number 0 at some times, instead of an array."""
    if a.op == "choice":
        return a.args[1].code == "0"
    return a.op in ("add", "subtract") and all(map(_may_be_zero, a.args))


def _carried(node: Expr, alone: Container[str], group: Group) -> Expr:
    """What the step before has left, zero at first, as what lies there."""
    read = left_by_step_before(node, group)
    return node if read is None or read.label not in alone else read


def _now(node: Expr, local: set[str], time: Index) -> Expr:
    """Reads of what is there for a step alone lose their index of time."""
    if isinstance(node, Access) and node.label in local:
        return access(node.label, [a for a in node.args if time not in a.free])
    return node


def _without_time(program: Program, local: set[str], time: Index) -> Program:
    tensors = {
        n: replace(t, indices=tuple(i for i in t.indices if i is not time)) if n in local else t
        for n, t in program.tensors.items()
    }
    return replace(program, tensors=tensors)


def _statement(writer: Writer, tensor: Tensor, equation: Equation, free: bool = False) -> Statement:
    """free: its axes may lie in memory in any order."""
    axes = tensor.indices
    if free and len(axes) > 1:
        axes = _order(writer, tensor, equation.value)
        if axes != tensor.indices:
            writer.layout[tensor.name] = tuple(tensor.indices.index(i) for i in axes)
    array = as_float(writer.write(equation.value, axes))
    if free and is_windows(array) and _multiplied(writer, tensor.name):
        array = copy(array)
    if array.axes != axes and writer.time is None:
        array = _fill(writer, arrange(array, axes), axes, equation.value)
    if writer.layouts is None and tensor.dtype == "real":
        array = in_precision(array, writer.tensors)
    return Statement(equation.name, array, shape_text(replace(tensor, indices=axes)), equation)


def _order(writer: Writer, tensor: Tensor, value: Expr) -> Axes:
    """The order of a tensor's axes in memory."""
    if tensor.name in writer.layout:  # a loop goes through it
        return tuple(writer.stored(tensor.name, tensor.indices))
    decided = writer.layouts.of(tensor.name) if writer.layouts else None
    if decided is not None and len(decided) == len(tensor.indices):
        return tuple(tensor.indices[n] for n in decided)
    axes = writer.natural(value, tensor.indices)
    if len(axes) < len(tensor.indices):
        return tensor.indices
    if writer.layouts:
        if has_windows(writer, value):
            axes = _grouped(writer, tensor, axes)
        order = writer.layouts.decide(tensor.name, tuple(tensor.indices.index(i) for i in axes))
        return tuple(tensor.indices[n] for n in order)
    return axes


def _multiplied(writer: Writer, name: str) -> list[tuple[Access, Axes]]:
    """The reads of a tensor in sums of products, each with what is summed over."""
    found = (pair for e in writer.program.equations for pair in factors_of_sums(e.value))
    return [(a, over) for a, over in found if a.label == name]


def _grouped(writer: Writer, tensor: Tensor, axes: Axes) -> Axes:
    """The axes with those next to each other that the first product to read the tensor sums over."""
    for a, over in _multiplied(writer, tensor.name):
        if all(isinstance(i, Index) for i in a.args):
            mine = [i for i, at in zip(tensor.indices, a.args, strict=True) if at in over]
            summed, kept = (tuple(i for i in axes if (i in mine) is inside) for inside in (True, False))
            return summed + kept if axes[-1] in kept else kept + summed
    return axes


def _fill(writer: Writer, a: Array, axes: Axes, value: Expr) -> Array:
    """An array that doesn't depend on all of its tensor's indices, repeated along the others."""
    if own(value, axes) == axes:
        return a
    if not a.axes:
        return opaque(f"np.full({writer.shape(axes)}, {{}}, dtype=DTYPE)", a, axes=axes)
    return opaque(f"np.broadcast_to({{}}, {writer.shape(axes)}).copy()", spread(a, axes), axes=axes)
