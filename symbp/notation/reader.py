"""Text to Program: declarations, sizes, equations, and what the text says of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symbp.errors import SymbpError
from symbp.expr import Expr, Num, size
from symbp.initialisers import RANDOM, parse_initialiser
from symbp.notation import syntax as s
from symbp.notation.build import Builder
from symbp.notation.grammar import parse
from symbp.notation.inference import only_needed, replaced
from symbp.notation.scope import Known, Names, Resolver, Start, size_of
from symbp.notation.sizes import Length, Variable, join
from symbp.notation.source import Source
from symbp.notation.words import CONSTANTS, REDUCERS
from symbp.program import Equation, Program, Reason, Tensor
from symbp.recurrence import groups
from symbp.verify import check_name, show, verify

if TYPE_CHECKING:
    from symbp.notation.calls import Calls, Defined

_ROLES = {
    "input": ("input", "real"),
    "label": ("input", "int"),
    "int": ("input", "int"),
    "param": ("parameter", "real"),
    "state": ("state", "real"),
}


def read(text: str, name: str = "network") -> Program:
    """The verified Program of a text in the notation of docs/notation.md. name: stands in errors, and is its title.

    Raises SymbpError with line, column, the line itself with a caret, and the fix.
    """
    source = Source(text, name)
    try:
        statements = parse(source)
        cut = next((n for n, st in enumerate(statements) if isinstance(st, s.Inference)), None)
        if cut is None:
            base = Reader(source, statements).program()
            if any(isinstance(st, s.Layer) for st in statements):
                other = Reader(source, statements, training=False).program()
                if other.equations != base.equations:
                    return replace(base, inference=only_needed(other, base))
            return base
        base = Reader(source, statements[:cut]).program()
        later = statements[cut + 1 :]
        again = next((st for st in later if isinstance(st, s.Inference)), None)
        if again is not None:
            raise source.error(again.at, "there is one `inference` part: put its statements together")
        other = Reader(source, replaced(statements[:cut], later), training=False).program()
        return replace(base, inference=only_needed(other, base))
    except RecursionError:
        raise SymbpError(
            f"{name}: the brackets nest too deeply: give parts of the formula names of their own"
        ) from None


def read_file(path: Path) -> Program:
    """The Program in a file. Raises SymbpError if it's no text, OSError if it can't be read."""
    try:
        return read(path.read_text(encoding="utf-8"), path.as_posix())
    except UnicodeDecodeError:
        raise SymbpError(f"{path} is not a text in UTF-8: it can't be read as a network") from None


class Reader:
    """A text's statements, made into a Program step by step."""

    def __init__(self, source: Source, statements: Sequence[s.Node], training: bool = True) -> None:
        self.source, self.statements, self.training = source, statements, training
        self.names = Names(source, lambda names, node: Builder(names, {}).value(node))
        self.equations: list[s.Equation] = []
        self.resolvers: dict[int, Resolver] = {}
        self.facts: list[tuple[s.Fact, dict[str, Variable]]] = []
        self.calls: Calls | None = None
        self.called: dict[int, Defined] = {}
        self.resolved: set[int] = set()

    def all(self, kind: Any) -> list[Any]:
        return [st for st in self.statements if isinstance(st, kind)]

    def program(self) -> Program:
        """Declarations first, then the sizes that the equations fix, then the equations themselves."""
        self.sizes()
        for st in self.all(s.Declared):
            self.declared(st)
        starts = []
        self.defined = Counter(self.names.tensor_name(st.target.name) for st in self.all((s.Equation, s.Declared)))
        for st in self.all(s.Equation):
            if self.is_start(st):
                starts.append(st)
            else:
                self.target(st)
        self.layers()
        for st in starts:
            self.start(st)
        if not self.equations and not self.called:
            raise self.source.error(len(self.source.text), "there is no equation: write one, e.g. y[b] = x[b]^2")
        self.resolve()
        return self.checked(self.assemble())

    def layers(self) -> None:
        """What the library's layers define, for the text to read."""
        statements = self.all(s.Layer)
        if not statements:
            return
        from symbp.notation.calls import Calls  # and with it SymPy

        self.calls = Calls(self.names, self.training)
        targets = [self.new_tensor(replace(st.target, subscripts=()), "what this layer computes") for st in statements]
        for known in self.names.tensors.values():
            self.calls.enter(known)
        for known in targets:
            del self.names.tensors[known.name]  # until the layer says what it is
        for st in statements:
            self.resolve_known()
            self.called[id(st)] = self.calls.define(st)

    def resolve_known(self) -> None:
        """The sizes that equations over known tensors fix, for layers to read them."""
        for st in self.equations:
            reads = [n.name for n in s.walk(st.value) if isinstance(n, s.Read)]
            if id(st) not in self.resolved and all(self.names.tensor_name(n) in self.names.tensors for n in reads):
                self.resolvers[id(st)].visit(st.value)
                self.resolved.add(id(st))

    # ------------------------------------------------------------------------------------- declarations

    def sizes(self) -> None:
        for st in self.all(s.Sizes):
            for name, value in st.items:
                if name.text in self.names.sizes:
                    raise self.source.error(name.at, f"the size {name.text} is given twice: keep one")
                if name.primed:
                    raise self.source.error(name.at, f"{name.text}' is no name of a size: leave out the prime")
                self.names.sizes[name.text] = size(name.text) if value is None else size_of(self.names, value)
        for st in self.all(s.Indices):
            for name, value in st.items:
                if name.text in self.names.indices:
                    raise self.source.error(name.at, f"the size of the index {name.text} is given twice: keep one")
                self.names.indices[name.text] = size_of(self.names, value)

    def declared(self, st: s.Declared) -> None:
        role, dtype = _ROLES[st.kind]
        known = self.new_tensor(st.target, "declared")
        known.role, known.dtype, known.init = role, dtype, st.init
        if st.init:
            try:
                if role == "input" and (dtype == "int" or st.init.partition("(")[0] not in ("bernoulli", "normal")):
                    what = f"an input, whose values are given: leave out ~ {st.init}"
                    raise SymbpError(f"{known.name} is {what}, or draw it: ~ {' or ~ '.join(RANDOM)}")
                parse_initialiser(st.init, role)
            except SymbpError as error:
                raise self.source.error(st.at, str(error)) from None
        if st.below is not None:
            if dtype != "int":
                fix = f"write int {known.name}[...] < ... for an input of integers"
                raise self.source.error(st.below.at, f"{known.name} holds real numbers, which have no range: {fix}")
            bound = f"as `{known.name}[...] < ...` says"
            known.below = Length(f"the range of {known.name}", size_of(self.names, st.below), bound)

    def new_tensor(self, target: s.Target, how: str) -> Known:
        """A tensor with one index an axis, entered under its name."""
        name = self.names.tensor_name(target.name)
        at = target.name.at
        try:
            check_name(name, "tensor name")
        except SymbpError as error:
            raise self.source.error(at, str(error)) from None
        if name in (*REDUCERS, *CONSTANTS) and not target.name.quoted:
            raise self.source.error(at, f"{name} is a word of the notation: choose another name, or write `{name}`")
        if name in self.names.sizes:
            other = "; `loss = ...` is short for `loss L = ...`: choose another, loss q = ..." if name == "L" else ""
            raise self.source.error(at, f"{name} is both a tensor and a size: rename one of them{other}")
        before = self.names.tensors.get(name)
        if before is not None:
            line = self.source.text.count("\n", 0, before.at) + 1
            raise self.source.error(at, f"{name} is {how}, and defined in line {line} already: rename one of the two")
        axes: list[Variable] = []
        for sub in target.subscripts:
            place = sub.place
            if not isinstance(place, s.Name):
                raise self.source.error(
                    sub.at,
                    f"the indices on the left of {name} are bare names such as {name}[b,i], or a start {name}[-1,b]",
                )
            if place.text in (v.name for v in axes):
                raise self.source.error(
                    sub.at, f"{name} has the index {place.text} on two axes: give each axis an index of its own"
                )
            axes.append(self.names.variable(place, None if sub.size is None else size_of(self.names, sub.size)))
        lengths = tuple(Length(f"axis {n} of {name}") for n in range(len(axes)))
        for v, length in zip(axes, lengths, strict=True):
            join(self.source, v.at, v.length, length)
        known = self.names.tensors[name] = Known(name, tuple(axes), lengths, at)
        return known

    # ---------------------------------------------------------------------------------------- equations

    def target(self, st: s.Equation) -> None:
        known = self.new_tensor(st.target, "defined by this equation")
        if st.target.name.primed:
            self.update(st.target.name, known.name)
        self.equations.append(st)
        self.resolvers[id(st)] = Resolver(self.names, {v.name: v for v in known.axes})

    def update(self, state: s.Name, new: str) -> None:
        known = self.names.tensors.get(state.text)
        if known is None or known.role != "state":
            raise self.source.error(
                state.at,
                f"{state.text} is not a state: declare it, state {state.text}[...] ~ 0, or leave out the prime",
            )
        if state.text in self.names.updates:
            raise self.source.error(state.at, f"{state.text} has two new values: keep one")
        self.names.updates[state.text] = new

    def is_start(self, st: s.Equation) -> bool:
        """Whether an index on the left is no bare name, or a size where the tensor is defined elsewhere: h[T,b] = 0."""
        places = [sub.place for sub in st.target.subscripts]
        if any(not isinstance(p, s.Name) for p in places):
            return True
        at_size = any(isinstance(p, s.Name) and p.text in self.names.sizes for p in places)
        return at_size and self.defined[self.names.tensor_name(st.target.name)] > 1

    def start(self, st: s.Equation) -> None:
        """An equation for what lies before the first step, h[-1,b,j] = ..., or behind the last, h[T,b,j] = ..."""
        name = st.target.name.text
        if self.names.tensor_name(st.target.name) not in self.names.tensors:
            fix = (
                f"the indices on the left are bare names, {name}[b]; a start such as {name}[-1] needs its equation too"
            )
            raise self.source.error(st.at, f"no equation defines {name}: {fix}")
        known = self.names.tensor(st.target.name)
        scope: dict[str, Variable] = {}
        variables: list[Variable | None] = []
        found: list[tuple[int, Expr]] = []
        if len(st.target.subscripts) > len(known.axes):
            raise self.source.error(st.at, f"{known.name} has {len(known.axes)} axes: this start has too many indices")
        for place, sub in enumerate(st.target.subscripts):
            node = sub.place
            if isinstance(node, s.Name) and node.text not in self.names.sizes:
                variable = self.names.variable(node, None)
                join(self.source, node.at, variable.length, known.lengths[place])
                variables.append(variable)
                scope[node.text] = variable
            else:
                found.append((place, Builder(self.names, {}).value(node)))
                variables.append(None)
        if len(found) != 1:
            raise self.source.error(st.at, f"a start has one index that is outside its range, {known.name}[-1, b, j]")
        variables += [None] * (len(known.axes) - len(variables))
        place, at = found[0]
        length = known.lengths[place].root().value
        lag, backwards = 0, not (isinstance(at, Num) and at.value < 0)
        after = at if not backwards else None if length is None else at - length
        if isinstance(after, Num) and isinstance(after.value, int):
            lag = after.value + 1 if backwards else -after.value
        if lag < 1 or lag > 100:
            raise self.source.error(
                st.target.subscripts[place].at,
                f"this is no start of {known.name}: write -1 for the step before the first, or "
                f"{'the size of its index' if length is None else show(length)} for the one behind the last",
            )
        others = self.names.starts.setdefault(known.name, [])
        if any((o.place, o.lag, o.backwards) == (place, lag, backwards) for o in others):
            raise self.source.error(st.at, f"this start of {known.name} is given twice: keep one")
        others.append(Start(known, place, lag, backwards, st, tuple(variables)))
        self.resolvers[id(st)] = Resolver(self.names, scope)

    def resolve(self) -> None:
        for st in self.all(s.Equation):
            if id(st) not in self.resolved:
                self.resolvers[id(st)].visit(st.value)
        for fact in self.all(s.Fact):
            free: dict[str, Variable] = {}
            resolver = Resolver(self.names, {}, free)
            with resolver.binding(fact.binders):
                resolver.visit(fact.left)
                resolver.visit(fact.right)
                self.facts.append((fact, {**free, **resolver.scope}))

    # ----------------------------------------------------------------------------------------- assembly

    def assemble(self) -> Program:
        tensors: dict[str, Tensor] = {}
        for known in self.names.tensors.values():
            axes = tuple(v.index(self.source) for v in known.axes)
            tensors[known.name] = Tensor(known.name, axes, known.role, known.dtype, known.init)
        for st in self.all(s.About):
            known = self.names.tensor(st.name)
            tensors[known.name] = replace(tensors[known.name], **self.features(st))
        if self.calls is not None:
            tensors |= self.calls.tensors
        written = {id(st): st for st in self.equations}
        equations: list[Equation] = []
        for node in self.statements:
            if id(node) in written:
                equations.append(self.equation(written[id(node)], tensors))
            elif id(node) in self.called:
                equations += self.called[id(node)].equations
        for starts in self.names.starts.values():  # also those that nothing reads
            for start in starts:
                scope = {v.name: v for v in start.variables if v is not None}
                Builder(self.names, scope).value(start.equation.value)
        for update in self.all(s.Update):
            self.update(update.state, self.names.tensor(update.value).name)
        facts = []
        for fact, scope in self.facts:
            build = Builder(self.names, scope)
            facts.append((build.value(fact.left), build.value(fact.right)))
        updates = dict(self.names.updates)
        headers = {h.kind: h.text for h in self.all(s.Header)}
        if self.calls is not None:
            facts += self.calls.facts()
            updates |= self.calls.net.updates
            tasks = [d.task for d in self.called.values() if d.task]
            headers.setdefault("task", tasks[-1] if tasks else "regression")
        loss, prediction = self.marked("loss"), self.marked("predict")
        outputs = self.marked("output") or loss[:1] or prediction[:1] or (equations[-1].name,)
        program = Program(
            headers.get("title", self.source.name), tensors, tuple(equations), outputs,
            loss[0] if loss else None, prediction[0] if prediction else None,
            tuple(facts), updates, task=headers.get("task", "regression"),
        )  # fmt: skip
        return replace(program, equations=self.ordered(program))

    def marked(self, kind: str) -> tuple[str, ...]:
        """The tensors that are loss, prediction or outputs, in the order of the text."""
        found: list[tuple[s.Name, str]] = []
        for st in self.statements:
            if isinstance(st, s.Mark) and st.kind == kind:
                found += [(name, self.names.tensor(name).name) for name in st.names]
            elif isinstance(st, s.Layer) and kind == "loss" and self.called[id(st)].loss:
                found.append((st.target.name, self.called[id(st)].name))
            elif isinstance(st, s.Equation) and st.mark == kind:
                found.append((st.target.name, self.names.tensor_name(st.target.name)))
        if kind != "output" and len(found) > 1:
            raise self.source.error(
                found[1][0].at, f"a network has one {kind}, and {found[0][1]} is it already: keep one"
            )
        return tuple(dict.fromkeys(name for _, name in found))

    def equation(self, st: s.Equation, tensors: dict[str, Tensor]) -> Equation:
        name = self.names.tensor_name(st.target.name)
        resolver = self.resolvers[id(st)]
        value = Builder(self.names, resolver.scope).value(st.value)
        partial = resolver.partial() is not None
        return Equation(tensors[name].access, value, Reason("part") if partial else None)

    def features(self, st: s.About) -> dict[str, Any]:
        """The fields of Tensor that an `about` statement gives."""
        out: dict[str, Any] = {}
        for key, value in st.features:
            if key in ("symbol", "adjoint"):
                out[key] = value
            elif key == "int":
                out["dtype"] = "int"
            else:
                assert isinstance(value, (str, tuple))
                texts = (value,) if isinstance(value, str) else value if key == "subscripts" else value[1]
                if not all(t.isdecimal() and len(t) < 10 for t in texts):
                    raise self.source.error(st.at, f"{key} takes whole numbers")
                numbers = tuple(map(int, texts))
                out[key] = numbers[0] if key == "layer" else numbers if key == "subscripts" else (value[0], numbers)
        return out

    def ordered(self, program: Program) -> tuple[Equation, ...]:
        """The equations as they stand if they can be run so, else sorted."""
        try:
            found = groups(program.equations)
        except SymbpError as error:
            raise self.located(error) from None
        together = {e.name: g.names for g in found if g.time is not None for e in g.equations}
        done = {t.name for t in program.tensors.values() if t.role != "computed"}
        for e in program.equations:
            if not e.value.tensors <= done | together.get(e.name, frozenset()):
                return tuple(e for g in found for e in g.equations)
            done.add(e.name)
        return program.equations

    def checked(self, program: Program) -> Program:
        try:
            return verify(program)
        except SymbpError as error:
            raise self.located(error) from None

    def located(self, error: SymbpError) -> SymbpError:
        """An error of a later stage, with the place of the equation that it names."""
        message = str(error)
        message = re.sub(r"write Piecewise\(.*\) around it", "", message).rstrip(": ")
        for st in self.equations:
            name = self.names.tensor_name(st.target.name)
            if re.match(rf"equation for {name}\b", message):
                return self.source.error(*self.fix(st, message))
        named = re.search(r"(?:tensor|loss|output|recurrence of|cycle|cycle within one step of \w+):? '?(\w+)", message)
        if named and named[1] in self.names.tensors:
            return self.source.error(self.names.tensors[named[1]].at, message)
        return SymbpError(f"{self.source.name}: {message}")

    def fix(self, st: s.Equation, message: str) -> tuple[int, str]:
        """The place of a read that runs out of range, and what to write instead."""
        found = re.search(r": (\w+)\[.*\] reads axis (\d+) at", message)
        if found is None:
            part = self.resolvers[id(st)].partial() if "runs over" in message else None
            return st.at if part is None else part, message
        name, place = found[1], int(found[2])
        computed = any(self.names.tensor_name(e.target.name) == name for e in self.equations)
        fix = f"write where(condition, {name}[...], 0)" + (f", or a start {name}[-1, ...] = 0" if computed else "")
        reads = sorted((n for n in s.walk(st.value) if isinstance(n, s.Read)), key=lambda n: n.at)
        for node in reads:
            if self.names.tensor_name(node.name) == name and not isinstance(node.places[place], s.Name):
                return node.at, message if "read it inside" in message else f"{message}: {fix}"
        return st.at, message
