"""Showing: a Program, or the derivation of its gradients, as text, LaTeX, HTML and pictures.

    words, names -> plan -> styles -> formulas -> steps -> fold -> pages -> result -> derivation -> graph

Each room knows those in front of it only. Start at `derivation.derivation`: the whole way in one function. `words` are
the sentences, `names` what tensors and indices are called; `plan` says which equations are shown, `styles` how a piece
of mathematics is spelled, `formulas` what an expression looks like, `steps` which reason each equation has, `fold` what
repeats, `pages` how all of it is laid out. `result` is the derivation as an object, `naive` one with nothing shared,
`graph` its picture.
"""
