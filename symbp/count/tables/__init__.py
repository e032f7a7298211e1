"""In: ledgers, and the counts at neuron level. Out: what people see of them, as text, CSV, LaTeX, HTML and data.

`table` is any table of figures, `counts` that of the strategies, which `comparison` fills in. `parts` takes a strategy
apart, `sidebyside` compares networks, `sweep` goes over a range of sizes.
"""
