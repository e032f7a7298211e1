"""In: the equations that are shown, with the record of what they come from. Out: formulas with reasons, in words.

`definitions` numbers the network's own equations, `stepper` makes the steps. `shown` is what both formulas and prose
are made of; `formulas` writes each derivative (`chain_rule`: through what; `worked`: in numbers), `prose` its reason
(`jacobian`: where entries depend on several; `rules`: of calculus). `conventions` collects which ways of writing they
make use of, and `legend` explains those, beside the table of symbols.
"""
