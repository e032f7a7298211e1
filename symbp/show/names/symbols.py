"""What tensors and indices are called on paper: a tensor's own symbol, else a good one made from its name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from symbp.expr import Index, walk
from symbp.functions import TABLE
from symbp.program import Program, Reason, Tensor
from symbp.unroll import entry_name

GREEK = {
    name: unicodedata.lookup(f"GREEK {case} LETTER {name.upper().replace('LAMBDA', 'LAMDA')}")
    for name, case in [
        *(
            (n, "SMALL")
            for n in """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma
        tau upsilon phi chi psi omega""".split()
        ),
        *((n, "CAPITAL") for n in "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split()),
    ]
}
_FUNCTIONS = {"max", "min", *TABLE, *(word for row in TABLE.values() for word in re.findall("[A-Za-z]{2,}", row.latex))}
_ACCENTS = {"hat": "\u0302", "tilde": "\u0303", "bar": "\u0304", "dot": "\u0307", "vec": "\u20d7"}


@dataclass(frozen=True)
class Symbol:
    """A LaTeX symbol in its parts, so that indices, primes and powers can be added without a double script."""

    nucleus: str
    superscripts: tuple[str, ...] = ()
    subscripts: tuple[str, ...] = ()
    primes: int = 0


@dataclass(frozen=True)
class Partial:
    """The derivative of one tensor by another; the first `split` indices belong to the tensor above."""

    of: str
    wrt: str
    split: int


def parse(latex: str) -> Symbol:
    """The parts of a symbol: \\tilde\\mu^{(1)}' is \\tilde\\mu with one prime and the superscript (1)."""
    scripts: dict[str, list[str]] = {"^": [], "_": []}
    primes, rest, depth, k = 0, "", 0, 0
    while k < len(latex):
        c = latex[k]
        if depth == 0 and c in "^_" and (k == 0 or latex[k - 1] != "\\"):
            script, k = group(latex, k + 1)
            scripts[c].append(script)
            continue
        if depth == 0 and c == "'":
            primes += 1
        else:
            depth += (c == "{") - (c == "}")
            rest += c
        k += 1
    nucleus = rest.strip()
    if nucleus in _FUNCTIONS and scripts["_"]:  # log_p_t isn't the logarithm of anything
        nucleus, scripts["_"] = _upright("_".join((nucleus, *scripts["_"]))), []
    if re.fullmatch("[A-Za-z]{2,}", nucleus):  # a word, no product of its letters
        nucleus = _upright(nucleus)
    return Symbol(nucleus, tuple(scripts["^"]), tuple(scripts["_"]), primes)


def group(latex: str, k: int) -> tuple[str, int]:
    """The argument that starts at position k, and where it ends."""
    if k < len(latex) and latex[k] == "{":
        depth = 0
        for end in range(k, len(latex)):
            depth += (latex[end] == "{") - (latex[end] == "}")
            if depth == 0:
                return latex[k + 1 : end], end + 1
    found = re.compile(r"\\[A-Za-z]+|.").match(latex, k)
    return (found.group(), found.end()) if found else ("", k + 1)


_TWO_LETTERS = re.compile("[A-Z][a-z]")


def default_symbol(name: str, split: bool = False) -> str:
    """LaTeX for a tensor that has no symbol: z1 -> z^{(1)}, gamma -> \\gamma, W_q -> W_{q}, attn -> \\mathrm{attn}.

    split: Wq -> W_{q}, too.
    """
    stem, number = re.fullmatch(r"(.*?)_?(\d*)", name.rstrip("_") or name).groups()  # type: ignore[union-attr]
    if not stem:
        stem, number = name, ""
    layer = f"^{{({int(number)})}}" if number else ""
    head, _, tail = stem.partition("_")
    if split and _TWO_LETTERS.fullmatch(stem) and stem not in GREEK:
        head, tail = stem[0], stem[1]
    if tail and (len(head) == 1 or head in GREEK):
        return f"{_word(head)}{layer}_{{{_word(tail)}}}"
    return _word(stem) + layer


def _word(text: str) -> str:
    if len(text) == 1 and text.isalpha():
        return text
    return f"\\{text}" if text in GREEK else _upright(text)


def with_symbols(program: Program) -> Program:
    """The program with a symbol for every tensor that is no derivative; two tensors never share one.

    A symbol that is another tensor's name in plain text, such as m for a layer's mask, yields to that tensor.
    """
    used = {*RESERVED, *(t.adjoint for t in program.tensors.values())}
    derived = {e.name for e in program.equations if e.reason and e.reason.kind in ("adjoint", "tangent")}
    own = {name for name, t in program.tensors.items() if name not in derived and not t.symbol}
    tensors = {
        name: replace(t, symbol="") if t.symbol and name not in derived and plain(t.symbol) in own else t
        for name, t in program.tensors.items()
    }
    given = {t.symbol for t in tensors.values()}
    labels = {i.label for t in tensors.values() for i in t.indices}
    split = not any(_TWO_LETTERS.fullmatch(name) and name[1] in labels for name in tensors)  # V_{b,ho}: is b an index?
    for name, t in tensors.items():
        if name not in derived or t.symbol:
            symbol = t.symbol
            if not symbol or symbol in used:
                symbol = default_symbol(name, split)
                symbol = _upright(name) if symbol in used | given else symbol
                tensors[name] = replace(t, symbol=symbol)
            used.add(symbol)
    return replace(program, tensors=tensors)


def _upright(text: str) -> str:
    return r"\mathrm{" + text.replace("_", r"\_") + "}"


RESERVED = ("e", r"\delta", r"\sigma", r"\pi")  # the exponential, Kronecker's delta, the sigmoid, the number
HELPERS = ("shared", "normalised")
_LETTERS = (*"sqracgmod", *map("\\{}".format, "xi eta zeta kappa rho tau omega phi psi chi nu lambda".split()))


def with_helper_letters(program: Program) -> Program:
    """The program with letters for the tensors that a pass introduced: s, q, r, ... with their layer; no index's.

    One without a layer has no letter of a bound index either.
    """
    tensors = dict(program.tensors)
    labels = {i.label for t in tensors.values() for i in t.indices}
    bound = {i.label for e in program.equations for i in walk(e.value) if isinstance(i, Index)}
    nuclei = {(plain(parse(t.symbol).nucleus).lower(), t.layer) for t in tensors.values()}
    for e in program.equations:
        t = tensors[e.name]
        if e.reason and e.reason.kind in HELPERS and not t.symbol:
            taken = labels if t.layer else labels | bound
            letter = next((c for c in _LETTERS if c not in taken and (plain(c), t.layer) not in nuclei), "")
            mark = f"^{{({t.layer})}}" if t.layer else ""
            symbol = letter + mark if letter else _upright(e.name)  # the number of a name isn't a layer's
            nuclei.add((plain(letter), t.layer))
            tensors[e.name] = replace(t, symbol=symbol)
    return replace(program, tensors=tensors)


@dataclass(frozen=True)
class Names:
    """The names of a program's tensors and indices.

    meaning: what to print for a tensor. derivatives: what each adjoint or tangent is of and by, those with a letter of
    their own included. labels: of all indices. position: the order in which the tensors were declared.
    """

    tensors: Mapping[str, Tensor]
    meaning: Mapping[str, Symbol | Partial]
    derivatives: Mapping[str, Partial]
    labels: tuple[str, ...]
    position: Mapping[str, int]

    @cached_property
    def entries(self) -> bool:
        """Whether these are the names of single entries."""
        return any(t.entry for t in self.tensors.values())

    def with_entries(self, entries: Names) -> Names:
        """The names of these tensors and of their entries."""
        return replace(
            entries,
            tensors={**self.tensors, **entries.tensors},
            meaning={**self.meaning, **entries.meaning},
            derivatives={**self.derivatives, **entries.derivatives},
            position={**self.position, **entries.position},
        )


def names_of(program: Program, declared: Program, ranks: Mapping[str, int]) -> Names:
    """The names in a derived program and in the one that it comes from, where nothing is dropped.

    ranks: number of indices by tensor-level name, to read the entries of tangents.
    """
    tensors = {**declared.tensors, **program.tensors}
    equations = (*declared.equations, *program.equations)
    reasons = {e.name: e.reason for e in equations if e.reason}
    meaning: dict[str, Symbol | Partial] = {}
    derivatives: dict[str, Partial] = {}
    for name, t in tensors.items():
        reason = reasons.get(name)
        if reason and reason.kind in ("adjoint", "tangent", "expanded"):
            derivatives[name] = _partial(t, reason, ranks)
        if t.symbol:
            meaning[name] = parse(t.symbol)
        elif name in derivatives:
            meaning[name] = derivatives[name]
        else:
            meaning[name] = parse(default_symbol(name))
    for p in derivatives.values():  # a loss that a second differentiation left no equation for still has a name
        for name in (p.of, p.wrt):
            meaning.setdefault(name, parse(default_symbol(name)))
    labels = dict.fromkeys(i.label for t in tensors.values() for i in t.indices)
    for e in equations:
        labels.update(dict.fromkeys(sorted(n.label for n in walk(e.value) if isinstance(n, Index))))
    position = {name: k for k, name in enumerate(tensors)}
    return Names(tensors, meaning, derivatives, tuple(labels), position)


def _partial(t: Tensor, reason: Reason, ranks: Mapping[str, int]) -> Partial:
    if reason.kind == "tangent" and t.entry:
        tensor, at = t.entry
        of = reason.of
        split = ranks.get(of, 0)
        source = tensor.split("_by_", 1)[1] if "_by_" in tensor else tensor.split("_", 1)[1]
        return Partial(entry_name(of, at[:split]), entry_name(source, at[split:]), 0)
    return Partial(reason.of, reason.wrt, ranks.get(reason.of, 0) if not t.entry else 0)


def plain(latex: str) -> str:
    """Unicode for a LaTeX nucleus: \\tilde\\mu -> μ̃, \\mathrm{attn} -> attn."""
    text = re.sub(r"\\(?:mathrm|mathbf|mathit|operatorname|text)\{((?:[^{}])*)\}", r"\1", latex)
    text = text.replace(r"\_", "_")
    for name, mark in _ACCENTS.items():
        text = re.sub(rf"\\{name}\s*(?:\{{(.*?)\}}|(\\[A-Za-z]+|[^\W_]))", rf"\g<1>\g<2>{mark}", text)
    text = re.sub(r"\\([A-Za-z]+)\s*", lambda m: GREEK.get(m[1], m[1]), text)
    return text.replace("{", "").replace("}", "").replace("\\", "")
