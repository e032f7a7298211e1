"""In: a network with recurrences. Out: forward mode and expansion of it, in closed form in the number of steps.

`stepwise` counts at a few lengths; `sequences` finds the linear recurrence that these counts follow, and solves it.
"""
