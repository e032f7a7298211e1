"""The words of the notation."""

STATEMENT_WORDS = (
    "sizes index input label int param state loss predict output update fact title task inference about".split()
)
REDUCERS = ("sum", "mean", "max", "min", "logsumexp", "softmax")
WORDS = frozenset((*STATEMENT_WORDS, *REDUCERS, *"symbol adjoint layer subscripts entry for and or not pi".split()))
