"""A Program by itself, in index notation: as text, as LaTeX, and as HTML for notebooks."""

from __future__ import annotations

from html import escape

from symbp.program import Program, shape_text
from symbp.show.formulas.printer import Printer
from symbp.show.names.binders import clear_names, declared_indices
from symbp.show.names.symbols import names_of, with_helper_letters, with_symbols
from symbp.show.pages.html import STYLE
from symbp.show.pages.mathml import MathML
from symbp.show.styles import breaks
from symbp.show.styles.latex import Latex
from symbp.show.styles.style import Style
from symbp.show.styles.text import Text, width


def program_text(program: Program) -> str:
    """A Program as plain text: its title, tensors and equations in index notation."""
    named, printer = _named(program, Text())
    out = [program.title]
    for role in ("input", "parameter", "state"):
        found = [printer.name(t.name, t.indices) for t in program.of_role(role)]
        out += [f"  {role}: {', '.join(found)}"] if found else []
    left = [printer.name(e.name, e.target.args) for e in named.equations]
    widest = max(map(width, left), default=0)
    for name, e in zip(left, named.equations, strict=True):
        out.append("  " + " " * int(widest - width(name)) + f"{name} = {breaks.unmarked(printer.write(e.value))}")
    return "\n".join(out)


def program_latex(program: Program) -> str:
    """A Program's equations in index notation, as an aligned environment."""
    named, printer = _named(program, Latex())
    rows = [f"{printer.write(e.target)} &= {breaks.unbroken(printer.write(e.value))}" for e in named.equations]
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def program_html(program: Program) -> str:
    """A Program's tensors with their shapes, and its equations in index notation."""
    named, printer = _named(program, Latex())
    write = MathML()
    out = [f"<p><b>{escape(program.title)}</b></p>"]
    for role in ("input", "parameter", "state"):
        found = [f"{write.formula(printer.name(t.name), False)} {escape(shape_text(t))}" for t in named.of_role(role)]
        out += [f"<p>{role}: {', '.join(found)}</p>"] if found else []
    rows = []
    for e in named.equations:
        for left, right in write.lines(printer.write(e.target), [[("=", printer.write(e.value))]]):
            rows.append(f"<tr><td>{left}</td><td>{right}</td></tr>")
    out += [f'<div class="display"><table class="formulas">{"".join(rows)}</table></div>']
    return f'{STYLE}<div class="symbp">{"".join(out)}</div>'


def _named(program: Program, style: Style) -> tuple[Program, Printer]:
    """The program with clear names and a symbol for everything, and what writes its expressions."""
    named = with_symbols(with_helper_letters(clear_names(program, declared_indices(program))))
    return named, Printer(names_of(named, named, {t.name: len(t.indices) for t in named.tensors.values()}), style)
