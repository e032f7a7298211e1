"""The ledger: operations of every strategy at any size, as polynomials in the sizes that are left symbolic.

All start from the same normalised equations and get the same treatment (`tensors.tensor_listing`); those named "+ CSE"
go through the simplify pipeline and share every equal subexpression besides.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from symbp.count.algebra.polynomial import ONE, ZERO, Polynomial, total
from symbp.count.entrywise.exact import Exact, alone_exactly
from symbp.count.equations.blocks import Blocks, find_blocks
from symbp.count.equations.closed import closed_forms
from symbp.count.equations.depth import Depth
from symbp.count.equations.tally import MAC
from symbp.count.equations.tensors import Tensors, given_sizes, tensor_listing
from symbp.count.equations.written import Amounts, added, has_condition, plus, sizes_of
from symbp.count.gradients.needs import each_alone, entries_needed
from symbp.count.gradients.tangents import Tangents
from symbp.count.recurrences.sequences import Growth
from symbp.count.recurrences.stepwise import is_recurrent, stepwise
from symbp.derive.reverse import adjoint_prefix
from symbp.errors import SymbpError, UnusedParameterWarning, nearest
from symbp.expr import ONE as ONE_FACTOR
from symbp.expr import Delta, Expr, transform
from symbp.normalise import normalise
from symbp.optimisers import OPTIMISERS
from symbp.program import Program
from symbp.recurrence import leading_to

COMPUTED = {
    "forward": "the loss alone",
    "expanded": "each dL/dp written out down to inputs and parameters, the loss not included; nothing is shared",
    "per parameter": "each dL/dp by a forward and a backward pass of its own, only what it needs of them",
    "one-sided differences": "P + 1 forward passes; p + h, a subtraction and a division a parameter",
    "central differences": "2 P forward passes; p + h, p - h, a subtraction and a division a parameter",
    "forward mode": "one forward pass, one tangent pass a parameter",
    "reverse": "one forward pass, one backward pass",
    "reverse + CSE": "the same after the simplify pipeline, equal subexpressions computed once",
}
STRATEGIES = tuple(COMPUTED)
STAGES = ("forward", "loss", "backward")
MOVED = "moved"
NO_FLOP = ("compare", "select")  # kinds that aren't arithmetic on floating-point numbers


@dataclass(frozen=True)
class Account:
    """What one strategy costs. operations: by kind; None where it isn't counted, and then `why` says why not, or where
    they grow exponentially over the steps of a recurrence, and then `growth` says how.

    exact: False for an upper bound. macs: sums of products, term by term; each is a multiplication and an addition that
    `operations` has, too. moved: numbers that its equations read and write, each entry of their tensors once.
    """

    strategy: str
    operations: Amounts | None
    exact: bool = True
    macs: Polynomial | None = None
    why: str = ""
    moved: Polynomial | None = None
    growth: Growth | None = None

    @property
    def total(self) -> Polynomial | None:
        return None if self.operations is None else total(self.operations.values())

    @property
    def flops(self) -> Polynomial | None:
        """Floating-point operations: all but comparisons and selections."""
        if self.operations is None:
            return None
        return total(n for kind, n in self.operations.items() if kind not in NO_FLOP)


@dataclass(frozen=True)
class Written:
    """The tangents of forward mode, the gradients and the loss written out, by kind. exact: False for upper bounds."""

    forward_mode: Amounts | Growth
    gradients: Amounts | Growth
    loss: Amounts | Growth
    exact: bool = True


@dataclass
class Ledger:
    """The accounts of a network. sizes: numbers for some of its symbolic sizes; the others are taken to be 2 or more.

    Raises SymbpError for a program without a loss or parameters, or an unknown size.
    """

    program: Program
    sizes: Mapping[str, int] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.program.loss is None:
            raise SymbpError(f"{self.program.title} has no loss: there is no gradient to count")
        if not self.program.parameters:
            raise SymbpError(f"{self.program.title} has no parameters: there is no gradient to count")
        self.sizes = given_sizes(self.program, self.sizes)

    @property
    def loss(self) -> str:
        return str(self.program.loss)

    @cached_property
    def network(self) -> Program:
        """The network and no more than its loss needs."""
        return replace(normalise(self.program), outputs=(self.loss,), prediction=None, updates={})

    @cached_property
    def parameters(self) -> Polynomial:
        """How many numbers the loss is differentiated by."""
        found = total(sizes_of(t.indices) for t in self.program.parameters)
        return found.at(self.sizes)

    @cached_property
    def unused(self) -> tuple[str, ...]:
        """The parameters that the loss doesn't depend on."""
        used = leading_to(self.network.equations, (self.loss,))
        return tuple(t.name for t in self.program.parameters if t.name not in used)

    @property
    def entries(self) -> Polynomial:
        """How many numbers a forward pass computes."""
        listing = self.listing("forward")
        return total(sizes_of(listing.tensors[e.name].indices) for e in listing.equations)

    def derived(self, strategy: str) -> Program:
        """The program that a strategy runs: that of forward, reverse or reverse + CSE."""
        if strategy == "forward":
            return self.network
        return self.reverse if strategy == "reverse" else self.simplified

    @cached_property
    def reverse(self) -> Program:
        return derive(self.network, "reverse", False)

    @cached_property
    def simplified(self) -> Program:
        return derive(self.network, "reverse", True)

    def listing(self, strategy: str) -> Tensors:
        """The equations of such a strategy as they are counted."""
        found = self._listings.get(strategy)
        if found is None:
            found = self._listings[strategy] = tensor_listing(self.derived(strategy), self.sizes)
        return found

    def work(self, strategy: str) -> dict[str, Amounts]:
        """Operations of every equation of such a strategy, multiply-accumulates apart under MAC."""
        found = self._work.get(strategy)
        if found is None:
            found = self._work[strategy] = closed_forms(self.listing(strategy), share="CSE" in strategy)
        return found

    @cached_property
    def _listings(self) -> dict[str, Tensors]:
        return {}

    @cached_property
    def _work(self) -> dict[str, dict[str, Amounts]]:
        return {}

    @cached_property
    def blocks(self) -> Blocks | None:
        """The network by one of fewer blocks, where it has many equal ones."""
        return find_blocks(self.network)

    @cached_property
    def shorter(self) -> Ledger | None:
        """The account of that network."""
        return None if self.blocks is None else Ledger(self.blocks.short, self.sizes)

    @cached_property
    def tangents(self) -> Written:
        """Forward mode and expansion. Raises SymbpError where they aren't counted."""
        if is_recurrent(self.network):
            return Written(*stepwise(self.network, self.sizes))
        short = self.shorter
        if short and self.blocks and any(has_condition(e.value) for e in short.listing("forward").equations):
            try:
                return short.exact_tangents(self.blocks.depth)
            except SymbpError:  # the blocks aren't as equal as it seems: all are counted
                pass
        listing = self.listing("forward")
        bound = Tangents(listing, entries_needed(listing)).run()
        found = bound.forward_mode, bound.tangent.get(self.loss, {}), bound.value[self.loss]
        if bound.exact:
            return Written(*found)
        try:
            return Written(*Exact(listing, self.loss, bound).forms())
        except SymbpError:
            return Written(*found, exact=False)

    def exact_tangents(self, depth: Depth) -> Written:
        """Of the network with more equal blocks that this one stands for. Raises SymbpError."""
        listing = self.listing("forward")
        bound = Tangents(listing, entries_needed(listing)).run()
        return Written(*Exact(listing, self.loss, bound, depth).forms())

    # ------------------------------------------------------------------------------------------ accounts

    def __getitem__(self, strategy: str) -> Account:
        found = self.accounts.get(strategy)
        if found is None:
            if strategy not in COMPUTED:
                raise KeyError(strategy)
            try:
                found = self.account(strategy)
            except SymbpError as e:
                found = Account(strategy, None, why=str(e))
            self.accounts[strategy] = found
        return found

    def account(self, strategy: str) -> Account:
        """Raises SymbpError where it can't be counted."""
        p = self.parameters
        match strategy:
            case "forward" | "reverse" | "reverse + CSE":
                return self.summed(strategy)
            case "one-sided differences":
                return self.differences(strategy, p + 1, {"add": p * 2, "div": p})
            case "central differences":
                return self.differences(strategy, p * 2, {"add": p * 3, "div": p})
            case "per parameter":
                return self.alone()
            case "forward mode":
                found, forward = self.tangents, self["forward"]
                if forward.operations is None:
                    raise SymbpError(forward.why)
                if isinstance(found.forward_mode, Growth):  # each step has as many tangents as the one before
                    raise SymbpError("its tangents follow no polynomial in the number of steps")
                return Account(strategy, plus(forward.operations, found.forward_mode), found.exact)
            case "expanded":
                gradients = self.tangents.gradients
                if isinstance(gradients, Growth):
                    return Account(strategy, None, growth=gradients)
                return Account(strategy, gradients, self.tangents.exact)
        raise KeyError(strategy)

    def summed(self, strategy: str) -> Account:
        amounts = self.in_all(strategy)
        macs, moved = amounts.pop(MAC, ZERO), amounts.pop(MOVED, ZERO)
        return Account(strategy, amounts, macs=macs, moved=moved)

    def in_all(self, strategy: str) -> Amounts:
        """What all equations of such a strategy take; multiply-accumulates under MAC, numbers moved under MOVED."""
        return self.by_blocks(strategy) or added([*self.work(strategy).values(), *self.traffic(strategy).values()])

    def by_blocks(self, strategy: str) -> Amounts | None:
        """The same from a network of fewer equal blocks; None where it has no such blocks."""
        if self.blocks is None or self.shorter is None:
            return None
        tensors = self.shorter.listing(strategy).tensors
        found = [*self.shorter.work(strategy).items(), *self.shorter.traffic(strategy).items()]
        one, other = (
            added(amounts for name, amounts in found if tensors[name].layer in layers)
            for layers in self.blocks.kept[1:3]
        )
        return plus(added(amounts for _, amounts in found), one, self.blocks.left_out) if one == other else None

    def differences(self, strategy: str, passes: Polynomial, steps: Amounts) -> Account:
        forward = self["forward"]
        if forward.operations is None:
            raise SymbpError(forward.why)
        assert forward.macs is not None
        return Account(strategy, plus(steps, forward.operations, passes), macs=forward.macs * passes)

    def alone(self) -> Account:
        if (self.shorter or self).conditioned:
            try:
                amounts, exact = self.alone_exactly(), True
            except SymbpError:  # conditions hold for too many indices: they are taken to hold
                amounts, exact = self.each_alone()[0], False
        else:
            amounts, exact = self.each_alone()
            amounts, exact = (amounts, exact) if exact else (self.alone_exactly(), True)
        macs = amounts.pop(MAC, ZERO)
        return Account("per parameter", amounts, exact, macs)

    @cached_property
    def conditioned(self) -> bool:
        """Whether a condition on indices, other than which place a label picks, decides what the gradients take."""
        equations = self.reverse.equations
        needed = leading_to(equations, self.reverse.outputs[1:])
        return any(has_condition(transform(e.value, without_label)) for e in equations if e.name in needed)

    def each_alone(self) -> tuple[Amounts, bool]:
        listing = self.gradient_listing
        return each_alone(listing, self.work_alone(listing), self.gradients)

    def alone_exactly(self) -> Amounts:
        """Raises SymbpError where conditions hold for too many indices."""
        if self.shorter is not None and self.blocks is not None:
            try:
                return alone_exactly(self.shorter.gradient_listing, self.shorter.gradients, self.blocks.depth)
            except SymbpError:  # the blocks aren't as equal as it seems: all are counted
                pass
        return alone_exactly(self.gradient_listing, self.gradients)

    @property
    def gradients(self) -> dict[str, str]:
        """Output of the reverse program -> its parameter."""
        return dict(zip(self.reverse.outputs[1:], (t.name for t in self.network.parameters), strict=True))

    @cached_property
    def gradient_listing(self) -> Tensors:
        """The reverse program's equations, the loss's own value not asked for."""
        return self.listing("reverse").restricted(tuple(self.gradients))

    def work_alone(self, listing: Tensors) -> Mapping[str, Amounts]:
        """The work of the reverse program's equations, the loss's own value not asked for."""
        if self.shorter is not None and self.blocks is not None and self.by_blocks("reverse") is not None:
            prefix, known = adjoint_prefix(self.network), self.blocks.stands_for
            known = known | {f"{prefix}_{name}": f"{prefix}_{twin}" for name, twin in known.items()}
            outputs = tuple(o for o in self.shorter.reverse.outputs if o != self.loss)
            found = self.shorter.work_alone(self.shorter.listing("reverse").restricted(outputs))
            if all(known.get(e.name) in found for e in listing.equations):
                return {e.name: found[known[e.name]] for e in listing.equations}
        if self.conditioned:
            return self.work("reverse")  # it's an upper bound anyway
        return closed_forms(listing)

    def numbers(self, strategy: str) -> Polynomial:
        """How many numbers a strategy delivers: the loss, the gradients."""
        if strategy == "forward":
            return ONE
        return self.parameters + (strategy not in ("expanded", "per parameter", "central differences"))

    @cached_property
    def expanded_loss(self) -> Polynomial | None:
        """Operations of the loss written out down to inputs and parameters; None where they have no closed form."""
        try:
            found = self.tangents.loss
        except SymbpError:
            return None
        return None if isinstance(found, Growth) else total(found.values())

    # -------------------------------------------------------------------------- one strategy, taken apart

    def by(self, part: str, strategy: str) -> dict[str, Amounts]:
        """Operations of forward, reverse or reverse + CSE by "equation", "layer", "stage" or "kind"."""
        of: Callable[[str], str]
        if part == "equation":
            of = str
        elif part == "layer":
            tensors = self.listing(strategy).tensors
            of = lambda name: "none" if tensors[name].layer is None else f"layer {tensors[name].layer}"  # noqa: E731
        elif part == "stage":
            of = self.stages(strategy).__getitem__
        elif part == "kind":
            account = self[strategy].operations or {}
            return {kind: {kind: n} for kind, n in account.items()}
        else:
            raise SymbpError(f"a count is taken apart by equation, layer, stage or kind, not by {part}")
        out: dict[str, Amounts] = {}
        for name, amounts in self.work(strategy).items():
            out[of(name)] = plus(out.get(of(name), {}), {k: n for k, n in amounts.items() if k != MAC})
        return dict(sorted(out.items(), key=lambda kv: _order(kv[0]))) if part != "equation" else out

    def stages(self, strategy: str) -> dict[str, str]:
        """Every equation's stage: what the prediction takes, what the loss takes beyond it, what is derived."""
        equations = self.listing(strategy).equations
        loss = leading_to(equations, (self.loss,))
        shown = self.program.prediction
        computed = shown is not None and any(e.name == shown for e in equations)
        before = leading_to(equations, (str(shown),)) if computed else loss - {self.loss}
        return {
            e.name: "forward" if e.name in before else "loss" if e.name in loss else "backward" for e in equations
        }

    def traffic(self, strategy: str) -> dict[str, Amounts]:
        """Numbers that every equation reads and writes, under MOVED: each entry of its tensors once."""
        listing = self.listing(strategy)
        return {
            e.name: {MOVED: total(sizes_of(listing.tensors[t].indices) for t in {e.name, *e.value.tensors})}
            for e in listing.equations
        }

    def optimiser(self, name: str) -> Amounts:
        """Operations of one step of an optimiser, as emitted modules do it. Raises SymbpError for an unknown one."""
        if name not in OPTIMISERS:
            raise SymbpError(f"unknown optimizer {name!r}: {nearest(name, OPTIMISERS)}")
        return {kind: self.parameters * n for kind, n in OPTIMISERS[name].operations.items()}


def without_label(e: Expr) -> Expr:
    """For `transform`: what picks the place of a label left out."""
    return ONE_FACTOR if isinstance(e, Delta) and e.accesses else e


def derive(program: Program, method: str, simplify: bool) -> Program:
    """The gradient's program, without a warning for a parameter that the loss doesn't depend on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedParameterWarning)
        return program.gradient(method=method, simplify=simplify)


def _order(label: str) -> tuple[int, str]:
    number = label.rpartition(" ")[2]
    if label in STAGES:
        return STAGES.index(label), label
    return (int(number) if number.isdigit() else 10**9), label

