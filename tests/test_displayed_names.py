"""No name breaks a document or puts anything into it: it is refused, or written as it is."""

import re
import shutil

import pytest
from displayed.account import Network
from displayed.point import tensor_sizes, values_for
from sympy import Eq, Idx, IndexedBase, Sum, Symbol
from test_show_latex import compiled

from symbp.declare import declare
from symbp.errors import SymbpError
from symbp.language import FUNCTIONS
from symbp.show.derivation import derivation

SPECIAL = (r"\input{x}", "a%b", "a#b", "a$b", "a^b", "{a}", "a&b", "<b>x</b>", "a b", "a'b", "\\", "ä", "α", "权")
PLAIN = ("a_b", "_a", "a__b", "__", "_1", "e", "sigma", "delta", "pi", "input", "x_y_z", "alpha_beta", "E1")
PLACES = ("tensor", "parameter", "index", "size", "loss")


def network(place, name, title="names"):
    """A layer, tanh of a matrix product, in which something has this name."""
    called = {p: p[0] for p in PLACES} | {"parameter": "w", "loss": "L", "size": "B"} | {place: name}
    n, i, j = Idx("n", Symbol(called["size"], integer=True, positive=True)), Idx(called["index"], 3), Idx("j", 2)
    x, w, z, b, target = map(IndexedBase, (called["tensor"], called["parameter"], "z", "b", "goal"))
    loss = Symbol(called["loss"])
    return declare(
        [
            Eq(z[n, j], FUNCTIONS["sigmoid"](Sum(x[n, i] * w[i, j], i) + b[j])),
            Eq(loss, Sum((z[n, j] - target[n, j]) ** 2, n, j) / n.upper),
        ],
        inputs=[x[n, i], target[n, j]], parameters=[w[i, j], b[j]], loss=loss, title=title,
    )  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", SPECIAL)
def test_a_name_with_special_characters_is_refused(place, name):
    with pytest.raises((SymbpError, ValueError), match=r"not a plain identifier|Symbol"):
        network(place, name)


@pytest.mark.parametrize("name", PLAIN)
def test_any_other_name_is_read_as_what_it_is(name):
    """Also e, sigma, delta and pi, which formulas use for something else."""
    for place in ("tensor", "parameter", "index", "loss"):
        net = network(place, name)
        sizes = tensor_sizes(net)
        found = Network(net, values_for(net, sizes), sizes)
        for level in ("matrix", "index", "neuron"):
            assert not found.account(level).faults(), (place, level)


def test_titles_are_written_as_they_are():
    for title in SPECIAL:
        d = derivation(network("loss", "L", title))
        assert title in d.text()
        latex = d.latex(document=True)
        assert r"\input{" not in latex and r"\input\{x\}" not in latex


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_documents_with_such_names_compile(tmp_path):
    nets = [network(place, name) for place in PLACES for name in PLAIN if (place, name) != ("size", "_")]
    titles = [derivation(network("loss", "L", title)).latex(document=True) for title in SPECIAL]
    first = titles[0]
    head, end = first[: first.index(r"\title")], r"\end{document}"
    heads = [re.search(r"\\title\{.*\}", t)[0] + r"\maketitle" for t in titles]
    bodies = [derivation(net, level=level).latex() for net in nets for level in ("matrix", "index")]
    source = head + r"\author{}\begin{document}" + "\n".join([*heads, *bodies]) + end
    assert not re.search(r"^!|Undefined control", compiled(source, tmp_path), re.MULTILINE)
