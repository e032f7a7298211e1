"""What a paper needs: pieces of LaTeX for \\input, each with the macros of its notation; and a document with its costs.

A piece says in comments what it was made from and which packages it needs. Its notation (`\\gradL`, `\\hadamard`) is
set by `\\providecommand`, so that a paper's own `\\newcommand` in front of it wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from symbp.count.algebra.polynomial import Polynomial, total
from symbp.count.equations.written import sizes_of
from symbp.count.ledger import COMPUTED, Ledger
from symbp.count.tables.table import Cell, Table, figure
from symbp.errors import SymbpError
from symbp.program import Program
from symbp.recurrence import leading_to
from symbp.show.fold.folded import Folded
from symbp.show.formulas.formula import Formula
from symbp.show.graph import graph
from symbp.show.graph.tikz import tikz
from symbp.show.names.symbols import group, with_symbols
from symbp.show.pages.latex import display, name
from symbp.show.result import Derivation
from symbp.show.styles.latex import Latex
from symbp.show.words import LANGUAGES
from symbp.unroll import across_samples, concrete_sizes

Sizes = Mapping[str, int] | None
MACROS = {
    r"\gradL": r"\providecommand{\gradL}[1]{\frac{\partial L}{\partial #1}}  % the gradient of the loss",
    r"\hadamard": r"\providecommand{\hadamard}{\odot}  % the product entry by entry",
    r"\onesvector": r"\providecommand{\onesvector}{\mathbf{1}}  % a vector of ones",
    r"\transposed": r"\providecommand{\transposed}{\top}",
}
SMALL = 12  # rows of a table in letters of the same size as the others
BATCH = 32
NAMES = 4  # of a layer's parameters that a table has room for
STRATEGIES = ("forward", "one-sided differences", "forward mode", "expanded", "reverse", "reverse + CSE")


def fragment(kind: str, program: Program, found: Derivation, sizes: Sizes = None) -> str:
    """A piece for \\input: one of FRAGMENTS. Raises SymbpError for another one."""
    if kind not in FRAGMENTS:
        raise SymbpError(f"there is no fragment {kind!r}: use one of {', '.join(FRAGMENTS)}")
    body, packages = FRAGMENTS[kind](program, found, sizes)
    body = with_macros(body) if kind in ("gradients", "algorithm") else body
    used = [line for macro, line in MACROS.items() if macro in body and kind != "macros"]
    head = [f"% {kind} of {program.title}".replace("\n", " "), f"% \\usepackage{{{packages}}}"]
    return "\n".join([*head, *used, body]) + "\n"


def with_macros(latex: str) -> str:
    """The notation by its macros."""
    latex = latex.replace(r"\odot", r"\hadamard").replace(r"\mathbf{1}", r"\onesvector")
    latex = re.sub(r"\\top(?![A-Za-z])", r"\\transposed", latex)
    head, found, rest = latex.partition(r"\frac{\partial L}{\partial ")
    if not found:
        return latex
    below, end = group("{" + rest, 0)
    return head + rf"\gradL{{{with_macros(below)}}}" + with_macros(("{" + rest)[end:])


# ------------------------------------------------------------------------------------------------ the pieces


def _derivation(program: Program, found: Derivation, sizes: Sizes) -> tuple[str, str]:
    return found.latex(), "amsmath,amssymb,xcolor"


def _gradients(program: Program, found: Derivation, sizes: Sizes) -> tuple[str, str]:
    """The gradients of all parameters, and the adjoints that they are made of, in the order of computation."""
    formulas = tuple(_shortest(f) for s in found.steps for f in s.formulas)
    return "\n".join(display(formulas, side_by_side=True)), "amsmath,amssymb"


def _algorithm(program: Program, found: Derivation, sizes: Sizes) -> tuple[str, str]:
    """One training step as an algorithm: forward, backward, update."""
    words = LANGUAGES[found.language]
    symbols = {t.name: t.symbol for t in with_symbols(program).tensors.values()}
    given, trained = (", ".join(symbols[t.name] for t in ts) for ts in (program.inputs, program.parameters))
    needs = words["algorithm_needs"].format(f"${given}$", f"${trained}$", r"$\eta$")
    lines = [rf"\Require {needs}"]
    lines += [rf"\Statex \textbf{{{words['algorithm_forward']}}}"]
    for f in found.shown_definitions:
        lines.append(rf"\State {_said(f)}" if isinstance(f, Folded) else _state(f))
    lines += [rf"\Statex \textbf{{{words['algorithm_backward']}}}"]
    needed = leading_to(found.program.equations, found.program.outputs)  # the rest is shown on the way only
    for step in found.shown_steps:
        if isinstance(step, Folded):
            lines.append(rf"\State {_said(step)}")
        else:
            lines += [_state(f) for f in step.formulas if f.name in needed]
    lines += [rf"\Statex \textbf{{{words['algorithm_update']}}}"]
    lines += [rf"\For{{$\theta \in \{{{trained}\}}$}}", r"\State $\theta \gets \theta - \eta\,"
              r"\partial L/\partial \theta$", r"\EndFor"]  # fmt: skip
    top = [r"\begin{algorithm}", rf"\caption{{{words['algorithm_caption'].format(name(program.title))}}}",
           r"\begin{algorithmic}[1]"]  # fmt: skip
    return "\n".join(
        [*top, *lines, r"\end{algorithmic}", r"\end{algorithm}"]
    ), "amsmath,amssymb,algorithm,algpseudocode"


def _cost(program: Program, found: Derivation, sizes: Sizes) -> tuple[str, str]:
    return costs(program, sizes, found.language).latex(), "booktabs"


def _layers(program: Program, found: Derivation, sizes: Sizes) -> tuple[str, str]:
    return layers(program, sizes, found.language).latex(), "booktabs"


def _macros(program: Program, found: Derivation, sizes: Sizes) -> tuple[str, str]:
    return "\n".join(MACROS.values()), "amsmath,amssymb"


# A kind of piece -> (program, derivation, sizes) -> (LaTeX, packages). A picture of the graph belongs here, too.
def _graph(program: Program, found: Derivation, sizes: Sizes) -> tuple[str, str]:
    return "% \\usetikzlibrary{arrows.meta}\n" + tikz(graph(found)).rstrip(), "tikz,amsmath,amssymb"


FRAGMENTS: dict[str, Callable[[Program, Derivation, Sizes], tuple[str, str]]] = {
    "derivation": _derivation,
    "gradients": _gradients,
    "algorithm": _algorithm,
    "cost": _cost,
    "layers": _layers,
    "graph": _graph,
    "macros": _macros,
}


def _shortest(f: Formula) -> Formula:
    """The formula with its last side only."""
    return Formula(f.target, f.value, (f.sides[0], f.sides[-1]))


def _state(f: Formula) -> str:
    left, right = (Latex().math(s.latex).strip("$") for s in (f.sides[0], f.sides[-1]))
    return rf"\State ${left} \gets {right}$"


def _said(folded: Folded) -> str:
    return " ".join(s.latex for s in folded.said)


# ------------------------------------------------------------------------------------------------ the tables


def counted_at(program: Program, sizes: Sizes) -> dict[str, int]:
    """The sizes that costs are counted at: 1 unless given, and BATCH where samples are computed with together."""
    return concrete_sizes(program, {**dict.fromkeys(across_samples(program), BATCH), **(sizes or {})})


def costs(program: Program, sizes: Sizes = None, language: str = "en") -> Table:
    """What each way to the gradients costs: operations, and how often that of a forward pass."""
    words = LANGUAGES[language]
    ledger = Ledger(program, counted_at(program, sizes))
    forward = _number(ledger["forward"].total)
    rows: list[list[Cell]] = []
    for strategy in STRATEGIES:
        account = ledger[strategy]
        if account.total is not None and forward:
            n = account.total.number
            bound = "" if account.exact else "<= "
            ratio = f"{n / forward:,.1f}" if n < forward * 10**6 else figure(n // forward, 10**6)
            rows.append([words[f"strategy_{strategy}"], bound + figure(n), bound + ratio])
    head = [words[k] for k in ("strategy", "operations_column", "ratio_column")]
    return Table(program.title, head, rows, [f"{s}: {COMPUTED[s]}" for s in STRATEGIES])


def layers(program: Program, sizes: Sizes = None, language: str = "en") -> Table:
    """The layers with their parameters and what they cost, forward alone and with the gradient."""
    words = LANGUAGES[language]
    concrete = counted_at(program, sizes)
    ledger = Ledger(program, concrete)
    parts = {s: ledger.by("layer", s) for s in ("forward", "reverse + CSE")}
    rows: list[list[Cell]] = []
    for label in parts["reverse + CSE"]:
        number = label.removeprefix("layer ")
        own = [t for t in program.parameters if str(t.layer) == number]
        count = total(sizes_of(t.indices) for t in own).at(concrete)
        work = [_number(total(parts[s].get(label, {}).values())) for s in parts]
        shown = words["layer"].format(number) if number.isdigit() else words["no_layer"]
        shown_names = [t.name for t in own] if len(own) <= NAMES else [*(t.name for t in own[: NAMES - 1]), "..."]
        names = f" ({', '.join(shown_names)})" if own else ""
        rows.append([shown + names, count.number, *work])
    sums: list[Cell] = [sum(row[k] for row in rows if isinstance(row[k], int)) for k in (1, 2, 3)]  # type: ignore[misc]
    head = [words[k] for k in ("layer_column", "numbers_column", "forward_column", "gradient_column")]
    return Table(program.title, head, [*rows, [words["total"], *sums]])


def _number(n: Polynomial | None) -> int:
    return 0 if n is None else n.number


# ---------------------------------------------------------------------------------------------- the document


def document(program: Program, found: Derivation, sizes: Sizes = None) -> str:
    """The derivation as a document, with the tables of costs at its end."""
    words = LANGUAGES[found.language]
    at = ", ".join(f"${n} = {v}$" for n, v in counted_at(program, sizes).items())
    body = ["", r"\bigskip\medskip\noindent\begin{minipage}{\linewidth}"]  # one piece, on one page
    body += [rf"\subsection*{{{words['cost']}}}"]
    body += [words["cost_at"].format(at) + r"\par\medskip"] if at else []
    body += [r"{\small\hspace*{1.5em}" + costs(program, sizes, found.language).latex() + r"\par}"]
    body += [r"\end{minipage}", "", r"\medskip"]
    table = layers(program, sizes, found.language)
    letters = r"\small" if len(table.rows) <= SMALL else r"\footnotesize"
    body += [rf"{{{letters}\hspace*{{1.5em}}" + table.latex() + r"\par}"]
    return found.latex(document=True).replace(r"\end{document}", "\n".join(body) + "\n" + r"\end{document}")
