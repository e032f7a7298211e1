"""In: a derivation. Out: its computational graph, and a picture of that as SVG or TikZ.

`structure` is what there is to draw, `layered` finds places, `picture` lays out boxes and curves.
"""

from symbp.show.graph.structure import graph

__all__ = ["graph"]
