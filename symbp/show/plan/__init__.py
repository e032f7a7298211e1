"""In: a Program and what is asked for. Out: the derived equations that are shown, and what led to each.

`request` reads what is asked for, `equations` differentiates and simplifies as far as it reads better, `selection`
takes what is shown of that, entry by entry at neuron level.
"""
