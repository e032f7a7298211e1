"""In: equations and the shapes of their tangents. Out: operations of all that conditions on indices tell apart.

`fields` counts forward mode and expansion entry by entry (`plans`: what an equation takes; `places`: entries that are
alike share a number). `exact` makes closed forms of that and of each gradient alone (`causal`: most of it is counted at
one size alone).
"""
