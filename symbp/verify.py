"""The checks that every Program passes: after it is declared, and after every pass.

An error names the equation, the index or the tensor at fault, and what to write instead.
"""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from fractions import Fraction
from functools import cache

from symbp.affine import Facts, affine, highest, holds, learn, lowest, opposite, where_nonzero
from symbp.errors import SymbpError
from symbp.expr import ZERO, Access, Add, Call, Const, Expr, Index, Mul, Num, Pow, Reduce, Select, Size, num, walk
from symbp.functions import TABLE
from symbp.initialisers import parse_initialiser
from symbp.program import ROLES, Equation, Program, Tensor
from symbp.recurrence import groups

# Names that an emitted module defines or imports itself.
RESERVED = frozenset(
    """np math sys os time json argparse csv tempfile rng params grads state history seed batch_size epochs lr
    learning_rate optimizer forward loss loss_and_grads gradient_check init_params train predict save load main
    sigmoid softplus erf one_hot float int len range print dict list tuple sum max min abs zip map sorted set str
    bool type object isinstance enumerate open round pow any all all_sum all_max all_count
    whole_batch MPI COMM RANK""".split()
)


def verify(program: Program, after: str = "declaration", before: Program | None = None) -> Program:
    """The program itself if it is well-formed. Raises SymbpError otherwise; `after` names the pass at fault.

    before: the well-formed program that the pass was given. Equations and tensors that are the very objects of that
    program are only checked for their place: that what they read is defined before them, and is what it was.
    """
    try:
        _verify(program, before)
    except SymbpError as error:
        if after == "declaration":
            raise
        raise SymbpError(f"after the pass {after}: {error}") from error
    return program


def check_identifier(name: str, what: str) -> None:
    """Raises SymbpError unless the name can stand in a formula, whatever that is written in."""
    if not name.isidentifier() or not name.isascii():
        raise SymbpError(f"{what} {name!r} is not a plain identifier: use letters, digits and _, not first a digit")


def check_name(name: str, what: str) -> None:
    """Raises SymbpError unless the name can stand in an emitted module."""
    check_identifier(name, what)
    if keyword.iskeyword(name) or name in ("None", "True", "False"):
        raise SymbpError(f"{what} {name!r} is a Python keyword: choose another name, e.g. {name}_")
    if name in RESERVED:
        raise SymbpError(f"{what} {name!r} is a name that the emitted module uses itself: choose another, e.g. {name}_")


def in_running_order(equations: Sequence[Equation]) -> bool:
    """Whether no equation reads what it or a later one computes: there is no recurrence, and nothing to reorder."""
    later = {e.name for e in equations}
    for e in equations:
        if not later.isdisjoint(e.value.tensors):
            return False
        later.discard(e.name)
    return True


def recurrent(equations: Sequence[Equation]) -> dict[str, frozenset[str]]:
    """For each equation of a recurrence, by name, the names of all of that recurrence."""
    if in_running_order(equations):
        return {}
    return {e.name: g.names for g in groups(equations) if g.time is not None for e in g.equations}


@cache
def _sizes_in(indices: tuple[Index, ...]) -> frozenset[str]:
    return frozenset(n.label for i in indices for n in walk(i.size) if isinstance(n, Size))


def _size_names(program: Program) -> frozenset[str]:
    return frozenset().union(*{_sizes_in(t.indices) for t in program.tensors.values()})


def _verify(program: Program, before: Program | None) -> None:
    size_names = _size_names(program)
    for size in size_names:
        check_identifier(size, "size")
    if before is not None and _size_names(before) != size_names:
        before = None
    old_tensors = {} if before is None else before.tensors
    old_equations = {} if before is None else {e.name: e for e in before.equations}
    changed = {name for name, tensor in program.tensors.items() if old_tensors.get(name) is not tensor}
    for name in program.tensors:
        if name in changed:
            _verify_tensor(program.tensors[name], size_names)
    defined = {t.name for t in program.tensors.values() if t.role != "computed"}
    members = recurrent(program.equations)
    for equation in program.equations:
        if equation.name not in program.tensors:
            raise SymbpError(f"equation for {equation.name}: the tensor is not declared")
        if equation.name in defined:
            role = program.tensors[equation.name].role
            again = "defined twice" if role == "computed" else f"declared as {role}, and has an equation too"
            raise SymbpError(f"tensor {equation.name} is {again}: rename one, or drop one of the two")
        running = members.get(equation.name)
        readable = defined | running if running else defined
        reads = equation.value.tensors
        kept = equation is old_equations.get(equation.name) and equation.name not in changed
        if not (kept and reads <= readable and reads.isdisjoint(changed)):
            _verify_equation(program, equation, readable, size_names)
        defined.add(equation.name)
    if program.loss is not None:
        if program.loss not in defined:
            raise SymbpError(f"the loss {program.loss} has no equation: add one that defines it")
        indices = program.tensors[program.loss].indices
        if indices:
            names = ", ".join(i.label for i in indices)
            raise SymbpError(
                f"the loss {program.loss} is not a scalar: it has the indices {names}; sum or average over them"
            )
    for name in program.outputs:
        if name not in defined:
            raise SymbpError(f"output {name} has no equation: add one, or remove it from the outputs")


def _verify_tensor(tensor: Tensor, size_names: frozenset[str]) -> None:
    check_name(tensor.name, "tensor name")
    if tensor.role not in ROLES or tensor.dtype not in ("real", "int"):
        raise SymbpError(f"tensor {tensor.name}: role {tensor.role!r}, dtype {tensor.dtype!r} are not known")
    if tensor.name in size_names:
        raise SymbpError(f"{tensor.name} is both a tensor and a size: rename one of them")
    if len(set(tensor.indices)) != len(tensor.indices):
        raise SymbpError(f"tensor {tensor.name} has one index on two axes: give each axis an index of its own")
    if tensor.init:
        try:
            parse_initialiser(tensor.init, tensor.role)
        except SymbpError as error:
            raise SymbpError(f"{tensor.role} {tensor.name}: {error}") from None


_verified: set[tuple[object, ...]] = set()  # equations with the tensors that they read: most passes change few


def _verify_equation(program: Program, equation: Equation, defined: set[str], size_names: frozenset[str]) -> None:
    where = f"equation for {equation.name}"
    tensor = program.tensors[equation.name]
    read = sorted(equation.value.tensors)
    known = program.tensors
    signature = tuple((n in defined, n in known and (known[n].indices, known[n].dtype)) for n in read)
    key = (equation.target, equation.value, tensor.indices, size_names, signature, equation.reason is None)
    if key in _verified:
        return
    if equation.target != tensor.access:
        raise SymbpError(f"{where}: its target must be written with the tensor's own bare indices")
    unbound = sorted(i.label for i in equation.value.free - set(tensor.indices))
    if unbound:
        raise SymbpError(
            f"{where}: the index {unbound[0]} is unbound on the right-hand side: "
            f"sum over it, or add it to the target's indices"
        )
    lengths: dict[str, Expr] = {}
    for node in walk(equation.value):
        if isinstance(node, Index) and lengths.setdefault(node.label, node.size) is not node.size:
            raise SymbpError(
                f"{where}: the index {node.label} has two sizes, {show(lengths[node.label])} and {show(node.size)}"
            )
        if isinstance(node, Size) and node.label not in size_names:
            raise SymbpError(
                f"{where}: the symbol {node.label} is unbound: declare it as an input or a parameter, "
                f"or use it as the size of an index"
            )
        if isinstance(node, Call) and node.label not in TABLE:
            raise SymbpError(f"{where}: the function {node.label} is not in the table of elementary functions")
        if isinstance(node, Access):
            _verify_access(program, where, node, defined)
        if isinstance(node, Reduce) and not all(isinstance(i, Index) for i in node.args[1:]):
            raise SymbpError(f"{where}: a reduction over something that is not an index")
    # What the user wrote reads a whole axis or says a condition; what was derived may read a part, j < 3 of 6.
    _verify_reads(program, where, equation.value, () if equation.reason is None else (ZERO,), set())
    _verified.add(key)


def _verify_access(program: Program, where: str, node: Access, defined: set[str]) -> None:
    tensor = program.tensors.get(node.label)
    if tensor is None:
        raise SymbpError(f"{where}: the symbol {node.label} is unbound: declare it as an input or a parameter")
    if node.label not in defined:
        raise SymbpError(f"{where} reads {node.label} before it is defined: put that equation first")
    if len(node.args) != len(tensor.indices):
        raise SymbpError(
            f"{where}: {node.label} has {len(tensor.indices)} axes and is read with {len(node.args)} indices: "
            f"write {node.label}[{', '.join(i.label for i in tensor.indices)}]"
        )


def _verify_reads(program: Program, where: str, e: Expr, facts: Facts, seen: set[tuple[Expr, Facts]]) -> None:
    """Every access in its tensor's range, given what the conditions around it say."""
    if (e, facts) in seen or not e.accesses:
        return
    seen.add((e, facts))
    if isinstance(e, Select):
        condition, then, otherwise = e.args
        _verify_reads(program, where, condition, facts, seen)
        _verify_reads(program, where, then, learn(condition, facts), seen)
        _verify_reads(program, where, otherwise, learn(opposite(condition), facts), seen)
        return
    if isinstance(e, Mul):
        for f in e.args:
            others = facts
            for g in e.args:
                if g is not f:
                    others = learn(where_nonzero(g), others)
            _verify_reads(program, where, f, others, seen)
        return
    if isinstance(e, Access):
        for position, (i, formal) in enumerate(zip(e.args, program.tensors[e.label].indices, strict=True)):
            _verify_index(program, where, e, position, i, formal, facts)
    for a in e.args:
        _verify_reads(program, where, a, facts, seen)


def reads_in_range(program: Program, e: Expr) -> bool:
    """Whether the expression can be computed on its own: every read in range without conditions around it."""
    if not any(not isinstance(i, (Index, Access)) for a in e.accesses for i in a.args):
        return True
    try:
        _verify_reads(program, "", e, (ZERO,), set())
    except SymbpError:
        return False
    return True


def _verify_index(
    program: Program, where: str, node: Access, position: int, i: Expr, formal: Index, facts: Facts
) -> None:
    size = formal.size
    if isinstance(i, Index):
        if i.size is not size and not (facts and holds(i, facts) and holds(size - i - 1, facts)):
            raise SymbpError(
                f"{where}: axis {position} of {node.label} has size {show(size)}, "
                f"but the index {i.label} runs over {show(i.size)}: sizes must be the same"
            )
        return
    if isinstance(i, Access):
        if program.tensors[i.label].dtype != "int":
            raise SymbpError(
                f"{where}: axis {position} of {node.label} is read at {show(i)}: "
                f"an index must be affine in indices, or a read of an integer input"
            )
        return
    if affine(i) is None or any(isinstance(c, Fraction) for c in affine(i)[0].values()):  # type: ignore[index]
        raise SymbpError(
            f"{where}: axis {position} of {node.label} is read at {show(i)}, which is not affine: "
            f"an index must be a sum of indices with integer factors, or a read of an integer input"
        )
    if not (holds(i, facts) and holds(size - i - 1, facts)):
        low, high = lowest(i), highest(i)
        reached = f", that is {show(low)} .. {show(high)}" if low is not None and high is not None and i.free else ""
        fix = "write Piecewise((..., condition), (0, True)) around it" if i.free else "read it inside that range"
        raise SymbpError(
            f"{where}: {node.label}[{', '.join(map(show, node.args))}] reads axis {position} at {show(i)}{reached}, "
            f"outside its range 0 .. {show(size - 1)}: {fix}"
        )


def show(e: Expr) -> str:
    """An expression as short plain text, for messages."""
    if isinstance(e, (Num, Size, Index, Const)):
        return e.label
    if isinstance(e, Access):
        return e.label + (f"[{', '.join(map(show, e.args))}]" if e.args else "")
    if isinstance(e, Mul) and e.args[0] is num(-1):
        rest = e / -1
        return f"-({show(rest)})" if isinstance(rest, Add) else f"-{show(rest)}"
    if isinstance(e, Add):
        return " + ".join(map(show, sorted(e.args, key=lambda t: isinstance(t, Num)))).replace("+ -", "- ")
    sign = {"Add": " + ", "Mul": "*", "Pow": "**"}.get(type(e).__name__)
    if sign is None:
        return f"{e.label}({', '.join(map(show, e.args))})"
    looser = (Add, Mul, Pow) if isinstance(e, Pow) else (Add,) if isinstance(e, Mul) else ()
    return sign.join(f"({show(a)})" if isinstance(a, looser) or "/" in a.label else show(a) for a in e.args)
