"""In: formulas and steps. Out: the runs of them that repeat one in front, and what a page says instead of those.

`folds` finds what reads the same but for layer numbers and sizes, `folded` says so, `runs` does both for a
derivation.
"""
