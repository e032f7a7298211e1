"""The Program: a list of tensor equations. Forward, backward, naive and simplified ones are all of this one type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from symbp.expr import ZERO, Access, Expr, Index, Size, access, mul, walk

if TYPE_CHECKING:
    from symbp.count import Counts
    from symbp.show.derivation import Derivation

ROLES = ("input", "parameter", "state", "computed")


@dataclass(frozen=True)
class Tensor:
    """What is known of a tensor beside its equation.

    indices: one formal index an axis; their sizes are the shape. role: one of ROLES. dtype: "real" or "int".
    init: how a parameter starts, or what an input is drawn from for every training batch: see `symbp.initialisers`;
    "" for an input that is given. layer: its place in a chain of layers, from 1.
    symbol, adjoint: LaTeX of the tensor and of the loss's gradient by it, where a textbook has a name for them.
    subscripts: the order in which the axes are written as subscripts at neuron level (None: as they are).
    entry: (tensor, position) where this is one entry of an unrolled tensor.
    """

    name: str
    indices: tuple[Index, ...] = ()
    role: str = "computed"
    dtype: str = "real"
    init: str = ""
    layer: int | None = None
    symbol: str = ""
    adjoint: str = ""
    subscripts: tuple[int, ...] | None = None
    entry: tuple[str, tuple[int, ...]] | None = None

    @property
    def shape(self) -> tuple[Expr, ...]:
        return tuple(i.size for i in self.indices)

    @property
    def access(self) -> Access:
        return access(self.name, self.indices)


def shape_text(tensor: Tensor) -> str:
    """The shape as text: (B, 3)."""
    labels = [size_text(s) for s in tensor.shape]
    return f"({', '.join(labels)}{',' if len(labels) == 1 else ''})"


def size_text(s: Expr) -> str:
    """A size as text: 3, B, T + 1."""
    return s.label if not s.args else " + ".join(size_text(t) for t in s.args)


@dataclass(frozen=True)
class Term:
    """One summand of an adjoint or tangent: the chain rule through one use.

    through: the equation's target. read: the access that is differentiated. local: the local derivative.
    """

    through: Access
    read: Access
    local: Expr
    value: Expr


@dataclass(frozen=True)
class Reason:
    """Why a derived equation is there.

    kind: "adjoint", "tangent", "expanded" (naive), "shared", "normalised", "moved" or "by windows" (recast), or "part":
    written in the notation with an index that says that it runs over a part of an axis. of, wrt: the loss and the
    tensor that it is differentiated by. terms: one a use. via: the terms of derived equations that were written out in
    this one.
    """

    kind: str
    of: str = ""
    wrt: str = ""
    terms: tuple[Term, ...] = ()
    via: tuple[Term, ...] = ()


@dataclass(frozen=True)
class Equation:
    """target = value for all values of the target's indices."""

    target: Access
    value: Expr
    reason: Reason | None = None

    @property
    def name(self) -> str:
        return self.target.label


@dataclass(frozen=True)
class Program:
    """Tensor equations in an order in which they can be run.

    tensors: every tensor by name. outputs: what running it is for. loss: the scalar that `gradient` differentiates.
    prediction: what `predict` returns. facts: pairs (sum, value) declared to be equal, e.g. targets that add up to one.
    updates: state tensor -> the computed tensor that replaces it after a step. inference: the same network as used
    for prediction where that differs from training (batch norm), else None. task: "regression", "classification" or
    "binary": what the prediction is for, hence the metric.
    """

    title: str
    tensors: Mapping[str, Tensor]
    equations: tuple[Equation, ...]
    outputs: tuple[str, ...]
    loss: str | None = None
    prediction: str | None = None
    facts: tuple[tuple[Expr, Expr], ...] = ()
    updates: Mapping[str, str] = field(default_factory=dict)
    inference: Program | None = None
    task: str = "regression"

    # ------------------------------------------------------------------------------------- looking at it

    def of_role(self, role: str) -> tuple[Tensor, ...]:
        return tuple(t for t in self.tensors.values() if t.role == role)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return self.of_role("input")

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        return self.of_role("parameter")

    @property
    def state(self) -> tuple[Tensor, ...]:
        return self.of_role("state")

    def equation(self, name: str) -> Equation:
        """The equation that defines a tensor. Raises KeyError if nothing does."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Equation]:
        return {e.name: e for e in self.equations}

    @property
    def size_names(self) -> tuple[str, ...]:
        """The symbolic sizes, in order of appearance."""
        found: dict[str, None] = {}
        for t in self.tensors.values():
            for s in t.shape:
                found.update((n.label, None) for n in walk(s) if isinstance(n, Size))
        return tuple(found)

    @property
    def parameter_count(self) -> Expr:
        """How many numbers the parameters hold, in the sizes."""
        total: Expr = ZERO
        for t in self.parameters:
            total = total + mul(*t.shape)
        return total

    def sympy(self) -> list[tuple[Any, Any]]:
        """(target, value) of each equation as SymPy objects."""
        from symbp.language import to_sympy

        return [(to_sympy(e.target), to_sympy(e.value)) for e in self.equations]

    # ------------------------------------------------------------------------ making another one from it

    def with_(
        self,
        equations: Iterable[Equation],
        new_tensors: Iterable[Tensor] = (),
        outputs: tuple[str, ...] | None = None,
    ) -> Program:
        """The same program with other equations: tensors that nothing computes any more are dropped."""
        kept = tuple(equations)
        computed = {e.name for e in kept}
        known = dict(self.tensors) | {t.name: t for t in new_tensors}
        tensors = {n: t for n, t in known.items() if t.role != "computed" or n in computed}
        return replace(self, tensors=tensors, equations=kept, outputs=self.outputs if outputs is None else outputs)

    # ----------------------------------------------- the stages that follow, as methods (imported on use)

    def gradient(
        self,
        wrt: str | Iterable[str] | None = None,
        *,
        of: str | None = None,
        method: str = "reverse",
        simplify: bool = True,
        sizes: Mapping[str, int] | None = None,
    ) -> Program:
        """The Program that computes the loss and its gradients `d_<name>`. See `symbp.gradient.gradient`."""
        from symbp.gradient import gradient

        return gradient(self, wrt, of=of, method=method, simplify=simplify, sizes=sizes)

    def extend(
        self,
        equations: Sequence[Any],
        *,
        inputs: Iterable[Any] = (),
        parameters: Iterable[Any] | Mapping[Any, str] = (),
        integers: Iterable[Any] = (),
        loss: Any = None,
        outputs: Iterable[Any] = (),
        facts: Iterable[Any] = (),
    ) -> Program:
        """The program with further SymPy equations, e.g. over its gradients. See `symbp.declare.extend`."""
        from symbp.declare import extend

        return extend(
            self, equations, inputs=inputs, parameters=parameters, integers=integers, loss=loss, outputs=outputs,
            facts=facts,
        )  # fmt: skip

    def jacobian(self, of: str, wrt: str | Iterable[str] | None = None, *, simplify: bool = True) -> Program:
        """The Program that computes `<of>_by_<name>` for any tensor `of`. See `symbp.gradient.jacobian`."""
        from symbp.gradient import jacobian

        return jacobian(self, of, wrt, simplify=simplify)

    def jvp(self, along: Mapping[str, str], of: str | None = None, *, simplify: bool = True) -> Program:
        """The Program that computes `<of>_dot` along a direction. See `symbp.gradient.directional`."""
        from symbp.gradient import directional

        return directional(self, along, of, simplify=simplify)

    def unroll(self, sizes: Mapping[str, int] | None = None) -> Program:
        """The same program at neuron level: one scalar equation an entry. See `symbp.unroll.unroll`."""
        from symbp.unroll import unroll

        return unroll(self, sizes)

    def evaluate(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """All tensors' values, by the reference interpreter. See `symbp.evaluate.evaluate`."""
        from symbp.evaluate import evaluate

        return evaluate(self, values)

    def derivation(self, wrt: str | Iterable[str] | None = None, *, level: str = "matrix") -> Derivation:
        """The step-by-step derivation of the gradients. See `symbp.show.derivation.derivation`."""
        from symbp.show.derivation import derivation

        return derivation(self, wrt, level=level)

    def count(self, sizes: Mapping[str, int] | None = None) -> Counts:
        """Operations of every way to compute the gradient. See `symbp.count.compare`."""
        from symbp.count import compare

        return compare(self, sizes)

    def __str__(self) -> str:
        from symbp.show.pages.program import program_text

        return program_text(self)

    def _repr_latex_(self) -> str:
        from symbp.show.pages.program import program_latex

        return "$$" + program_latex(self) + "$$"

    def _repr_html_(self) -> str:
        from symbp.show.pages.program import program_html

        return program_html(self)
