"""One statement an equation: the array operation, its shape and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from symbp.expr import Expr
from symbp.lower.arrays import SUM, Axes, Text, Writer, arrange, own, spread
from symbp.lower.contraction import contract
from symbp.lower.stabilise import stabilise
from symbp.program import Equation, Program, Tensor

WIDTH = 100  # a statement is broken beyond this


@dataclass(frozen=True)
class Statement:
    """name = code, an array of this shape, computing the equation."""

    name: str
    code: str
    shape: str
    equation: Equation

    @property
    def lines(self) -> list[str]:
        """The statement, broken at its outermost operators where it is long."""
        return break_line(f"{self.name} = {self.code}")


@dataclass(frozen=True)
class Lowered:
    """A program as statements, with the helper functions that they call and the sizes that they name."""

    statements: tuple[Statement, ...]
    helpers: dict[str, str]
    sizes: tuple[str, ...]
    program: Program


def lower(program: Program) -> Lowered:
    """Statements of array operations for a simplified program, in forms that don't overflow."""
    program = stabilise(program)
    position = {e.name: n for n, e in enumerate(program.equations, 1)}
    writer = Writer(program.tensors, contract, {}, {}, position)
    statements = tuple(_statement(writer, program.tensors[e.name], e) for e in program.equations)
    return Lowered(statements, dict(writer.helpers), tuple(writer.sizes), program)


def _statement(writer: Writer, tensor: Tensor, equation: Equation) -> Statement:
    text = writer.write(equation.value, tensor.indices)
    axes = tensor.indices
    if text.boolean:
        text = Text(f"{text.at(SUM)}.astype(DTYPE)" if text.binds > SUM else f"({text.code}).astype(DTYPE)", text.axes)
    if text.axes != axes:
        text = _fill(writer, arrange(text, axes), axes, equation.value)
    return Statement(equation.name, text.code, shape_text(tensor), equation)


def _fill(writer: Writer, text: Text, axes: Axes, value: Expr) -> Text:
    """An array that doesn't depend on all of its tensor's indices, repeated along the others."""
    if own(value, axes) == axes:
        return text
    shape = ", ".join(writer.size(i.size) for i in axes)
    comma = "," if len(axes) == 1 else ""
    if not text.axes:
        return Text(f"np.full(({shape}{comma}), {text.code}, dtype=DTYPE)", axes)
    return Text(f"np.broadcast_to({spread(text, axes).code}, ({shape}{comma})).copy()", axes)


def shape_text(tensor: Tensor) -> str:
    """The shape as text: (B, 3)."""
    labels = [s.label for s in tensor.shape]
    return f"({', '.join(labels)}{',' if len(labels) == 1 else ''})"


def break_line(line: str) -> list[str]:
    """A long assignment over several lines: in brackets, broken before its outermost operators of lowest rank."""
    if len(line) <= WIDTH:
        return [line]
    name, code = line.split(" = ", 1)
    for signs in ((" + ", " - "), (" * ", " / ", " @ ")):
        pieces = _outermost(code, signs)
        if len(pieces) > 1:
            out: list[str] = [f"{name} = ("]
            current = "    " + pieces[0]
            for piece in pieces[1:]:
                if len(current) + 1 + len(piece) > WIDTH:
                    out.append(current)
                    current = "    " + piece
                else:
                    current += " " + piece
            return [*out, current, ")"]
    return [line]


def _outermost(code: str, signs: tuple[str, ...]) -> list[str]:
    """The code split before every sign that stands outside of brackets."""
    depth, start, pieces, n = 0, 0, [], 0
    while n < len(code):
        depth += (code[n] in "([{") - (code[n] in ")]}")
        if depth == 0 and any(code.startswith(s, n) for s in signs):
            pieces.append(code[start:n])
            start = n + 1
            n += 2
        n += 1
    return [*pieces, code[start:]]


