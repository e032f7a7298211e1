"""The page of costs: every figure that it shows is one of the tables', and nothing in it is fetched or run."""

from __future__ import annotations

import re
from dataclasses import replace
from html import escape, unescape

from click.testing import CliRunner

from symbp.architectures import load
from symbp.cli import main
from symbp.count import Ledger, compare
from symbp.count.memory.footprint import Memory
from symbp.count.tables.parts import apart, formulas
from symbp.count.tables.table import Table, figure, shown
from symbp.report.cost_page import cost_page

NET = "mlp:4-8-3,tanh,cross_entropy"


def rows(table: Table) -> set[tuple[str, ...]]:
    return {tuple(shown(c, table.long) for c in row) for row in table.rows}


def test_the_page_shows_the_tables() -> None:
    net = load(NET)
    page = cost_page(net, {"B": 16})
    found = {
        tuple(unescape(cell) for cell in re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row))
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", page)
    }
    memory = Memory(net, {"B": 16})
    for table in (formulas(Ledger(net)), memory.strategies(), memory.values(),
                  *(apart(net, part, "reverse + CSE", {"B": 16}) for part in ("stage", "layer", "kind", "equation"))):
        assert rows(table) <= found, table.title
    counts = compare(net, {"B": 16})
    bars = dict(re.findall(r"<tr><td>([^<]+)</td><td>([^<]+)</td><td class", page))
    assert bars == {row.strategy: figure(row.total) for row in counts if row.total}
    assert all(line in unescape(page) for line in counts.summary())


def test_names_are_escaped_and_nothing_is_fetched() -> None:
    page = cost_page(replace(load(NET), title="<b>&\"x\"</b><script>alert(1)</script>"))
    assert escape("<b>&\"x\"</b>") in page.replace("&#34;", "&quot;") and "<script" not in page
    assert not re.search(r"https?://|src=|@import|url\(", page.replace("ctan.org", ""))


def test_the_command_writes_it(tmp_path) -> None:
    target = tmp_path / "cost.html"
    done = CliRunner().invoke(main, ["count", NET, "--set", "B=4", "--html", str(target)])
    assert done.exit_code == 0 and target.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_table_shows_itself_in_notebooks() -> None:
    table = Table("a < b", ["one", "two"], [["x & y", 7008], ["z", None]], ["note <1>"])
    assert table._repr_html_() == table.html()
    assert "a &lt; b" in table.html() and "<td>7,008</td>" in table.html() and "x &amp; y" in table.html()
    assert "<p>note &lt;1&gt;</p>" in table.html() and "<td>-</td>" in table.html()
