"""What a module says, from a Program: its functions' lines, its parameters, its data."""

from __future__ import annotations

import math
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import symbp
from symbp.emit.arguments import (
    Arguments,
    arguments_of,
    hidden_units,
    label_limit,
    metric_target,
    only,
    seen_by,
    sums_to_one,
)
from symbp.emit.module import Body, Data, FastBody, ModuleContext, Parameter, Random, State
from symbp.errors import SymbpError
from symbp.expr import ONE, ZERO, Expr, Num, Reduce, Size, add, mul, num, substitute, walk
from symbp.expr import size as size_of
from symbp.gradient import gradient
from symbp.initialisers import parse_initialiser
from symbp.language import to_sympy
from symbp.lower import Loop, Lowered, Message, Statement, Workspace, by_layer, last_reads, lower, workspace
from symbp.lower.constants import constant
from symbp.program import Equation, Program, Tensor, shape_text, size_text
from symbp.simplify import recast, simplify
from symbp.simplify.nominal import nominal

LICENCE = "MIT"
LARGE = 10**5  # more numbers than this in a step: the system's part in giving memory and taking it back is felt
HUGE = 10**6  # so many that readable code gives arrays back, layer by layer
ROOM = 100  # columns of names in a line that gives arrays back
SMALL = 1000  # but none with less than this part of them
COLUMN = 60  # comments start in one column, as far right as this


@dataclass(frozen=True)
class Step:
    """What computes the loss and its gradients: the simplified program, or a prepared one (`symbp.lower.prepare`).

    frees: arrays that readable code gives back behind their last use. claim: what the docstring says of its memory.
    options: what made it so, on the command line.
    """

    program: Program
    prepared: bool = False
    frees: frozenset[str] = frozenset()
    claim: str = ""
    options: str = ""


def derived(program: Program, style: str) -> Program:
    """The gradient that a style's step computes."""
    return gradient(_computed(program, style))


def _computed(program: Program, style: str) -> Program:
    """What a style's step differentiates: fast code needn't compute the very values that are declared."""
    return recast(program) if style == "fast" else program


def equation_text(e: Equation) -> str:
    """The equation as SymPy prints it: what the user declared."""
    return f"{to_sympy(e.target)} = {to_sympy(e.value)}"


def module_context(
    program: Program,
    optimizers: tuple[str, ...],
    dtype: str,
    learning_rate: float,
    name: str,
    style: str = "readable",
    parallel: str | None = None,
    step: Step | None = None,
) -> ModuleContext:
    """The strings of the emitted module, a file of this name. Raises SymbpError if the program can't be trained.

    step: what computes the gradients; left out, all values are kept as long as a function runs.
    """
    if parallel not in (None, "mpi", "processes"):
        raise SymbpError(f"parallel is {parallel!r}: it must be 'mpi', 'processes' or left out")
    if parallel == "processes" and style != "fast":
        raise SymbpError("processes share what the fast style computes: add style='fast' (--style fast)")
    found = arguments_of(program)
    batch = found.batch if parallel else None  # of what the gradients are computed from
    samples = batch if parallel == "mpi" else None  # of what everything else is
    inference = program.inference or program
    own = _computed(program, style)
    told = (*program.equations, *(e for e in own.equations if e not in program.equations))
    numbers = {e.name: n for n, e in enumerate(told, 1)}
    predicting = only(inference, (inference.prediction,), found.inputs)
    judging = only(inference, (inference.loss,), found.data)
    hidden = hidden_units(inference, found)
    watching = only(inference, hidden, found.inputs) if hidden else predicting
    forward, loss = lower(simplify(predicting), samples), lower(simplify(judging), samples)
    step = step or Step(gradient(own))
    work = workspace(step.program, batch, prepared=step.prepared) if style == "fast" else None
    grads = lower(step.program, batch, prepared=step.prepared) if work is None else work.lowered
    units = lower(simplify(watching), samples)
    helpers = forward.helpers | loss.helpers | grads.helpers | units.helpers
    numbered = tuple(f"({n}) {equation_text(e)}" for n, e in enumerate(told, 1))
    prediction = str(inference.prediction)
    target = metric_target(program, found)
    return ModuleContext(
        title=program.title,
        equations=numbered[: len(program.equations)],
        in_place=numbered[len(program.equations) :],
        command=command(program, optimizers, dtype, learning_rate, name, style, parallel) + step.options,
        version=symbp.__version__,
        licence=LICENCE,
        dtype=dtype,
        helpers=tuple(helpers[name] for name in sorted(helpers)),
        batch=found.batch,
        inputs=_data(found.inputs, program, found),
        random=tuple(_random(t, found.has_batch(t)) for t in found.random),
        random_sizes=_random_sizes(program, found),
        targets=_data(found.targets, program, found),
        parameters=tuple(
            Parameter(p.name, shape_text(p), init_text(p, program), p.layer or 1) for p in program.parameters
        ),
        state=tuple(
            State(s.name, shape_text(s), init_text(s, program), program.updates[s.name]) for s in program.state
        ),
        forward=_body(forward, predicting, found.batch, {}),
        loss=_body(loss, judging, found.batch, {}),
        grads=_body(grads, seen_by(program, found.all), found.batch, numbers, step.frees),
        activations=_body(units, watching, found.batch, {}) if hidden else None,
        activation_kinds=tuple(hidden.items()),
        prediction=prediction,
        prediction_shape=shape_text(program.tensors[prediction]),
        splits_prediction=found.has_batch(program.tensors[prediction]),
        loss_name=str(program.loss),
        task=program.task,
        metric_target=None if target is None else target.name,
        optimizers=optimizers,
        learning_rate=learning_rate,
        keeps_memory=work is None and _numbers_in(step.program) > LARGE,
        fast=None if work is None else _fast_body(work, seen_by(program, found.all), found.batch, numbers),
        parallel=parallel,
        traffic=traffic(grads) if parallel else (),
        claim=step.claim,
    )


def _numbers_in(program: Program) -> int:
    """How many numbers a program's tensors have together, at nominal sizes."""
    return sum(map(_numbers, (t for t in program.tensors.values() if t.role == "computed")))


def _numbers(t: Tensor) -> int:
    return math.prod(map(nominal, t.indices))


def _given_back(lowered: Lowered) -> dict[int, list[str]]:
    """Position of a statement -> the large arrays to give back behind it, where a function computes very much: at the
    end of each layer, if there is as much to come as a tenth of what they hold.
    """
    total = _numbers_in(lowered.program)
    if total <= HUGE:
        return {}
    tensors, stays = lowered.program.tensors, {*lowered.program.outputs, *lowered.program.updates.values()}
    made: list[int] = []  # numbers by statement
    for item in lowered.statements:
        inside = item.body if isinstance(item, Loop) else (item,)
        names = [s.name for s in inside if isinstance(s, Statement)]
        made.append(sum(_numbers(tensors[name]) for name in names))
        if isinstance(item, Loop):  # what it doesn't keep holds a single step
            stays |= {*names} - item.axes.keys()
    large = {t.name: n for t in tensors.values() if t.role == "computed" and (n := _numbers(t)) * SMALL > total}
    places = by_layer(lowered, last_reads(lowered, large.keys() - stays))
    return {
        k: names for k, names in places.items() if sum(made[k + 1 :]) * 10 >= sum(large.get(name, 0) for name in names)
    }


def command(
    program: Program,
    optimizers: tuple[str, ...],
    dtype: str,
    learning_rate: float,
    name: str,
    style: str = "readable",
    parallel: str | None = None,
) -> str:
    """The command line that makes the module again."""
    options = [f"--optimizer {','.join(optimizers)}", f"--dtype {dtype}", f"--lr {learning_rate:g}"]
    options += [] if style == "readable" else [f"--style {style}"]
    options += [f"--parallel {parallel}"] if parallel else []
    return " ".join(["symbp", "generate", program.title, "-o", name, *options])


def _data(tensors: Iterable[Tensor], program: Program, found: Arguments) -> tuple[Data, ...]:
    """The inputs or the targets, each with what `check` in the module draws for it."""
    symbols = dict.fromkeys(n.label for t in found.data for s in t.shape for n in walk(s) if isinstance(n, Size))
    others = [name for name in symbols if name != found.batch]
    sizes = {found.batch: 7, **{name: (3, 5, 2, 4)[k % 4] for k, name in enumerate(others)}}
    target = metric_target(program, found)
    out = []
    for t in tensors:
        shape = tuple(int(s.value) if isinstance(s, Num) else size_text(s) for s in t.shape)
        integer, zero_or_one = t.dtype == "int", t is target and program.task == "binary"
        limit = label_limit(program, t.name) if integer else 2 if zero_or_one else None
        example = _example(t, tuple(_at(s, sizes) for s in t.shape), limit, program, found)
        out.append(Data(t.name, shape_text(t), shape, example, integer, integer or zero_or_one, limit))
    return tuple(out)


def _at(size: Expr, sizes: dict[str, int]) -> int:
    """The size in numbers."""
    settled = substitute(size, {size_of(name): num(value) for name, value in sizes.items()})
    assert isinstance(settled, Num)
    return int(settled.value)


def _example(t: Tensor, shape: tuple[int, ...], limit: int | None, program: Program, found: Arguments) -> str:
    """Python text of random values that make sense for an input or target."""
    if t.dtype == "int" and limit is None:  # a mask: something of it is always one
        return f"np.maximum(rng.integers(2, size={shape}), np.arange({shape[-1] if shape else 1}) == 0)"
    if t.dtype == "int":
        return f"rng.integers({limit}, size={shape})"
    if sums_to_one(program, t):
        return f"rng.dirichlet(np.ones({shape[-1]}), size={shape[:-1]})"
    if limit is not None:
        return f"rng.integers({limit}, size={shape}).astype(np.float64)"
    if not found.has_batch(t):  # a weight, a temperature: rather positive
        return f"rng.uniform(0.5, 1.5, {shape})"
    return f"rng.standard_normal({shape})"


def _random(t: Tensor, split: bool) -> Random:
    kind, value = parse_initialiser(t.init, t.role)
    if kind == "bernoulli":
        return Random(t.name, shape_text(t), f"rng.random({shape_text(t)}) < {_decimal(value)}", t.init, split)
    factor = "" if value == 1 else f"{_decimal(value)} * "
    return Random(t.name, shape_text(t), f"{factor}rng.standard_normal({shape_text(t)})", t.init, split)


def _decimal(value: Fraction) -> str:
    """A fraction as Python text: 0.75, 2 / 3."""
    return f"{float(value):g}" if Fraction(f"{float(value):g}") == value else f"{value.numerator} / {value.denominator}"


def _random_sizes(program: Program, found: Arguments) -> tuple[str, ...]:
    """The lines that read the sizes of random inputs off the data."""
    symbols = dict.fromkeys(n.label for t in found.random for s in t.shape for n in walk(s) if isinstance(n, Size))
    return tuple(f"{name} = {_size_of(name, seen_by(program, found.data))}" for name in symbols)


def summed_axes(tensor: Tensor, program: Program) -> list[bool] | None:
    """For each axis of a parameter whether the first sum that reads it sums over it; None if no sum reads it."""
    for e in program.equations:
        if tensor.name not in e.value.tensors:
            continue
        for node in walk(e.value):
            if isinstance(node, Reduce) and node.label == "sum":
                for read in node.body.accesses:
                    if read.label == tensor.name:
                        return [bool(at.free & frozenset(node.indices)) for at in read.args]
    return None


def fans(tensor: Tensor, program: Program) -> tuple[int, int]:
    """(fan-in, fan-out) of a parameter, from the first sum that reads it.

    Fan-in is the product of the axes that are summed there: how many values add up in one result; fan-out is that of
    the others. So a convolution's fan-in is channels times window, and an attention head's is the width.
    """
    sizes = [int(s.value) for s in tensor.shape]  # type: ignore[attr-defined]
    summed = summed_axes(tensor, program)
    if summed is None:
        return (sizes[0], sizes[-1]) if sizes else (1, 1)
    inside = math.prod(n for n, s in zip(sizes, summed, strict=True) if s)
    return inside, math.prod(n for n, s in zip(sizes, summed, strict=True) if not s)


def init_text(tensor: Tensor, program: Program) -> str:
    """Python text of a tensor's first value.

    xavier: Glorot & Bengio 2010, eq. 16. he: He et al. 2015, section 2.2. orthogonal: Saxe et al. 2014, from the QR
    decomposition of a matrix of normal numbers, (fan-in, fan-out), reshaped where there are more axes.
    """
    sizes = [int(s.value) for s in tensor.shape]  # type: ignore[attr-defined]
    shape = f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"
    default = "xavier" if len(sizes) > 1 else "zeros"
    kind, value = parse_initialiser(tensor.init or default, tensor.role)
    fan_in, fan_out = fans(tensor, program)
    match kind:
        case "zeros" | "ones":
            return f"np.{kind}({shape})"
        case "number":
            return f"np.full({shape}, {_decimal(value)})"
        case "normal":
            return f"{_decimal(value)} * rng.standard_normal({shape})"
        case "xavier":
            return f"rng.uniform(-1, 1, {shape}) * math.sqrt(6 / ({fan_in} + {fan_out}))"
        case "he":
            return f"rng.standard_normal({shape}) * math.sqrt(2 / {fan_in})"
    if len(sizes) < 2:
        raise SymbpError(f"{tensor.name} {shape}: orthogonal needs two axes or more: use normal(0.1), zeros or ones")
    summed = summed_axes(tensor, program) or [True, *(False for _ in sizes[1:])]
    return f"orthogonal(rng, {shape}, {tuple(n for n, inside in enumerate(summed) if inside)})"


def _body(
    lowered: Lowered, program: Program, batch: str, numbers: dict[str, int], frees: frozenset[str] = frozenset()
) -> Body:
    """A function's lines, each with its equation's number, its reason and its shape. frees: what they give back."""
    both = [s for item in lowered.statements for s in (item.body if isinstance(item, Loop) else (item,))]
    flat = [s for s in both if isinstance(s, Statement)]
    read = {name for s in flat for name in s.equation.value.tensors}
    reads = tuple(t.name for t in (*program.parameters, *program.state) if t.name in read)
    single = [len(s.lines[0]) for s in flat if len(s.lines) == 1]
    column = max((n for n in single if n <= COLUMN), default=0)
    words = {w for item in lowered.statements for line in _code_of(item) for w in re.findall(r"\w+", line)}
    lines = [f"{n} = {_size_of(n, program)}" for n in lowered.sizes if n in words and n != lowered.total]
    if lowered.total:
        lines.append(_total(lowered, program, batch))
    done = last_reads(lowered, frees) if frees else _given_back(lowered)
    note = "" if frees else "  # not read again: memory for the next layers"
    for k, item in enumerate(lowered.statements):
        if isinstance(item, Loop):
            lines += item.head
            lines += [f"    {line}" for s in item.body for line in commented(s, numbers, column)]
        else:
            lines += commented(item, numbers, column)
        if k in done and k + 1 < len(lowered.statements):
            rows = textwrap.wrap(", ".join(done[k]), ROOM - len(note))
            lines += [f"del {row.rstrip(',')}{note}" for row in rows]
            note = ""
    return Body(reads, tuple(lines))


def _code_of(item: Statement | Loop | Message) -> list[str]:
    """Its lines without comments."""
    return [*item.head, *(line for s in item.body for line in s.lines)] if isinstance(item, Loop) else item.lines


def _total(lowered: Lowered, program: Program, batch: str) -> str:
    """The line that asks all ranks for the number of samples."""
    return f"{lowered.total} = all_count({_size_of(batch, program)})  # the size of the whole batch"


def _fast_body(work: Workspace, program: Program, batch: str, numbers: dict[str, int]) -> FastBody:
    """The lines that make a workspace and those of its step, each statement's last line with its comment."""
    text = "\n".join((*work.setup, *(line.code for line in work.step)))
    words = set(re.findall(r"[A-Za-z_]\w*", text))
    setup = [f"{name} = {_size_of(name, program)}" for name in program.size_names if name in words]
    if work.lowered.total:
        setup.append(_total(work.lowered, program, batch))
    for k in range(0, len(work.functions), 3):
        local, functions = zip(*work.functions[k : k + 3], strict=True)
        setup.append(f"{', '.join(local)} = {', '.join(functions)}")
    setup += work.setup
    lines = []
    column = min(COLUMN - 4, max(len(line.code) for line in work.step))
    for line in work.step:
        note = "; ".join(comment(s, numbers, len(line.ends) > 1) for s in line.ends)
        lines.append(f"{line.code:<{column}}  # {note}" if note else line.code)
    return FastBody(tuple(setup), tuple(lines), work.loss, tuple(work.moved.items()))


def commented(s: Statement | Message, numbers: dict[str, int], column: int) -> list[str]:
    """A statement's lines, with its comment behind it, or above it where it is long."""
    note = comment(s, numbers)
    *head, last = s.lines
    return [f"# {note}", *head, last] if head else [f"{last:<{column}}  # {note}"]


def traffic(lowered: Lowered) -> tuple[str, ...]:
    """What a rank sends in a step, as lines of text: how many messages of how many numbers."""
    sent: dict[Expr, Expr] = defaultdict(lambda: ZERO, {ONE: ONE} if lowered.total else {})
    for m in lowered.messages:
        sent[m.length] += m.times
    rows = [f"{_count(times):>12} x {_count(length):>12}" for length, times in sent.items()]
    numbers = add(*(mul(times, length) for length, times in sent.items()))
    return (*rows, f"{_count(add(*sent.values())):>12} messages of {_count(numbers)} numbers in all")


def _count(e: Expr) -> str:
    return f"{int(e.value):,}" if isinstance(e, Num) else constant(e).code


def _size_of(name: str, program: Program) -> str:
    """Where a symbolic size is read off: x.shape[0]."""
    for t in program.inputs:
        for axis, s in enumerate(t.shape):
            if isinstance(s, Size) and s.label == name:
                return f"{t.name}.shape[{axis}]"
    raise SymbpError(f"the size {name} is no axis of an input")


def comment(s: Statement | Message, numbers: dict[str, int], several: bool = False) -> str:
    """What stands beside a line: the equation's number, or which derivative it is and what it came through.

    several: the line computes other things too, and doesn't tell the name of this one.
    """
    if isinstance(s, Message):
        return "over all ranks"
    reason = s.equation.reason
    shape = s.shape if s.shape != "()" else "scalar"
    if s.name in numbers:
        return f"({numbers[s.name]})  {shape}"
    if reason is not None and reason.kind == "recomputed":
        first = f"({numbers[reason.wrt]})" if reason.wrt in numbers else reason.wrt
        return f"{first} again  {shape}"
    if reason is None or reason.kind not in ("adjoint", "tangent"):
        return f"{s.name}  {shape}" if several else shape
    uses = [t.through.label for t in (*reason.via, *reason.terms)]
    through = dict.fromkeys(numbers[name] for name in uses if name in numbers)
    came = f", from {', '.join(f'({n})' for n in through)}" if through else ""
    return f"d{reason.of}/d{reason.wrt}{came}  {shape}"
