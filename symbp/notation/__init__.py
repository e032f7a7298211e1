"""The text form of a Program: what one would write on a blackboard. docs/notation.md holds the grammar."""

from symbp.notation.reader import read, read_file
from symbp.notation.writer import write

__all__ = ["read", "read_file", "write"]
