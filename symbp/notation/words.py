"""The words of the notation."""

STATEMENT_WORDS = (
    "sizes index input label int param state loss predict output update fact title task inference about layer".split()
)
REDUCERS = ("sum", "mean", "max", "min", "logsumexp", "softmax")
CONSTANTS = ("pi", "inf")
WORDS = frozenset((*STATEMENT_WORDS, *REDUCERS, *CONSTANTS, *"symbol adjoint subscripts entry for and or not".split()))
