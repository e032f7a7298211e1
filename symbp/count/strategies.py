"""The ways to compute a gradient, each built at neuron level and counted.

All start from the same normalised equations and get the same treatment (`scalars.listing`); those named "+ CSE" go
through the simplify pipeline and share every equal subexpression besides.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from symbp.count.counts import Counts, Row
from symbp.count.repeats import repeats
from symbp.count.scalars import Listing, expanded, fix_labels, listing
from symbp.errors import SymbpError, UnusedParameterWarning
from symbp.normalise import normalise
from symbp.operations import tree_operations
from symbp.program import Program
from symbp.unroll import concrete_sizes, fix_sizes, shape

EXPANDED_LIMIT = 50_000  # operations of the expanded loss times parameters: what SymPy differentiates in seconds
TANGENT_LIMIT = 20_000  # scalar equations of the forward pass times parameters

COMPUTED = {
    "forward": "the loss alone",
    "expanded": "each dL/dp written out down to inputs and parameters, the loss not included; nothing is shared",
    "per parameter": "each dL/dp by a forward and a backward pass of its own, only what it needs of them",
    "finite differences, one-sided": "P + 1 forward passes; p + h, a subtraction and a division a parameter",
    "finite differences, central": "2 P forward passes; p + h, p - h, a subtraction and a division a parameter",
    "forward mode": "one forward pass, one tangent pass a parameter",
    "forward mode + CSE": "the same after the simplify pipeline, equal subexpressions computed once",
    "reverse": "one forward pass, one backward pass",
    "reverse + CSE": "the same after the simplify pipeline, equal subexpressions computed once",
}
STRATEGIES = tuple(COMPUTED)


def compare(program: Program, sizes: Mapping[str, int] | None = None) -> Counts:
    """Operations of every strategy for the gradient of the program's loss by all its parameters.

    sizes: values of the symbolic sizes; the batch is one example unless given. A strategy whose equations would be too
    many to write out has no count and says so. Raises SymbpError for a program without a loss or parameters, or a
    size without a value.
    """
    return Materialised(program, sizes).counts()


@dataclass(frozen=True)
class Materialised:
    """The equations of every strategy, built when they're asked for."""

    program: Program
    sizes: Mapping[str, int] | None = None

    @cached_property
    def concrete(self) -> Program:
        """The network with numbers for its sizes and labels, and no more than the loss needs."""
        if self.program.loss is None:
            raise SymbpError(f"{self.program.title} has no loss: there is no gradient to count")
        if not self.program.parameters:
            raise SymbpError(f"{self.program.title} has no parameters: there is no gradient to count")
        fixed = fix_sizes(self.program, concrete_sizes(self.program, self.sizes))
        return replace(normalise(fixed), outputs=(self.program.loss,), prediction=None, updates={})

    @cached_property
    def parameters(self) -> int:
        """How many numbers the loss is differentiated by."""
        total = 0
        for t in self.concrete.parameters:
            entries = 1
            for length in shape(t):
                entries *= length
            total += entries
        return total

    @cached_property
    def forward(self) -> Listing:
        """The loss."""
        return listing(self.concrete, None)

    @cached_property
    def expanded_loss(self) -> int:
        """Operations of the loss written out down to inputs and parameters."""
        return sum(tree_operations(expanded(self.forward)[str(self.concrete.loss)]).values())

    def gradient(self, method: str, simplify: bool) -> Listing:
        """The loss and all gradients by a method of `symbp.gradient`."""
        if method == "forward":
            self.refuse(len(self.forward.equations) * self.parameters, TANGENT_LIMIT, "scalar equations")
        derived = self.derive(self.concrete, method, simplify)
        return listing(derived, None, share=simplify)

    @staticmethod
    def derive(program: Program, method: str, simplify: bool) -> Program:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnusedParameterWarning)
            return program.gradient(method=method, simplify=simplify)

    @cached_property
    def reverse(self) -> Listing:
        return self.gradient("reverse", simplify=False)

    @cached_property
    def naive(self) -> Listing:
        """Each dL/dp as one expression of inputs and parameters, without the loss."""
        self.refuse(self.expanded_loss * self.parameters, EXPANDED_LIMIT, "operations of the loss times parameters")
        written = self.derive(fix_labels(self.concrete), "naive", False)
        equations = tuple(e for e in written.equations if e.name != self.concrete.loss)
        return Listing(equations, tuple(e.name for e in equations))

    def refuse(self, size: int, limit: int, of: str) -> None:
        if size > limit:
            raise SymbpError(f"{size:,} {of} are more than the {limit:,} that are written out")

    # ---------------------------------------------------------------------------------------- the counts

    def operations(self, strategy: str) -> Counter[str]:
        """Operations by kind. Raises SymbpError where the strategy can't be written out."""
        passes, p = self.forward.operations(), self.parameters
        match strategy:
            case "forward":
                return passes
            case "expanded":
                return self.naive.operations()
            case "per parameter":
                return self.reverse.each_alone(tuple(o for o in self.reverse.outputs if o != self.concrete.loss))
            case "finite differences, one-sided":
                return _times(passes, p + 1) + Counter(add=2 * p, div=p)
            case "finite differences, central":
                return _times(passes, 2 * p) + Counter(add=3 * p, div=p)
            case "reverse":
                return self.reverse.operations()
        method, _, cse = strategy.partition(" + ")
        return self.gradient(method.partition(" ")[0], simplify=bool(cse)).operations()

    def row(self, strategy: str) -> Row:
        gives_loss = strategy not in ("expanded", "per parameter", "finite differences, central")
        numbers = 1 if strategy == "forward" else self.parameters + gives_loss
        operations, why = None, ""
        try:
            operations = dict(self.operations(strategy))
        except SymbpError as e:
            why = str(e)
        return Row(strategy, COMPUTED[strategy], numbers, operations, why)

    def counts(self) -> Counts:
        rows = tuple(self.row(s) for s in STRATEGIES)
        found = None
        if rows[1].operations is not None:
            found = repeats((e.value for e in self.naive.equations), self.reverse, self.unrolled_reverse)
        labels = [t.name for t in self.program.tensors.values() if t.dtype == "int"]
        notes = (f"Counted for {', '.join(labels)} = 0: a label picks entries, which costs nothing.",) if labels else ()
        sizes = concrete_sizes(self.program, self.sizes)
        return Counts(self.program.title, self.parameters, sizes, rows, self.expanded_loss, found, notes)

    @cached_property
    def unrolled_reverse(self) -> Program:
        derived = self.derive(self.concrete, "reverse", False)
        return fix_labels(derived).with_(replace(e, reason=None) for e in fix_labels(derived).equations).unroll()


def _times(operations: Counter[str], n: int) -> Counter[str]:
    return Counter({k: n * v for k, v in operations.items()})
