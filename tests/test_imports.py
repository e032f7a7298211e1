"""Imports point one way along the line of docs/design: a stage never reaches back, siblings don't know each other."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "symbp"

# First to last; a tuple holds siblings. Every module or package of symbp stands here.
STAGES = (
    "errors", "python_file", "expr", "affine", "functions", "operations", "language", "initialisers", "program",
    "recurrence", "blocks",
    "verify", "declare", "builder", "layers", "sequence", "notation", "architectures",
    "evaluate", "normalise", "unroll", "derive", "simplify", "gradient", "optimisers", "schedule",
    ("count", "show", "lower"), "emit", "memory", "check", "proofread", "report", "demo", "cli",
)  # fmt: skip
# Rooms of a stage, first to last.
ROOMS = {
    "expr": ("nodes", "arithmetic", "conditions", "reductions", "traversal"),
    "count": ("algebra", "equations", "gradients", "entrywise", "recurrences", "ledger", "neurons", "tables", "memory"),
    "show": ("words", "names", "plan", "styles", "formulas", "steps", "fold", "pages", "result", "naive", "derivation",
             "graph"),
}  # fmt: skip
RANK = {name: n for n, stage in enumerate(STAGES) for name in ((stage,) if isinstance(stage, str) else stage)}

# Methods of Program name the stages that follow; they import on use, and nothing else may.
LATER_ON_USE = {"program"}
# Imports inside functions: what is slow to import and not always needed.
SLOW = {"mpmath", "matplotlib", "matplotlib.pyplot"}
# `symbp --help` and texts without layers don't wait for SymPy, networks by name don't wait for the parser.
LAZY = {"", "cli", "program", "notation.reader", "architectures"}


MODULES = {
    ".".join(("symbp", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
}


class Import:
    """One import statement: the module that holds it, what it names, and where it stands."""

    def __init__(self, module: str, target: str, line: int, in_function: bool, typing_only: bool) -> None:
        self.module, self.target, self.line = module, target, line
        self.in_function, self.typing_only = in_function, typing_only

    def __repr__(self) -> str:
        return f"symbp/{self.module.replace('.', '/')}.py:{self.line} imports {self.target}"


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[Import]:
    """Every import of a file, `from symbp import x` resolved to symbp.x where that is a module."""

    def visit(node: ast.AST, in_function: bool, typing_only: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            inner = in_function or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            typed = typing_only or (isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"))
            if isinstance(child, ast.Import):
                names = [a.name for a in child.names]
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: a relative import"
                names = [str(child.module)]
                if str(child.module).startswith("symbp"):
                    inside = [f"{child.module}.{a.name}" for a in child.names]
                    names = [m for m in inside if m in MODULES] or names
            else:
                yield from visit(child, inner, typed)
                continue
            for name in names:
                yield Import(module_name(path), name, child.lineno, in_function, typing_only)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), False, False)


ALL = [i for path in sorted(SOURCE.rglob("*.py")) for i in imports(path)]
OWN = [i for i in ALL if i.target.startswith("symbp.") and i.module]


def stage(name: str) -> str:
    return name.removeprefix("symbp.").split(".")[0]


def room(name: str) -> str:
    """steps of symbp.show.steps.legend."""
    return "".join(name.removeprefix("symbp.").split(".")[1:2])


def test_every_module_has_a_place():
    found = {stage(module_name(path)) for path in SOURCE.rglob("*.py")} - {""}
    assert found == set(RANK)


def test_imports_point_one_way():
    wrong = [
        i
        for i in OWN
        if stage(i.target) != stage(i.module)
        and RANK[stage(i.target)] >= RANK[stage(i.module)]
        and not i.typing_only
        and not (i.module in LATER_ON_USE and i.in_function)
    ]
    assert not wrong, "\n".join(map(repr, wrong))


@pytest.mark.parametrize("name", ROOMS)
def test_rooms_of_a_stage_point_one_way(name: str) -> None:
    rank = {room: n for n, room in enumerate((*ROOMS[name], ""))}  # the package itself comes last
    inside = [i for i in OWN if stage(i.target) == stage(i.module) == name]
    found = {room(module_name(path)) for path in (SOURCE / name).rglob("*.py")}
    assert found == set(rank) and inside
    wrong = [
        i
        for i in inside
        if room(i.target) != room(i.module) and rank[room(i.target)] >= rank[room(i.module)] and not i.typing_only
    ]
    assert not wrong, "\n".join(map(repr, wrong))


def test_there_is_no_cycle_of_modules():
    """Not even inside a package, nor through imports in functions."""
    edges: dict[str, set[str]] = {}
    modules = {module_name(path) for path in SOURCE.rglob("*.py")}
    for i in OWN:
        if not i.typing_only and i.module not in LATER_ON_USE:
            target = i.target.removeprefix("symbp.")
            assert target in modules, f"{i!r}, which is no module"
            edges.setdefault(i.module, set()).add(target)
    done: set[str] = set()

    def follow(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            pytest.fail(f"a cycle of imports: {' -> '.join((*path[path.index(module) :], module))}")
        if module not in done:
            for target in sorted(edges.get(module, ())):
                follow(target, (*path, module))
            done.add(module)

    for module in sorted(modules):
        follow(module, ())


def test_imports_stand_at_the_top():
    wrong = [i for i in ALL if i.in_function and i.module not in LAZY and i.target not in SLOW]
    assert not wrong, "\n".join(map(repr, wrong))


def test_nothing_imports_everything():
    starred = [
        f"{path}:{node.lineno}"
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and any(a.name == "*" for a in node.names)
    ]
    assert not starred


def test_public_names_are_no_modules():
    """symbp.check is the function, also after something has imported the module symbp.check."""
    for before in ("", "import symbp.check, symbp.declare, symbp.gradient", "from symbp.unroll import unroll"):
        code = f"""
{before}
import types, symbp
from symbp import check, declare, gradient, sigmoid
for name in dir(symbp):
    assert not isinstance(getattr(symbp, name), types.ModuleType), name
assert check is symbp.check and callable(declare) and callable(gradient)
"""
        ran = subprocess.run(
            [sys.executable, "-c", code], cwd=SOURCE.parent, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr


def test_everything_meant_for_use_is_importable_from_symbp():
    """Every layer and loss, also by `from symbp import *`, as notebooks do it."""
    code = """
import symbp.layers
from symbp import *
missing = set(symbp.layers.__all__) - {"LOSSES", "size_of"} - set(globals())
assert not missing, missing
Sequential(Dense(4), LayerNorm(), features=2, loss="cross_entropy"), derivation, declare
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=SOURCE.parent, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
