"""What the sentences of a derivation say, read back in either language: who reads what, how often, in which step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from symbp.expr import Index
from symbp.show.words import LANGUAGES

_FIELD = re.compile(r"\\\{(\d)\\\}")
_SPAN = re.compile(r"\((\d+)\)(?:--\((\d+)\))?")
CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")


def _derivative(of: str, wrt: str) -> str:
    """What a derivative looks like, up to where its indices stand."""
    return re.escape(rf"\frac{{\partial {of}}}{{\partial " + (wrt[:-1] if "_{" in wrt else wrt)) + r"(?=_\{|[,}])"


def pattern(words: str) -> re.Pattern[str]:
    """What a sentence of the table looks like in LaTeX: its places as groups p0, p1, ..."""
    latex = re.escape(words.replace("–", "--").replace("…", r"\dots"))
    return re.compile(_FIELD.sub(lambda m: f"(?P<p{m[1]}>.+?)", latex))


class Sentences:
    """The sentences of a derivation by reverse accumulation, and what they should say."""

    def __init__(self, d: Any) -> None:
        self.d, self.words, self.net = d, LANGUAGES[d.language], d.network
        self.meaning = {r.symbol.latex: r.name for r in d.symbols}
        plain = {r.name: r.symbol.latex.strip("$") for r in d.symbols}
        for name, p in d.names.derivatives.items():
            if p.of in plain and p.wrt in plain:
                self.meaning.setdefault(rf"$\partial {plain[p.of]}/\partial {plain[p.wrt]}$", name)
        self.entries = {f"${f.sides[0].latex}$": f.name for f in d.definitions}
        self.steps = {f.name: s for s in d.steps for f in s.formulas}
        quantities = {s.quantity for s in d.steps}
        self.written = {  # of what is only shown on the way, with any indices; single entries have small letters
            name: re.compile(_derivative(plain[p.of], plain[p.wrt]), re.IGNORECASE if d.level == "neuron" else 0)
            for name, p in d.names.derivatives.items() if {p.of, p.wrt} <= plain.keys() and name not in quantities
        }  # fmt: skip
        self.numbers: dict[str, tuple[int, int]] = {}
        for f in (*d.definitions, *d.updates):
            first, _ = self.numbers.get(self.group(f.name), (f.number, 0))
            self.numbers[self.group(f.name)] = (first, f.number)

    def group(self, name: str) -> str:
        entry = self.d.names.tensors[name].entry
        return entry[0] if entry else name

    def match(self, key: str, said: str) -> dict[str, str] | None:
        m = pattern(self.words[key]).fullmatch(said)
        return m.groupdict() if m else None

    # ------------------------------------------------------------------------------------------- the program

    def readers(self, name: str) -> list[str]:
        """The equations of the network that read a tensor on its way to the loss."""
        needed = {self.net.loss}
        while more := {r for e in self.net.equations if e.name in needed for r in e.value.tensors} - needed:
            needed |= more
        return [e.name for e in self.net.equations if e.name in needed and name in e.value.tensors]

    def entry_readers(self, name: str) -> list[str]:
        return [f.name for f in self.d.definitions if name in f.value.tensors]

    def uses(self, name: str) -> int:
        """How many displayed formulas read a quantity; those on the way to another don't count."""
        main = [f for s in self.d.steps for f in s.formulas if self.group(f.name) == s.quantity]
        return sum(name in f.value.tensors for f in main)

    # ---------------------------------------------------------------------------------------------- checking

    def faults(self) -> list[str]:
        return [f"step {s.number}: {what}" for s in self.d.steps for what in self.step(s, s.title, s.prose)]

    def step(self, s: Any, title: Any, prose: Any) -> Iterator[str]:
        """What is wrong with the title and the sentences of a step, or left out."""
        said: set[str] = set()
        reused: dict[str, set[tuple[str, int]]] = {"reused": set(), "reused_in_time": set()}
        simpler: set[str] = set()
        main = [f for f in s.formulas if self.group(f.name) == s.quantity]
        if not any(self.match(k, title.latex) for k in ("title_helper", "title_parameter", "title_adjoint")):
            yield f"no title: {title.latex}"
        for key in ("title_helper", "title_parameter", "title_adjoint"):
            found = self.match(key, title.latex)
            if found and self.meaning.get(found["p0"]) != (s.quantity if key == "title_helper" else s.wrt):
                yield f"a title of another step: {title.latex}"
        for sentence in prose:
            for key in ("reads_loss", "one_path", "several_uses", "paths", "paths_one", "many_paths", "unused",
                        "reused", "reused_all", "reused_in_time", "each_used_many", "used_many", "rules", "cancels",
                        "local", "fact"):  # fmt: skip
                found = self.match(key, sentence.latex)
                if found is None or (key == "reused" and not found["p1"].isdigit()):
                    continue
                said.add(key)
                if key == "reused":
                    reused[key].add((self.meaning.get(found["p0"], ""), int(found["p1"])))
                elif key in ("reused_all", "reused_in_time"):
                    named = self.listed_steps(found["p0"])
                    reused[key.removesuffix("_all")].update(named)
                    if len(named) < 2 and key == "reused_all":
                        yield f"a list of one: {sentence.latex}"
                elif key == "cancels":
                    simpler.update(self.meaning.get(text, text) for text in self.listed(found["p0"]) or [""])
                elif key not in ("local", "fact") and not self.holds(key, found, s, main):
                    yield f"not so: {sentence.latex}"
                break
            else:
                yield f"what does this say? {sentence.latex}"
        derived = set(self.d.names.derivatives) | {q.quantity for q in self.d.steps}
        read = {r for f in main for r in f.value.tensors if self.group(r) in derived or r in derived}
        wanted = {(self.group(r), self.steps[r].number) for r in read if r in self.steps and self.steps[r] is not s}
        later = {(name, number) for name, number in wanted if number > s.number}
        if s.rule == "title_helper":
            if said:
                yield "more is said than a name"
            return
        if len(said & {"reads_loss", "one_path", "several_uses", "unused"}) != 1:
            yield "how it acts on the loss"
        if self.fans(s, main) != bool(said & {"paths", "paths_one", "many_paths"}):
            yield "along how many paths"
        if reused["reused"] != wanted - later:
            yield f"reused are {wanted - later}, not {reused['reused']}"
        if reused["reused_in_time"] != later:
            yield f"read at the step done before are {later}, not {reused['reused_in_time']}"
        if not all(self.is_shifted(name, main) for name, _ in later):
            yield "it is read before it is known"
        if not simpler <= self.gone(main):
            yield f"{simpler} was put in, but {self.gone(main)}"
        if ("local" in said) != any(self.words["rule_forward"] in p.latex for p in prose):
            yield "the forward value is reused, or it isn't"
        counts = {self.uses(f.name) for f in main}
        if (len(counts) == 1 and counts.pop() > 1) != bool(said & {"used_many", "each_used_many"}):
            yield "how often this is used"

    def fans(self, s: Any, main: list[Any]) -> bool:
        """Whether each single neuron reaches the loss along as many paths, and more than one."""
        if self.d.level != "neuron" or self.net.loss in self.readers(s.wrt) or not self.readers(s.wrt):
            return False
        counts = {len(self.entry_readers(self.d.names.derivatives[f.name].wrt)) for f in main}
        return len(counts) == 1 and counts.pop() > 1

    def holds(self, key: str, p: dict[str, str], s: Any, main: list[Any]) -> bool:
        users = self.readers(s.wrt)
        if key in ("reads_loss", "one_path", "several_uses", "unused", "used_many"):
            of = s.quantity if key == "used_many" else s.wrt
            if self.meaning.get(p["p0"]) != of:
                return False
        named = {"each_used_many": ("p1", s.quantity), "paths": ("p2", s.wrt), "many_paths": ("p1", s.wrt)}.get(key)
        if named and self.meaning.get(p[named[0]]) != named[1]:
            return False
        match key:
            case "reads_loss":
                return users == [self.net.loss] and self.spans(p["p1"]) == [self.numbers[self.net.loss]]
            case "one_path":
                return users == [self.meaning.get(p["p1"])] and self.spans(p["p2"]) == [self.numbers[users[0]]]
            case "several_uses":
                found = [m.groupdict() for m in pattern(self.words["use"]).finditer(p["p1"])]
                named = [self.meaning.get(re.findall(r"\$[^$]+\$", m["p0"])[-1]) for m in found]
                return named == users and self.spans(p["p1"]) == [self.numbers[u] for u in users]
            case "unused":
                return not users
            case "used_many":
                return len(main) == 1 and int(p["p1"]) == self.uses(main[0].name)
            case "each_used_many":
                return {self.uses(f.name) for f in main} == {int(p["p0"])}
            case "paths" | "paths_one" | "many_paths":
                return self.paths(p["p0"], p["p1"] if key != "many_paths" else None, main)
            case "rules":
                return self.rules(p["p0"], s, users, main)
        return False

    def paths(self, count: str, through: str | None, main: list[Any]) -> bool:
        reached = [self.entry_readers(self.d.names.derivatives[f.name].wrt) for f in main]
        if {len(r) for r in reached} != {int(count)}:
            return False
        return through is None or all([self.entries.get(text) for text in self.listed(through)] == r for r in reached)

    def listed(self, text: str) -> list[str]:
        """The formulas of a list: A, B and C."""
        return self.taken_apart(text, re.findall(r"\$[^$]+\$", text))

    def listed_steps(self, text: str) -> set[tuple[str, int]]:
        """The quantities of a list with the steps in which they were found."""
        frame = re.escape(self.words["reused_each"]).replace(r"\{0\}", r"\$[^$]+\$").replace(r"\{1\}", r"\d+")
        each = self.taken_apart(text, re.findall(frame, text))
        found = [self.match("reused_each", part) for part in each]
        return {(self.meaning.get(m["p0"], ""), int(m["p1"])) for m in found if m}

    def taken_apart(self, text: str, parts: list[str]) -> list[str]:
        """The parts, if they and the words between them are all of the text."""
        out = ""
        for k, part in enumerate(parts):
            out = self.words["and" if k == len(parts) - 1 else "comma"].format(out, part) if k else part
        return parts if out == text else []

    def is_shifted(self, name: str, main: list[Any]) -> bool:
        """Whether a quantity that a later step computes is read at another time step only."""
        if self.d.level != "neuron":
            read = [a for f in main for a in f.value.accesses if a.label == name]
            return bool(read) and all(any(not isinstance(i, Index) for i in a.args) for a in read)
        entries = self.d.names.tensors
        pairs = [(f.name, r) for f in main for r in f.value.tensors if self.group(r) == name]
        return bool(pairs) and all(entries[a].entry[1][1] != entries[b].entry[1][1] for a, b in pairs)

    def gone(self, main: list[Any]) -> set[str]:
        """The adjoints, shown on the way only, that a line reads and the last one doesn't."""
        gone: set[str] = set()
        for f in main:
            *lines, last = [side.latex for side in f.sides[1:]]
            gone |= {name for name, way in self.written.items() if way.search(" ".join(lines)) and not way.search(last)}
        return gone

    def rules(self, said: str, s: Any, users: list[str], main: list[Any]) -> bool:
        """Which equations the chain rule goes through, and over how many uses is added up."""
        chain = pattern(self.words["rule_chain"]).match(said)
        numbers = [self.numbers[u] for u in users if u != self.net.loss]
        if self.spans(said) != numbers or bool(numbers) != bool(chain):
            return False
        count = len(users)
        if self.d.level == "neuron":
            count = min(len(self.entry_readers(self.d.names.derivatives[f.name].wrt)) for f in main)
        found = pattern(self.words["rule_uses"]).search(said)
        return (int(found["p0"]) if found else 1) == max(count, 1)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """The numbers of equations that a text names: (3) or (7)--(8)."""
        outside = re.sub(r"\$[^$]+\$", "", text)
        return [(int(m[1]), int(m[2] or m[1])) for m in _SPAN.finditer(outside)]
