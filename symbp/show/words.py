"""Every sentence that a derivation says, by key; {} stands for mathematics and numbers. One table a language.

"between" stands between sentences."""

from __future__ import annotations

from symbp.show.chinese import CHINESE

ENGLISH: dict[str, str] = {
    # headings
    "derivation": "Derivation of the gradients",
    "level_matrix": "in matrix notation",
    "level_index": "in index notation",
    "level_neuron": "neuron by neuron",
    "method_reverse": "backpropagation (reverse accumulation)",
    "method_forward": "forward accumulation",
    "method_naive": "naive expansion",
    "network": "The network",
    "symbols": "Symbols",
    "symbol": "symbol",
    "name": "name",
    "shape": "shape",
    "role": "role",
    "indices": "The indices run over {0}.",
    "state_updates": "State that is kept between steps, not part of the loss:",
    "steps_reverse": "Backward, from the loss to the parameters",
    "steps_forward": "Forward, from the parameters to the loss",
    "steps_naive": "Everything written out",
    "summary": "All gradients",
    "step": "Step {0}",
    "title": "{0}: {1}",
    "title_end": "{0}.",
    "title_parameter": "the gradient by {0}",
    "title_adjoint": "the adjoint of {0}",
    "title_tangent": "how {0} moves with {1}",
    "title_helper": "a name for what occurs more than once, {0}",
    "title_expanded": "{0}",
    "title_loss": "the loss written out",
    # roles
    "input": "input",
    "parameter": "parameter",
    "state": "state",
    "computed": "computed",
    "labels": "input (integers)",
    "adjoint": "adjoint of {0}",
    "scalar": "scalar",
    # what a step says
    "reads_loss": "The loss reads {0} itself, see {1}.",
    "one_path": "{0} acts on the loss only through {1}, see {2}.",
    "several_uses": "{0} is read by {1}: each use adds one term.",
    "paths": "Each of them reaches the loss along {0} paths, through {1}; the paths' contributions are added.",
    "paths_one": "It reaches the loss along {0} paths, through {1}; the paths' contributions are added.",
    "many_paths": "Each of them reaches the loss along {0} paths; the paths' contributions are added.",
    "use": "{0} (see {1})",
    "local": "The local derivative uses the value of the forward pass: {0}.",
    "cancels": "Put together, terms cancel.",
    "fact": "This uses {0}.",
    "reused": "{0} (step {1}) is reused.",
    "used_many": "{0} is computed once and used {1} times below.",
    "each_used_many": "Each of them is computed once and used {0} times below.",
    "unused": "The loss does not depend on {0}: its gradient is zero.",
    # notes
    "note_chain": "Every quantity is computed once, from the loss backwards, and used wherever it is needed.",
    "note_delta": "{0} stands for the derivative by a layer's sum {1}, as in most of the literature; "
    "some texts write it for the derivative by the layer's output.",
    "note_forward": "A tangent is the derivative of one value by one parameter entry; it is carried along with the "
    "values, so the work grows with the number of parameters.",
    "note_naive": "Nothing is shared here: every derivative contains the whole forward pass again. "
    "{0} of {1} gradient entries are shown; name others with wrt.",
    "note_kronecker": "{0} is Kronecker's delta: 1 where its two indices are equal, else 0.",
    "note_iverson": "{0} is 1 where {1} holds, else 0.",
    "note_ring": "{0} is the product entry by entry, and functions act entry by entry.",
    "note_ring_power": "{0} is the power entry by entry.",
    "note_entrywise": "Fractions and roots of vectors and matrices are taken entry by entry.",
    "note_row_repeated": "Samples are rows. A row vector combined with a matrix is repeated in each of its rows.",
    "note_column_repeated": "A column, with one number a sample, combined with a matrix is repeated in each column.",
    "note_ones": "{0} is the vector of ones: {1} adds up the rows of {2}.",
    "note_norm": "{0} is the sum of the squares of all entries of {1}.",
    "note_integers": "Integer inputs hold values that count from 0; all subscripts count from 1.",
    "note_index": "Equations without a matrix form are written with indices.",
    "note_zero_tangents": "Tangents that are zero are left out.",
    "and": "{0} and {1}",
    "comma": "{0}, {1}",
    "range_comma": "{0}, {1}",
    "range_and": "{0} and {1}",
    "and_also": "{0}, {1}",
    "between": " ",
    "if": "if",
    "else": "else",
    "equation": "({0})",
    "equations": "({0})–({1})",
}

LANGUAGES = {"en": ENGLISH, "zh": CHINESE}
