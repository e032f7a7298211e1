"""Writes all of generated/ anew: the modules of these examples, and two of built-in networks.

    python examples/regenerate.py

Files in generated/ that nothing here makes are deleted. tests/test_generated.py compares byte by byte.
"""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path
from typing import Any

from symbp import load
from symbp.emit import module_context, render_module, write_whole

ROOT = Path(__file__).resolve().parents[1]
GENERATED = ROOT / "generated"
DEFAULTS = {"optimizers": ("adam", "momentum", "sgd"), "dtype": "float64", "learning_rate": 1e-3}

# file in generated/ -> network and options as for `symbp generate`
MODULES: dict[str, tuple[str, dict[str, Any]]] = {
    "circle.py": ("examples/circle.py", {}),
    "custom_layer.py": ("examples/custom_layer.py", {}),
    "digits.py": ("examples/digits.py", {}),
    "hessian.py": ("examples/hessian.py", {}),
    "one_hidden_neuron.py": ("examples/one_hidden_neuron.py", {}),
    "textbook_2_3_2_1.py": ("examples/textbook_2_3_2_1.py", {}),
    "vanishing_gradients.py": ("examples/vanishing_gradients.py", {}),
    "xor.py": ("examples/xor.py", {}),
    "softmax_layer.py": ("mlp:4-8-3,tanh/softmax,soft_cross_entropy", {}),
    "binary_float32.py": (
        "mlp:2-8-1,gelu,binary_cross_entropy",
        {"optimizers": ("sgd",), "dtype": "float32", "learning_rate": 0.05},
    ),
    "digits_fast.py": ("examples/digits.py", {"style": "fast"}),
    "lstm_fast.py": ("lstm:8-16-4,cross_entropy", {"style": "fast", "optimizers": ("adamw",), "dtype": "float32"}),
}


def texts() -> dict[str, str]:
    """File name -> what the file should hold."""
    with chdir(ROOT):  # the networks' paths stand in the headers as they are written above
        return {
            name: render_module(module_context(load(net), **(DEFAULTS | options), name=name))
            for name, (net, options) in MODULES.items()
        }


def orphans() -> list[Path]:
    """Files in generated/ that nothing makes."""
    return [path for path in sorted(GENERATED.glob("*")) if path.is_file() and path.name not in MODULES]


def main() -> None:
    GENERATED.mkdir(exist_ok=True)
    for path in orphans():
        path.unlink()
        print(f"deleted  {path.relative_to(ROOT)}")
    for name, text in texts().items():
        path = GENERATED / name
        before = path.read_text(encoding="utf-8") if path.is_file() else None
        if text != before:
            write_whole(path, text)
        print(f"{'same' if text == before else 'written':<8} {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
