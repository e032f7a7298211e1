"""A reader of displayed derivations: LaTeX as a person sees it -> numbers, with nothing taken from the printers.

`reader` turns a formula into a tree, with the symbols of the account's own table (`legend`). `meaning` and `matrices`
give a tree a value at a point, and `point` knows the values of tensors and of their derivatives there, by complex
steps. `account` collects every formula that a derivation displays and compares its sides.
"""
