"""How many threads NumPy's matrix products use: its library reads that when it is loaded, from the environment."""

from __future__ import annotations

import os
import sys

NAMES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def environment(count: int) -> dict[str, str]:
    """This process's environment with that number of threads."""
    return {**os.environ, **dict.fromkeys(NAMES, str(count))}


def begin_again_with(count: int) -> None:
    """Starts this program anew with that number of threads, unless it has it."""
    if any(os.environ.get(name) != str(count) for name in NAMES):
        os.execve(sys.executable, [sys.executable, *sys.argv], environment(count))
