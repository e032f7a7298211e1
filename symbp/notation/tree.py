"""From the rules of the grammar to `symbp.notation.syntax`."""

from __future__ import annotations

from typing import Any

from lark import Token, Transformer

from symbp.notation import syntax as s


def _at(item: Any) -> int:
    return item.start_pos or 0 if isinstance(item, Token) else item.at


def _pairs(items: list[Any]) -> tuple[tuple[str, s.Node], ...]:
    return tuple((str(op), node) for op, node in zip(items[1::2], items[2::2], strict=True))


class Build(Transformer[Token, Any]):
    """Grammar rule -> syntax node, called as each rule is recognised, so that no depth of nesting is too much."""

    def start(self, items: list[Any]) -> list[Any]:
        return [n for i in items for n in (i if isinstance(i, list) else [i])]

    def name(self, items: list[Token]) -> s.Name:
        (token,) = items
        primed, text = token.endswith("'"), token.rstrip("'")
        return s.Name(_at(token), text.strip("`"), token.type == "QUOTED", primed)

    def reducer(self, items: list[Token]) -> s.Name:
        return s.Name(_at(items[0]), str(items[0]))

    def number(self, items: list[Token]) -> s.Number:
        return s.Number(_at(items[0]), str(items[0]))

    def read(self, items: list[Any]) -> s.Read:
        return s.Read(items[0].at, items[0], tuple(i for i in items[1:] if i is not None))

    def apply(self, items: list[Any]) -> s.Apply:
        return s.Apply(items[0].at, items[0], tuple(i for i in items[1:] if i is not None))

    def bracket(self, items: list[Any]) -> s.Bracket:
        return s.Bracket(items[0].at, items[0])

    def iverson(self, items: list[Any]) -> s.Iverson:
        return s.Iverson(_at(items[0]), items[1])

    def power(self, items: list[Any]) -> s.Power:
        return s.Power(_at(items[1]), items[0], items[2])

    def negative(self, items: list[Any]) -> s.Negative:
        return s.Negative(_at(items[0]), items[1])

    def product(self, items: list[Any]) -> s.Product:
        first, sign, last = items
        op = ("/" if sign == "/" else "*", last)
        if isinstance(last, s.Product):
            return s.Product(_at(first), first, ((op[0], last.first), *last.rest))
        return s.Product(_at(first), first, (op,))

    def reduction(self, items: list[Any]) -> s.Reduction:
        kind, binders, condition, body = items
        return s.Reduction(kind.at, kind.text, binders, condition, body)

    def expr(self, items: list[Any]) -> s.Node:
        return items[0] if len(items) == 1 else s.Total(items[0].at, items[0], _pairs(items))

    def compare(self, items: list[Token]) -> Token:
        (token,) = items
        plain = {"≤": "<=", "≥": ">=", "≠": "!="}.get(token, str(token))
        return Token("compare", plain, token.start_pos)

    def comparison(self, items: list[Any]) -> s.Comparison:
        return s.Comparison(_at(items[1]), items[0], _pairs(items))

    def either(self, items: list[Any]) -> s.Logic:
        return s.Logic(items[0].at, "or", tuple(items))

    def all_of(self, items: list[Any]) -> s.Logic:
        return s.Logic(items[0].at, "and", tuple(items))

    def none_of(self, items: list[Any]) -> s.Logic:
        return s.Logic(items[0].at, "not", tuple(items))

    def binder(self, items: list[Any]) -> s.Binder:
        return s.Binder(items[0].at, items[0], items[2])

    def binders(self, items: list[Any]) -> tuple[s.Binder, ...]:
        return tuple(items)

    def subscript(self, items: list[Any]) -> s.Subscript:
        return s.Subscript(items[0].at, items[0], items[2])

    def target(self, items: list[Any]) -> s.Target:
        return s.Target(items[0].at, items[0], tuple(i for i in items[1:] if i is not None))

    def size(self, items: list[Any]) -> tuple[s.Name, s.Node | None]:
        return items[0], items[1]

    def sizes(self, items: list[Any]) -> s.Sizes:
        return s.Sizes(items[0][0].at, tuple(items))

    def named_size(self, items: list[Any]) -> tuple[s.Name, s.Node]:
        return items[0], items[1]

    def indices(self, items: list[Any]) -> s.Indices:
        return s.Indices(items[0][0].at, tuple(items))

    def kind(self, items: list[Token]) -> str:
        return str(items[0])

    def init(self, items: list[Token | None]) -> str:
        name, *rest = [_string(i) for i in items if i is not None]
        if rest and name.isidentifier():
            return f"{name}({''.join(rest)})"
        return {"0": "zeros", "1": "ones"}.get(text := "".join((name, *rest)), text)

    def declared(self, items: list[Any]) -> tuple[s.Target, s.Node | None, str]:
        target, _, below, init = items
        return target, below, init or ""

    def declaration(self, items: list[Any]) -> list[s.Declared]:
        kind, *found = items
        return [s.Declared(t.at, kind, t, below, init) for t, below, init in found]

    def equation(self, items: list[Any]) -> s.Equation:
        return s.Equation(items[0].at, items[0], items[1])

    def the_loss(self, items: list[Any]) -> s.Equation:
        at = items[0].at
        return s.Equation(at, s.Target(at, s.Name(at, "L"), ()), items[0], "loss")

    def mark(self, items: list[Any]) -> s.Mark:
        return s.Mark(_at(items[0]), str(items[0]), tuple(items[1:]))

    def mark_equation(self, items: list[Any]) -> s.Equation:
        return s.Equation(items[1].at, items[1].target, items[1].value, str(items[0]))

    def update(self, items: list[Any]) -> s.Update:
        return s.Update(items[0].at, items[0], items[1])

    def fact(self, items: list[Any]) -> s.Fact:
        return s.Fact(items[0].at, items[0], items[1], items[2] or ())

    def text(self, items: list[Token]) -> s.Text:
        return s.Text(_at(items[0]), _string(items[0]))

    def several(self, items: list[Any]) -> s.Several:
        return s.Several(items[0].at, tuple(items))

    def setting(self, items: list[Any]) -> tuple[str, s.Node]:
        return (items[0].text, items[1]) if len(items) == 2 else ("", items[0])

    def call(self, items: list[Any]) -> s.Call:
        return s.Call(items[0].at, items[0], tuple(i for i in items[1:] if i is not None))

    def layer(self, items: list[Any]) -> s.Layer:
        return s.Layer(items[1].at, items[1], items[2])

    def header(self, items: list[Token]) -> s.Header:
        return s.Header(_at(items[0]), str(items[0]), _string(items[1]))

    def inference(self, items: list[Token]) -> s.Inference:
        return s.Inference(_at(items[0]))

    def numbers(self, items: list[Token | None]) -> tuple[str, ...]:
        return tuple(str(i) for i in items if i is not None)

    def feature(self, items: list[Any]) -> tuple[str, object]:
        key, *values = items
        value = [_string(v) if isinstance(v, Token) else v.text if isinstance(v, s.Name) else v for v in values]
        return str(key), value[0] if len(value) == 1 else tuple(value)

    def about(self, items: list[Any]) -> s.About:
        return s.About(items[0].at, items[0], tuple(items[1:]))


def _string(token: Token) -> str:
    return token[1:-1].replace('""', '"') if token.startswith('"') else str(token)
