"""What a module says, from a Program: its functions' lines, its parameters, its data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import symbp
from symbp.emit.render import Body, Data, ModuleContext, Parameter, State
from symbp.errors import SymbpError
from symbp.expr import Access, Delta, Expr, Index, Num, Reduce, Size, walk
from symbp.gradient import gradient
from symbp.language import to_sympy
from symbp.lower import Loop, Lowered, Statement, lower
from symbp.program import Equation, Program, Tensor, shape_text
from symbp.recurrence import leading_to
from symbp.simplify import simplify

LICENCE = "MIT"
COLUMN = 60  # comments start in one column, as far right as this


def equation_text(e: Equation) -> str:
    """The equation as SymPy prints it: what the user declared."""
    return f"{to_sympy(e.target)} = {to_sympy(e.value)}"


def module_context(
    program: Program, optimizers: tuple[str, ...], dtype: str, learning_rate: float, name: str
) -> ModuleContext:
    """The strings of the emitted module, a file of this name. Raises SymbpError if the program can't be trained."""
    x, t = data_of(program)
    assert program.loss is not None and program.prediction is not None
    inference = program.inference or program
    numbers = {e.name: n for n, e in enumerate(program.equations, 1)}
    forward = lower(simplify(_only(inference, inference.prediction)))
    loss = lower(simplify(_only(inference, inference.loss)))
    grads = lower(gradient(program))
    helpers = forward.helpers | loss.helpers | grads.helpers
    return ModuleContext(
        title=program.title,
        equations=tuple(f"({n}) {equation_text(e)}" for n, e in enumerate(program.equations, 1)),
        command=command(program, optimizers, dtype, learning_rate, name),
        version=symbp.__version__,
        licence=LICENCE,
        dtype=dtype,
        helpers=tuple(helpers[name] for name in sorted(helpers)),
        input=_data(x, program),
        target=_data(t, program),
        parameters=tuple(
            Parameter(p.name, shape_text(p), init_text(p, program), p.layer or 1) for p in program.parameters
        ),
        state=tuple(
            State(s.name, shape_text(s), init_text(s, program), program.updates[s.name]) for s in program.state
        ),
        forward=_body(forward, inference, x, {}),
        loss=_body(loss, inference, x, {}),
        grads=_body(grads, program, x, numbers),
        prediction=program.prediction,
        prediction_shape=shape_text(program.tensors[program.prediction]),
        loss_name=program.loss,
        task=program.task,
        optimizers=optimizers,
        learning_rate=learning_rate,
    )


def command(program: Program, optimizers: tuple[str, ...], dtype: str, learning_rate: float, name: str) -> str:
    """The command line that makes the module again."""
    options = [f"--optimizer {','.join(optimizers)}", f"--dtype {dtype}", f"--lr {learning_rate:g}"]
    return " ".join(["symbp", "generate", program.title, "-o", name, *options])


def data_of(program: Program) -> tuple[Tensor, Tensor]:
    """The input that the prediction reads and the target that only the loss reads.

    Raises SymbpError unless there is exactly one of each, both with the batch as their first axis.
    """
    if program.loss is None or program.prediction is None:
        raise SymbpError(f"{program.title}: a module needs a loss and a prediction: declare(..., loss=L, prediction=y)")
    read = _only(program, program.prediction)
    used = {name for e in read.equations for name in e.value.tensors}
    inputs = [t for t in program.inputs if t.name in used]
    targets = [t for t in program.inputs if t.name not in used]
    if len(inputs) != 1 or len(targets) != 1:
        raise SymbpError(
            f"{program.title}: a module trains on one input and one target; the prediction {program.prediction} "
            f"reads {_names(inputs)}, only the loss reads {_names(targets)}"
        )
    for tensor in (inputs[0], targets[0]):
        if not tensor.indices or not isinstance(tensor.shape[0], Size):
            raise SymbpError(
                f"{program.title}: the first axis of {tensor.name} must be a symbolic batch size such as B, "
                f"not {shape_text(tensor)}"
            )
    for p in program.parameters:
        if not all(isinstance(s, Num) for s in p.shape):
            raise SymbpError(f"{program.title}: {p.name} has the shape {shape_text(p)}: a module needs it in numbers")
    return inputs[0], targets[0]


def _names(tensors: Iterable[Tensor]) -> str:
    return ", ".join(t.name for t in tensors) or "nothing"


def _only(program: Program, output: str | None) -> Program:
    """The program cut down to what one output needs, its state updates included only where they're read."""
    assert output is not None
    needed = leading_to(program.equations, (output,))
    cut = program.with_((e for e in program.equations if e.name in needed), outputs=(output,))
    return replace(cut, updates={}, prediction=output, loss=program.loss if program.loss in needed else None)


def _data(tensor: Tensor, program: Program) -> Data:
    shape = tuple(int(s.value) if isinstance(s, Num) else None for s in tensor.shape[1:])
    limit = None
    if tensor.dtype == "int":
        limit = label_limit(program, tensor.name)
    return Data(tensor.name, shape_text(tensor), shape, limit)


def label_limit(program: Program, name: str) -> int:
    """How many values an integer input may take: the size of the axis that it points into."""
    for e in program.equations:
        for node in walk(e.value):
            if isinstance(node, Delta):
                for i, other in (node.args, node.args[::-1]):
                    if isinstance(i, Index) and isinstance(other, Access) and other.label == name:
                        return _number(i.size, name)
            if isinstance(node, Access):
                for position, i in enumerate(node.args):
                    if isinstance(i, Access) and i.label == name:
                        return _number(program.tensors[node.label].shape[position], name)
    raise SymbpError(f"the integer input {name} points into no axis: its range is not known")


def _number(size: Expr, name: str) -> int:
    if not isinstance(size, Num):
        raise SymbpError(f"the integer input {name} points into an axis of size {size.label}: give it a number")
    return int(size.value)


def fans(tensor: Tensor, program: Program) -> tuple[int, int]:
    """(fan-in, fan-out) of a parameter, from the first sum that reads it.

    Fan-in is the product of the axes that are summed there: how many values add up in one result; fan-out is that of
    the others. So a convolution's fan-in is channels times window, and an attention head's is the width.
    """
    sizes = [int(s.value) for s in tensor.shape]  # type: ignore[attr-defined]
    for e in program.equations:
        for node in walk(e.value):
            if isinstance(node, Reduce) and node.label == "sum":
                for read in node.body.accesses:
                    if read.label == tensor.name:
                        summed = [bool(at.free & frozenset(node.indices)) for at in read.args]
                        inside = math.prod(n for n, s in zip(sizes, summed, strict=True) if s)
                        return inside, math.prod(n for n, s in zip(sizes, summed, strict=True) if not s)
    return (sizes[0], sizes[-1]) if sizes else (1, 1)


def init_text(tensor: Tensor, program: Program) -> str:
    """Python text of a tensor's first value. xavier: Glorot & Bengio 2010, eq. 16; he: He et al. 2015, section 2.2."""
    sizes = [int(s.value) for s in tensor.shape]  # type: ignore[attr-defined]
    shape = f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"
    init = tensor.init or ("xavier" if len(sizes) > 1 else "zeros")
    fan_in, fan_out = fans(tensor, program)
    match init:
        case "zeros" | "ones":
            return f"np.{init}({shape})"
        case "xavier":
            return f"rng.uniform(-1, 1, {shape}) * math.sqrt(6 / ({fan_in} + {fan_out}))"
        case "he":
            return f"rng.standard_normal({shape}) * math.sqrt(2 / {fan_in})"
    raise SymbpError(f"parameter {tensor.name}: unknown initialiser {init!r}: known are xavier, he, zeros, ones")


def _body(lowered: Lowered, program: Program, x: Tensor, numbers: dict[str, int]) -> Body:
    """A function's lines, each with its equation's number, its reason and its shape."""
    flat = [s for item in lowered.statements for s in (item.body if isinstance(item, Loop) else (item,))]
    read = {name for s in flat for name in s.equation.value.tensors}
    reads = tuple(t.name for t in (*program.parameters, *program.state) if t.name in read)
    single = [len(s.lines[0]) for s in flat if len(s.lines) == 1]
    column = max((n for n in single if n <= COLUMN), default=0)
    lines = [f"{name} = {_size_of(name, program)}" for name in lowered.sizes]
    for item in lowered.statements:
        if isinstance(item, Loop):
            lines += [*item.arrays, item.header]
            lines += [f"    {line}" for s in item.body for line in commented(s, numbers, column)]
        else:
            lines += commented(item, numbers, column)
    return Body(reads, tuple(lines))


def commented(s: Statement, numbers: dict[str, int], column: int) -> list[str]:
    """A statement's lines, with its comment behind it, or above it where it is long."""
    note = comment(s, numbers)
    *head, last = s.lines
    return [f"# {note}", *head, last] if head else [f"{last:<{column}}  # {note}"]


def _size_of(name: str, program: Program) -> str:
    """Where a symbolic size is read off: x.shape[0]."""
    for t in program.inputs:
        for axis, s in enumerate(t.shape):
            if isinstance(s, Size) and s.label == name:
                return f"{t.name}.shape[{axis}]"
    raise SymbpError(f"the size {name} is no axis of an input")


def comment(s: Statement, numbers: dict[str, int]) -> str:
    """What stands beside a line: the equation's number, or which derivative it is and what it came through."""
    reason = s.equation.reason
    shape = s.shape if s.shape != "()" else "scalar"
    if s.name in numbers:
        return f"({numbers[s.name]})  {shape}"
    if reason is None or reason.kind not in ("adjoint", "tangent"):
        return shape
    uses = [t.through.label for t in (*reason.via, *reason.terms)]
    through = dict.fromkeys(numbers[name] for name in uses if name in numbers)
    came = f", from {', '.join(f'({n})' for n in through)}" if through else ""
    return f"d{reason.of}/d{reason.wrt}{came}  {shape}"
