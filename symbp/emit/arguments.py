"""What an emitted module's functions take: inputs, random inputs, targets, and which axis is the batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from symbp.errors import SymbpError
from symbp.expr import ONE, Access, Call, Delta, Expr, Index, Num, Reduce, Size, walk
from symbp.program import Program, Tensor, shape_text
from symbp.recurrence import groups, leading_to


@dataclass(frozen=True)
class Arguments:
    """inputs: what the prediction reads. random: what is drawn for every training batch. targets: what only the loss
    reads. batch: the size along which data are split into batches, the first axis of whatever has it.
    """

    inputs: tuple[Tensor, ...]
    random: tuple[Tensor, ...]
    targets: tuple[Tensor, ...]
    batch: str

    @property
    def data(self) -> tuple[Tensor, ...]:
        """What comes from the user, in the order of the functions' arguments."""
        return (*self.inputs, *self.targets)

    @property
    def all(self) -> tuple[Tensor, ...]:
        """The arguments of loss_and_grads."""
        return (*self.inputs, *self.random, *self.targets)

    def has_batch(self, t: Tensor) -> bool:
        return bool(t.shape) and isinstance(t.shape[0], Size) and t.shape[0].label == self.batch


def arguments_of(program: Program) -> Arguments:
    """The arguments of the program's module.

    Raises SymbpError if the program can't be trained as it stands, naming what is missing or in the way.
    """
    if program.loss is None or program.prediction is None:
        raise SymbpError(f"{program.title}: a module needs a loss and a prediction: declare(..., loss=L, prediction=y)")
    form = program.inference or program
    read = _read(program, program.prediction) | _read(form, form.prediction)
    needed = read | _read(program, program.loss) | _read(form, form.loss)
    given = [t for t in program.inputs if t.name in needed and not t.init]
    random = tuple(t for t in program.inputs if t.name in needed and t.init)
    unknown = _read(form, form.prediction) | _read(form, form.loss)
    for t in random:
        if t.name in unknown:
            raise SymbpError(
                f"{program.title}: {t.name} is drawn for training batches only, and prediction reads it: say what "
                f"prediction computes instead (`inference` in the notation)"
            )
    inputs = tuple(t for t in given if t.name in read)
    targets = tuple(t for t in given if t.name not in read)
    _check_parameters(program)
    return Arguments(inputs, random, targets, _batch(program, (*inputs, *random, *targets)))


def _read(program: Program, output: str | None) -> set[str]:
    return set() if output is None else leading_to(program.equations, (output,))


def _check_parameters(program: Program) -> None:
    for p in (*program.parameters, *program.state):
        if not all(isinstance(s, Num) for s in p.shape):
            raise SymbpError(f"{program.title}: {p.name} has the shape {shape_text(p)}: a module needs it in numbers")


def _batch(program: Program, arguments: Iterable[Tensor]) -> str:
    """The size of the batch: the first axis of the prediction, or of the first argument that has a symbolic one."""
    prediction = program.tensors[str(program.prediction)]
    first = [t.shape[0].label for t in (prediction, *arguments) if t.shape and isinstance(t.shape[0], Size)]
    if not first:
        raise SymbpError(
            f"{program.title}: no input has a symbolic first axis, so there is nothing to split into batches: give one "
            f"the batch as its first axis, x[b, i] with a size such as B"
        )
    batch = first[0]
    where = f"{program.title}: a module splits data into batches along their first axis, here {batch}"
    for group in groups(program.equations):
        if group.time is not None and group.time.size.label == batch:
            raise SymbpError(f"{where}, which is the time of a recurrence: put the batch first, x[b, t, i]")
    for t in arguments:
        for axis, s in enumerate(t.shape[1:], 2):
            if any(isinstance(n, Size) and n.label == batch for n in walk(s)):
                raise SymbpError(
                    f"{where}, and {t.name} {shape_text(t)} has it as axis {axis}: write {t.name} with the batch first "
                    f"and only there"
                )
    return batch


def only(program: Program, outputs: Iterable[str | None], arguments: Iterable[Tensor]) -> Program:
    """The program cut down to what some outputs need, its inputs being the function's arguments.

    State updates are left out.
    """
    names = tuple(name for name in outputs if name is not None)
    if not names:
        raise SymbpError(f"{program.title}: its form for prediction lacks a loss or a prediction: name them there too")
    needed = leading_to(program.equations, names)
    cut = program.with_((e for e in program.equations if e.name in needed), outputs=names)
    cut = replace(cut, updates={}, prediction=names[0], loss=program.loss if program.loss in needed else None)
    return seen_by(cut, arguments)


def seen_by(program: Program, arguments: Iterable[Tensor]) -> Program:
    """The program with no other inputs than these: sizes are read off what the function is given."""
    names = {t.name for t in arguments}
    return replace(program, tensors={n: t for n, t in program.tensors.items() if t.role != "input" or n in names})


def label_limit(program: Program, name: str) -> int | None:
    """How many values an integer input may take: the shortest axis that it points into, None if it points into none."""
    found: list[int] = []
    for e in program.equations:
        for node in walk(e.value):
            if isinstance(node, Delta):
                for i, other in (node.args, node.args[::-1]):
                    if isinstance(i, Index) and isinstance(other, Access) and other.label == name:
                        found.append(_number(i.size, name))
            if isinstance(node, Access):
                for position, i in enumerate(node.args):
                    if isinstance(i, Access) and i.label == name:
                        found.append(_number(program.tensors[node.label].shape[position], name))
    return min(found, default=None)


def _number(size: Expr, name: str) -> int:
    if not isinstance(size, Num):
        raise SymbpError(f"the integer input {name} points into an axis of size {size.label}: give it a number")
    return int(size.value)


def metric_target(program: Program, found: Arguments) -> Tensor | None:
    """The target that predictions are compared with: integer labels, or values of the prediction's shape."""
    prediction = program.tensors[str(program.prediction)]
    if not found.has_batch(prediction):
        return None
    for t in found.targets:
        labels = t.dtype == "int" and program.task == "classification" and t.shape == prediction.shape[:-1]
        if labels or (t.dtype == "real" and t.shape == prediction.shape):
            return t
    return None


def hidden_units(program: Program, found: Arguments) -> dict[str, str]:
    """Tensors that relu, sigmoid or tanh computes on the way to the prediction, with the function's name."""
    read = _read(program, program.prediction) - {program.prediction}
    return {
        e.name: e.value.label
        for e in program.equations
        if isinstance(e.value, Call) and e.value.label in ("relu", "sigmoid", "tanh") and e.name in read
        and found.has_batch(program.tensors[e.name])
    }  # fmt: skip


def sums_to_one(program: Program, t: Tensor) -> bool:
    """Whether the program says that the entries along the tensor's last axis add up to one."""
    for left, right in program.facts:
        if right is ONE and isinstance(left, Reduce) and left.label == "sum" and isinstance(left.body, Access):
            read = left.body
            if read.label == t.name and len(left.indices) == 1 and read.args[-1] is left.indices[0]:
                return True
    return False
