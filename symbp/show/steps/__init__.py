"""In: the equations that are shown, with the record of what they come from. Out: formulas with reasons, in words.

`stepper` makes the steps: `chain_rule` writes what is differentiated through what, `jacobian` the derivative of what
depends on several entries, `rules` names the rules of calculus, `worked` puts numbers in. `legend` is what stands
around them: the table of symbols and the conventions.
"""
