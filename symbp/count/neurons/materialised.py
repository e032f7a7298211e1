"""The same strategies built at neuron level and counted there: the proof of `ledger`, for small networks.

The equations are those that `ledger` counts; here each is put at every one of its places, where its conditions on
indices settle, and every operation is counted one by one (`entries`). `Listing` has the same as scalar equations to be
run, timed and printed; equal terms of one of them are collected, so it may take fewer operations where entries are
copies of one another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from symbp.count.equations.labels import fix_labels
from symbp.count.equations.tensors import tensor_listing, values_read
from symbp.count.ledger import derive
from symbp.count.neurons.entries import Entries
from symbp.count.neurons.scalars import Listing, expanded, listing, written_out
from symbp.count.recurrences.stepwise import is_recurrent
from symbp.errors import SymbpError
from symbp.normalise import normalise
from symbp.operations import tree_operations
from symbp.program import Program
from symbp.unroll import concrete_sizes, fix_sizes, shape

EXPANDED_LIMIT = 50_000  # operations of the expanded loss times parameters: what SymPy differentiates in 2 s
TANGENT_LIMIT = 20_000  # scalar equations of the forward pass times parameters: as many have tangents
ENTRIES_LIMIT = 20_000  # scalar equations of the forward pass


@dataclass(frozen=True)
class Materialised:
    """The equations of every strategy, built when they're asked for."""

    program: Program
    sizes: Mapping[str, int] | None = None
    built: dict[str, Listing] = field(default_factory=dict)
    found: dict[str, Entries] = field(default_factory=dict)

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
        return sum(_entries(shape(t)) for t in self.concrete.parameters)

    @cached_property
    def entries(self) -> int:
        """How many numbers a forward pass computes."""
        return sum(_entries(shape(self.concrete.tensors[e.name])) for e in self.concrete.equations)

    def listing(self, strategy: str) -> Listing:
        """The equations of a strategy that has a list of its own: forward, forward mode, reverse, reverse + CSE, and
        expanded, as SymPy differentiates the loss.

        Raises SymbpError where they would be too many.
        """
        found = self.built.get(strategy)
        if found is None:
            found = self.built[strategy] = self.build(strategy)
        return found

    def build(self, strategy: str) -> Listing:
        if strategy == "forward":
            self.refuse(self.entries, ENTRIES_LIMIT, "scalar equations")
            return listing(self.concrete)
        self.listing("forward")
        if strategy == "expanded":
            return self.expanded()
        if strategy == "forward mode":
            entries = len(self.listing("forward").equations) * self.parameters
            self.refuse(entries, TANGENT_LIMIT, "scalar equations")
        return listing(self.derived(strategy), share="CSE" in strategy)

    def derived(self, strategy: str) -> Program:
        """The program of such a strategy, with numbers for its sizes."""
        if strategy == "forward":
            return self.concrete
        method, _, cse = strategy.partition(" + ")
        return fix_sizes(derive(self.symbolic, method.removesuffix(" mode"), bool(cse)), self.all_sizes)

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

    def operations(self, strategy: str) -> Counter[str]:
        """Operations by kind. Raises SymbpError where the strategy can't be written out."""
        p = self.parameters
        match strategy:
            case "forward mode" if is_recurrent(self.concrete):
                return self.listing(strategy).operations()
            case "expanded" if is_recurrent(self.concrete):
                tangents = self.listing("forward mode")
                return written_out(tangents.restricted(self.without_loss(tangents)))
            case "expanded":
                return self.places("forward mode").written_out(self.gradients)
            case "per parameter":
                return self.places("reverse").each_alone(self.gradients)
            case "one-sided differences":
                return _times(self.operations("forward"), p + 1) + Counter(add=2 * p, div=p)
            case "central differences":
                return _times(self.operations("forward"), 2 * p) + Counter(add=3 * p, div=p)
            case "reverse + CSE":
                return self.places(strategy).together()
        return self.places(strategy).operations()

    def places(self, strategy: str) -> Entries:
        """The entries that such a strategy computes: forward, forward mode, reverse or reverse + CSE."""
        found = self.found.get(strategy)
        if found is None:
            if strategy == "forward mode":  # of what is left of the network at these sizes
                entries = len(self.places("forward").computed((str(self.concrete.loss),)))
                self.refuse(entries * self.parameters, TANGENT_LIMIT, "scalar equations")
                program = derive(values_read(self.concrete), "forward", False)
            else:
                self.refuse(self.entries, ENTRIES_LIMIT, "scalar equations")
                program = self.derived(strategy)
            found = self.found[strategy] = Entries(tensor_listing(program))
        return found

    @cached_property
    def gradients(self) -> tuple[str, ...]:
        """The tensors that every strategy but the first computes beside the loss."""
        return tuple(o for o in self.derived("reverse").outputs if o != self.concrete.loss)

    def without_loss(self, found: Listing) -> tuple[str, ...]:
        return tuple(o for o in found.outputs if o != self.concrete.loss)


def _entries(lengths: tuple[int, ...]) -> int:
    out = 1
    for length in lengths:
        out *= length
    return out


def _times(operations: Counter[str], n: int) -> Counter[str]:
    return Counter({k: n * v for k, v in operations.items()})
