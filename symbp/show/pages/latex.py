"""A derivation as LaTeX: a fragment, a document, or one display for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from symbp.show.fold.folded import Folded, parts
from symbp.show.formulas.formula import Formula, Said
from symbp.show.formulas.marked import DEFINED, coloured
from symbp.show.names.symbols import GREEK
from symbp.show.steps.step import SymbolRow
from symbp.show.styles import breaks
from symbp.show.styles.latex_width import width
from symbp.show.words import LANGUAGES

if TYPE_CHECKING:
    from symbp.show.result import Derivation

COLUMN = 39.5  # em of a line of the document below
ROWS = 34  # of a page in smaller letters
MOVED = 16  # a longer table is allowed to run over pages
MATRIX_COLUMN = 16.0  # em of the matrix form beside the index form
SIGN = 1.4  # em of an equals sign
SIGNS = {"=": "=", "≈": r"\approx"}
TAG = 3.5  # em that a number in the margin takes

SIZES = {False: ("11pt", "2.4cm"), True: ("10pt", "3.05cm")}  # of letters and margins; True: for long derivations
CHINESE = r"\usepackage[scheme=plain]{ctex}  % compile with xelatex or lualatex"
SETTINGS = r"""\usepackage{amsmath,amssymb,mathtools}
\usepackage{booktabs,longtable,xcolor}
\setlength{\mathindent}{1.5em}
\setlength{\parindent}{0pt}
\setlength{\parskip}{4pt plus 1pt}
\setlength{\jot}{4pt}
\setlength{\LTleft}{1.5em}
\setcounter{LTchunksize}{1000}
\allowdisplaybreaks
\clubpenalty=10000 \widowpenalty=10000 \displaywidowpenalty=10000
\AtBeginDocument{%
  \abovedisplayskip=5pt plus 2pt \abovedisplayshortskip=\abovedisplayskip
  \belowdisplayskip=6pt plus 2pt \belowdisplayshortskip=\belowdisplayskip}
\raggedbottom
\makeatletter
\renewcommand{\maketitle}{\begin{center}{\LARGE\@title\par}\medskip\@author\end{center}}
\makeatother
"""


def preamble(language: str, long: bool) -> str:
    """What stands in front of a document; a Chinese one needs ctex, hence xelatex or lualatex."""
    letters, margin = SIZES[long]
    start = rf"\documentclass[{letters},a4paper,fleqn]{{article}}"
    page = rf"\usepackage[hmargin={margin},vmargin={{2cm,2.2cm}}]{{geometry}}"
    return "\n".join([start, *([CHINESE] if language == "zh" else []), page, SETTINGS + DEFINED, ""])


PREAMBLE = preamble("en", False)  # for those who typeset formulas one by one


def page(d: Derivation, document: bool) -> str:
    """The steps with the definitions in front; as a document also the table of symbols and the summary."""
    words = LANGUAGES[d.language]
    out: list[str] = []
    if d.method == "naive" and not document:
        out.append(DEFINED + "  % needs xcolor")
    if document:
        what = words["and_also"].format(words[f"method_{d.method}"], words[f"level_{d.level}"])
        out += [
            preamble(d.language, bool(d.folded)) + rf"\title{{{words['derivation']}\\[4pt] \large {name(d.title)}}}",
            rf"\author{{{what}}}",
            r"\begin{document}",
            r"\maketitle",
            "",
        ]
    if d.point:
        out += [rf"\subsection*{{{words['point']}}}", *display(d.point, side_by_side=True)]
    out += [rf"\subsection*{{{words['network']}}}"]
    out += definitions(d, d.shown_definitions)
    if d.updates:
        out += [words["state_updates"], *definitions(d, d.shown_updates)]
    out += [sentences(d, d.notes), ""] if d.notes else []
    if document:
        out += symbols(d)
    out += [rf"\subsection*{{{words[f'steps_{d.method}']}}}", sentences(d, d.intro), ""]
    for step in d.shown_steps:
        if isinstance(step, Folded):
            out += ["", rf"\medskip\noindent {sentences(d, step.said)}"]
            continue
        title = words["title"].format(words["step"].format(step.number), step.title.latex)
        head = rf"\medskip\noindent\textbf{{{words['title_end'].format(title)}}}"
        out += ["", " ".join([head, sentences(d, step.prose)]).strip(), r"\nopagebreak", *display(step.formulas)]
    if document:
        out += (
            [rf"\subsection*{{{words['summary']}}}", *display(d.shown_summary, side_by_side=True)] if d.summary else []
        )
        out += [words["fold_summary"], ""] if d.folded else []
        out += [r"\end{document}"]
    return "\n".join(out) + "\n"


def definitions(d: Derivation, shown: list[Formula | Folded]) -> list[str]:
    """Formulas in displays, and sentences for those that are folded."""
    out: list[str] = []
    for part in parts(shown):
        out += [sentences(d, part.said), ""] if isinstance(part, Folded) else display(part)
    return out


def notebook(d: Derivation) -> str:
    """The steps' formulas as one display, for MathJax."""
    formulas = tuple(f for step in d.shown_steps if not isinstance(step, Folded) for f in step.formulas)
    return "\n".join([r"$$\begin{aligned}", *aligned_rows(formulas), r"\end{aligned}$$"])


def name(title: str) -> str:
    """The network's name, breakable at its commas."""
    return rf"\texttt{{{''.join(map(_character, title))}}}"


def _character(c: str) -> str:
    """A character of a name, as itself."""
    named = {"\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}", ",": r",\allowbreak{}"}
    if c in named or c in "{}$&#_%":
        return named.get(c, "\\" + c)
    letter = next((command for command, unicode in GREEK.items() if unicode == c), "")
    if letter:
        return rf"\ensuremath{{\{letter}}}"
    if not c.isprintable():
        return " "
    return c if c.isascii() else rf"{{\ifdefined\Umathchar {c}\else ?\fi}}"  # pdflatex has no glyph for it


def sentences(d: Derivation, parts: tuple[Said, ...]) -> str:
    return coloured([LANGUAGES[d.language]["between"].join(p.latex for p in parts)])[0]


def symbols(d: Derivation) -> list[str]:
    """The table of symbols."""
    words = LANGUAGES[d.language]
    head = " & ".join(words[k] for k in ("symbol", "name", "shape", "role"))
    rows = [f"{r.symbol.latex} & {name(r.name)} & {r.shape.latex} & {r.role.latex}" for r in d.shown_symbols]
    half = (len(rows) + 1) // 2
    if 10 < len(rows) <= 2 * ROWS and 2 * _breadth(d.shown_symbols) + 3 <= COLUMN:  # two halves side by side
        rows = [f"{left} & {right}" for left, right in zip(rows, [*rows[half:], " & & & "], strict=False)][:half]
        head = f"{head} & {head}"
    long = len(rows) > MOVED  # may run over pages, where it would leave much of one empty
    kind, place = ("longtable", "[l]") if long else ("tabular", "")
    columns = r"@{\hspace{3em}}".join(["llll"] * (head.count("&") // 4 + 1))
    top = [rf"\begin{{{kind}}}{place}{{@{{}}{columns}@{{}}}}", r"\toprule", rf"{head} \\", r"\midrule"]
    if long:
        top.insert(0, r"\setlength{\tabcolsep}{4pt}")
    return [
        rf"\subsection*{{{words['symbols']}}}",
        (r"{\footnotesize" if len(rows) > ROWS else r"{\small") if long else r"{\small\hspace*{1.5em}%",
        *top, *([r"\endhead"] if long else []), *(rf"{r} \\" for r in rows), r"\bottomrule", rf"\end{{{kind}}}\par}}",
    ]  # fmt: skip


def _breadth(rows: Sequence[SymbolRow]) -> float:
    """About how broad the table of symbols is, in em of the text around it."""
    cells = [(len(r.symbol.text), len(r.name), len(r.shape.text), len(r.role.text)) for r in rows]
    return sum(0.4 * max(column) for column in zip(*cells, strict=True)) + 3


def display(formulas: tuple[Formula, ...], side_by_side: bool = False) -> list[str]:
    """Formulas in one aligned display; their sides in columns where all have as many and that fits.

    side_by_side: several short formulas on a line.
    """
    if not formulas:
        return []
    if any(f.beside for f in formulas):
        return [r"\begin{align*}", " \\\\\n".join(beside(f) for f in formulas), r"\end{align*}"]
    if side_by_side:
        widest = max(long(f) for f in formulas)
        columns = min(4, int(COLUMN / (widest + 2.5)), (len(formulas) + 3) // 4)
        if columns > 1:
            return [r"\begin{align*}", " \\\\\n".join(side_by_side_rows(formulas, columns)), r"\end{align*}"]
    tagged = any(f.number is not None for f in formulas)
    room = COLUMN - (TAG if tagged else 0)
    columns = max(len(f.sides) for f in formulas)
    same = columns > 2 and len(formulas) > 1 and all(len(f.sides) == columns and not f.worked for f in formulas)
    if same and sum(max(width(f.sides[k].latex) for f in formulas) + 1.4 for k in range(columns)) <= room:
        rows = [aligned(f) for f in formulas]
        return [rf"\begin{{alignat*}}{{{columns - 1}}}", " \\\\\n".join(rows), r"\end{alignat*}"]
    lead = max(width(f.sides[0].latex) for f in formulas)
    return [r"\begin{align*}", " \\\\\n".join(row(f, room, lead) for f in formulas), r"\end{align*}"]


def together(chain: Sequence[tuple[str, Said]]) -> str:
    """Sides on one line, the first sign aligned."""
    return "&" + " ".join(f"{SIGNS[sign]} {breaks.unbroken(s.latex)}" for sign, s in chain)


def long(f: Formula) -> float:
    """How long the formula is on one line, in em."""
    return width(f.sides[0].latex) + sum(SIGN + width(s.latex) for _, s in f.chain)


def beside(f: Formula) -> str:
    """The index form on the left, the matrix form on the right where there is room, else below."""
    tag = rf" \tag{{{f.number}}}" if f.number is not None else ""
    untagged = replace(f, number=None)
    if not f.beside:
        return row(f, COLUMN - TAG)
    matrix, room = f.in_matrices, COLUMN - MATRIX_COLUMN - (TAG if tag else 0)
    rows = row(untagged, room - 2)
    if long(matrix) > MATRIX_COLUMN or max(map(width, rows.split(r"\\"))) > room:
        below = aligned_box(row(matrix, COLUMN - 4))
        return rf"& {aligned_box(row(untagged, COLUMN - TAG))}{tag} \\" + f"\n& \\qquad {below}"
    left = rf"\makebox[{room}em][l]{{$\displaystyle {aligned_box(rows)}$}}"
    return f"& {left} {aligned_box(row(matrix, MATRIX_COLUMN))}{tag}"


def aligned_box(rows: str) -> str:
    """Rows as one piece whose first line stands on the line of what is around it."""
    return rf"\begin{{aligned}}[t] {rows} \end{{aligned}}"


def aligned_rows(formulas: tuple[Formula, ...]) -> list[str]:
    """The rows of an `aligned` environment, where there are no tags; a matrix form follows its index form."""
    out = []
    for f in formulas:
        number = rf" \qquad ({f.number})" if f.number is not None else ""
        out.append(row(replace(f, number=None), COLUMN) + number)
        out += [row(f.in_matrices, COLUMN)] if f.beside else []
    return [text + r" \\" for text in out[:-1]] + out[-1:]


def side_by_side_rows(formulas: tuple[Formula, ...], columns: int) -> list[str]:
    """Rows of so many formulas, to be read column by column."""
    height = -(-len(formulas) // columns)
    return [" & ".join(row(f, COLUMN) for f in formulas[k::height]) for k in range(height)]


def aligned(f: Formula) -> str:
    """a &= b &&= c."""
    sides = [breaks.unbroken(s.latex) for s in f.sides]
    return f"{sides[0]} &= " + " &&= ".join(sides[1:])


def row(f: Formula, room: float, lead: float = 0.0) -> str:
    """One formula, on as many lines as it needs; lead: the width of the longest left side in its display."""
    tag = rf" \tag{{{f.number}}}" if f.number is not None else ""
    left = breaks.unbroken(f.sides[0].latex)
    lead = max(lead, width(left))
    if long(f) - width(left) + lead <= room:
        return coloured([f"{left} {together(f.chain)}{tag}"])[0]
    start = lead + SIGN
    lines: list[str] = []
    for group in f.groups:
        if start + sum(SIGN + width(s.latex) for _, s in group) <= room:
            lines.append(together(group))
            continue
        for sign, side in group:
            broken = breaks.split(side.latex, room - start - 4.0, width, r"{}\cdot ")
            lines.append(f"&{SIGNS[sign]} {broken[0][1]}")
            lines += [rf"&\hspace{{{1.5 + min(depth, 5) / 2}em}} {{}}{line}" for depth, line in broken[1:]]
    return f"{left} " + " \\\\\n".join(coloured(lines)) + tag
