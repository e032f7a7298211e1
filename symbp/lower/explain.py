"""Which rule made each line of emitted code, and what it saves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from symbp.expr import Expr, mul
from symbp.lower.array import Array
from symbp.lower.constants import constant
from symbp.lower.statements import Loop, Lowered, Statement
from symbp.lower.workspace import Line, Workspace

# rule -> what it saves; {} is a count of numbers
RULES = {
    "matrix product": "an array of {} products; BLAS",
    "matrix product of moved axes": "an array of {} products; BLAS, after a copy",
    "inner product": "an array of {} products",
    "windows as a view": "a copy of {} numbers",
    "copied_once": "further copies of {} numbers",
    "batch_last": "short runs: rows of the whole batch are moved",
    "mask added": "a choice for each of {} numbers",
    "placed": "adding at places that occur once",
    "windows added up": "an array of places; a slice a tap",
    "rows added up": "np.add.at, which adds one number at a time",
    "shifted by the maximum": "overflow",
    "maximum first": "functions and sums of all that it is over: they are computed for the maxima alone",
    "whole windows at once": "copies of what the places of a window have in common",
    "in place": "an array of {} numbers",
    "room of an earlier array": "an array of {} numbers",
    "sum as a product with ones": "NumPy's loop over rows; BLAS",
    "a few slices entry by entry": "NumPy's reduction over short axes",
    "a long sum in pieces": "BLAS on long, thin matrices, two to three times slower",
    "long rows in pieces": "BLAS on long, thin matrices, two to three times slower",
    "the wider matrix first": "BLAS on a thin first matrix, a half slower",
    "mask as numbers": "a product of two types, three times slower",
    "mask as a sum with -inf": "a choice for each number",
    "no division": "a division for each number",
    "sigmoid through tanh": "branches against overflow",
    "one-hot rows taken off in place": "an array of one-hot rows",
    "offset as one more weight": "a pass each way to add the offset and to sum its gradient",
    "small layers at once": "the same calls for each of the layers",
    "padding kept": "zeros written at every step",
    "copy": "",
}
_REASONS = {"stabilised": "shifted by the maximum", "moved": "maximum first", "by windows": "whole windows at once"}
_OPS = {"add_rows": "rows added up"}


@dataclass(frozen=True)
class Explained:
    """A line of code, the rule that made it so, and what that saves."""

    line: str
    rule: str
    saves: str


def explain(work: Lowered | Workspace) -> list[Explained]:
    """The rules behind a program's lines, in the order of the code."""
    if isinstance(work, Workspace):
        return [found for line in work.step for found in _of_line(line)]
    out: list[Explained] = []
    for item in work.statements:
        for s in item.body if isinstance(item, Loop) else (item,):
            if isinstance(s, Statement):
                out += _of_statement(s)
    return out


def explanation(work: Lowered | Workspace) -> str:
    """A table: line, rule, what it saves."""
    rows = [("line", "rule", "saves"), *((e.line, e.rule, e.saves) for e in explain(work))]
    rows = [(line if len(line) <= 60 else line[:57] + "...", rule, saves) for line, rule, saves in rows]
    first, second = (max(len(row[k]) for row in rows) for k in (0, 1))
    return "\n".join(f"{line:<{first}}  {rule:<{second}}  {saves}".rstrip() for line, rule, saves in rows)


def _of_line(line: Line) -> Iterator[Explained]:
    for rule, count in (*_reasons(s for s in line.ends if isinstance(s, Statement)), *line.rules):
        yield _explained(line.code.strip(), rule, count)


def _of_statement(s: Statement) -> Iterator[Explained]:
    text = s.lines[0] if len(s.lines) == 1 else f"{s.target} = ..."
    seen = dict.fromkeys((*_reasons((s,)), *_rules(s.array)))
    for rule, count in seen:
        yield _explained(text, rule, count)


def _reasons(statements: Iterable[Statement]) -> Iterator[tuple[str, Expr | None]]:
    """The rules by which the equations came to be."""
    for s in statements:
        if s.equation.reason is not None and s.equation.reason.kind in _REASONS:
            yield _REASONS[s.equation.reason.kind], None


def _explained(line: str, rule: str, count: Expr | None) -> Explained:
    saves = RULES[rule]
    return Explained(line, rule, saves.format("" if count is None else constant(count).code))


def _rules(a: Array) -> Iterator[tuple[str, Expr | None]]:
    size = mul(*a.dims)
    if a.op == "matmul":
        yield "matrix product", mul(size, a.args[0].dims[-1])
    elif a.op == "tensordot":
        both = [i.size for i in a.args[0].axes if i not in a.axes]
        yield "matrix product of moved axes", mul(size, *both)
    elif a.form.startswith("np.vdot("):
        yield "inner product", mul(*a.args[0].dims)
    elif a.form.startswith("sliding_windows("):
        yield "windows as a view", size
    elif a.form.startswith("overlap_add("):
        yield "windows added up", None
    elif a.op in _OPS:
        yield _OPS[a.op], None
    elif a.rule:
        yield a.rule, size
    for x in a.args:
        yield from _rules(x)
