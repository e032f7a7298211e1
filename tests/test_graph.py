"""Computational graphs: what is drawn, where it stands, as SVG and TikZ."""

import shutil
import subprocess
import xml.etree.ElementTree as ET
from itertools import combinations

import pytest
from click.testing import CliRunner
from whole_networks import NETS

from symbp.architectures import load
from symbp.blocks import repeated_blocks
from symbp.cli import main
from symbp.show.derivation import derivation
from symbp.show.graph import graph
from symbp.show.graph.layered import layered
from symbp.show.graph.picture import label_size, picture
from symbp.show.graph.svg import svg
from symbp.show.graph.tikz import tikz

TEXTBOOK = "mlp:2-3-2-1,sigmoid,half_squared_error"
GPT = "gpt:layers=3,heads=2,width=4,context=3,vocabulary=5"


def made(program, **options):
    return graph(derivation(program, **options))


def test_the_graph_of_the_textbooks_neurons():
    """Twelve weights on edges, six biases as nodes; every value but the inputs has an adjoint."""
    g = made(load(TEXTBOOK), level="neuron")
    on_edges = {e.parameter.name: e.ends for e in g.edges if e.parameter}
    assert len(on_edges) == 2 * 3 + 3 * 2 + 2
    assert on_edges["W1_1_2"] == ("x_0_1", "z1_0_2")
    assert [n for n in g.nodes if g.nodes[n].role == "parameter"] == ["b1_0", "b1_1", "b1_2", "b2_0", "b2_1", "b3_0"]
    assert {n for n, node in g.nodes.items() if not node.adjoint} == {"x_0_0", "x_0_1", "t_0_0", "L"}
    assert g.nodes["z2_0_1"].adjoint == "d_z2_0_1" and g.nodes["z2_0_1"].adjoint_text == "δ⁽²⁾₂"


def test_of_many_neurons_the_tensors_are_drawn():
    g = made(load("mlp:4-6-4,tanh,half_squared_error"), level="neuron")
    assert list(g.nodes) == ["x", "W1", "b1", "z1", "h1", "W2", "b2", "y", "t", "L"]
    assert [n.adjoint for n in g.nodes.values() if n.adjoint] == ["d_W1", "d_b1", "d_z1", "d_h1", "d_W2", "d_b2", "d_y"]


@pytest.mark.parametrize("name", ["Dense", "LSTM", "BatchNorm", "TransformerBlock"])
def test_edges_are_what_equations_read(name):
    d = derivation(NETS[name](), level="index")
    g = graph(d)
    for e in d.network.equations:
        if e.name in g.nodes:
            assert e.value.tensors == {a.source for a in g.edges if a.target == e.name}
    position = {n: k for k, n in enumerate(g.nodes)}
    assert all((position[e.source] >= position[e.target]) == e.recurrent for e in g.edges)
    assert any(e.recurrent for e in g.edges) == (name == "LSTM")


@pytest.mark.parametrize("name", [TEXTBOOK, "LSTM", "ResNetBlock"])
def test_boxes_keep_apart(name):
    p = picture(made(load(name) if ":" in name else NETS[name]()))
    for a, b in combinations(p.boxes, 2):
        clear = abs(a.x - b.x) >= (a.width + b.width) / 2 or abs(a.y - b.y) >= (a.height + b.height) / 2
        assert clear, (a.node.name, b.node.name)
    for box in p.boxes:
        assert box.width / 2 <= box.x <= p.width - box.width / 2 and box.height / 2 <= box.y <= p.height


def test_labels_on_edges_keep_apart():
    wires = [w for w in picture(made(load(TEXTBOOK), level="neuron")).wires if w.lines]
    assert len(wires) == 14
    for a, b in combinations(wires, 2):
        (aw, ah), (bw, bh) = label_size(a.lines), label_size(b.lines)
        across, down = abs(a.label[0] - b.label[0]), abs(a.label[1] - b.label[1])
        assert across >= 0.9 * (aw + bw) / 2 or down >= 0.9 * (ah + bh) / 2, (a.lines, b.lines)


def test_crossings_are_avoided():
    """Two edges that cross as declared come out side by side."""
    nodes = dict.fromkeys("abcd", (1.0, 1.0))
    at = layered(nodes, {("a", "d"): 1.0, ("b", "c"): 1.0}, frozenset(), frozenset(), 1.0).at
    assert (at["a"][1] - at["b"][1]) * (at["d"][1] - at["c"][1]) > 0


def test_equal_blocks_are_drawn_once():
    program = load(GPT)
    (block,) = repeated_blocks(program)
    assert (block.period, block.count) == (20, 3)
    g = made(program)
    (frame,) = g.frames
    assert frame.count == 3 and len(g.nodes) < len(program.tensors) - 2 * 20
    assert set(g.folded) & set(g.nodes) == set() and set(g.folded.values()) <= set(g.nodes)
    assert g.folded["q9"] == "q3" and g.folded["Q9"] == "Q3"
    assert ("u5", "mu11") in {e.ends for e in g.edges}
    assert repeated_blocks(load(TEXTBOOK)) == []


def test_pictures_are_valid_and_show_numbers():
    program = load("mlp:2-2-1,tanh,half_squared_error")
    d = derivation(program, level="neuron")
    entries = {n: 0.5 for n, t in d.program.tensors.items() if t.role in ("input", "parameter")}
    values = {n: float(v) for n, v in d.program.evaluate(entries).items()}
    g = graph(d, values)
    root = ET.fromstring(svg(g, 'a "b" <c> & d'))
    assert root.find("{http://www.w3.org/2000/svg}title").text == 'a "b" <c> & d'
    shown = "".join(root.itertext())
    assert f"{values['L']:.3g}" in shown and f"{values['d_W1_0_0']:.3g}".replace("-", "−") in shown
    assert tikz(g).count(r"\node[adjoint") > 10
    assert r"\node[adjoint" not in tikz(graph(derivation(program, method="forward")))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex isn't installed")
def test_tikz_compiles(tmp_path):
    ran = CliRunner().invoke(main, ["derive", "lstm:2-2-2,cross_entropy", "--format", "tikz"])
    assert ran.exit_code == 0
    (tmp_path / "graph.tex").write_text(ran.output, "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "graph.tex"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    if "File `tikz.sty' not found" in made.stdout or "standalone.cls' not found" in made.stdout:
        pytest.skip("LaTeX has no tikz or no standalone (on Debian: texlive-latex-extra, texlive-pictures)")
    assert made.returncode == 0, made.stdout[-2000:]
