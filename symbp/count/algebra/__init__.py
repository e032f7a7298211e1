"""In: sizes, and conditions on indices. Out: arithmetic with what counts are made of.

`polynomial` has polynomials in the sizes, `regions` the index values that conditions let through (`rows`: index
arithmetic at many of them at once).
"""
