"""The paper kit: fragments with macros that a paper can redefine, tables that agree with counts, points."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from symbp.architectures import load
from symbp.count import compare
from symbp.errors import SymbpError
from symbp.report.paper import FRAGMENTS, MACROS, costs, document, fragment, layers, with_macros
from symbp.report.point import point
from symbp.show.derivation import derivation
from symbp.show.pages import pdf as pdf_module

TEXTBOOK = "mlp:2-3-2-1,sigmoid,half_squared_error"


@pytest.fixture(scope="module")
def net():
    return load(TEXTBOOK)


def installed(*files):
    """Whether LaTeX and these of its files are there."""
    find = shutil.which("kpsewhich")
    return find is not None and all(subprocess.run([find, f], capture_output=True, check=False).stdout for f in files)


def unfolded(latex):
    """The notation without its macros."""
    for macro, plain in ((r"\hadamard", r"\odot"), (r"\onesvector", r"\mathbf{1}"), (r"\transposed", r"\top")):
        latex = latex.replace(macro, plain)
    while r"\gradL{" in latex:
        at = latex.rindex(r"\gradL{")
        latex = latex[:at] + r"\frac{\partial L}{\partial " + latex[at + len(r"\gradL{") :]
    return latex


def test_macros_say_what_they_replace():
    for latex in (
        r"\frac{\partial L}{\partial \gamma^{(1)}} \odot x^{\top} \mathbf{1}",
        r"\frac{\partial L}{\partial W} + \frac{\partial z}{\partial x}",
        r"\toprule \Bigl(a\Bigr)",
    ):
        assert unfolded(with_macros(latex)) == latex
    assert r"\toprule" in with_macros(r"\toprule") and r"\gradL{W}" in with_macros(r"\frac{\partial L}{\partial W}")


def test_fragments(net):
    d = derivation(net)
    for kind in FRAGMENTS:
        text = fragment(kind, net, d)
        assert text.startswith(f"% {kind} of {TEXTBOOK}\n% \\usepackage{{")
        for macro in MACROS:
            assert (macro in text) == (f"\\providecommand{{{macro}}}" in text), (kind, macro)
    algorithm = fragment("algorithm", net, d)
    made = [e for e in d.program.equations if e.name.startswith("d_") and e.name not in ("d_y", "d_h1", "d_h2")]
    assert algorithm.count("\\State ") == len(d.definitions) + len(made) + 1  # what is shown on the way isn't computed
    assert r"\partial L/\partial h^{(2)} \gets" not in algorithm
    assert all(rf"\State $\partial L/\partial W^{{({k})}} \gets" in algorithm for k in (1, 2, 3))
    for p in net.parameters:
        formula = d.formula(f"d_{p.name}")
        assert with_macros(formula.sides[0].latex) in fragment("gradients", net, d)
    with pytest.raises(SymbpError, match="there is no fragment 'tables': use one of derivation, gradients"):
        fragment("tables", net, d)


def test_tables_agree_with_the_counts(net):
    counts = {row.strategy: row.total for row in compare(net).rows}
    shown = [int(row[1].replace(",", "")) for row in costs(net).rows]
    assert shown == [counts[s] for s in ("forward", "one-sided differences", "forward mode", "expanded", "reverse",
                                         "reverse + CSE")]  # fmt: skip
    *rows, total = layers(net).rows
    assert total[1:] == [20, counts["forward"], counts["reverse + CSE"]]
    assert [sum(r[k] for r in rows) for k in (1, 2, 3)] == total[1:]
    assert [r[0] for r in rows[:3]] == ["layer 1 (W1, b1)", "layer 2 (W2, b2)", "layer 3 (W3, b3)"]
    large = costs(load("gpt:nano")).latex()
    assert r"$\le$" not in large and "5,716,593" in large


def test_the_document_ends_with_its_costs(net):
    text = document(net, derivation(net, language="zh"))
    assert text.rstrip().endswith(r"\end{document}") and text.count(r"\end{document}") == 1
    assert "计算量" in text and "7,008" in text and "取 $B = 1$ 时的运算次数" in text and r"{ctex}" in text


@pytest.mark.skipif(not installed("algpseudocode.sty", "algorithm.sty"), reason="no algpseudocode is installed")
def test_fragments_go_into_a_paper(net, tmp_path):
    d = derivation(load("mlp:4-8-3,tanh,cross_entropy"))
    for kind in FRAGMENTS:
        (tmp_path / f"{kind}.tex").write_text(fragment(kind, load("mlp:4-8-3,tanh,cross_entropy"), d), encoding="utf-8")
    body = "\n\n".join(rf"\input{{{kind}}}" for kind in FRAGMENTS)
    packages = "amsmath,amssymb,xcolor,booktabs,algorithm,algpseudocode,tikz"
    source = rf"\documentclass[11pt]{{article}}\usepackage[margin=2cm]{{geometry}}\usepackage{{{packages}}}"
    source += r"\usetikzlibrary{arrows.meta}\newcommand{\hadamard}{\circ}"
    (tmp_path / "paper.tex").write_text(source + r"\begin{document}" + body + r"\end{document}", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stdout[-1500:]


# ---------------------------------------------------------------------------------------------------- PDF, points


def test_without_latex_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SymbpError, match=r"no pdflatex or lualatex or xelatex is installed.*texlive-latex-extra"):
        pdf_module.pdf("x")
    with pytest.raises(SymbpError, match=r"no xelatex or lualatex is installed.*texlive-lang-chinese"):
        pdf_module.pdf("x", "zh")


@pytest.mark.parametrize(("log", "message"), [
    ("! LaTeX Error: File `ctex.sty' not found.", "has no ctex.sty: on Debian.*texlive-lang-chinese"),
    ("! Package fontspec Error: The font \"FandolSong\" cannot be found", "found no font for this document"),
    ("! Undefined control sequence.\nl.3 \\nothing", r"did not compile the document: ! Undefined control sequence"),
])  # fmt: skip
def test_what_latex_complains_about(log, message, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    failed = subprocess.CompletedProcess([], 1, log.encode(), b"")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(SymbpError, match=message):
        pdf_module.pdf("x", "zh")


@pytest.mark.skipif(not installed("ctex.sty", "FandolSong-Regular.otf") or not shutil.which("xelatex"),
                    reason="no LaTeX with Chinese fonts")  # fmt: skip
def test_a_chinese_document_compiles(net):
    made = pdf_module.pdf(document(net, derivation(net, level="both", language="zh")), "zh")
    assert made.startswith(b"%PDF")


def test_points(net, tmp_path):
    seeded = point(net, "seed:3", TEXTBOOK)
    assert seeded["x"].shape == (1, 2) and all(np.all(v == np.round(v, 2)) for v in seeded.values())
    np.savez(tmp_path / "p.npz", **seeded, other=1)
    found = point(net, str(tmp_path / "p.npz"), TEXTBOOK)
    assert found.keys() == seeded.keys()
    script = tmp_path / "net.py"
    script.write_text(f"from symbp.architectures import load\nnet = load({TEXTBOOK!r})\n"
                      f"point = {({n: v.tolist() for n, v in seeded.items()})!r}\n")  # fmt: skip
    np.testing.assert_array_equal(point(net, "file", str(script))["W2"], seeded["W2"])
    del seeded["W3"]
    np.savez(tmp_path / "q.npz", **seeded)
    (tmp_path / "r.npz").write_text("nothing")
    for text, message in (("q.npz", "holds no values of the parameter W3"), ("r.npz", "this is no .npz file"),
                          ("s.npz", "there is no such file")):  # fmt: skip
        with pytest.raises(SymbpError, match=message):
            point(net, str(tmp_path / text), TEXTBOOK)
    with pytest.raises(SymbpError, match="is no Python file that defines `point`"):
        point(net, "file", TEXTBOOK)
    with pytest.raises(SymbpError, match="write a whole number"):
        point(net, "seed:x", TEXTBOOK)
    soft = load("mlp:4-5-3,tanh/softmax,soft_cross_entropy")
    values = point(soft, "seed:0", "")
    np.testing.assert_allclose(values["t"].sum(axis=1), 1)
    with pytest.raises(SymbpError, match="break the declared fact"):
        np.savez(tmp_path / "t.npz", **{**values, "t": values["t"] + 1})
        point(soft, str(tmp_path / "t.npz"), "")


def test_points_are_read_from_the_sizes_that_they_have(net):
    values = point(net, "seed:0", "")
    assert re.search(r"L = 1/2 · \(y - t\)² ≈", derivation(net, level="neuron", at=values).text())
