"""Write digits.npz, which stands beside this file, from scikit-learn's copy of the UCI handwritten digits.

Only this script needs scikit-learn, and only to make the file again; reading the file takes NumPy alone:

    pip install scikit-learn
    python examples/data/make_digits.py

Two runs give the same bytes: NumPy dates the members of an .npz 1980-01-01. Another build of zlib may pack
the same arrays differently.
"""

from pathlib import Path

import numpy as np

DIGITS = Path(__file__).with_name("digits.npz")

LICENCE = """\
Optical Recognition of Handwritten Digits (test set, 1797 images), E. Alpaydin and C. Kaynak, 1998.
UCI Machine Learning Repository, https://doi.org/10.24432/C50P49
Licence: Creative Commons Attribution 4.0 International (CC BY 4.0),
https://creativecommons.org/licenses/by/4.0/
Changed: taken from scikit-learn's load_digits and stored as unsigned bytes; no pixel, no label altered."""


def as_bytes(values: np.ndarray) -> np.ndarray:
    """`values` as uint8 in C order; ValueError where a value would change."""
    small = np.ascontiguousarray(values, dtype=np.uint8)
    if not np.array_equal(small, values):
        raise ValueError("the digits hold a value that doesn't fit into an unsigned byte")
    return small


def main() -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    np.savez_compressed(DIGITS, x=as_bytes(digits.data), t=as_bytes(digits.target), licence=np.array(LICENCE))
    print(f"{DIGITS.name}: {DIGITS.stat().st_size} bytes, x {digits.data.shape}, t {digits.target.shape}")


if __name__ == "__main__":
    main()
