"""MathML as a person sees it, as the LaTeX that `reader` reads. Nothing is taken from what writes the pages.

What looks the same comes out the same: brackets of any size, primes, words in upright letters, space of any width.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from xml.etree import ElementTree

from displayed.functions import BRACKETED, PREFIX, WITH_PARAMETER
from displayed.tree import Unreadable

Element = ElementTree.Element
_APPLY, _BARS = "\u2061", {"|": "vert", "‖": "Vert"}
_SIGNS = {
    "−": "-", "≤": r"\le", "≥": r"\ge", "≠": r"\ne", "∧": r"\wedge", "∨": r"\vee", "¬": r"\neg", "⊙": r"\odot",
    "·": r"\cdot", "×": r"\times", "∑": r"\sum", "∂": r"\partial", "⊤": r"\top", "∞": r"\infty", "≈": "≈",
    "…": r"\ldots", _APPLY: "",
}  # fmt: skip
_PLAIN = set("=+/<>,()[]")
_ACCENTS = {"^": r"\hat", "~": r"\tilde", "¯": r"\bar", "˙": r"\dot", "→": r"\vec"}
_CHILDREN = {"msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mfrac": 2, "mover": 2}
_TABLE = re.compile(r'<table class="formulas">.*?</table>', re.DOTALL)
_MATH = re.compile(r"<math\b.*?</math>", re.DOTALL)
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\S")
_LAYOUT = re.compile("\\\\(?:b|B)igg?[lr](?![a-zA-Z])|\\\\[,;!]|[\ue000-\ue7ff]")


def parsed(html: str) -> Element:
    return ElementTree.fromstring(html.replace("&nbsp;", "\u00a0"))


def tables(html: str) -> list[Element]:
    """The displays of a page."""
    return [parsed(text) for text in _TABLE.findall(html)]


def math(html: str) -> list[Element]:
    """The formulas outside of displays."""
    return [parsed(text) for text in _MATH.findall(_TABLE.sub("", html))]


def sides_of(table: Element) -> list[Element]:
    """Its formulas, each side and each line of a broken one by itself, without the equals signs."""
    return [e for e in table.iter("math") if latex(e) != "="]


def formulas(table: Element) -> Iterator[list[str]]:
    """The sides of each formula, those of broken ones put together."""
    found: list[list[str]] = []
    for row in table:
        left, right = row[0], row[1]
        if len(left):
            found.append([join(latex(e) for e in left)])
        for k, e in enumerate(right):
            line = latex(e[0] if e.tag == "span" else e)
            if line in ("=", "≈"):
                found[-1].append("")
            elif k == 0 and e.tag == "span":  # between factors a broken line goes on with a dot
                found[-1][-1] = join((found[-1][-1], line.removeprefix(r"\cdot")))
            else:
                found[-1][-1] = join((found[-1][-1], line))
    yield from found


def tokens(text: str) -> list[str]:
    """Equal for texts that differ in nothing but space and the size of brackets."""
    return _TOKEN.findall(_LAYOUT.sub("", text))


def join(parts: Iterator[str] | tuple[str, ...]) -> str:
    out = ""
    for part in parts:
        out += " " + part if re.search(r"\\[A-Za-z]+$", out) and part[:1].isalpha() else part
    return out


def latex(e: Element) -> str:
    """One element. Raises Unreadable for what formulas have no meaning for."""
    if len(e) != _CHILDREN.get(e.tag, len(e)):
        raise Unreadable(f"{e.tag} of {len(e)} elements")
    match e.tag:
        case "math" | "mrow" | "mtd":
            return _row(e)
        case "mi":
            return _identifier(e)
        case "mn":
            return e.text or ""
        case "mo":
            return _operator(e.text or "")
        case "mspace":
            return ""
        case "msub" | "munder":
            return f"{_base(e)}_{{{latex(e[1])}}}"
        case "msup":
            return f"{_base(e)}^{{{latex(e[1])}}}"
        case "msubsup":
            below, above = f"_{{{latex(e[1])}}}", f"^{{{latex(e[2])}}}"
            return _base(e) + (above + below if above.startswith("^{(") else below + above)  # a layer, or a power
        case "mfrac":
            return rf"\frac{{{latex(e[0])}}}{{{latex(e[1])}}}"
        case "msqrt":
            return rf"\sqrt{{{_row(e)}}}"
        case "mover":
            return join((_ACCENTS[e[1].text or ""], latex(e[0])))
        case "mtable":
            return _cases(e)
    raise Unreadable(f"<{e.tag}> in a formula")


def _row(e: Element) -> str:
    parts: list[str] = []
    inside = False  # of bars
    for k, child in enumerate(e):
        after = e[k + 1] if k + 1 < len(e) else None
        before = e[k - 1] if k else None
        if child.tag == "mtable" and (before is None or before.text not in ("{", "[")):
            raise Unreadable("cases without their brace")
        if child.tag == "mo" and child.text in _BARS:
            parts.append(rf"\{'r' if inside else 'l'}{_BARS[child.text]}")
            inside = not inside
        elif child.tag == "mo" and child.text in ("{", "[") and after is not None and after.tag == "mtable":
            continue
        elif child.tag == "mtable" and before is not None and before.text == "[":
            if after is None or after.text != "]":
                raise Unreadable("a matrix without its second bracket")
            parts.append(_matrix(child))
        elif child.text == "]" and before is not None and before.tag == "mtable":
            continue
        elif child.tag == "mi" and after is not None and after.tag == "mo" and after.text == _APPLY:
            parts.append(rf"\{child.text}")
        else:
            inside = inside and not (len(child) and child[0].text in _BARS)
            parts.append(latex(child))
    return join(iter(parts))


def _base(e: Element) -> str:
    """What scripts stand at; at a bar they follow what it closes."""
    text = e[0].text or ""
    return rf"\r{_BARS[text]}" if e[0].tag == "mo" and text in _BARS else latex(e[0])


def _operator(text: str) -> str:
    if set(text) == {"′"}:
        return "'" * len(text)
    if text in _PLAIN or text in _SIGNS:
        return _SIGNS.get(text, text)
    if text in ("max", "min"):
        return rf"\{text}"
    raise Unreadable(f"the operator {text!r}")


def _identifier(e: Element) -> str:
    text = (e.text or "").replace("\u00a0", " ")
    if text in _SIGNS:
        return _SIGNS[text]
    name = unicodedata.name(text, "") if len(text) == 1 else ""
    if name.startswith("GREEK"):
        _, case, _, letter = name.split()
        letter = letter.lower().replace("lamda", "lambda")
        return "\\" + (letter.capitalize() if case == "CAPITAL" else letter)
    if name.startswith("MATHEMATICAL BOLD"):
        return rf"\mathbf{{{unicodedata.normalize('NFKC', text)}}}"
    if len(text) > 1 or e.get("mathvariant") == "normal":
        if text in ("if ", "else"):
            return rf"\text{{{text}}}"
        functions = (*PREFIX, *BRACKETED, *WITH_PARAMETER)
        known = [c for c in (rf"\{text}", rf"\operatorname{{{text}}}") if c in functions]
        return known[0] if known else r"\mathrm{" + text.replace("_", r"\_") + "}"
    if not (text.isascii() and text.isalpha()):
        raise Unreadable(f"the letter {text!r}")
    return text


def _matrix(e: Element) -> str:
    rows = [" & ".join(latex(cell) for cell in row) for row in e]
    return r"\begin{bmatrix}" + r" \\ ".join(rows) + r"\end{bmatrix}"


def _cases(e: Element) -> str:
    rows = [[latex(cell) for cell in row] for row in e]
    lines = [" & ".join(cells) + ("{}" if cells[-1].endswith(r"\wedge") else "") for cells in rows]
    return r"\begin{cases}" + r" \\ ".join(lines) + r"\end{cases}"
