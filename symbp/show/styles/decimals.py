"""Which numbers read better as decimals: 1/100000 as a power of ten, constants of many digits cut off with dots."""

from __future__ import annotations

from fractions import Fraction


def as_decimal(value: Fraction) -> tuple[str, int | None, bool] | None:
    """(digits, power of ten or None, whether that is exact) where a decimal reads better than a fraction, else None."""
    if value.denominator <= 100 or not _terminates(value.denominator):
        return None
    for exponent in range(3, 20):
        scaled = value * 10**exponent
        if scaled.denominator == 1:
            return (
                (str(scaled.numerator), -exponent, True)
                if scaled.numerator < 10
                else (_digits(value), None, len(_digits(value)) < 12)
            )
    return _digits(value), None, False


def _digits(value: Fraction) -> str:
    """Ten decimals, cut off and not rounded: what follows is written as dots."""
    whole, rest = divmod(value.numerator * 10**10 // value.denominator, 10**10)
    return f"{whole}.{rest:010d}".rstrip("0")


def _terminates(denominator: int) -> bool:
    """Whether fractions over it are finite decimals."""
    for p in (2, 5):
        while denominator % p == 0:
            denominator //= p
    return denominator == 1
