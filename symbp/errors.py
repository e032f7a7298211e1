"""The one exception that symbp raises on bad input."""


class SymbpError(Exception):
    """Bad input: the message names the offender (equation, index, tensor or file) and the fix."""


class UnusedParameterWarning(UserWarning):
    """A parameter does not influence the loss, so its gradient is zero."""
