"""What people see of counts: plots, tables in LaTeX, narrow terminals, and errors that name the fix."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from symbp.cli import main
from symbp.count.tables.sweep import Sweep, writable
from symbp.count.tables.table import Table
from symbp.errors import SymbpError

NET = "mlp:2-3-2-1,sigmoid,half_squared_error"
RECURRENT = "rnn:2-2-1,half_squared_error"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["count", NET, "--set", "B=-3"], "write a size and a positive whole number"),
        (["count", NET, "--sweep", "H=8..16"], "has no size H: its sizes are B. What stands in braces in its text"),
        (["count", NET, "--sweep", "B=1..3", "--plot", "x.foo"], "choose a name that ends in .pdf, .png, .svg"),
        (["count", NET, "--sweep", "B=1..3", "--plot", "no/x.svg"], "there is no folder no to write x.svg to"),
        (["count", NET, "--sweep", "B=1..3", "--by", "layer"], "leave out --sweep or --by"),
        (["count", NET, "--time", "--formula"], "leave out --time or --formula"),
        (["count", NET, "--html", "a.html", "--memory"], "leave out --html or --memory"),
        (["compare", NET, RECURRENT, "--set", "Z=3"], "none of these networks has a size Z: their sizes are B, T"),
    ],
)
def test_errors_name_the_fix(words: list[str], message: str) -> None:
    found = CliRunner().invoke(main, words)
    assert found.exit_code == 2 and message in found.output, found.output


def swept(values: tuple[int, ...], expanded: list[int]) -> Sweep:
    few = tuple(10 * v for v in values)
    names = ("forward", "per parameter", "one-sided differences", "central differences", "forward mode", "reverse")
    found = {**dict.fromkeys(names, few), "reverse + CSE": few, "expanded": tuple(expanded)}
    return Sweep("net", "T", values, found, dict.fromkeys(found, True))


def test_growth_of_what_is_larger_than_a_float() -> None:
    doubled = tuple(2**n for n in range(12))
    assert swept(doubled, [9**n for n in doubled]).growth([9**n for n in doubled]) == "9.00^T"
    assert swept(doubled, [n**3 for n in doubled]).growth([n**3 for n in doubled]) == "3.00"
    assert swept((1, 2, 3), [1, 2, 4]).growth([10**400, 10**401, 10**402]) == "10.00"


def test_a_line_that_presses_the_others_down_leaves_the_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    values = tuple(2**n for n in range(8))
    path = tmp_path / "a.svg"
    swept(values, [9**v for v in values]).plot(path)
    text = path.read_text(encoding="utf-8")
    assert "expanded, up to" in text and "122" in text
    swept(values, [100 * v**2 for v in values]).plot(path)
    text = path.read_text(encoding="utf-8")
    assert "up to" not in text
    assert re.findall(r">(expanded|forward|reverse)<", text)[0] == "expanded"  # in the order in which lines end


def test_a_file_that_no_plot_can_be_written_to_is_refused_before_counting(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    writable(tmp_path / "a.png")
    with pytest.raises(SymbpError, match="make it first"):
        writable(tmp_path / "no" / "a.png")


def test_closed_forms_are_mathematics_in_latex() -> None:
    table = Table("", ["strategy", "operations"], [["reverse + CSE", "2*B*T^26 - 1,000"], ["d_z1", "1 - 16"],
                  ["<= x", "<= 3.34e28*B^2 + ... (2 more)"]])  # fmt: skip
    text = table.latex()
    assert r"$2 \, B \, T^{26} - 1{,}000$" in text
    assert r"d\_z1 & 1 - 16" in text
    assert r"$\le 3.34 \cdot 10^{28} \, B^{2} + \dots$" in text


def test_tables_fit_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table("t", [f"column {n}" for n in range(12)], [[10**6] * 12], ["words " * 30])
    assert 80 < max(map(len, table.text().splitlines())) <= 100
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda fallback: os.terminal_size((80, 24)))
    lines = table.text().splitlines()
    assert max(map(len, lines)) <= 80 and any(line.startswith("Not shown here: column") for line in lines)


def test_networks_side_by_side_as_data() -> None:
    found = CliRunner().invoke(main, ["compare", NET, "mlp:2-3-1,tanh,huber", "--json"])
    assert found.exit_code == 0 and '"expanded": "7,008"' in found.output


def test_one_step_of_a_recurrence_is_said_to_be_one() -> None:
    found = CliRunner().invoke(main, ["count", RECURRENT])
    assert "T = 1 is a single step: --set T=20 counts a sequence" in found.output
    assert "single step" not in CliRunner().invoke(main, ["count", RECURRENT, "--set", "T=1"]).output
