"""Pictures for the examples: drawn where matplotlib is installed, a line that says so where it isn't."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

BUILD = Path("build/examples")


def draw(path: Path, paint: Callable[[Any], None], size: tuple[float, float] = (6.4, 4.2)) -> bool:
    """Calls paint(figure) and writes the figure to the path; says what became of it."""
    try:
        import matplotlib
    except ImportError:
        print(f"(no matplotlib here: {path.name} is not drawn; pip install 'symbp[plot]')")
        return False
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure = plt.figure(figsize=size, layout="constrained")
    paint(figure)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"picture: {path}")
    return True
