"""The documents compile: no error, nothing undefined, no line wider than the page."""

import re
import shutil
import subprocess

import pytest

from symbp.architectures import load
from symbp.report.paper import document
from symbp.report.point import point
from symbp.show.derivation import derivation
from symbp.show.styles.latex_width import width

pytestmark = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")

TEXTBOOK = "mlp:2-3-2-1,sigmoid,half_squared_error"
DOCUMENTS = [
    (TEXTBOOK, "neuron", "reverse"),
    (TEXTBOOK, "index", "reverse"),
    (TEXTBOOK, "matrix", "reverse"),
    (TEXTBOOK, "neuron", "naive"),
    (TEXTBOOK, "neuron", "forward"),
    (TEXTBOOK, "index", "forward"),
    ("mlp:64-64-32-10,relu,cross_entropy", "matrix", "reverse"),
    ("mlp:64-64-32-10,relu,cross_entropy", "index", "reverse"),
    ("mlp:2-8-8-4-1,batch_norm+relu/linear,half_squared_error", "matrix", "reverse"),
    ("mlp:2-8-8-4-1,batch_norm+relu/linear,half_squared_error", "index", "reverse"),
    ("mlp:4-8-3,tanh/softmax,soft_cross_entropy", "matrix", "reverse"),
    ("mlp:4-8-3,tanh/softmax,soft_cross_entropy", "neuron", "reverse"),
    ("mlp:2-3-3,selu/linear,mean_squared_error", "index", "reverse"),
    ("mlp:2-3-3,gelu_tanh/linear,binary_cross_entropy", "matrix", "reverse"),
    ("mlp:2-3-3,mish/linear,binary_cross_entropy", "neuron", "reverse"),
    ("mlp:2-8-8-4-1,batch_norm+relu/linear,half_squared_error", "both", "reverse"),
    ("gpt:layers=1,heads=2,width=8,vocabulary=5,context=4", "batched", "reverse"),
    ("cnn:1x28x28,6c5p2+relu+max2,10,cross_entropy", "matrix", "reverse"),
    ("lstm:4-5-3,cross_entropy", "matrix", "reverse"),
]


def compiled(source, folder):
    """What pdflatex says on its second run."""
    (folder / "document.tex").write_text(source, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    for _ in range(2):  # the long table knows its widths after the first
        ran = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        log = (folder / "document.log").read_text(encoding="latin-1")
        assert ran.returncode == 0, log[-3000:]
    return log


def assert_clean(log):
    assert not re.search(r"^!|undefined|Warning", log, re.MULTILINE), log
    too_wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide\)", log)]
    assert max(too_wide, default=0) <= 10, re.findall(r"Overfull.*\n.*", log)


@pytest.mark.parametrize(("text", "level", "method"), DOCUMENTS)
def test_documents_compile(text, level, method, tmp_path):
    d = derivation(load(text), level=level, method=method)
    assert_clean(compiled(d.latex(document=True), tmp_path))


@pytest.mark.parametrize("text", ["gpt:nano", "resnet18:3x32x32,classes=10"])
def test_large_networks_take_ten_pages(text, tmp_path):
    """Blocks that repeat are folded; tables of costs are included."""
    net = load(text)
    log = compiled(document(net, derivation(net)), tmp_path)
    assert_clean(log)
    assert int(re.search(r"Output written on document.pdf \((\d+) pages", log)[1]) <= 10


@pytest.mark.parametrize("level", ["neuron", "both"])
def test_numbers_fit_the_page(level, tmp_path):
    net = load(TEXTBOOK)
    d = derivation(net, level=level, at=point(net, "seed:0", TEXTBOOK))
    assert_clean(compiled(d.latex(document=True), tmp_path))


def test_a_fragment_goes_into_a_document(tmp_path):
    d = derivation(load(TEXTBOOK), level="neuron")
    (tmp_path / "fragment.tex").write_text(d.latex(), encoding="utf-8")
    head = r"\documentclass{article}\usepackage{amsmath,amssymb}\begin{document}"
    log = compiled(head + r"\input{fragment}\end{document}", tmp_path)
    assert not re.search(r"^!|undefined", log, re.MULTILINE), log


def test_titles_and_names_are_escaped(tmp_path):
    from test_show import custom

    d = derivation(custom(), level="index")
    source = d.latex(document=True)
    assert r"custom \& 50\% of\_it" in source and r"attn\_score\_sum" in source
    assert_clean(compiled(source, tmp_path))


MEASURED = [
    r"\frac{\partial L}{\partial w^{(2)}_{11}} = \delta^{(2)}_{1}\,h^{(1)}_{1}",
    r"\sum_{n} \delta^{(1)}_{nj}\,x_{ni} + \sigma(z^{(1)}_{nj})",
    r"\Bigl(\frac{\partial L}{\partial u^{(3)}} - \frac{1}{B}\,\hat x^{(3)}\Bigr) \odot \gamma^{(3)}",
    r"w^{(1)}_{11}\,x_{1} + w^{(1)}_{12}\,x_{2} + b^{(1)}_{1}",
    r"\tanh z^{(1)}_{nj} - \sqrt{v^{(1)} + 10^{-5}}",
    r"\begin{cases}x_{2h} & \text{if } 2\,h \ge 1 \wedge{}\\ & 2\,h < 4\\ 0 & \text{else}\end{cases} + b",
]


def test_widths_are_estimated_well(tmp_path):
    """Within a fifth of what TeX measures, so that lines are broken where they should be."""
    boxes = "".join(rf"\setbox0\hbox{{$\displaystyle {m}$}}\typeout{{WIDTH \the\wd0}}" for m in MEASURED)
    log = compiled(
        r"\documentclass{article}\usepackage{amsmath}\begin{document}" + boxes + r"x\end{document}", tmp_path
    )
    found = [float(w) / 10 for w in re.findall(r"WIDTH ([\d.]+)pt", log)]  # 10pt to the em
    assert len(found) == len(MEASURED)
    for formula, exact in zip(MEASURED, found, strict=True):
        assert width(formula) == pytest.approx(exact, rel=0.2), formula
