"""The command line. SymPy is imported only by the commands that need it, so that --help is instant."""

from __future__ import annotations

import ast
import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from symbp import __version__
from symbp.errors import SymbpError

if TYPE_CHECKING:
    from symbp.count.tables.table import Table
    from symbp.program import Program


class Group(click.Group):
    """Prints a SymbpError as one line, without a traceback, and exits with 2."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SymbpError as error:
            click.echo(f"symbp: {error}", err=True)
            sys.exit(2)
        except OSError as error:
            click.echo(f"symbp: {error.strerror}: {error.filename}", err=True)
            sys.exit(2)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="symbp")
def main() -> None:
    """Declare a network in SymPy; derive its gradients, count their cost, emit the code that trains it.

    \b
    Start here:
      symbp demo                                              everything once, in build/demo/
      symbp derive mlp:2-3-2-1,sigmoid,half_squared_error     the derivation, step by step
      symbp count mlp:2-3-2-1,sigmoid,half_squared_error      naive expansion against backpropagation
      symbp verify mlp:2-3-2-1,sigmoid,half_squared_error mine.py      your own backward pass, corrected
      symbp generate mlp:64-64-32-10,relu,cross_entropy -o net.py
      python net.py train data.npz --epochs 20
    """


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner with a clock on a terminal's standard error; nothing elsewhere.

    Garbage isn't collected meanwhile: expressions are kept for good, and looking through all of them takes a quarter of
    the time.
    """
    with spinner(what):
        collecting = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if collecting:
                gc.freeze()
                gc.enable()


def spinner(what: str) -> AbstractContextManager[object]:
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    progress.add_task(what, total=None)
    return progress


def load(net: str) -> Program:
    """The network that a NET argument names."""
    from symbp.architectures import load as load_network

    return load_network(net)


def write(made: str | bytes, output: str | None) -> None:
    """The text or the bytes to a file, whole or not at all, or to standard output."""
    if output is None:
        click.echo(made)
        return
    from symbp.emit import write_whole

    write_whole(Path(output), made if isinstance(made, bytes) or made.endswith("\n") else made + "\n")
    click.echo(f"wrote {output}", err=True)


def sizes_option(texts: tuple[str, ...]) -> dict[str, int]:
    """B=4, or B=4,H=8, as sizes. Raises SymbpError for anything else."""
    out = {}
    for text in (part.strip() for joined in texts for part in joined.split(",")):
        name, _, value = text.partition("=")
        if not (name.isidentifier() and value.isascii() and value.isdigit()):
            raise SymbpError(f"--set {text}: write a size and a positive whole number, as in --set B=4")
        out[name] = int(value)
    return out


def bytes_option(text: str | None, option: str) -> int | None:
    """20MB, 1.5GiB, 4000 as bytes. Raises SymbpError for anything else."""
    if text is None:
        return None
    number = text.rstrip("BGKMik")
    factor = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
    unit = text[len(number) :]
    if unit not in factor or not number.isascii() or not number.replace(".", "", 1).isdigit():
        raise SymbpError(f"{option} {text}: write a number of bytes, as in {option} 20MB (kB, MB, GB, KiB, MiB, GiB)")
    return int(Fraction(number) * factor[unit])


set_option = click.option("--set", "settings", multiple=True, metavar="SIZE=N,...", help="Symbolic sizes, e.g. B=2.")


@main.command(epilog="\b\nExamples:\n"
              "  symbp nets              every family in a line or two\n"
              "  symbp nets cnn          one of them in full\n"
              "  symbp nets toml         networks as lists of layers, and the layers there are")  # fmt: skip
@click.argument("family", required=False)
def nets(family: str | None) -> None:
    """The built-in networks: how to write one, and examples. FAMILY: one of them in full."""
    from symbp.architectures.help import family_text, overview

    click.echo(overview() if family is None else family_text(family))


@main.command(epilog="\b\nExamples:\n"
              "  symbp derive mlp:2-3-2-1,sigmoid,half_squared_error --level neuron\n"
              "  symbp derive mlp:2-3-2-1,sigmoid,half_squared_error --wrt W1,b1 --level both\n"
              "  symbp derive mynet.py -o derivation.pdf --lang zh\n"
              "  symbp derive mynet.py -o page.html")  # fmt: skip
@click.argument("net")
@click.option("--wrt", metavar="P,...", help="Parameters to differentiate by; all if left out.")
@click.option("--level", type=click.Choice(["neuron", "index", "matrix", "both", "batched"]), default="matrix",
              show_default=True, help="Scalars, sums over indices, matrices, indices and matrices side by side, or "
              "matrices, one a sample, for tensors of more than two indices, too.")  # fmt: skip
@click.option("--method", type=click.Choice(["reverse", "forward", "naive"]), default="reverse", show_default=True,
              help="Backpropagation, tangents, or naive expansion (neuron level).")  # fmt: skip
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="English or Chinese.")
@click.option("--convention", type=click.Choice(["row", "column"]), default="row", show_default=True,
              help="Vectors and samples as rows, as in the code, or as columns.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "markdown", "latex", "pdf", "html", "svg", "tikz"]),
              help="By default what the name behind -o says, else text. html: a page to click through; svg, tikz: "
              "the computational graph.")  # fmt: skip
@click.option("--fragment", is_flag=False, flag_value="derivation", metavar="[KIND]",
              help="LaTeX for \\input instead of a whole document: derivation (if none is named), gradients, "
              "algorithm, cost, layers, graph, macros.")  # fmt: skip
@click.option("--at", metavar="POINT", help="Numbers in every line: an .npz file with an array a tensor, `file` for "
              "the dictionary `point` of a Python file NET, or seed:0 for random ones.")  # fmt: skip
@click.option("--fold/--no-fold", default=None, help="Show blocks that repeat once; by default where steps are many.")
@set_option
@click.option("-o", "output", type=click.Path(dir_okay=False),
              help="A file (.txt, .md, .tex, .pdf, .html, .svg) instead of standard output.")  # fmt: skip
def derive(net: str, wrt: str | None, level: str, method: str, lang: str, convention: str, form: str | None,
           fragment: str | None, at: str | None, fold: bool | None, settings: tuple[str, ...],
           output: str | None) -> None:  # fmt: skip
    """The derivation of NET's gradients, step by step.

    \b
    NET is a built-in text such as mlp:2-3-2-1,sigmoid,half_squared_error (mlp, cnn, resnet18, gpt, lstm, ...: see
    `symbp nets`), a list of layers (.toml), a file in the notation (.net; - for standard input), or a Python file
    that defines `net`.
    """
    from symbp.report import page
    from symbp.report.paper import document
    from symbp.report.paper import fragment as piece
    from symbp.report.point import point
    from symbp.show.derivation import derivation
    from symbp.show.graph import graph
    from symbp.show.graph.svg import svg
    from symbp.show.graph.tikz import tikz
    from symbp.show.pages.pdf import pdf

    suffixes = {".md": "markdown", ".tex": "latex", ".pdf": "pdf", ".html": "html", ".svg": "svg"}
    by_name = suffixes.get(Path(output or "").suffix, "text")
    form = form or ("latex" if fragment else by_name)
    if form == "pdf" and output is None:
        raise SymbpError("a PDF goes to a file: say -o derivation.pdf")
    with working(f"deriving {net}"):
        names = None if wrt is None else [name.strip() for name in wrt.split(",")]
        program, sizes = load(net), sizes_option(settings) or None
        values = None if at is None else point(program, at, net)
        found = derivation(program, names, level=level, method=method, sizes=sizes, language=lang,
                           convention=convention, at=values, fold=False if form == "html" else fold)  # fmt: skip
        if form == "latex" and fragment:
            made: str | bytes = piece(fragment, program, found, sizes)
        elif form in ("latex", "pdf"):
            text = document(program, found, sizes)
            made = text if form == "latex" else pdf(text, lang)
        elif form == "html":
            made = page(program, found, sizes)
        elif form in ("svg", "tikz"):
            made = svg(graph(found), found.title) if form == "svg" else tikz(graph(found), document=not fragment)
        else:
            made = found.markdown() if form == "markdown" else found.text()
    write(made, output)


@main.command(epilog="\b\nExamples:\n"
              "  symbp count mlp:2-3-2-1,sigmoid,half_squared_error\n"
              "  symbp count gpt:gpt2                             networks of any size\n"
              "  symbp count mlp:784-128-10,relu,cross_entropy --formula\n"
              "  symbp count resnet18:3x32x32,classes=10 --by layer --set B=64\n"
              "  symbp count mlp:64-32-10,relu,cross_entropy --by stage --optimizer adamw --set B=64\n"
              "  symbp count gpt:gpt2,head=tied,context=T --formula    in the batch and the sequence's length\n"
              "  symbp count lstm:2-2-1,half_squared_error --formula   over T steps: polynomials, exponential growth\n"
              "  symbp count mlp:2-3-2-1,sigmoid,half_squared_error --time\n"
              "  symbp count 'mlp:2-{H}-{H}-1,sigmoid,half_squared_error' --sweep H=8..1024 --plot width.png\n"
              "  symbp count 'mlp:2-{3^depth}-1,sigmoid,half_squared_error' --sweep depth=1..12\n"
              "  symbp count gpt:layers=2,heads=4,width=128,context=64,vocabulary=256 --memory --set B=8\n"
              "  symbp count mlp:64-64-32-10,relu,cross_entropy --memory --budget 105kB --set B=64")  # fmt: skip
@click.argument("net")
@set_option
@click.option("--by", type=click.Choice(["strategy", "kind", "stage", "layer", "equation", "optimizer"]),
              default="strategy", show_default=True,
              help="A row a strategy; one strategy taken apart; a step of each optimiser.")  # fmt: skip
@click.option("--of", "strategy", type=click.Choice(["forward", "reverse", "reverse + CSE"]), default="reverse + CSE",
              show_default=True, help="The strategy that --by takes apart.")  # fmt: skip
@click.option("--optimizer", default="adam", show_default=True, metavar="NAME",
              help="The one whose step --by stage shows: sgd, momentum, nesterov, rmsprop, adam, adamw.")  # fmt: skip
@click.option("--time", "timing", is_flag=True, help="A small network's strategies emitted, run and timed as well.")
@click.option("--formula", is_flag=True, help="Closed forms in the sizes that are not --set; with --by, too.")
@click.option("--sweep", "swept", metavar="SIZE=A..B", help="A range of a symbolic size, or of {SIZE} in NET's text.")
@click.option("--plot", type=click.Path(dir_okay=False), help="The sweep as a picture: .png, .svg, .pdf.")
@click.option("--memory", is_flag=True, help="Bytes instead: values kept for the backward pass, lifetimes, the peak.")
@click.option("--budget", metavar="BYTES", help="With --memory: what to compute twice to keep to 20MB, and the price.")
@click.option("--emitted", is_flag=True, help="With --memory: what the emitted modules take, to the byte.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float64", show_default=True,
              help="Of --memory.")  # fmt: skip
@click.option("--json", "form", flag_value="json", help="JSON instead of a table.")
@click.option("--csv", "form", flag_value="csv", help="CSV instead of a table.")
@click.option("--latex", "form", flag_value="latex", help="A LaTeX tabular instead of a table.")
@click.option("--html", "page", type=click.Path(dir_okay=False), metavar="FILE",
              help="All of it as one page: strategies, closed forms, parts, memory.")  # fmt: skip
def count(net: str, settings: tuple[str, ...], by: str, strategy: str, optimizer: str, timing: bool, formula: bool,
          swept: str | None, plot: str | None, memory: bool, budget: str | None, emitted: bool, dtype: str,
          form: str | None, page: str | None) -> None:  # fmt: skip
    """Exact operation counts of every way to compute NET's gradients, at any size.

    \b
    NET is a built-in text such as mlp:2-3-2-1,sigmoid,half_squared_error (mlp, cnn, resnet18, gpt, lstm, ...: see
    `symbp nets`), a list of layers (.toml), a file in the notation (.net; - for standard input), or a Python file
    that defines `net`. Sizes that are not --set are 1, or stay symbolic with --formula.
    """
    from symbp.count import Counts, Ledger, compare
    from symbp.count.tables.parts import apart, formula_data, formulas, formulas_apart
    from symbp.count.tables.sweep import sweep, writable

    sizes = sizes_option(settings) or None
    views = {"--html": page, "--memory": memory, "--sweep": swept, "--time": timing}
    kept_from = {"--html": "all it has", "--memory": "bytes", "--sweep": "a row a size", "--time": "small networks"}
    alone = [name for name, given in views.items() if given and not (name == "--sweep" and memory)]
    within = [name for name, given in {"--by": by != "strategy", "--formula": formula}.items() if given]
    if len(alone) > 1 or (alone and within and not memory):
        first, other = (*alone, *within)[:2]
        raise SymbpError(f"{first} shows {kept_from[first]}: leave out {first} or {other}")
    if page is not None:
        from symbp.report.cost_page import cost_page

        with working(f"counting {net}"):
            text = cost_page(load(net), sizes)
        write(text, page)
        return
    if memory:
        from symbp.memory import Request, memory_report

        if plot is not None:
            raise SymbpError("--plot draws operations: leave out --plot or --memory")
        allowed = bytes_option(budget, "--budget")
        request = Request(net, sizes or {}, dtype, by, strategy, formula, swept, allowed, emitted, form)
        with working(f"counting {net}"):
            report = memory_report(request, load)
        click.echo(report)
        return
    if budget or emitted:
        raise SymbpError("--budget and --emitted are about memory: add --memory")
    table: Table
    counts: Counts | None = None
    with working(f"counting {net}"):
        if plot is not None and swept is None:
            raise SymbpError("--plot draws a sweep: add --sweep H=8..1024 or --sweep depth=1..12")
        if swept is not None:
            if plot is not None:
                writable(Path(plot))
            found = sweep(net, swept, load, sizes)
            if plot is not None:
                found.plot(Path(plot))
            table, data = found.table(), found.json()
        elif formula:
            ledger = Ledger(load(net), sizes or {})
            if by == "optimizer":
                raise SymbpError("--by optimizer has numbers: leave out --formula")
            apart_too = by != "strategy"
            table = formulas_apart(ledger, by, strategy, optimizer) if apart_too else formulas(ledger)
            data = formula_data(ledger) if form == "json" and not apart_too else records(table)
        elif timing or by != "strategy":
            if timing:
                from symbp.emit.timing import timed
            table = timed(load(net), sizes) if timing else apart(load(net), by, strategy, sizes, optimizer)
            data = records(table)
        else:
            counts = compare(load(net), sizes)
            table, data = counts.plain_table(), counts.json()
    if form == "json":
        click.echo(json.dumps(data, indent=2))
    elif form is not None:
        click.echo(table.csv() if form == "csv" else table.latex())
    else:
        click.echo(counts.table() if counts is not None else table.text())
    if plot is not None:
        click.echo(f"wrote {plot}", err=True)


def records(table: Table) -> dict[str, object]:
    """A table as data: a dict a row."""
    return {"title": table.title, "rows": [dict(zip(table.header, r, strict=True)) for r in table.rows]}


@main.command(epilog="\b\nExamples:\n"
              "  symbp compare mlp:64-32-10,relu,cross_entropy mlp:64-32-32-10,relu,cross_entropy\n"
              "  symbp compare gpt:gpt2 resnet18:3x224x224 --csv")  # fmt: skip
@click.argument("nets", nargs=-1, required=True)
@set_option
@click.option("--json", "form", flag_value="json", help="JSON instead of a table.")
@click.option("--csv", "form", flag_value="csv", help="CSV instead of a table.")
@click.option("--latex", "form", flag_value="latex", help="A LaTeX tabular instead of a table.")
def compare(nets: tuple[str, ...], settings: tuple[str, ...], form: str | None) -> None:
    """What NETS cost, side by side: parameters, a forward pass, the gradient, and the same without backpropagation."""
    from symbp.count.tables.sidebyside import side_by_side

    with working("counting"):
        table = side_by_side([load(net) for net in nets], sizes_option(settings) or None)
    if form == "json":
        click.echo(json.dumps(records(table), indent=2))
    else:
        click.echo(table.text() if form is None else table.csv() if form == "csv" else table.latex())


@main.command(epilog="\b\nExamples:\n"
              "  symbp generate mlp:64-64-32-10,relu,cross_entropy -o digits_net.py\n"
              "  symbp generate mynet.py -o mynet_numpy.py --optimizer sgd,momentum --dtype float32\n"
              "  symbp generate mynet.py -o small.py --memory-budget 20MB --set B=64")  # fmt: skip
@click.argument("net")
@click.option("-o", "output", required=True, type=click.Path(dir_okay=False), help="The module to write.")
@click.option("--optimizer", default="adam,momentum,sgd", show_default=True,
              help="Optimisers to include, the first is the module's default.")  # fmt: skip
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float64", show_default=True)
@click.option("--lr", default=1e-3, show_default=True, help="The module's default learning rate.")
@click.option("--style", type=click.Choice(["readable", "fast"]), default="readable", show_default=True,
              help="fast: gradients are computed in arrays that are made once.")  # fmt: skip
@click.option("--explain", is_flag=True, help="Also print what rule made each line of the gradient.")
@click.option("--parallel", type=click.Choice(["mpi", "processes"]),
              help="Share every batch among the processes of mpiexec, or (fast style) of this machine.")  # fmt: skip
@click.option("--memory-budget", metavar="BYTES", help="Keep the arrays of a step to 20MB, computing values twice.")
@set_option
def generate(net: str, output: str, optimizer: str, dtype: str, lr: float, style: str, explain: bool,
             parallel: str | None, memory_budget: str | None, settings: tuple[str, ...]) -> None:  # fmt: skip
    """A standalone NumPy module that trains NET: forward, loss, gradients, optimisers, a command line.

    \b
    NET is a built-in text such as mlp:2-3-2-1,sigmoid,half_squared_error (mlp, cnn, resnet18, gpt, lstm, ...: see
    `symbp nets`), a list of layers (.toml), a file in the notation (.net; - for standard input), or a Python file
    that defines `net`.
    """
    from symbp.emit import explain as explain_lines
    from symbp.emit import generate as emit

    with working(f"generating {output}"):
        names = tuple(name.strip() for name in optimizer.split(","))
        program = load(net)
        budget = bytes_option(memory_budget, "--memory-budget")
        if settings and budget is None:
            raise SymbpError("--set is for --memory-budget: a module reads its sizes off the data")
        if explain and budget is not None:
            raise SymbpError("--explain shows the lines of a module without a budget: leave out one of the two")
        emit(program, output, optimizers=names, dtype=dtype, learning_rate=lr, style=style, parallel=parallel,
             memory_budget=budget, sizes=sizes_option(settings))  # fmt: skip
    if explain:
        click.echo(explain_lines(program, style))
    click.echo(f"wrote {output}", err=True)
    start = "mpiexec -n 2 python" if parallel == "mpi" else "python"
    click.echo(f"try: python {output} check; {start} {output} train data.npz --epochs 20", err=True)


@main.command(epilog="\b\nExamples:\n"
              "  symbp check mlp:2-3-2-1,sigmoid,half_squared_error\n"
              "  symbp check digits_net.py")  # fmt: skip
@click.argument("net_or_module")
@click.option("--seed", default=0, show_default=True, help="Of the random parameters and data.")
def check(net_or_module: str, seed: int) -> None:
    """Compares the ways to the gradient on random numbers: NET (all methods), or an emitted MODULE.

    Exit status 1 if they disagree.
    """
    if is_emitted(Path(net_or_module)):
        command = [sys.executable, net_or_module, "check", "--seed", str(seed)]
        sys.exit(subprocess.run(command, check=False).returncode)
    from symbp.check import check as check_program
    from symbp.emit.run import module_gradients

    with working(f"checking {net_or_module}"):
        report = check_program(load(net_or_module), seed=seed, others={"emitted": module_gradients})
    click.echo(str(report))
    sys.exit(0 if report.passed else 1)


@main.command(epilog="\b\nExamples:\n"
              "  symbp verify examples/mlp.net formulas.txt\n"
              "  symbp verify mlp:3-4-3,tanh,cross_entropy mine.py --function backward\n"
              "  symbp verify examples/batch_norm.net mine.py --set B=16 --lang zh\n"
              "\n\b\nA formula file, in matrices or with indices (never run as code):\n"
              "  d_y  = (y - t) / B               d_y[b,o]  = (y[b,o] - t[b,o])/B\n"
              "  d_W2 = a.T @ d_y                 d_W2[h,o] = sum[b] a[b,h]*d_y[b,o]\n"
              "  d_W1 = x.T @ (d_y @ W2.T * a * (1 - a))\n"
              "\n\b\nA Python file (.py, run as code), one of:\n"
              "  def loss_and_grads(params, x, t): ...  return L, {'W1': d_W1, ...}\n"
              "  def backward(x, W2, a, d_y): ...       return {'W1': ..., 'd_a': ...}\n"
              "Arguments get what their names say: inputs, parameters, values of the forward pass, gradients\n"
              "(d_y: the right one), sizes, params and values as dictionaries.")  # fmt: skip
@click.argument("net")
@click.argument("work", type=click.Path(exists=True, dir_okay=False))
@click.option("--function", metavar="NAME", help="The function of a .py file; default loss_and_grads, then backward.")
@set_option
@click.option("--seed", default=0, show_default=True, help="Of the random parameters and data.")
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of the report.")
def verify(net: str, work: str, function: str | None, settings: tuple[str, ...], seed: int, lang: str) -> None:
    """Is WORK, a hand-written backward pass of NET, right? If not: what is wrong first, and how it differs.

    WORK is a text of formulas, or a Python file (.py). Every gradient in it, of a parameter or of a value in between,
    is held against the derivation: by algebra where that decides, and by numbers. A formula is judged on its own, with
    right values of what it reads. The first wrong quantity in backward order is explained: a factor, a sign, a
    transpose, a missing path, a missing mean over the batch, ...

    Exit status 0 if all is right, 1 if something is wrong, 2 if it can't be judged.
    """
    from symbp.proofread import proofread_file

    with working(f"verifying {work}"):
        sizes = sizes_option(settings) or None
        report = proofread_file(load(net), Path(work), function=function, seed=seed, sizes=sizes)
    click.echo(report.text(lang))
    sys.exit(0 if report.right else 1)


def is_emitted(path: Path) -> bool:
    """Whether the path is that of a module that symbp wrote: it defines gradient_check beside loss_and_grads."""
    if path.suffix != ".py" or not path.is_file():
        return False
    functions = {f.name for f in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(f, ast.FunctionDef)}
    return {"gradient_check", "loss_and_grads"} <= functions


@main.command()
@click.option("--out", default="build/demo", show_default=True, type=click.Path(file_okay=False))
def demo(out: str) -> None:
    """Everything once: derive, count, emit, check, train; all files are left in build/demo/."""
    from symbp.demo import run_demo

    run_demo(Path(out))


if __name__ == "__main__":
    main()
