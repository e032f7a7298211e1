"""In: the parts of a piece of mathematics, as strings. Out: the piece, as a string of LaTeX or of Unicode text.

`style` says what a style has to offer; `latex` and `text` are the two. `breaks` marks where a line may end, and breaks
it there; `latex_width` and `latex_tree` read LaTeX back: how wide it is set, and what it consists of.
"""
