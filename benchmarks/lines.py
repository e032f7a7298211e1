"""The most expensive lines of the emitted modules: microseconds of every statement of `loss_and_grads`.

    python benchmarks/lines.py [NET ...] [--steps 50] [--threads 1] [--top 10] [--markdown docs/speed.md]

Each statement, those in loops too, is timed in place: marks are put between the statements of the module's syntax tree.
A line's time is that of all its runs in a step together, in the fastest of the steps: what disturbs it only adds.
"""

from __future__ import annotations

import argparse
import ast
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import networks
from markdown import replace_between
from peers import nets
from peers.nets import Net
from threads import begin_again_with

from symbp.emit import generate

FUNCTION = "loss_and_grads"


class Marked(ast.NodeTransformer):
    """Puts `_mark(line)` before every simple statement of a function, and `_mark(0)` before it ends."""

    def visit(self, node: ast.AST) -> Any:
        node = super().generic_visit(node)
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                setattr(node, name, [new for s in block for new in (mark(s), s)])
        return node


def mark(s: ast.stmt) -> ast.stmt:
    """A call of `_mark` with the statement's line, with 0 before what isn't timed."""
    number = s.lineno if is_timed(s) else 0
    return ast.copy_location(ast.Expr(ast.Call(ast.Name("_mark", ast.Load()), [ast.Constant(number)], [])), s)


def is_timed(s: ast.stmt) -> bool:
    """Neither the end of the function nor a loop's own work nor a docstring."""
    docstring = isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)
    return not docstring and not isinstance(s, ast.Return | ast.For)


class Clock:
    """What `_mark` calls: the time since the last call belongs to the line that was marked then."""

    def __init__(self) -> None:
        self.spent: dict[int, float] = {}
        self.line, self.since = 0, time.perf_counter()

    def mark(self, line: int) -> None:
        now = time.perf_counter()
        self.spent[self.line] = self.spent.get(self.line, 0.0) + now - self.since
        self.line, self.since = line, time.perf_counter()


def instrumented(text: str, clock: Clock) -> ModuleType:
    """The module of a text with marks in its gradient function."""
    tree = ast.parse(text)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == FUNCTION:
            Marked().visit(node)
    module = ModuleType("instrumented")
    module.__dict__["_mark"] = clock.mark
    exec(compile(ast.fix_missing_locations(tree), "<instrumented>", "exec"), module.__dict__)
    return module


def statements(text: str) -> dict[int, str]:
    """Line number -> the statement that begins there, on one line."""
    tree = ast.parse(text)
    function = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == FUNCTION)
    simple = [n for n in ast.walk(function) if isinstance(n, ast.stmt) and is_timed(n) and n is not function]
    return {n.lineno: " ".join(ast.unparse(n).split()) for n in simple}


def measure(net: Net, steps: int) -> list[tuple[float, str]]:
    """(microseconds, statement), the slowest first."""
    text = generate(networks.declare(net), dtype=net.dtype.name)
    clock = Clock()
    module = instrumented(text, clock)
    params = module.init_params() | networks.to_symbp(net, net.params)
    x, t = networks.data(net)
    samples: dict[int, list[float]] = {}
    for step in range(steps + 2):
        clock.mark(0)
        clock.spent.clear()
        module.loss_and_grads(params, x, t)
        if step >= 2:  # the first ones fill caches
            for line, seconds in clock.spent.items():
                samples.setdefault(line, []).append(seconds)
    known = statements(text)
    found = [(1e6 * min(s), known[line]) for line, s in samples.items() if line in known]
    return sorted(found, reverse=True)


def table(net: Net, steps: int, top: int, width: int) -> str:
    """The slowest lines of one network, as text."""
    found = measure(net, steps)
    whole = sum(microseconds for microseconds, _ in found)
    lines = [f"{net.name}: {whole:,.0f} microseconds in {len(found)} statements", ""]
    for microseconds, text in found[:top]:
        shown = text if len(text) <= width else text[: width - 3] + "..."
        lines.append(f"{microseconds:>8,.0f}  {microseconds / whole:>4.0%}  {shown}")
    return "\n".join(lines)


def main() -> None:
    """Measures and prints, or writes into a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", default=["cnn", "gpt1", "lstm"])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--width", type=int, default=110, help="of a statement")
    parser.add_argument("--markdown", type=Path, help="the document whose part about lines is replaced")
    arguments = parser.parse_args()
    begin_again_with(arguments.threads)
    found = [table(nets.make(name), arguments.steps, arguments.top, arguments.width) for name in arguments.nets]
    text = "\n\n".join(found)
    print(text)
    if arguments.markdown:
        replace_between(arguments.markdown, "lines", f"```\n{text}\n```")


if __name__ == "__main__":
    main()
