"""Two tables as .csv files with a header: the species of irises, and how diabetes progresses.

Both come with scikit-learn. Every fifth row is held out. The module reads the .csv files itself: --label names the
target's column, --standardise brings the others to mean 0 and variance 1, and the trained file remembers both.
The diabetes figure stands beside two others: the mean of the target, and linear regression by least squares.

    pip install scikit-learn
    python examples/real_data/tables.py
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from steps import OUT, predicted, python, symbp


def iris(out: Path, epochs: int = 100) -> float:
    """The accuracy on every fifth iris, 10 of each species."""
    from sklearn.datasets import load_iris

    data = load_iris()
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    write(out, "iris", [*names, "species"], data.data, data.target_names[data.target])
    symbp(out, "generate", "mlp:4-16-3,tanh,cross_entropy", "-o", "iris.py")
    python(out, "iris.py", "train", "iris.csv", "--label", "species", "--standardise", "--epochs", str(epochs), "--lr",
           "1e-2", "--out", "iris.npz", "--every", "50")  # fmt: skip
    return float(np.mean(predicted(out, "iris", "iris_test.csv") == data.target[::5]))


def diabetes(out: Path, epochs: int = 200) -> dict[str, float]:
    """Mean absolute errors on every fifth patient: the network's, that of least squares, that of the mean."""
    from sklearn.datasets import load_diabetes

    data = load_diabetes(scaled=False)
    write(out, "diabetes", [*data.feature_names, "progression"], data.data, data.target)
    symbp(out, "generate", "mlp:10-16-1,relu,mean_squared_error", "-o", "diabetes.py")
    python(out, "diabetes.py", "train", "diabetes.csv", "--label", "progression", "--standardise", "--batch", "32",
           "--epochs", str(epochs), "--lr", "2e-2", "--schedule", "cosine", "--decay", "3", "--out", "diabetes.npz",
           "--every", "50")  # fmt: skip
    held = np.arange(len(data.target)) % 5 == 0
    right = data.target[held]
    a = np.column_stack([data.data, np.ones(len(held))])
    linear = a[held] @ np.linalg.lstsq(a[~held], data.target[~held], rcond=None)[0]
    found = {
        "network": predicted(out, "diabetes", "diabetes_test.csv")[:, 0],
        "least squares": linear,
        "mean": np.full(held.sum(), data.target[~held].mean()),
    }
    return {name: float(np.abs(values - right).mean()) for name, values in found.items()}


def write(out: Path, name: str, header: list[str], x: np.ndarray, t: Any) -> None:
    """name.csv to train on, and name_test.csv with every fifth row."""
    rows = [[*map(float, features), target] for features, target in zip(x, t, strict=True)]
    for path, some in (
        (f"{name}.csv", [row for k, row in enumerate(rows) if k % 5]),
        (f"{name}_test.csv", rows[::5]),
    ):
        with (out / path).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *some])


def main(out: Path = OUT) -> None:
    out.mkdir(parents=True, exist_ok=True)
    accuracy, errors = iris(out), diabetes(out)
    print(f"iris: accuracy {accuracy:.4f} on the held-out fifth")
    for name, error in errors.items():
        print(f"diabetes, {name}: mean absolute error {error:.2f} on the held-out fifth")


if __name__ == "__main__":
    main()
