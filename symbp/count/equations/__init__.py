"""In: a Program. Out: its equations in the form that is counted, and the operations of each in closed form.

`tensors` is that form (`labels`: what integers do in it; `steps`: recurrences step by step). `tally` counts one
expression, `work` the entries of an equation that are needed, `written` one entry written out; `closed` makes closed
forms. `blocks` has a network of many equal blocks counted at a few of them, `depth` says what follows for all.
"""
