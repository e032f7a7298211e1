"""Render the emitted module: ready lines of code and strings in, the text of one standalone Python file out.

No mathematics here and none in the templates: they own the file's structure, the lines arrive written.
"""

from __future__ import annotations

import ast
import keyword
import re
import textwrap
from collections.abc import Iterable, Sequence

from jinja2 import TemplateError

from symbp.emit.module import DTYPES, TASKS, Body, Data, ModuleContext, Parameter, Random, State
from symbp.emit.templates import templates
from symbp.emit.text import WIDTH, docstring, filled, fold, function_body, indented, init_rows, rows
from symbp.errors import SymbpError
from symbp.lower import IN_WORKSPACE
from symbp.optimisers import OPTIMISERS, Optimiser

METRICS = {  # task: (in words, key in the history)
    "classification": ("accuracy", "accuracy"),
    "binary": ("accuracy", "accuracy"),
    "regression": ("mean absolute error", "mae"),
}
NEEDS = {  # by the way in which it is parallel
    None: ["Needs Python >= 3.9 and NumPy >= 1.24, nothing else. `--help` says what it does as a program."],
    "mpi": [
        "Needs Python >= 3.9, NumPy >= 1.24 and mpi4py, nothing else. `--help` says what it does as a program; under",
        "`mpiexec -n 4 python ...`, four processes share every batch, and compute what one would.",
    ],
    "processes": [
        "Needs Python >= 3.9 and NumPy >= 1.24, nothing else. `--help` says what it does as a program; in training,",
        "`--processes` share every batch, and compute what one would.",
    ],
}
WORKSPACE = (
    "flat: all parameters in one array, in the order of LAYERS, see flatten(); read where it is, so change it in "
    "place. flat_grads: such an array for the gradients. All other arrays are made here, once."
)
# Options of the emitted command line, which can't be those of arrays too.
TAKEN = frozenset("""data epochs batch lr optimizer schedule warmup clip decay patience dtype seed validation out resume
    checkpoint save_every history plot every quiet processes label standardise net tolerance help h o""".split())
# Names that mean something else where the lines stand, or that np.savez takes for its own arguments.
RESERVED = frozenset({"params", "np", "math", "rng", "file", "allow_pickle", "DTYPE"})


def render_module(context: ModuleContext) -> str:
    """The text of the module, the same bytes for the same context.

    Raises SymbpError for a context that can't make a valid module: the message names the field.
    """
    _check(context)
    environment = templates(html=False)
    environment.filters |= {"fold": fold, "docstring": docstring}
    try:
        text = environment.get_template("module.py.j2").render(_strings(context))
    except TemplateError as error:
        raise SymbpError(f"the module's template fails: {error}") from error
    text = text.rstrip("\n") + "\n"  # however the included templates end
    _check_text(text)
    return text


def _strings(c: ModuleContext) -> dict[str, object]:
    """The template's variables."""
    data = (*c.inputs, *c.targets)
    keys = _keys(c)
    inputs_doc, data_doc = (", ".join(map(_describe, some)) for some in (c.inputs, data))
    all_doc = ", ".join([*map(_describe, c.inputs), *(f"{r.name} {r.shape_text}" for r in c.random),
                         *map(_describe, c.targets)])  # fmt: skip
    mpi = c.parallel == "mpi"
    a_batch = "a batch of which this is the rank's share" if mpi else "a batch"
    words, metric_key = METRICS[c.task]
    arrays: tuple[Parameter | State, ...] = (*c.parameters, *c.state)
    grads = filled("return L, {", [f'"{p.name}": d_{p.name}' for p in c.parameters], "}")
    grads = [line.replace("return L,", f"return {c.loss_name},", 1) for line in grads]
    returns = f"{c.loss_name}, d{c.loss_name}/dparameter by name"
    if c.state:
        items = [f'"{s.name}": {s.update}' for s in c.state]
        moved = filled("}, {", items, "}")
        if len(grads[-1]) - 1 + len(moved[0]) > WIDTH - 4:
            moved = ["}, {", *rows(items), "}"]
        grads = [*grads[:-1], grads[-1][:-1] + moved[0], *moved[1:]]
        returns += ", new " + ", ".join(s.name for s in c.state) + " by name"
    integers = ", ".join(f'"{k}"' for k, d in zip(keys, data, strict=True) if d.integer)
    few = keys[:1] == ["x"] and keys[1:] in ([], ["t"])  # then functions name their arguments, else they take *data
    first = next(n for n, d in enumerate(data) if d.shape[:1] == (c.batch,))
    target = next((d for d in c.targets if d.name == c.metric_target), None)
    shapes = [f'"{key}": {d.shape!r}'.replace("'", '"') for key, d in zip(keys, data, strict=True)]
    tables = filled("INPUTS = {", shapes[: len(c.inputs)], "}") + filled("TARGETS = {", shapes[len(c.inputs) :], "}")
    return {
        "licence": c.licence,
        "module_docstring": _module_docstring(c),
        "dtype": c.dtype,
        "keeps_memory": c.keeps_memory,
        "helpers": [helper.strip("\n") for helper in c.helpers],
        "init_reads_rng": any(re.search(r"\brng\b", a.init) for a in arrays),
        "init_rows": "\n".join(init_rows(arrays)),
        "forward_arguments": _arguments(c.inputs),
        "forward_docstring": docstring(f"The prediction {c.prediction} {c.prediction_shape} for {inputs_doc}."),
        "forward_body": function_body(c.forward),
        "prediction": c.prediction,
        "loss_arguments": _arguments(data),
        "loss_docstring": docstring(f"The loss of {a_batch}, a number: {data_doc}."),
        "loss_body": function_body(c.loss),
        "loss_name": c.loss_name,
        "grads_arguments": _arguments((*c.inputs, *c.random, *c.targets)),
        "grads_docstring": docstring(f"{returns}, for {a_batch}: {all_doc}.", c.claim),
        "grads_body": function_body(c.grads),
        **_fast_strings(c),
        "grads_return": "\n".join(indented(grads)),
        "has_state": bool(c.state),
        "orthogonal": any("orthogonal(" in a.init for a in arrays),
        "activations_body": None if c.activations is None else function_body(c.activations),
        "activations_return": "\n".join(
            indented(filled("return {", [f'"{k}": {k}' for k, _ in c.activation_kinds], "}"))),
        "activation_table": "\n".join(
            filled("ACTIVATIONS = {", [f'"{k}": "{kind}"' for k, kind in c.activation_kinds], "}")),
        "activation_names": {kind for _, kind in c.activation_kinds},
        "first_option": _options(keys)[0][1],
        "options_text": " ".join(f"{option} {key}.npy" for key, option in _options(keys)),
        "options_tuple": "\n".join(filled("OPTIONS = [", [f'"{option}"' for _, option in _options(keys)], "]")),
        "class_limit": max((d.limit or 0 for d in c.targets), default=0),
        "target_axes": len(c.targets[0].shape) if c.targets else 0,
        "table_columns": _columns(c) if few else 0,
        "random": c.random,
        "draw_docstring": docstring(
            "The arguments of loss_and_grads, random ones drawn: "
            + ", ".join(f"{r.name} {r.shape_text} {r.init}" for r in c.random) + "."
        ),
        "random_sizes": c.random_sizes,
        "layers": "\n".join(filled("LAYERS = {", [f'"{p.name}": {p.layer}' for p in c.parameters], "}")),
        "optimizers": c.optimizers,
        "updates": _updates(c.optimizers),
        "adamw": OPTIMISERS["adamw"],
        "optimizer_table": "\n".join(filled("OPTIMIZERS = {", [f'"{name}": {name}' for name in c.optimizers], "}")),
        "decay_text": {
            (True, True): "decoupled for adamw, else L2", (True, False): "decoupled", (False, True): "L2",
        }["adamw" in c.optimizers, c.optimizers != ("adamw",)],
        "learning_rate": repr(float(c.learning_rate)),
        "task": c.task,
        "threshold": repr(c.threshold),
        "keys": keys,
        "keys_text": ", ".join(keys),
        "tables": "\n".join(tables),
        "whole_numbers": ", ".join(f'"{k}": {d.limit}' for k, d in zip(keys, data, strict=True) if d.whole),
        "number_kind": f"np.intp if name in {{{integers}}} else DTYPE" if integers else "DTYPE",
        "integers": bool(integers),
        "batch": c.batch,
        "unsplit": any(d.shape[:1] != (c.batch,) for d in data),
        "first": first,
        "data_parameters": ", ".join(keys) if few else "*data",
        "keyword_only": ", *, " if few else ", ",
        "data": ", ".join(keys) if few else "*data",
        "data_tuple": f"({', '.join(keys)}{',' * (len(keys) == 1)})" if few else "data",
        "inputs_parameters": keys[0] if few else "*inputs",
        "inputs_tuple": f"({keys[0]},)" if few else "inputs",
        "data_text": ", ".join(f"{k} {d.shape_text}" for k, d in zip(keys, data, strict=True)),
        "inputs_text": ", ".join(f"{k} {d.shape_text}" for k, d in zip(keys, c.inputs, strict=False)),
        "input_count": len(c.inputs),
        "has_targets": bool(c.targets),
        "splits_prediction": c.splits_prediction,
        "metric": words if target else None,
        "metric_key": metric_key,
        "metric_index": data.index(target) if target else None,
        "t_is_integer": target is not None and target.integer,
        "number_format": "%d" if c.task in ("classification", "binary") else "%.9g",
        "examples": [d.example for d in data],
        "mpi": mpi,
        "team": c.parallel == "processes",
        "own_rows": f"share(len({keys[first] if few else f'data[{first}]'}))" if mpi else "slice(None)",
        "own_inputs": f"share(len({keys[0] if few else f'inputs[{first}]'}))"
        if mpi and first < len(c.inputs) else "slice(None)",
        "traffic": c.traffic,
    }


def _updates(names: Sequence[str]) -> list[Optimiser]:
    """The optimisers that a module defines line by line: AdamW is Adam with a line in front of it."""
    needed = {"adam" if name == "adamw" else name for name in names}
    return [o for name, o in OPTIMISERS.items() if name in needed]


def _fast_strings(c: ModuleContext) -> dict[str, object]:
    if c.fast is None:
        return {"fast": False}
    setup = function_body(Body((), c.fast.setup))
    step = function_body(Body((), c.fast.step), depth=2)
    moved = filled("{", [f'"{state}": {array}' for state, array in c.fast.moved], "}")
    value = f"float({c.fast.loss})"
    lines = [f"return {value}, {moved[0]}", *moved[1:]] if c.fast.moved else [f"return {value}"]
    arguments: tuple[Data | Random, ...] = (*c.inputs, *c.random, *c.targets)
    real = [d.name for d in arguments if isinstance(d, Random) or not d.integer]
    split = [d.split if isinstance(d, Random) else d.shape[:1] == (c.batch,) for d in arguments]
    called = f"step({', '.join(a.name for a in arguments)})"
    returns = c.loss_name + (" and the new state by name" if c.fast.moved else "")
    state = " state: the arrays of the state by name, read where they are too." if c.state else ""
    return {
        "fast": True,
        "real_arguments": [f"{name} = np.asarray({name}, DTYPE)" for name in real],
        "split_arguments": "\n".join(filled("SPLIT = [", [str(has) for has in split], "]")),
        "workspace_docstring": docstring(
            f"{called} for arguments of these shapes: it returns {returns}.", WORKSPACE + state
        ),
        "setup_body": setup,
        "step_body": step,
        "step_return": "\n".join(indented(indented(lines))),
    }


def _keys(c: ModuleContext) -> list[str]:
    """What the data are called in files: x and t where there is one of each at most, else by their names."""
    if len(c.inputs) == 1 and len(c.targets) <= 1:
        return ["x", "t"][: 1 + len(c.targets)]
    return [d.name for d in (*c.inputs, *c.targets)]


def _options(keys: Sequence[str]) -> list[tuple[str, str]]:
    """(key, option) for an .npy file of each array."""
    return [(key, f"--array-{key}" if key in TAKEN else f"--{key.replace('_', '-')}") for key in keys]


def _columns(c: ModuleContext) -> int:
    """How many columns of a table are the target's; 0 where data can't be a table, a row a sample."""
    if len(c.targets) != 1 or c.inputs[0].integer or len(c.inputs[0].shape) != 2:
        return 0
    (target,) = c.targets
    if target.integer:
        return int(len(target.shape) == 1)
    columns = target.shape[1] if len(target.shape) == 2 else len(target.shape) == 1
    return columns if isinstance(columns, int) and c.task != "classification" else 0


def _arguments(data: Iterable[Data | Random]) -> str:
    return "".join(f", {d.name}" for d in data)


def _describe(data: Data) -> str:
    return f"{data.name} {data.shape_text}" + (" integers" if data.integer else "")


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
    if c.in_place:
        lines += ["", "The fast step computes these instead, of equal value where the names are the same:", ""]
        lines += [line for equation in c.in_place for line in wrap(equation, "    ")]
    lines += ["", f"Written by symbp {c.version}; this makes it again:", "", *wrap(c.command, "    "), ""]
    lines += NEEDS[c.parallel]
    return "\n".join([*lines, '"""'])


def _check(c: ModuleContext) -> None:
    """Raise SymbpError for fields that contradict each other or would break out of their place."""
    for field, value, legal in (("task", c.task, TASKS), ("dtype", c.dtype, DTYPES)):
        if value not in legal:
            raise SymbpError(f"{field} is {value!r}: it must be one of {', '.join(legal)}")
    if (
        not c.optimizers
        or len(set(c.optimizers)) != len(c.optimizers)
        or not set(c.optimizers) <= OPTIMISERS.keys()
    ):
        raise SymbpError(
            f"optimizers is {c.optimizers!r}: give one or more of {', '.join(OPTIMISERS)}, each once"
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
    arguments: tuple[Data | Random, ...] = (*c.inputs, *c.random, *c.targets)
    for name in (*names, *(d.name for d in arguments)):
        taken_here = RESERVED | IN_WORKSPACE if c.fast else RESERVED
        if not name.isidentifier() or keyword.iskeyword(name) or name in taken_here:
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
