"""The README can't rot: its Python blocks run and print what stands under them, its symbp commands too."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from symbp.architectures import load
from symbp.cli import main
from symbp.emit import generate

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    """(language, text) of every fenced block, in order."""
    return BLOCK.findall(README)


def test_opens_with_the_two_commands() -> None:
    language, text = blocks()[0]
    assert language == "sh"
    assert [line.split("#")[0].strip() for line in text.strip().splitlines()] == ["make demo", "make test"]


def test_python_blocks_print_what_stands_under_them() -> None:
    namespace: dict[str, object] = {}
    shown = 0
    found = blocks()
    for (language, text), following in zip(found, [*found[1:], ("", "")], strict=True):
        if language != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(text, "README.md", "exec"), namespace)
        if following[0] == "text":
            shown += 1
            assert printed.getvalue().rstrip().splitlines() == following[1].rstrip().splitlines()
    assert shown >= 2


@pytest.mark.parametrize("text", [text for language, text in blocks() if language == "console"])
def test_commands_print_what_stands_under_them(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, *expected = text.rstrip().splitlines()
    words = shlex.split(command.removeprefix("$ "))
    assert words[0] == "symbp"
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, words[1:])
    assert result.exit_code == 0, result.output
    lines = [line.rstrip() for line in result.output.splitlines()]
    if expected and expected[-1].strip() == "...":  # the beginning is shown
        expected = expected[:-1]
        lines = lines[: len(expected)]
    assert lines == [line.rstrip() for line in expected]


def test_the_picture_is_that_of_the_sweep(tmp_path: Path) -> None:
    """The same words, and as many lines and markers at the same places; the drawing library's version may differ."""
    pytest.importorskip("matplotlib")
    text = next(text for language, text in blocks() if language == "console" and "--sweep" in text)
    words = shlex.split(text.splitlines()[0].removeprefix("$ "))
    again = tmp_path / "depth.svg"
    result = CliRunner().invoke(main, [*words[1:], "--plot", str(again)])
    assert result.exit_code == 0, result.output
    drawn, kept = (path.read_text(encoding="utf-8") for path in (again, ROOT / "docs" / "depth.svg"))
    assert re.findall(r"<text[^>]*>([^<]+)<", drawn) == re.findall(r"<text[^>]*>([^<]+)<", kept)
    assert drawn.count("<use") == kept.count("<use") > 12


def test_shows_what_is_emitted() -> None:
    module = generate(load("mlp:64-64-32-10,relu,cross_entropy"))
    shown = [text for language, text in blocks() if language == "py"]
    assert shown
    assert all(text.strip() in module for text in shown)


def test_every_file_that_is_named_exists() -> None:
    for name in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (ROOT / name).exists(), name
