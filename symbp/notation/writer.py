"""Program to text: what `symbp.notation.read` reads back as the same Program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from symbp import expr as ex
from symbp.expr import Expr, Index, Size, walk
from symbp.notation.starts import Found, find_starts
from symbp.notation.text import Text, quoted
from symbp.program import Equation, Program, Tensor

WIDTH = 100  # of a line of declarations


def write(program: Program, about: bool = True) -> str:
    """The program in the notation of docs/notation.md.

    `read` gives back the same tensors, equations, loss, prediction, outputs, facts, updates and inference form. What
    isn't kept are the reasons of derived equations, and the place of declarations among the equations.
    about: also what printers know of the tensors (LaTeX symbols, layers, entries), as `about` statements at the end.
    """
    if not about:
        program = _plain(program)
    parts = [program] if program.inference is None else [program, program.inference]
    head = _Head(parts)
    lines = _part(program, head)
    if program.inference is not None:
        lines += ["", "inference", *_difference(program, program.inference, head)]
    title = [] if program.title == "network" else [f"title {_string(program.title)}"]
    task = [] if program.task == "regression" else [f"task {program.task}"]
    return "\n".join([*title, *task, *head.lines(), *lines]) + "\n"


def _plain(program: Program) -> Program:
    """The program without what only printers use."""
    tensors = {n: Tensor(t.name, t.indices, t.role, t.dtype, t.init) for n, t in program.tensors.items()}
    inference = None if program.inference is None else _plain(program.inference)
    return replace(program, tensors=tensors, inference=inference)


class _Head:
    """The sizes, and the size of each index: the one that is most frequent under its name."""

    def __init__(self, programs: list[Program]) -> None:
        seen: Counter[Index] = Counter()
        labels: dict[str, None] = {}
        tensors: set[str] = set()
        scalars: set[str] = set()
        symbols: dict[str, None] = {}
        for p in programs:
            tensors |= set(p.tensors)
            scalars |= {t.name for t in p.tensors.values() if not t.indices}
            shapes = [size for t in in_order(p) for size in t.shape]
            symbols.update((n.label, None) for s in shapes for n in walk(s) if isinstance(n, Size))
            everywhere = [*(e.value for e in p.equations), *(side for fact in p.facts for side in fact)]
            found = [i for t in in_order(p) for i in t.indices]
            found += [n for e in everywhere for n in walk(e) if isinstance(n, Index)]
            seen.update(found)
            labels.update(dict.fromkeys(i.label for i in found))
        self.sizes: dict[str, Expr] = {}
        for name in labels:
            best = max((i for i in seen if i.label == name), key=lambda i: seen[i])
            self.sizes[name] = best.size
        self.clashes = frozenset(labels) & (scalars | set(symbols))
        taken = tensors | set(symbols) | set(labels)
        self.symbols = list(symbols)
        self.letters: dict[str, Expr] = {}  # fixed sizes that are named after their index
        self.others: dict[str, Expr] = {}
        for name, s in self.sizes.items():
            letter = name.upper()
            if letter != name and isinstance(s, Size) and s.label == letter:
                continue
            plain = name.isascii() and name.isalpha() and len(name) == 1 and letter != name and letter not in taken
            (self.letters if plain and isinstance(s, ex.Num) else self.others)[name] = s

    def lines(self) -> list[str]:
        """The statements `sizes` and `index`."""
        text = Text({}, {}, {}, {})
        sizes = [quoted(s) for s in self.symbols]
        sizes += [f"{name.upper()}={text.at_least(s, 0)}" for name, s in self.letters.items()]
        others = [f"{quoted(name)}={text.at_least(s, 0)}" for name, s in self.others.items()]
        return [*_wrapped("sizes", sizes), *_wrapped("index", others)]


def in_order(program: Program) -> list[Tensor]:
    """The tensors as the text has them: what is declared, then what is computed."""
    declared = [t for t in program.tensors.values() if t.role != "computed"]
    return [*declared, *(program.tensors[e.name] for e in program.equations)]


def _text(program: Program, head: _Head, starts: list[Found]) -> Text:
    order = {t.name: n for n, t in enumerate(in_order(program))}
    primes = {new: state for state, new in program.updates.items() if new == f"new_{state}"}
    guarded = {read: plain for start in starts for read, plain in start.reads.items()}
    return Text(head.sizes, order, primes, guarded, head.clashes, _partial(program))


def _partial(program: Program) -> frozenset[Index]:
    """Indices that are read where the axis has another size: what was derived may read a part of it."""
    found = set()
    for read in {a for e in program.equations for a in e.value.accesses}:
        for i, formal in zip(read.args, program.tensors[read.label].indices, strict=True):
            if isinstance(i, Index) and i.size is not formal.size:
                found.add(i)
    return frozenset(found)


def _part(program: Program, head: _Head) -> list[str]:
    """Declarations, facts, equations, and what they're for."""
    starts = find_starts(program)
    text = _text(program, head, starts)
    lines = _declarations(text, [t for t in program.tensors.values() if t.role != "computed"])
    lines += [_fact(text, *fact) for fact in program.facts]
    if lines:
        lines.append("")
    lines += _equations(text, program, program.equations, starts)
    return [*lines, *_marks(program), *_about(in_order(program))]


def _equations(text: Text, program: Program, equations: Iterable[Equation], starts: list[Found]) -> list[str]:
    lines: list[str] = []
    for e in equations:
        indices = program.tensors[e.name].indices
        for start in (s for s in starts if s.name == e.name):
            places = [quoted(i.label) for i in start.axes]
            places[start.place] = text.at_least(start.at, 0)
            lines.append(f"{text.tensor(e.name)}[{','.join(places)}] = {text.at_least(start.value, 0)}")
        target = text.target(e.name, indices)
        if e.name == program.loss:
            target = "loss" if e.name == "L" else f"loss {target}"
        lines.append(f"{target} = {text.at_least(e.value, 0)}")
    return lines


def _marks(program: Program) -> list[str]:
    lines = []
    if program.prediction is not None:
        lines.append(f"predict {quoted(program.prediction)}")
    default = program.loss or program.prediction or program.equations[-1].name
    if program.outputs != (default,):
        lines += _wrapped("output", [quoted(o) for o in program.outputs])
    if program.loss is not None and program.loss not in {e.name for e in program.equations}:
        lines.append(f"loss {quoted(program.loss)}")
    lines += [f"update {quoted(s)} = {quoted(n)}" for s, n in program.updates.items() if n != f"new_{s}"]
    return lines


def _fact(text: Text, left: Expr, right: Expr) -> str:
    free = sorted(left.free | right.free, key=lambda i: i.label)
    other = [text.binder(i) for i in free if text.sizes.get(i.label) is not i.size or i.label in text.clashes]
    bound = f" for {', '.join(other)}" if other else ""
    return f"fact {text.at_least(left, 0)} = {text.at_least(right, 0)}{bound}"


def _declarations(text: Text, tensors: list[Tensor]) -> list[str]:
    """Tensors of one kind that follow each other, on one line as far as it goes."""
    lines: list[str] = []
    kind, items = "", list[str]()
    for t in tensors:
        word = {"parameter": "param", "state": "state"}.get(t.role, "int" if t.dtype == "int" else "input")
        if word != kind:
            lines += _wrapped(kind, items)
            kind, items = word, []
        init = {"": "", "zeros": " ~ 0", "ones": " ~ 1"}.get(t.init, f" ~ {t.init}")
        items.append(text.target(t.name, t.indices) + init)
    return [*lines, *_wrapped(kind, items)]


def _wrapped(word: str, items: list[str]) -> list[str]:
    lines: list[str] = []
    for item in items:
        if lines and len(lines[-1]) + len(item) < WIDTH:
            lines[-1] += f", {item}"
        else:
            lines.append(f"{word} {item}")
    return lines


def _about(tensors: Iterable[Tensor]) -> list[str]:
    """What printers know of the tensors, where they know something."""
    lines = []
    for t in tensors:
        features = []
        if t.dtype == "int" and t.role != "input":
            features.append("int")
        if t.symbol:
            features.append(f"symbol {_string(t.symbol)}")
        if t.adjoint:
            features.append(f"adjoint {_string(t.adjoint)}")
        if t.layer is not None:
            features.append(f"layer {t.layer}")
        if t.subscripts is not None:
            features.append(f"subscripts ({', '.join(map(str, t.subscripts))})")
        if t.entry is not None:
            features.append(f"entry {quoted(t.entry[0])} ({', '.join(map(str, t.entry[1]))})")
        if features:
            lines.append(f"about {quoted(t.name)}: {', '.join(features)}")
    return ["", *lines] if lines else []


def _string(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _difference(base: Program, program: Program, head: _Head) -> list[str]:
    """The statements that turn the base into its form for prediction."""
    before = {e.name: e.value for e in base.equations}
    plain = replace(program, updates={})
    starts = find_starts(plain)
    text = _text(plain, head, starts)
    new = [t for t in in_order(plain) if t.role != "computed" and not _same(t, base.tensors.get(t.name))]
    changed = [e for e in plain.equations if before.get(e.name) is not e.value]
    shown = {e.name for e in changed}
    lines = _declarations(text, new)
    if plain.facts != base.facts and plain.facts:
        lines += [_fact(text, *fact) for fact in plain.facts]
    kept = [s for s in starts if s.name in shown]
    lines += _equations(_text(plain, head, kept), plain, changed, kept)
    marks = _marks(plain)
    was = _marks(replace(base, updates={}))
    lines += [m for m in marks if m not in was]
    if any(m.startswith("output") for m in was) and not any(m.startswith("output") for m in marks):
        lines.append(f"output {', '.join(map(quoted, plain.outputs))}")
    loss = [f"loss {quoted(plain.loss)}"] if plain.loss is not None and plain.loss != base.loss else []
    again = shown | {t.name for t in new}
    about = [t for t in in_order(plain) if t.name in again or t != base.tensors.get(t.name)]
    return [*lines, *(s for s in loss if s not in lines), *_about(about)]


def _same(t: Tensor, other: Tensor | None) -> bool:
    return other is not None and (t.indices, t.role, t.dtype, t.init) == (
        other.indices, other.role, other.dtype, other.init,
    )  # fmt: skip
