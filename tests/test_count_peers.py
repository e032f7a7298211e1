"""docs/flops.md: symbp's numbers are made again here, and PyTorch's where it's installed; XLA's stand as written."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import flops  # noqa: E402

from symbp.count.algebra.polynomial import variable  # noqa: E402
from symbp.count.ledger import Ledger  # noqa: E402
from symbp.notation import read  # noqa: E402

DOCUMENT = (ROOT / "docs" / "flops.md").read_text(encoding="utf-8")


def documented() -> dict[str, list[int | None]]:
    """network: figure -> symbp's, XLA's and PyTorch's number."""
    rows = [line.strip("| ").split(" |") for line in DOCUMENT.splitlines() if line.startswith("| ")]
    return {
        cells[0].strip(): [int(c.replace(",", "")) if c.strip() else None for c in (*cells[1:], "", "")[:3]]
        for cells in rows
        if ":" in cells[0] and "---" not in cells[0]
    }


def test_symbp_never_needs_more_than_xla() -> None:
    found = documented()
    compared = [name for name, (_, xla, _) in found.items() if xla is not None and name.endswith("all")]
    assert len(compared) == 2 * len(flops.NETS)
    for name in compared:
        ours, xla, _ = found[name]
        assert ours is not None and xla is not None and ours <= xla, name
    for name, (ours, xla, _) in found.items():
        if name.endswith("gradient, transcendental"):
            assert ours is not None and xla is not None and ours <= xla, name


@pytest.mark.parametrize("name", flops.NETS)
def test_symbp_s_numbers(name: str) -> None:
    for figure, n in flops.by_symbp(flops.NETS[name]).items():
        assert documented()[f"{name}: {figure}"][0] == n, figure


def test_figures_in_the_text() -> None:
    """What XLA counts more for mlp's forward pass, and one addition more for each entry of a product."""
    ours, xla, _ = documented()["mlp: forward, all"]
    assert ours is not None and xla is not None
    additions = flops.NETS["mlp"].sizes["B"] * sum(flops.WIDTHS[1:])
    sentence = f"of the {xla - ours:,} operations between the two in mlp's forward pass these are {additions:,};"
    text = " ".join(line for line in DOCUMENT.splitlines() if not line.startswith("|"))
    prose = " ".join(text.split())
    assert sentence in prose
    rest = re.sub(r"\b20\d\d\b", "", prose.replace(sentence, ""))  # years are no figures
    assert re.findall(r"\d[\d,]{2,}", rest) == []


ATTENTION = """
sizes T, D
param q[t<T,j<D] ~ xavier, k[u<T,j<D] ~ xavier, v[u<T,j<D] ~ xavier
input g[t<T,j<D]
s[t<T,u<T] = sum[j] q[t,j]*k[u,j]
p[t,u] = softmax[u] s[t,u]
predict o[t,j] = sum[u] p[t,u]*v[u,j]
loss = sum[t,j] g[t,j]*o[t,j]
"""


def test_attention_takes_two_products_forward_and_four_backward() -> None:
    """The loss, the sum of g o, is one product of T x D numbers more."""
    ledger, T, D = Ledger(read(ATTENTION)), variable("T"), variable("D")
    forward, gradient = ledger["forward"].macs, ledger["reverse + CSE"].macs
    assert forward is not None and gradient is not None
    assert forward == 2 * D * T**2 + D * T
    assert gradient - forward == 4 * D * T**2 + T**2
    assert f"forward {forward - D * T}," in DOCUMENT and f"backward {gradient - forward - T**2}," in DOCUMENT


# PyTorch's forward products less symbp's, and the reason's own number.
FORWARD = {
    "mlp": 0,
    "mlp, batch norm": 0,
    "cnn": 0,
    "lstm": 2 * 8 * 16 * 32,  # x W of the forget gate at the first step: B I H
    "gpt-nano": 2 * 2 * 4 * 3 * 3 * 16 * (11 * 10 // 2),  # two products, B, layers, heads, their width, hidden pairs
}
GRADIENT = {
    "mlp": 0,
    "mlp, batch norm": -2 * 32 * 128,  # the gradient by gamma: B H
    "cnn": -2 * 16 * 8 * 12 * 12,  # the pooling's adjoint: one product for every value that is pooled
}


@pytest.mark.skipif(find_spec("torch") is None, reason="needs PyTorch")
@pytest.mark.parametrize("name", FORWARD)
def test_pytorch_s_numbers(name: str) -> None:
    net = flops.NETS[name]
    found = flops.Torch().count(net)
    assert found == {figure: documented()[f"{name}: {figure}"][2] for figure in found}
    ours = flops.by_symbp(net)
    assert found["forward, products"] - ours["forward, products"] == FORWARD[name]
    if name in GRADIENT:
        assert found["gradient, products"] - ours["gradient, products"] == GRADIENT[name]
