"""In: an expression and its names. Out: how people write it, in index or matrix notation, as a string of any style.

`order` puts terms and factors in order. `printer` writes them with indices, products by `products`; `matrix` without,
sums by `contractions`, rows and columns by `orientation`. `writer` does so in LaTeX and in text at once, which makes a
`formula`; `marked` puts colours or numbers around what is repeated.
"""
