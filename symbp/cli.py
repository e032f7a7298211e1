"""The command line. SymPy is imported only by the commands that need it, so that --help is instant."""

from __future__ import annotations

import ast
import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from symbp import __version__
from symbp.errors import SymbpError

if TYPE_CHECKING:
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
      symbp generate mlp:64-64-32-10,relu,cross_entropy -o net.py
      python net.py train data.npz --epochs 20
    """


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner with a clock on a terminal's standard error; nothing elsewhere.

    Garbage isn't collected meanwhile: expressions are kept for good, and looking through all of them takes a quarter of
    the time.
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task(what, total=None)
        collecting = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if collecting:
                gc.enable()


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
            raise SymbpError(f"--set {text}: write a size and a number, as in --set B=4")
        out[name] = int(value)
    return out


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
              "algorithm, cost, layers, macros.")  # fmt: skip
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
    from symbp.show.graph_svg import svg
    from symbp.show.graph_tikz import tikz
    from symbp.show.pdf import pdf

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
              "  symbp count 'mlp:2-{H}-{H}-1,sigmoid,half_squared_error' --sweep H=8..1024 --plot width.png\n"
              "  symbp count 'mlp:2-{3^depth}-1,sigmoid,half_squared_error' --sweep depth=1..12")  # fmt: skip
@click.argument("net")
@set_option
@click.option("--by", type=click.Choice(["strategy", "kind", "stage", "layer", "equation"]), default="strategy",
              show_default=True, help="A row a strategy, or one strategy taken apart.")  # fmt: skip
@click.option("--of", "strategy", type=click.Choice(["forward", "reverse", "reverse + CSE"]), default="reverse + CSE",
              show_default=True, help="The strategy that --by takes apart.")  # fmt: skip
@click.option("--formula", is_flag=True, help="Closed forms in the sizes that are not --set.")
@click.option("--sweep", "swept", metavar="SIZE=A..B", help="A range of a symbolic size, or of {SIZE} in NET's text.")
@click.option("--plot", type=click.Path(dir_okay=False), help="The sweep as a picture: .png, .svg, .pdf.")
@click.option("--json", "form", flag_value="json", help="JSON instead of a table.")
@click.option("--csv", "form", flag_value="csv", help="CSV instead of a table.")
@click.option("--latex", "form", flag_value="latex", help="A LaTeX tabular instead of a table.")
def count(net: str, settings: tuple[str, ...], by: str, strategy: str, formula: bool, swept: str | None,
          plot: str | None, form: str | None) -> None:  # fmt: skip
    """Exact operation counts of every way to compute NET's gradients, at any size.

    \b
    NET is a built-in text such as mlp:2-3-2-1,sigmoid,half_squared_error (mlp, cnn, resnet18, gpt, lstm, ...: see
    `symbp nets`), a list of layers (.toml), a file in the notation (.net; - for standard input), or a Python file
    that defines `net`. Sizes that are not --set are 1, or stay symbolic with --formula.
    """
    from symbp.count import compare
    from symbp.count.parts import apart, formula_data, formulas
    from symbp.count.sweep import sweep
    from symbp.count.table import Table

    sizes = sizes_option(settings) or None
    table: Table
    with working(f"counting {net}"):
        if plot is not None and swept is None:
            raise SymbpError("--plot draws a sweep: add --sweep H=8..1024 or --sweep depth=1..12")
        if swept is not None:
            found = sweep(net, swept, load, sizes)
            if plot is not None:
                found.plot(Path(plot))
            table, data = found.table(), found.json()
        elif formula:
            table, data = formulas(load(net), sizes), formula_data(load(net), sizes) if form == "json" else {}
        elif by != "strategy":
            table = apart(load(net), by, strategy, sizes)
            data = {"title": table.title, "rows": [dict(zip(table.header, r, strict=True)) for r in table.rows]}
        else:
            counts = compare(load(net), sizes)
            table, data = counts.plain_table(), counts.json()
    if form == "json":
        click.echo(json.dumps(data, indent=2))
    elif form is not None:
        click.echo(table.csv() if form == "csv" else table.latex())
    else:
        click.echo(counts.table() if swept is None and not formula and by == "strategy" else table.text())
    if plot is not None:
        click.echo(f"wrote {plot}", err=True)


@main.command(epilog="\b\nExamples:\n"
              "  symbp compare mlp:64-32-10,relu,cross_entropy mlp:64-32-32-10,relu,cross_entropy\n"
              "  symbp compare gpt:gpt2 resnet18:3x224x224 --csv")  # fmt: skip
@click.argument("nets", nargs=-1, required=True)
@set_option
@click.option("--csv", "form", flag_value="csv", help="CSV instead of a table.")
@click.option("--latex", "form", flag_value="latex", help="A LaTeX tabular instead of a table.")
def compare(nets: tuple[str, ...], settings: tuple[str, ...], form: str | None) -> None:
    """What NETS cost, side by side: parameters, a forward pass, the gradient, and the same without backpropagation."""
    from symbp.count.sidebyside import side_by_side

    with working("counting"):
        table = side_by_side([load(net) for net in nets], sizes_option(settings) or None)
    click.echo(table.text() if form is None else table.csv() if form == "csv" else table.latex())


@main.command(epilog="\b\nExamples:\n"
              "  symbp generate mlp:64-64-32-10,relu,cross_entropy -o digits_net.py\n"
              "  symbp generate mynet.py -o mynet_numpy.py --optimizer sgd,momentum --dtype float32")  # fmt: skip
@click.argument("net")
@click.option("-o", "output", required=True, type=click.Path(dir_okay=False), help="The module to write.")
@click.option("--optimizer", default="adam,momentum,sgd", show_default=True,
              help="Optimisers to include, the first is the module's default.")  # fmt: skip
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float64", show_default=True)
@click.option("--lr", default=1e-3, show_default=True, help="The module's default learning rate.")
@click.option("--style", type=click.Choice(["readable", "fast"]), default="readable", show_default=True,
              help="fast: gradients are computed in arrays that are made once.")  # fmt: skip
@click.option("--explain", is_flag=True, help="Also print what rule made each line of the gradient.")
@click.option("--parallel", type=click.Choice(["mpi"]), help="Share every batch among the processes of mpiexec.")
def generate(net: str, output: str, optimizer: str, dtype: str, lr: float, style: str, explain: bool,
             parallel: str | None) -> None:  # fmt: skip
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
        emit(program, output, optimizers=names, dtype=dtype, learning_rate=lr, style=style, parallel=parallel)
    if explain:
        click.echo(explain_lines(program, style))
    click.echo(f"wrote {output}", err=True)
    start = "mpiexec -n 2 python" if parallel else "python"
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
