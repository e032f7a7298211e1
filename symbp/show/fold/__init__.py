"""In: formulas or steps. Out: the runs of them that repeat one in front, and what a page says instead of those."""
