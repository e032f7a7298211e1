"""In: a Program at given sizes. Out: every operation of every strategy, one by one at neuron level: the proof.

`materialised` has the strategies built there. `entries` counts the equations place by place (`indices`: index
arithmetic at one of them), `scalars` makes scalar equations of them, to be run and printed; `repeats` says how much of
the naive work is done more than once.
"""
