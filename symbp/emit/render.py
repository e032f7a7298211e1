"""Render the emitted module: ready lines of code and strings in, the text of one standalone Python file out.

No mathematics here and none in the templates: they own the file's structure, the lines arrive written.
"""

from __future__ import annotations

import ast
import keyword
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from symbp.errors import SymbpError

WIDTH = 110
TASKS = ("classification", "binary", "regression")
OPTIMIZERS = ("sgd", "momentum", "adam")
DTYPES = ("float64", "float32")
METRICS = {  # task: (in words, key in the history, format of a printed prediction)
    "classification": ("accuracy", "accuracy", "%d"),
    "binary": ("accuracy", "accuracy", "%d"),
    "regression": ("mean absolute error", "mae", "%.9g"),
}
# Names that mean something else where the lines stand, or that np.savez takes for its own arguments.
RESERVED = frozenset({"params", "np", "math", "rng", "file", "allow_pickle", "DTYPE"})


@dataclass(frozen=True)
class Data:
    """The input or the target.

    name: of the argument. shape_text: for docstrings, "(B, 64)". shape: of one sample, None for
    an axis of any size. limit: None for real numbers, K for integers 0..K-1.
    """

    name: str
    shape_text: str
    shape: tuple[int | None, ...]
    limit: int | None = None


@dataclass(frozen=True)
class Parameter:
    """A trained array. init: an expression of `rng`, `np`, `math`. layer: its place, from 1."""

    name: str
    shape_text: str
    init: str
    layer: int


@dataclass(frozen=True)
class State:
    """An untrained array among the parameters. update: the name of its new value in loss_and_grads."""

    name: str
    shape_text: str
    init: str
    update: str


@dataclass(frozen=True)
class Body:
    """A function's body. reads: the params it takes, in order. lines: its code without the return."""

    reads: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class ModuleContext:
    """All that an emitted module says; strings arrive ready.

    title, equations, command, version, licence: the header. helpers: source texts of functions that the lines
    call. forward's lines compute `prediction`, those of loss and grads `loss_name`; those of grads also
    d_<name> for each parameter and State.update for each state. task: one of TASKS. optimizers: the first is
    the default. threshold: what a binary prediction exceeds for label 1.
    """

    title: str
    equations: tuple[str, ...]
    command: str
    version: str
    licence: str
    dtype: str
    helpers: tuple[str, ...]
    input: Data
    target: Data
    parameters: tuple[Parameter, ...]
    state: tuple[State, ...]
    forward: Body
    loss: Body
    grads: Body
    prediction: str
    prediction_shape: str
    loss_name: str
    task: str
    optimizers: tuple[str, ...] = ("adam", "momentum", "sgd")
    learning_rate: float = 1e-3
    threshold: float = 0.0


def templates_folder() -> Path:
    """Where the templates are: inside the installed package, or at the root of the source tree.

    Raises SymbpError if they are in neither place.
    """
    installed = resources.files("symbp").joinpath("_templates")
    source = Path(__file__).resolve().parents[2] / "templates"
    for folder in (Path(str(installed)), source):
        if (folder / "module.py.j2").is_file():
            return folder
    raise SymbpError(
        f"no templates in {installed} or {source}: symbp is installed incompletely, install it again"
    )


def render_module(context: ModuleContext) -> str:
    """The text of the module, the same bytes for the same context.

    Raises SymbpError for a context that can't make a valid module: the message names the field.
    """
    _check(context)
    environment = Environment(
        loader=FileSystemLoader(templates_folder()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Python comes out, not HTML
    )
    try:
        text = environment.get_template("module.py.j2").render(_strings(context))
    except TemplateError as error:
        raise SymbpError(f"the module's template fails: {error}") from error
    text = text.rstrip("\n") + "\n"  # however the included templates end
    _check_text(text)
    return text


def _strings(c: ModuleContext) -> dict[str, object]:
    """The template's variables."""
    x, t = c.input, c.target
    x_doc, t_doc = _describe(x), _describe(t)
    words, key, number = METRICS[c.task]
    arrays: tuple[Parameter | State, ...] = (*c.parameters, *c.state)
    grads = _fill("return L, {", [f'"{p.name}": d_{p.name}' for p in c.parameters], "}")
    grads = [line.replace("return L,", f"return {c.loss_name},", 1) for line in grads]
    returns = f"{c.loss_name}, d{c.loss_name}/dparameter by name"
    if c.state:
        moved = _fill("}, {", [f'"{s.name}": {s.update}' for s in c.state], "}")
        grads = [*grads[:-1], grads[-1][:-1] + moved[0], *moved[1:]]
        returns += ", new " + ", ".join(s.name for s in c.state) + " by name"
    return {
        "licence": c.licence,
        "module_docstring": _module_docstring(c),
        "dtype": c.dtype,
        "helpers": [helper.strip("\n") for helper in c.helpers],
        "init_reads_rng": any(re.search(r"\brng\b", a.init) for a in arrays),
        "init_rows": "\n".join(_init_rows(arrays)),
        "x": x.name,
        "t": t.name,
        "forward_docstring": _docstring(f"The prediction {c.prediction} {c.prediction_shape} for {x_doc}."),
        "forward_body": _body(c.forward),
        "prediction": c.prediction,
        "loss_docstring": _docstring(f"The loss of a batch, a number: {x_doc}, {t_doc}."),
        "loss_body": _body(c.loss),
        "loss_name": c.loss_name,
        "grads_docstring": _docstring(f"{returns}, for a batch: {x_doc}, {t_doc}."),
        "grads_body": _body(c.grads),
        "grads_return": "\n".join(_indent(grads)),
        "has_state": bool(c.state),
        "layers": "\n".join(_fill("LAYERS = {", [f'"{p.name}": {p.layer}' for p in c.parameters], "}")),
        "optimizers": c.optimizers,
        "optimizer_table": "{" + ", ".join(f'"{name}": {name}' for name in c.optimizers) + "}",
        "learning_rate": repr(float(c.learning_rate)),
        "task": c.task,
        "threshold": repr(c.threshold),
        "metric": words,
        "metric_key": key,
        "number_format": number,
        "x_shape": x.shape_text,
        "t_shape": t.shape_text,
        "x_wanted": _wanted(x.shape, x.limit),
        "t_wanted": _wanted(t.shape, 2 if c.task == "binary" else t.limit),
        "t_is_integer": t.limit is not None,
        "x_dtype": "DTYPE" if x.limit is None else "np.intp",
        "t_dtype": "DTYPE" if t.limit is None else "np.intp",
        "random_x": _random(x, "regression"),
        "random_t": _random(t, c.task),
    }


def _describe(data: Data) -> str:
    return f"{data.name} {data.shape_text}" + ("" if data.limit is None else " integers")


def _wanted(shape: tuple[int | None, ...], limit: int | None) -> str:
    return repr(shape) + ("" if limit is None else f", limit={limit}")


def _module_docstring(c: ModuleContext) -> str:
    def wrap(text: str, indent: str) -> list[str]:
        return textwrap.wrap(
            text,
            WIDTH,
            initial_indent=indent,
            subsequent_indent=indent + "    ",
            break_long_words=False,  # a path cut in two is wrong
            break_on_hyphens=False,
        )

    lines = wrap(f'"""{c.title}', "")
    lines += ["", "The network, in index notation:", ""]
    lines += [line for equation in c.equations for line in wrap(equation, "    ")]
    lines += ["", f"Written by symbp {c.version}; this makes it again:", "", *wrap(c.command, "    "), ""]
    lines += ["Needs Python >= 3.9 and NumPy >= 1.24, nothing else. `--help` says what it does as a program."]
    return "\n".join([*lines, '"""'])


def _docstring(text: str) -> str:
    """The text as the docstring of a function, on one line where it fits."""
    if len(text) + 4 + 6 <= WIDTH:
        return f'    """{text}"""'
    lines = textwrap.wrap(
        f'"""{text}', WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
    )
    return "\n".join([*lines, '    """'])


def _indent(lines: Iterable[str]) -> list[str]:
    return ["    " + line if line.strip() else "" for line in lines]


def _body(body: Body) -> str:
    lines: list[str] = []
    for line in body.lines:
        code, mark, comment = line.rpartition("  # ")
        if mark and code.strip() and len(line) + 4 > WIDTH:  # the comment goes above its line
            code = code.rstrip()
            lines += [code[: len(code) - len(code.lstrip())] + "# " + comment, code]
        else:
            lines.append(line)
    return "\n".join(_indent([*_unpack(body.reads), *lines]))


def _unpack(names: Sequence[str]) -> list[str]:
    """W1, c1 = params["W1"], params["c1"]: in as few rows as fit."""
    rows: list[str] = []
    group: list[str] = []
    for name in names:
        longer = _assignment([*group, name])
        if group and len(longer) > WIDTH - 4:
            rows.append(_assignment(group))
            group = []
        group.append(name)
    return [*rows, _assignment(group)] if group else rows


def _assignment(names: Sequence[str]) -> str:
    return ", ".join(names) + " = " + ", ".join(f'params["{name}"]' for name in names)


def _fill(before: str, items: Sequence[str], after: str) -> list[str]:
    """before + items + after on one line, or the items filled into rows of their own."""
    line = before + ", ".join(items) + after
    if len(line) + 8 <= WIDTH:
        return [line]
    rows = textwrap.wrap(
        ", ".join(item.replace(" ", "\0") for item in items) + ",",
        WIDTH - 8,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [before, *("    " + row.replace("\0", " ") for row in rows), after]


def _init_rows(arrays: Sequence[Parameter | State]) -> list[str]:
    """Rows of init_params' dict, the shapes in a column of comments where they fit."""
    rows = [f'        "{array.name}": {array.init},' for array in arrays]
    column = max(map(len, rows))
    out = []
    for row, array in zip(rows, arrays, strict=True):
        comment = f"  # {array.shape_text}"
        for width in (column, len(row)):
            if width + len(comment) <= WIDTH:
                row = row.ljust(width) + comment
                break
        out.append(row)
    return out


def _random(data: Data, task: str) -> str:
    """An expression for seven random samples; an axis of any size gets three."""
    shape = (7, *(3 if size is None else size for size in data.shape))
    if data.limit is not None:
        return f"rng.integers({data.limit}, size={shape})"
    if task == "binary":
        return f"rng.integers(2, size={shape}).astype(np.float64)"
    if task == "classification":
        return f"np.eye({shape[-1]})[rng.integers({shape[-1]}, size={shape[:-1]})]"
    return f"rng.standard_normal({shape})"


def _check(c: ModuleContext) -> None:
    """Raise SymbpError for fields that contradict each other or would break out of their place."""
    for field, value, legal in (("task", c.task, TASKS), ("dtype", c.dtype, DTYPES)):
        if value not in legal:
            raise SymbpError(f"{field} is {value!r}: it must be one of {', '.join(legal)}")
    if (
        not c.optimizers
        or len(set(c.optimizers)) != len(c.optimizers)
        or not set(c.optimizers) <= set(OPTIMIZERS)
    ):
        raise SymbpError(
            f"optimizers is {c.optimizers!r}: give one or more of {', '.join(OPTIMIZERS)}, each once"
        )
    if not c.parameters:
        raise SymbpError("the network has no parameters: there is nothing to train")
    if not 0 < c.learning_rate < float("inf"):
        raise SymbpError(f"learning_rate is {c.learning_rate!r}: it must be a finite number above zero")
    # The header is a docstring: a quote or a backslash in it could end it early.
    header = [("title", c.title), ("command", c.command), ("version", c.version), ("licence", c.licence)]
    for field, text in [*header, *(("equations", equation) for equation in c.equations)]:
        if '"""' in text or "\\" in text or not text.isprintable():
            raise SymbpError(
                f"{field} has a line break, a backslash or three quotes; a docstring can't hold it: {text!r}"
            )
    names = [p.name for p in c.parameters] + [s.name for s in c.state]
    helpers = [name for helper in c.helpers for name in re.findall(r"^def (\w+)", helper, re.MULTILINE)]
    taken = set(helpers)
    for name in (*names, c.input.name, c.target.name):
        if not name.isidentifier() or keyword.iskeyword(name) or name in RESERVED:
            raise SymbpError(f"{name!r} can't be the name of an array in the emitted module: rename it")
        if name in taken:
            raise SymbpError(f"{name!r} names two things in the emitted module: rename one")
        taken.add(name)
    for field, body in (("forward", c.forward), ("loss", c.loss), ("grads", c.grads)):
        for name in body.reads:
            if name not in names:
                raise SymbpError(f"{field}.reads names {name!r}, which is neither a parameter nor a state")


def _check_text(text: str) -> None:
    """Raise SymbpError unless the text is tidy Python."""
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise SymbpError(
            f"the emitted module isn't Python: line {error.lineno}: {error.msg}: {error.text}"
        ) from error
    for number, line in enumerate(text.splitlines(), 1):
        if line != line.rstrip():
            raise SymbpError(f"line {number} of the emitted module ends in blanks: {line!r}")
        if len(line) > WIDTH and " " in line.strip():  # a single long word, a path say, can't be wrapped
            raise SymbpError(
                f"line {number} of the emitted module is {len(line)} columns wide, {WIDTH} fit: {line}"
            )
