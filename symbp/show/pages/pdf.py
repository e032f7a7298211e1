"""A LaTeX document as PDF, by the LaTeX that is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from symbp.errors import SymbpError

ENGINES = {"en": ("pdflatex", "lualatex", "xelatex"), "zh": ("xelatex", "lualatex")}
RUNS = 2  # a long table knows its widths after the first
HOW = {
    "en": "on Debian and Ubuntu: apt-get install texlive-latex-extra",
    "zh": "on Debian and Ubuntu: apt-get install texlive-xetex texlive-lang-chinese",
}


def pdf(document: str, language: str = "en") -> bytes:
    """The document as PDF: by pdflatex, for Chinese by xelatex or lualatex with the fonts that ctex finds.

    Raises SymbpError if no such LaTeX, package or font is installed, or if it rejects the document.
    """
    engine = next((e for e in ENGINES[language] if shutil.which(e)), None)
    if engine is None:
        raise SymbpError(
            f"no {' or '.join(ENGINES[language])} is installed, so there is no PDF: {HOW[language]}, "
            "or write a .tex file and compile that elsewhere"
        )
    with tempfile.TemporaryDirectory(prefix="symbp-") as folder:
        (Path(folder) / "document.tex").write_text(document, encoding="utf-8")
        command = [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "document.tex"]
        for _ in range(RUNS):
            ran = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            if ran.returncode:
                log = (ran.stdout + ran.stderr).decode("utf-8", "replace")
                raise SymbpError(f"{engine} {_complaint(log, language)}")
        return (Path(folder) / "document.pdf").read_bytes()


def _complaint(log: str, language: str) -> str:
    """What was missing or wrong, by LaTeX's log."""
    missing = re.search(r"File `([^']+)' not found", log)
    if missing:
        return f"has no {missing[1]}: {HOW[language]}"
    if re.search(r"fontspec Error|cannot-use-pdftex|font .* cannot be found|not loadable", log):
        return f"found no font for this document: {HOW[language]}"
    said = re.search(r"^!.*(?:\n.*){0,3}", log, re.MULTILINE)
    return f"did not compile the document: {said[0] if said else log[-300:]}"
