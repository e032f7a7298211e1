"""In: a ledger. Out: what each strategy holds in memory, and what holding less costs.

`footprint` says which values are kept how long and what is there at the peak, `tradeoff` what a smaller peak costs in
operations done twice.
"""
