"""docs/derivations.md: its commands print what stands under them, and every option and fragment is named."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from symbp.cli import main
from symbp.report.paper import FRAGMENTS, MACROS

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "derivations.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.splitlines()[0][:60])
def test_a_command_prints_what_stands_under_it(block):
    """Parts of the output, in order; ... stands for what is left out."""
    command, *expected = block.rstrip().splitlines()
    result = CliRunner().invoke(main, shlex.split(command.removeprefix("$ symbp ")))
    assert result.exit_code == 0, result.output
    lines = "\n".join(line.rstrip() for line in result.output.splitlines())
    at = 0
    for part in "\n".join(expected).split("...\n"):
        wanted = part.removesuffix("\n...").strip("\n")
        found = lines.find(wanted, at)
        assert found >= 0, wanted
        at = found + len(wanted)


def test_every_option_is_described():
    options = {o for p in main.commands["derive"].params for o in p.opts if o.startswith("--")}
    assert {o for o in options if f"{o}" not in TEXT} <= {"--set", "--output"}
    assert all(f"`{kind}`" in TEXT for kind in FRAGMENTS) and all(f"`{macro}`" in TEXT for macro in MACROS)
    assert len(BLOCKS) >= 6
