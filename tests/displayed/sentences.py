"""What the sentences of a derivation say, read back in either language: who reads what, how often, in which step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from symbp.show.words import LANGUAGES

_FIELD = re.compile(r"\\\{(\d)\\\}")
_SPAN = re.compile(r"\((\d+)\)(?:--\((\d+)\))?")
CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")


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
        reused: set[tuple[str, int]] = set()
        main = [f for f in s.formulas if self.group(f.name) == s.quantity]
        if not any(self.match(k, title.latex) for k in ("title_helper", "title_parameter", "title_adjoint")):
            yield f"no title: {title.latex}"
        for key in ("title_helper", "title_parameter", "title_adjoint"):
            found = self.match(key, title.latex)
            if found and self.meaning.get(found["p0"]) != (s.quantity if key == "title_helper" else s.wrt):
                yield f"a title of another step: {title.latex}"
        for sentence in prose:
            for key in ("reads_loss", "one_path", "several_uses", "paths", "paths_one", "many_paths", "unused",
                        "reused", "each_used_many", "used_many", "rules"):  # fmt: skip
                found = self.match(key, sentence.latex)
                if found is None:
                    continue
                said.add(key)
                if key == "reused":
                    reused.add((self.meaning.get(found["p0"], ""), int(found["p1"])))
                elif not self.holds(key, found, s, main):
                    yield f"not so: {sentence.latex}"
                break
            else:
                if all(self.match(k, sentence.latex) is None for k in ("local", "cancels", "fact")):
                    yield f"what does this say? {sentence.latex}"
        derived = set(self.d.names.derivatives) | {q.quantity for q in self.d.steps}
        read = {r for f in main for r in f.value.tensors if self.group(r) in derived or r in derived}
        wanted = {(self.group(r), self.steps[r].number) for r in read if r in self.steps and self.steps[r] is not s}
        if s.rule == "title_helper":
            if said:
                yield "more is said than a name"
            return
        if len(said & {"reads_loss", "one_path", "several_uses", "unused"}) != 1:
            yield "how it acts on the loss"
        if self.fans(s, main) != bool(said & {"paths", "paths_one", "many_paths"}):
            yield "along how many paths"
        if reused != wanted:
            yield f"reused are {wanted}, not {reused}"
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
                return self.paths(p, main)
            case "rules":
                return self.rules(p["p0"], s, users, main)
        return False

    def paths(self, p: dict[str, str], main: list[Any]) -> bool:
        reached = [self.entry_readers(self.d.names.derivatives[f.name].wrt) for f in main]
        if {len(r) for r in reached} != {int(p["p0"])}:
            return False
        if "p1" not in p:
            return True
        named = [self.entries.get(text) for text in re.findall(r"\$[^$]+\$", p["p1"])]
        return all(named == r for r in reached)

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
