"""`symbp verify`: gradients that somebody wrote by hand, held against the derivation.

Each quantity is right, or the first wrong one in backward order is reported with how it differs. The diagnoses are
generic changes of the derivation's own equations, tried until one gives what was handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from symbp.errors import SymbpError
from symbp.program import Program
from symbp.proofread.algebra import equal
from symbp.proofread.diagnose import diagnose
from symbp.proofread.formulas import from_equations, from_text
from symbp.proofread.functions import from_function, load_function
from symbp.proofread.given import Given, agree
from symbp.proofread.reference import Reference
from symbp.proofread.report import Report, Verdict

__all__ = ["Report", "proofread", "proofread_file"]


def proofread(
    program: Program,
    work: str | Callable[..., Any] | Iterable[Any],
    *,
    seed: int = 0,
    sizes: Mapping[str, int] | None = None,
    name: str = "",
) -> Report:
    """Whether hand-written gradients of the program's loss are right, and what is wrong with the first that isn't.

    work: formulas as text (index or matrix notation, never evaluated), SymPy equations Eq(d_W1[i, h], Sum(...)), or a
    function like an emitted module's loss_and_grads(params, x, t), or one that takes quantities by name,
    backward(x, z1, d_z2), and returns a dictionary of gradients. seed, sizes: of the random points; sizes that are not
    given change from point to point. name: of the work, for the report.

    Raises SymbpError where the work can't be judged.
    """
    reference = Reference(program, seed, sizes)
    overwritten: list[str] = []
    if callable(work):
        given, overwritten = from_function(reference, work)
        name = name or getattr(work, "__name__", "function")
    elif isinstance(work, str):
        given = from_text(reference, work, name or "formulas")
    else:
        given = from_equations(reference, work)
    given = sorted(given, key=lambda g: reference.order[g.name])
    verdicts = tuple(_verdict(reference, g) for g in given)
    wrong = [v.given for v in verdicts if not v.right]
    together = callable(work)
    finding = diagnose(reference, wrong[0], given if together else wrong[:1]) if wrong else None
    missing = tuple(n for n in reference.parameters if n not in {g.name for g in given})
    return Report(reference, name or "formulas", verdicts, finding, missing, tuple(overwritten), together, seed)


def proofread_file(
    program: Program,
    path: Path,
    *,
    function: str | None = None,
    seed: int = 0,
    sizes: Mapping[str, int] | None = None,
) -> Report:
    """The same for a file: a .py file is run and its function called, any other is a text of formulas.

    function: which one of the .py file; default loss_and_grads, then backward, then the only one.
    """
    if path.suffix == ".py":
        called = load_function(path, function)
        return proofread(program, called, seed=seed, sizes=sizes, name=f"{path.name}: {called.__name__}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SymbpError(f"{path} is not a text in UTF-8: it can't be read as formulas") from None
    return proofread(program, text, seed=seed, sizes=sizes, name=path.name)


def _verdict(reference: Reference, given: Given) -> Verdict:
    pairs = zip(given.arrays, reference.points, strict=True)
    right = all(agree(mine, p.values[given.name], given.tolerance) for mine, p in pairs)
    proved = right and given.value is not None and equal(reference, given.name, given.value)
    return Verdict(given, right, "algebra" if proved else "numbers")
