"""The program whose equations a derivation shows: simplified as far as it reads better, with textbook adjoints kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from symbp.derive.reverse import depending_on
from symbp.expr import Expr, add, substitute, transform, walk
from symbp.normalise import normalise
from symbp.program import Equation, Program, Term
from symbp.recurrence import leading_to
from symbp.show.names.binders import Declared, clear_names, declared_indices
from symbp.show.names.symbols import with_helper_letters
from symbp.simplify import simplify
from symbp.simplify.algebra import tidy, tidy_equations
from symbp.simplify.dead import drop_dead
from symbp.simplify.inline import without
from symbp.simplify.logarithms import combine_logs
from symbp.simplify.nominal import operations
from symbp.simplify.recognise import recognise_functions
from symbp.simplify.reuse import expand_functions, reuse_values

DERIVED = ("adjoint", "tangent", "expanded")
SHORT = 24  # nodes: what is longer keeps a name of its own


@dataclass(frozen=True)
class Plan:
    """What to show.

    program: the derived equations. asides: names of adjoints that the simplified equations no longer read, shown on the
    way all the same. before: equations before they were simplified and such an adjoint was written out in them, in the
    order of the derivation. after: the closed form of an equation that reads an adjoint which it could do without.
    facts: names of equations that need a declared fact.
    """

    program: Program
    asides: frozenset[str] = frozenset()
    before: tuple[Equation, ...] = ()
    after: Mapping[str, Expr] = field(default_factory=dict)
    facts: frozenset[str] = frozenset()


def with_helpers(program: Program, wrt: Sequence[str], method: str) -> Program:
    """The program with those sums in equations of their own whose adjoint or tangent a derivation has to show."""
    full = normalise(program)
    if full is program:
        return program
    found = plan(program, wrt, method, keep_adjoints=True).program
    shown = {name for e in derived(found, program) if e.reason for name in (e.reason.wrt, e.reason.of)}
    for e in reversed(full.equations):
        if e.name not in program.tensors and e.name not in shown:
            full = without(full, full.equation(e.name))
    return with_helper_letters(full)


def plan(program: Program, wrt: Sequence[str], method: str, keep_adjoints: bool, closed: bool = False) -> Plan:
    """The derived equations for reverse or forward accumulation, at tensor level. closed: with `Plan.after`."""
    raw = program.gradient(
        [*wrt, *(textbook_adjoints(program, wrt) if method == "reverse" else ())], method=method, simplify=False
    )
    outputs = (raw.outputs[0], *(name for name in raw.outputs[1 : 1 + len(wrt)]))
    declared = declared_indices(program)
    untouched = clear_names(written_out(_rewritten(raw)), declared)
    if method == "forward":
        return Plan(with_helper_letters(drop_dead(replace(untouched, outputs=outputs))))
    final = clear_names(only(written_out(simplify(raw, keep_adjoints=keep_adjoints)), outputs), declared)
    without_facts = frozenset[str]()
    if program.facts:
        other = clear_names(written_out(simplify(replace(raw, facts=()), keep_adjoints=keep_adjoints)), declared)
        values = {e.name: e.value for e in other.equations}
        without_facts = frozenset(e.name for e in derived(final, program) if values.get(e.name) is not e.value)
    plain = {e.name: e for e in clear_names(plain_chain_rule(raw, program), declared).equations}
    found = with_asides(program, final, untouched, without_facts, plain)
    return replace(found, after=closed_forms(raw, final, declared)) if closed else found


def textbook_adjoints(program: Program, wrt: Sequence[str]) -> list[str]:
    """Computed tensors whose adjoint deserves a line: it has its own letter, or a parameter's gradient needs it."""
    assert program.loss is not None
    needed = leading_to(program.equations, (program.loss,)) & depending_on(program, wrt)
    return [
        e.name
        for e in program.equations
        if e.name in needed
        and e.name not in (program.loss, *wrt)
        and program.tensors[e.name].dtype == "real"
        and (program.tensors[e.name].adjoint or e.value.tensors & set(wrt))
    ]


def derived(program: Program, base: Program) -> list[Equation]:
    """The equations that differentiation has added to the base program."""
    return [e for e in program.equations if e.reason and e.reason.kind in DERIVED and e.name not in base.tensors]


def only(program: Program, outputs: tuple[str, ...]) -> Program:
    """The program without equations that these outputs don't need."""
    return drop_dead(replace(program, outputs=outputs))


def written_out(program: Program) -> Program:
    """Short shared subexpressions put back where they are read: y - t is clearer than a name for it."""
    for equation in program.equations:
        if equation.reason and equation.reason.kind == "shared":
            current = program.equation(equation.name)
            if sum(1 for _ in walk(current.value)) <= SHORT:
                program = without(program, current)
    return program


def closed_forms(raw: Program, final: Program, declared: Declared) -> dict[str, Expr]:
    """What equations become where adjoints of values in between are written out, if that takes no more operations."""
    shared, adjoints = {e.name for e in final.equations}, {*adjoint_names(raw).values()}
    out = {}
    for e in clear_names(written_out(simplify(raw)), declared).equations:
        kept = final.equation(e.name).value if e.name in shared else e.value
        gone = {n for n in kept.tensors - e.value.tensors if n not in raw.tensors or n in adjoints}
        if gone and e.value.tensors <= shared | {*raw.tensors} and operations(e.value) <= operations(kept):
            out[e.name] = e.value
    return out


def adjoint_names(program: Program) -> dict[str, str]:
    """Tensor -> its adjoint."""
    return {e.reason.wrt: e.name for e in program.equations if e.reason and e.reason.kind == "adjoint"}


def plain_chain_rule(raw: Program, base: Program) -> Program:
    """The derived program with adjoints as the chain rule gives them, simplified only by what the forward pass knows.

    sigma(z) (1 - sigma(z)) is h (1 - h). Those that read what normalisation has introduced are left as they are.
    """
    adjoints = adjoint_names(raw)

    def known(term: Term) -> Expr:
        equation = base.equation(term.through.label)
        reads = [a for a in term.value.accesses if a.label == adjoints.get(term.through.label)]
        if len(reads) != 1:
            return term.value
        at = dict(zip(equation.target.args, reads[0].args, strict=True))
        value, target = substitute(equation.value, at), substitute(equation.target, at)
        return transform(term.value, lambda e: target if e is value else e)

    equations = []
    for e in raw.equations:
        found = e.reason.terms if e.reason and e.reason.kind == "adjoint" else ()
        if found and all(t.through.label in base.tensors for t in found):
            e = replace(e, value=add(*map(known, found)))
        equations.append(e)
    return raw.with_(equations)


def with_asides(
    base: Program, final: Program, untouched: Program, facts: frozenset[str], plain: Mapping[str, Equation]
) -> Plan:
    """The plan with the adjoints that were written out in others put back in front of those, where they are short.

    plain: the equations that the chain rule gives. They get a line of their own where simplification made something
    else of them.
    """
    here = {e.name for e in final.equations}
    whole = {e.name: e for e in without_helpers(untouched, base).equations}
    helpers = {
        e.name for e in untouched.equations if e.reason and e.reason.kind == "normalised" and e.name not in base.tensors
    }
    originals = {e.name: e for e in derived(untouched, base)}
    adjoint_of = {e.reason.wrt: e.name for e in originals.values() if e.reason}
    equations: list[Equation] = []
    asides: list[str] = []
    before: list[Equation] = []

    def insert(name: str) -> bool:
        """Puts an adjoint that is no longer there in front; False if it can't be shown."""
        equation = originals.get(name)
        if equation is None or equation.reason is None or equation.reason.wrt in helpers:
            return False
        if sum(1 for _ in walk(equation.value)) > 2 * SHORT or equation.value.tensors & helpers:
            return False
        missing = [n for n in sorted(equation.value.tensors) if n in originals and n not in here and n not in asides]
        if not all(insert(n) for n in missing):
            return False
        asides.append(name)
        equations.append(equation)
        if worth_a_line(plain[name], equation, helpers):
            before.append(plain[name])
        return True

    for equation in final.equations:
        original = originals.get(equation.name)
        if original is not None:
            throughs = [adjoint_of.get(t.through.label, "") for t in original.reason.terms] if original.reason else []
            gone = [
                n
                for n in dict.fromkeys([*sorted(original.value.tensors), *throughs])
                if n in originals and n not in here
            ]
            if original.value.tensors & helpers and original.name in whole:  # a softmax reads its sum: written out
                original = replace(original, value=whole[original.name].value)
                gone = [n for n in sorted(original.value.tensors) if n in originals and n not in here]
            shown = [n for n in gone if n in asides or insert(n)]
            complete = len(shown) == len(gone) and not original.value.tensors & helpers
            if complete and worth_a_line(plain[original.name], original, helpers):
                before.append(plain[original.name])
            own = {n for n in original.value.tensors if n in originals} <= set(throughs)  # else it's no chain rule
            if complete and shown and own and original.value is not equation.value:
                before.append(original)
        equations.append(equation)
    tensors = [untouched.tensors[n] for n in asides]
    program = with_helper_letters(final.with_(equations, tensors))
    return Plan(program, frozenset(asides), tuple(before), facts=facts)


def worth_a_line(plain: Equation, final: Equation, helpers: set[str]) -> bool:
    """Whether what the chain rule gives is short and looks different from what is computed."""
    same = tidy(plain.value) is final.value or plain.value is final.value
    return not same and not plain.value.tensors & helpers and sum(1 for _ in walk(plain.value)) <= 2 * SHORT


def without_helpers(program: Program, base: Program) -> Program:
    """The program with the sums that have got equations of their own, and their adjoints, written out where read."""
    helpers = {e.name for e in program.equations if e.reason and e.reason.kind == "normalised"} - set(base.tensors)
    out = program
    for e in reversed(program.equations):
        if e.name in helpers or (e.name not in base.tensors and e.reason and e.reason.wrt in helpers):
            out = without(out, out.equation(e.name))
    if not helpers:
        return program
    return clear_names(tidy_equations(reuse_values(tidy_equations(out))), declared_indices(base))


def _rewritten(program: Program) -> Program:
    """The passes of `simplify.PASSES` that rewrite an equation where it stands, without those that move or drop any."""
    for step in (
        recognise_functions,
        expand_functions,
        combine_logs,
        tidy_equations,
        recognise_functions,
        reuse_values,
    ):
        program = step(program)
    return program
