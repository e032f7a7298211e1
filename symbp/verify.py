"""The checks that every Program passes: after it is declared, and after every pass.

An error names the equation, the index or the tensor at fault, and what to write instead.
"""

from __future__ import annotations

import keyword

from symbp.errors import SymbpError
from symbp.expr import Access, Add, Call, Const, Expr, Index, Mul, Num, Pow, Reduce, Size, walk
from symbp.functions import TABLE
from symbp.program import ROLES, Equation, Program, Tensor

# Names that an emitted module defines or imports itself.
RESERVED = frozenset(
    """np math sys os time json argparse csv tempfile rng params grads state history seed batch_size epochs lr
    learning_rate optimizer forward loss loss_and_grads gradient_check init_params train predict save load main
    sigmoid softplus erf one_hot float int len range print dict list tuple sum max min abs zip map sorted set str
    bool type object isinstance enumerate open round pow any all""".split()
)


def verify(program: Program, after: str = "declaration") -> Program:
    """The program itself if it is well-formed. Raises SymbpError otherwise; `after` names the pass at fault."""
    try:
        _verify(program)
    except SymbpError as error:
        if after == "declaration":
            raise
        raise SymbpError(f"after the pass {after}: {error}") from error
    return program


def check_name(name: str, what: str) -> None:
    """Raises SymbpError unless the name can stand in an emitted module."""
    if not name.isidentifier() or not name.isascii():
        raise SymbpError(f"{what} {name!r} is not a plain identifier: use letters, digits and _, not first a digit")
    if keyword.iskeyword(name) or name in ("None", "True", "False"):
        raise SymbpError(f"{what} {name!r} is a Python keyword: choose another name, e.g. {name}_")
    if name in RESERVED:
        raise SymbpError(f"{what} {name!r} is a name that the emitted module uses itself: choose another, e.g. {name}_")


def _verify(program: Program) -> None:
    size_names = set(program.size_names)
    for tensor in program.tensors.values():
        _verify_tensor(tensor, size_names)
    defined = {t.name for t in program.tensors.values() if t.role != "computed"}
    for equation in program.equations:
        if equation.name not in program.tensors:
            raise SymbpError(f"equation for {equation.name}: the tensor is not declared")
        if equation.name in defined:
            role = program.tensors[equation.name].role
            again = "defined twice" if role == "computed" else f"declared as {role}, and has an equation too"
            raise SymbpError(f"tensor {equation.name} is {again}: rename one, or drop one of the two")
        _verify_equation(program, equation, defined, size_names)
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


def _verify_tensor(tensor: Tensor, size_names: set[str]) -> None:
    check_name(tensor.name, "tensor name")
    if tensor.role not in ROLES or tensor.dtype not in ("real", "int"):
        raise SymbpError(f"tensor {tensor.name}: role {tensor.role!r}, dtype {tensor.dtype!r} are not known")
    if tensor.name in size_names:
        raise SymbpError(f"{tensor.name} is both a tensor and a size: rename one of them")
    if len(set(tensor.indices)) != len(tensor.indices):
        raise SymbpError(f"tensor {tensor.name} has one index on two axes: give each axis an index of its own")


def _verify_equation(program: Program, equation: Equation, defined: set[str], size_names: set[str]) -> None:
    where = f"equation for {equation.name}"
    tensor = program.tensors[equation.name]
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
    for position, (i, formal) in enumerate(zip(node.args, tensor.indices, strict=True)):
        if isinstance(i, Index):
            if i.size is not formal.size:
                raise SymbpError(
                    f"{where}: axis {position} of {node.label} has size {show(formal.size)}, "
                    f"but the index {i.label} runs over {show(i.size)}: sizes must be the same"
                )
        elif isinstance(i, Num) and isinstance(formal.size, Num):
            if not 0 <= i.value < formal.size.value:
                raise SymbpError(
                    f"{where}: {node.label} is read at {i.value}, outside its axis {position} of {formal.size.value}"
                )
        elif not (isinstance(i, Access) and program.tensors[i.label].dtype == "int"):
            raise SymbpError(
                f"{where}: axis {position} of {node.label} is read at {show(i)}: "
                f"an index must be a bare index or a read of an integer input"
            )


def show(e: Expr) -> str:
    """An expression as short plain text, for messages."""
    if isinstance(e, (Num, Size, Index, Const)):
        return e.label
    if isinstance(e, Access):
        return e.label + (f"[{', '.join(map(show, e.args))}]" if e.args else "")
    sign = {"Add": " + ", "Mul": "*", "Pow": "**"}.get(type(e).__name__)
    if sign is None:
        return f"{e.label}({', '.join(map(show, e.args))})"
    looser = (Add, Mul, Pow) if isinstance(e, Pow) else (Add,) if isinstance(e, Mul) else ()
    return sign.join(f"({show(a)})" if isinstance(a, looser) or "/" in a.label else show(a) for a in e.args)
