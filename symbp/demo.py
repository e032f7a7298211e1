"""`symbp demo`: everything once, on the textbook network and on handwritten digits."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from symbp.architectures import load
from symbp.check import check
from symbp.count import compare
from symbp.emit import generate, write_whole
from symbp.emit.run import load_module, module_gradients
from symbp.errors import SymbpError
from symbp.report import page
from symbp.show.derivation import derivation

TEXTBOOK = "mlp:2-3-2-1,sigmoid,half_squared_error"
DIGITS = "mlp:64-64-32-10,relu,cross_entropy"


def run_demo(out: Path) -> float:
    """Runs the demonstration, leaves its files in `out`, prints where they are; returns the test accuracy."""
    started = time.perf_counter()
    data = digits_file()
    out.mkdir(parents=True, exist_ok=True)
    textbook_part(out)
    accuracy = digits_part(out, data)
    heading(f"Done in {time.perf_counter() - started:.0f} s. Files in {out}/")
    for path in sorted(out.iterdir()):
        print(f"  {path.name:<24}{path.stat().st_size:>10,} bytes")
    return accuracy


def heading(text: str) -> None:
    """A line that stands out."""
    print(f"\n=== {text} ===\n", flush=True)


def textbook_part(out: Path) -> None:
    """The 2-3-2-1 network: derivation, counts, module, gradient check."""
    net = load(TEXTBOOK)
    heading(f"1. The derivation of {TEXTBOOK}, neuron by neuron")
    neurons = derivation(net, level="neuron")
    print(neurons.text())
    heading("2. The same in matrices")
    matrices = derivation(net, level="matrix")
    print(matrices.text())
    for name, found in (("derivation_neurons", neurons), ("derivation_matrices", matrices)):
        write_whole(out / f"{name}.tex", found.latex(document=True))
        compile_latex(out / f"{name}.tex")
    write_whole(out / "derivation.html", page(net, neurons))
    print(f"To click through: {out / 'derivation.html'}")
    heading("3. What each way to the gradients costs")
    table = compare(net).table()
    print(table)
    write_whole(out / "counts.txt", table + "\n")
    heading("4. The module that trains it, and its gradients checked")
    generate(net, out / "textbook_net.py", learning_rate=0.5)
    print(f"wrote {out / 'textbook_net.py'}\n")
    report = check(net, others={"emitted": module_gradients})
    print(report)
    if not report.passed:
        raise SymbpError("the gradients of the textbook network disagree")


def digits_part(out: Path, data: Path) -> float:
    """Handwritten digits: a generated network trained on four fifths, tested on the fifth."""
    heading(f"5. Handwritten digits: {DIGITS}")
    x, t, x_test, t_test = held_out_fifth(data)
    train_file, module_file, net_file = out / "digits_data.npz", out / "digits_net.py", out / "digits_trained.npz"
    np.savez_compressed(train_file, x=x, t=t)
    text = generate(load(DIGITS), module_file)
    print(f"wrote {module_file}; training on {len(x)} images, {len(x_test)} held out", flush=True)
    command = [sys.executable, str(module_file), "train", str(train_file), "--epochs", "40", "--batch", "32",
               "--validation", "0.1", "--out", str(net_file), "--history", str(out / "digits_history.csv"),
               "--every", "10"]  # fmt: skip
    subprocess.run(command, check=True)
    module = load_module(text)
    params, _ = module.load(str(net_file))
    accuracy = float(np.mean(module.predict(params, x_test) == t_test))
    print(f"\ntest accuracy on the held-out fifth: {accuracy:.4f}")
    plot_history(out / "digits_history.csv", out / "digits_history.png")
    return accuracy


def digits_file() -> Path:
    """The digits data of the source tree: symbp's own, or the one that the command runs in. Raises SymbpError where
    there is neither.
    """
    for tree in (Path(__file__).resolve().parents[1], Path.cwd()):
        path = tree / "examples" / "data" / "digits.npz"
        if path.is_file():
            return path
    raise SymbpError("there is no examples/data/digits.npz here: run this in a checkout of symbp")


def held_out_fifth(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x, t, x_test, t_test of the digits, pixels scaled to 0..1; every fifth image is held out."""
    with np.load(path, allow_pickle=False) as file:
        x, t = file["x"] / 16.0, file["t"].astype(np.int64)
    test = np.arange(len(x)) % 5 == 0
    return x[~test], t[~test], x[test], t[test]


def compile_latex(source: Path) -> None:
    """The PDF beside a LaTeX file, or a line that says why there is none."""
    program = shutil.which("pdflatex")
    if program is None:
        print(f"(no pdflatex here: {source.name} is not compiled)")
        return
    for _ in range(2):  # the second run sets the widths of long tables
        done = subprocess.run(
            [program, "-interaction=nonstopmode", "-halt-on-error", source.name],
            cwd=source.parent, capture_output=True, text=True, errors="replace",
        )  # fmt: skip
        if done.returncode:
            raise SymbpError(f"pdflatex fails on {source}: see {source.with_suffix('.log')}")
    for suffix in (".aux", ".log", ".out"):
        source.with_suffix(suffix).unlink(missing_ok=True)


def plot_history(history: Path, picture: Path) -> None:
    """Loss, accuracy and gradient norms by epoch as a PNG, where matplotlib is installed."""
    try:
        import matplotlib
    except ImportError:
        print(f"(no matplotlib here: {picture.name} is not drawn; pip install 'symbp[plot]')")
        return
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with history.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {key: [float(row[key]) for row in rows] for key in rows[0] if rows[0][key] != ""}
    epochs = columns.pop("epoch")
    norms = {key: values for key, values in columns.items() if "norm" in key or key.startswith("layer")}
    others = {key: values for key, values in columns.items() if key not in norms and "second" not in key}
    losses = {key: values for key, values in others.items() if "loss" in key}
    metrics = {key: values for key, values in others.items() if key not in losses}
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    for ax, title, lines, log in (
        (axes[0], "loss", losses, True),
        (axes[1], "metric", metrics, False),
        (axes[2], "gradient norm a layer", norms, True),
    ):
        for key, values in lines.items():
            ax.plot(epochs, values, label=key)
        ax.set(title=title, xlabel="epoch", yscale="log" if log else "linear")
        ax.grid(alpha=0.3)
        if lines:
            ax.legend(fontsize=8)
    figure.savefig(picture, dpi=110)
    plt.close(figure)
