"""The steps that all of these examples take: write data, run symbp and the emitted module's command line, show both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from symbp.cli import main

OUT = Path("build/real_data")


def symbp(folder: Path, *words: str) -> None:
    """`symbp WORDS`; the word behind -o is a file in the folder."""
    print("$ symbp", " ".join(words), flush=True)
    at = words.index("-o") + 1
    main([*words[:at], str(folder / words[at]), *words[at + 1 :]], standalone_mode=False)


def python(folder: Path, *words: str) -> None:
    """`python WORDS` in the folder. Raises CalledProcessError if it fails; its messages are on stderr."""
    print("$ python", " ".join(words), flush=True)
    subprocess.run([sys.executable, *words], cwd=folder, check=True)


def predicted(folder: Path, module: str, test: str) -> np.ndarray:
    """What MODULE.py predicts with MODULE.npz for a file of data."""
    python(folder, f"{module}.py", "predict", f"{module}.npz", test, "-o", f"{module}.npy")
    return np.load(folder / f"{module}.npy", allow_pickle=False)
