"""The ways to compute a gradient, each built at neuron level and counted.

All start from the same normalised equations and get the same treatment (`scalars.listing`); those named "+ CSE" go
through the simplify pipeline and share every equal subexpression besides.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from symbp.count.counts import Counts, Row
from symbp.count.repeats import repeats
from symbp.count.scalars import Listing, expanded, fix_labels, listing
from symbp.errors import SymbpError, UnusedParameterWarning
from symbp.normalise import normalise
from symbp.operations import tree_operations
from symbp.program import Program
from symbp.unroll import concrete_sizes, fix_sizes, shape

EXPANDED_LIMIT = 250_000  # operations of the expanded loss times parameters: what SymPy differentiates in 10 s
TANGENT_LIMIT = 20_000  # scalar equations of the forward pass times parameters: as many have tangents

COMPUTED = {
    "forward": "the loss alone",
    "expanded": "each dL/dp written out down to inputs and parameters, the loss not included; nothing is shared",
    "per parameter": "each dL/dp by a forward and a backward pass of its own, only what it needs of them",
    "one-sided differences": "P + 1 forward passes; p + h, a subtraction and a division a parameter",
    "central differences": "2 P forward passes; p + h, p - h, a subtraction and a division a parameter",
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
    built: dict[str, Listing] = field(default_factory=dict)

    @cached_property
    def all_sizes(self) -> dict[str, int]:
        return concrete_sizes(self.program, self.sizes)

    @cached_property
    def symbolic(self) -> Program:
        """The network and no more than its loss needs. What is emitted is derived and simplified for any sizes, too."""
        if self.program.loss is None:
            raise SymbpError(f"{self.program.title} has no loss: there is no gradient to count")
        if not self.program.parameters:
            raise SymbpError(f"{self.program.title} has no parameters: there is no gradient to count")
        return replace(normalise(self.program), outputs=(self.program.loss,), prediction=None, updates={})

    @cached_property
    def concrete(self) -> Program:
        """The same with numbers for its sizes."""
        return fix_sizes(self.symbolic, self.all_sizes)

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

    def listing(self, strategy: str) -> Listing:
        """The equations of a strategy that has a list of its own: forward, expanded, forward mode, reverse, + CSE.

        Raises SymbpError where they would be too many.
        """
        found = self.built.get(strategy)
        if found is None:
            found = self.built[strategy] = self.build(strategy)
        return found

    def build(self, strategy: str) -> Listing:
        if strategy == "forward":
            return listing(self.concrete)
        if strategy == "expanded":
            return self.expanded()
        method, _, cse = strategy.partition(" + ")
        if method == "forward mode":
            entries = len(self.listing("forward").equations) * self.parameters
            self.refuse(entries, TANGENT_LIMIT, "scalar equations")
        derived = derive(self.symbolic, method.removesuffix(" mode"), bool(cse))
        return listing(fix_sizes(derived, self.all_sizes), share=bool(cse))

    def expanded(self) -> Listing:
        """Each dL/dp as one expression of inputs and parameters, without the loss."""
        self.refuse(self.expanded_loss * self.parameters, EXPANDED_LIMIT, "operations of the loss times parameters")
        written = derive(fix_labels(self.concrete), "naive", False)
        equations = tuple(e for e in written.equations if e.name != self.concrete.loss)
        return Listing(equations, tuple(e.name for e in equations), written.tensors)

    def refuse(self, size: int, limit: int, of: str) -> None:
        if size > limit:
            raise SymbpError(f"{size:,} {of} are more than the {limit:,} that are written out")

    @cached_property
    def expanded_loss(self) -> int:
        """Operations of the loss written out down to inputs and parameters."""
        return sum(tree_operations(expanded(self.listing("forward"))[str(self.concrete.loss)]).values())

    # ---------------------------------------------------------------------------------------- the counts

    def operations(self, strategy: str) -> Counter[str]:
        """Operations by kind. Raises SymbpError where the strategy can't be written out."""
        p = self.parameters
        match strategy:
            case "per parameter":
                reverse = self.listing("reverse")
                return reverse.each_alone(tuple(o for o in reverse.outputs if o != self.concrete.loss))
            case "one-sided differences":
                return _times(self.listing("forward").operations(), p + 1) + Counter(add=2 * p, div=p)
            case "central differences":
                return _times(self.listing("forward").operations(), 2 * p) + Counter(add=3 * p, div=p)
        return self.listing(strategy).operations()

    def row(self, strategy: str) -> Row:
        gives_loss = strategy not in ("expanded", "per parameter", "central differences")
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
            found = repeats([e.value for e in self.listing("expanded").equations], self.listing("reverse"))
        labels = [t.name for t in self.program.tensors.values() if t.dtype == "int"]
        notes = (f"Counted for {', '.join(labels)} = 0: a label picks entries, which costs nothing.",) if labels else ()
        sizes = concrete_sizes(self.program, self.sizes)
        return Counts(self.program.title, self.parameters, sizes, rows, self.expanded_loss, found, notes)


def derive(program: Program, method: str, simplify: bool) -> Program:
    """The gradient's program, without a warning for a parameter that the loss doesn't depend on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedParameterWarning)
        return program.gradient(method=method, simplify=simplify)


def _times(operations: Counter[str], n: int) -> Counter[str]:
    return Counter({k: n * v for k, v in operations.items()})
