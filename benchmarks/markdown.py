"""Measured numbers in documents: what stands between two marker comments is written by the programs here."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path


def replace_between(path: Path, name: str, text: str) -> None:
    """Replaces what is between `<!-- NAME -->` and `<!-- /NAME -->`. Raises ValueError where they aren't there once."""
    whole = path.read_text(encoding="utf-8")
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    if whole.count(start) != 1 or whole.count(end) != 1 or whole.index(start) > whole.index(end):
        raise ValueError(f"{path} needs the lines {start.strip()} and {end}, each once and in this order")
    before, rest = whole.split(start)
    _, after = rest.split(end)
    path.write_text(f"{before}{start}{text.strip()}\n{end}{after}", encoding="utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def circumstances(packages: Iterable[str]) -> str:
    """Date, processor, versions: what a measurement belongs to."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    cores = len(os.sched_getaffinity(0))
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv]  # no folder of this machine
    words[0] = f"benchmarks/{Path(words[0]).name}"
    return (f"{datetime.date.today().isoformat()}; {processor()}, {cores} cores; Python {platform.python_version()}, "
            f"{versions}; `python {' '.join(words)}`")  # fmt: skip


def processor() -> str:
    """The processor's name, with family and model where the name says little."""
    said = {}
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        said.setdefault(key.strip(), value.strip())
    return f"{said.get('model name', 'unknown')} (family {said.get('cpu family')}, model {said.get('model')})"
