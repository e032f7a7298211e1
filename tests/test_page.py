"""The HTML page of a derivation: in a browser, with hostile names, in both languages; formulas as MathML."""

import contextlib
import io
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import BROKEN, needs_chromium, visit
from click.testing import CliRunner
from whole_networks import NETS

from symbp.architectures import load
from symbp.cli import main
from symbp.errors import SymbpError
from symbp.report import page
from symbp.report.words import WORDS
from symbp.show.derivation import derivation
from symbp.show.pages.mathml import MathML, Tags
from symbp.show.pages.program import program_html
from symbp.show.styles import breaks
from symbp.show.styles.latex_tree import CLOSE, OPEN, read

DOCS = Path(__file__).resolve().parents[1] / "docs"
TEXTBOOK = "mlp:2-3-2-1,sigmoid,half_squared_error"
GPT = "gpt:layers=2,heads=2,width=4,context=3,vocabulary=5"


def made(program, **options):
    return page(program, derivation(program, **options))


@pytest.fixture(scope="module")
def textbook():
    return made(load(TEXTBOOK), level="neuron")


@pytest.fixture(scope="module")
def gpt():
    return made(load(GPT))


# -------------------------------------------------------------------------------------------- in a browser


@needs_chromium
def test_pages_work_in_a_browser(textbook, gpt, tmp_path):
    pages = {
        "textbook": textbook,
        "classifier": made(load("mlp:4-5-3,relu,cross_entropy")),
        "batch norm": made(NETS["BatchNorm"](), level="index"),
        "gpt": gpt,
        "hostile": made(hostile()),
    }
    broken = pages["classifier"].replace("</h1>", f'</h1><img src="{BROKEN}">')
    found = visit({**pages, "broken": broken}, tmp_path)
    failed = found.pop("broken")
    assert failed["errors"] == ["policy: img-src"]
    assert found.keys() == pages.keys()
    for name, report in found.items():
        assert not report["errors"] and not report["requests"], (name, report)
        assert all(report[key] for key in ("walks", "stays", "back", "home", "escape", "follows")), (name, report)
        assert not report["undrawn"] and not report["silent"] and not report["unnamed"], (name, report)
        assert report["lit"] == report["uses"] > 1 and not report["unlit"], (name, report)
        assert report["themed"] and report["flat"] == 0 and report["wide"] <= 0, (name, report)
    assert found["textbook"]["total"] == "98"
    assert found["textbook"]["items"] == 7 + 12


# ---------------------------------------------------------------------------------------- what it consists of


class Parsed(HTMLParser):
    """Elements, ids and attributes; complains of tags that don't match."""

    VOID = frozenset({"meta", "input", "br", "wbr"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.attributes = [], Counter(), [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += attrs
        self.ids += [v for k, v in attrs if k == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += attrs


def hostile():
    """A network whose title, names on paper and layers try to break out."""
    program = load("mlp:2-2-1,tanh,half_squared_error")
    bad = {"W1": r"</math><img src=x onerror=alert(1)>", "z1": r'"><script>alert(2)</script>', "h1": r"\evil{a&b}_\%"}
    tensors = {n: replace(t, symbol=bad.get(n, t.symbol)) for n, t in program.tensors.items()}
    title = "</title></script><script>alert('3')</script>{{ 7*7 }}&$x_1$"
    return replace(program, title=title, tensors=tensors)


@pytest.mark.parametrize("level", ["matrix", "neuron"])
def test_names_cannot_break_or_inject_anything(level):
    d = derivation(hostile(), level=level)
    text = page(hostile(), d)
    parsed = Parsed(text)
    assert parsed.tags["script"] == 2 and not parsed.tags["img"]
    assert not [k for k, _ in parsed.attributes if k.startswith("on") and k != "on-edge"]
    assert "{{ 7*7 }}&amp;$x_1$" in text and "&lt;/title&gt;" in text
    for other in (d._repr_html_(), program_html(hostile())):
        assert not Parsed(other).tags["script"] and not Parsed(other).tags["img"]


def test_the_page_is_one_file(textbook):
    parsed = Parsed(textbook)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert not [kv for kv in parsed.attributes if kv[0] in ("src", "action") or (kv[0] == "href" and kv[1][0] != "#")]
    assert set(re.findall(r"https?://[^\"'<> ]+", textbook)) <= {"http://www.w3.org/1999/xhtml"}
    assert "default-src 'none'" in textbook
    assert "d_W1 = x.T @ d_z1" in textbook and "7,008" in textbook
    assert textbook == made(load(TEXTBOOK), level="neuron")


def test_equal_blocks_refer_to_the_first(gpt):
    assert gpt.count('<details class="again">') == 2  # forward and backward
    assert "Equation 23: " in gpt and gpt.count('class="item forward"') == 49
    assert "stands for 2 equal blocks" in gpt


def test_the_page_speaks_both_languages():
    program = load("mlp:2-2-1,tanh,half_squared_error")
    assert WORDS["en"].keys() == WORDS["zh"].keys()
    for key, words in WORDS["en"].items():
        assert set(re.findall(r"\{\d\}", words)) == set(re.findall(r"\{\d\}", WORDS["zh"][key])), key
    assert 'lang="zh"' in page(program, derivation(program), language="zh")
    with pytest.raises(SymbpError, match="no language 'xx'"):
        page(program, derivation(program), language="xx")


def test_the_command_writes_a_page(tmp_path):
    out = tmp_path / "page.html"
    ran = CliRunner().invoke(main, ["derive", "mlp:2-2-1,tanh,mean_squared_error", "--format", "html", "-o", str(out)])
    assert ran.exit_code == 0, ran.output
    Parsed(out.read_text(encoding="utf-8"))
    ran = CliRunner().invoke(main, ["derive", TEXTBOOK, "--format", "html", "--method", "forward"])
    assert ran.exit_code == 0
    Parsed(ran.output)


def test_the_documentation_shows_what_comes_out(tmp_path):
    out = tmp_path / "graph.svg"
    ran = CliRunner().invoke(main, ["derive", TEXTBOOK, "--level", "neuron", "--format", "svg", "-o", str(out)])
    assert ran.exit_code == 0 and out.read_bytes() == (DOCS / "graph.svg").read_bytes()
    text = (DOCS / "html_page.md").read_text(encoding="utf-8")
    code, printed = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, re.DOTALL).groups()
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(compile(code, "html_page.md", "exec"), {})
    assert shown.getvalue() == printed


# -------------------------------------------------------------------------------------------------- MathML


def text_of(html):
    return re.sub(r"<[^>]*>", "", html).replace("&#x2061;", "").replace("&nbsp;", " ")


@pytest.mark.parametrize(
    ("latex", "written"),
    [
        (r"\frac{\partial L}{\partial W^{(1)\top}_{ij}}", "∂L∂Wij(1)⊤"),
        (r"\sum_{n,k'} \delta^{(2)}_{nk'}\,\hat x'_{n}", "∑n,k′δnk′(2)x^′n"),
        (r"\Bigl(-a - b\Bigr)^{2} \odot \mathbf{1}", "(−a−b)2⊙𝟏"),
        (r"\begin{cases}x & \text{if } t \ne 0\\ 0 & \text{else}\end{cases}", "{xif t≠00else"),
        (r"\operatorname{ReLU}(z) + \log p_{n,t_{n}}", "ReLU(z)+logpn,tn"),
        (r"\sqrt{v + 10^{-5}}", "v+10−5"),
        (r"a < b \wedge \unknown", "a&lt;b∧unknown"),
    ],
)
def test_formulas_become_mathml(latex, written):
    out = MathML().formula(latex)
    Parsed(out)
    assert text_of(out) == written


@pytest.mark.parametrize("name", ["TransformerBlock", "LSTM", "BatchNorm", "MaxPool1D", "CrossEntropy"])
def test_every_command_that_is_printed_is_known(name):
    """A command that isn't would come out as a word: nothing else in the formulas starts with a letter twice."""
    d = derivation(NETS[name](), level="index")
    for f in (*d.definitions, *(f for s in d.steps for f in s.formulas)):
        for side in f.sides:
            latex = breaks.unmarked(side.latex)
            words = set(re.findall(r"\\(?:mathrm|operatorname|text|mathit|mathbf)\{(.*?)\}", latex.replace(r"\_", "_")))
            found = {n.text for n in nodes(read(latex)) if n.kind == "word"}
            assert {w for w in found if w.isascii()} <= words, latex


def nodes(tree):
    yield tree
    for part in tree.parts:
        yield from nodes(part)


def test_tensors_are_found_in_formulas():
    d = derivation(load(TEXTBOOK), level="index")
    tags = Tags(d.names)
    known = {r"\delta^{(2)}_{nk}": "d_z2", r"h^{(1)}_{nj'}": "h1", r"W^{(1)\top}": "W1", "y_{n}^{2}": "y", "q": "",
             r"\frac{\partial L}{\partial h^{(1)}_{nj}}": "d_h1",
             r"\frac{\partial y_{n}}{\partial z^{(3)}_{n}}": ""}  # fmt: skip
    assert {latex: tags.of(read(latex)) for latex in known} == known


def test_a_power_of_a_marked_value_is_one_of_the_whole_part():
    opened, closed = chr(OPEN), chr(CLOSE)
    part = '<mrow><mrow class="repeat r0"><mi>x</mi></mrow></mrow>'
    assert f"<msup>{part}<mn>3</mn></msup>" in MathML().formula(f"a{opened}x{closed}^{{3}}")
    write = MathML()
    for line in (f"{opened}x", f"+ y{closed}^{{3}}"):  # a part on two lines
        Parsed(write.formula(line))
    assert "<msup>" in made(NETS["GELUTanh"](), level="neuron", method="naive")


def test_notebooks_show_html():
    program = load("mlp:2-2-1,tanh,half_squared_error")
    for shown in (program._repr_html_(), derivation(program)._repr_html_(), program.count()._repr_html_()):
        Parsed(shown)
    assert "<math" in program._repr_html_() and "Step 2" in derivation(program)._repr_html_()


def test_names_that_have_no_node_light_what_they_are_made_of():
    program = load("resnet18:1x2x2,classes=2,width=1")
    d = derivation(program)
    folded = re.search(r'id="folded">(.*?)</script>', page(program, d))[1]
    helpers = [f.name for s in d.steps if s.rule == "title_helper" for f in s.formulas]
    assert helpers and all(f'"{name}": "' in folded for name in helpers)
