"""The grammar, as Lark reads it, and the parser made from it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken

from symbp.notation import syntax as s
from symbp.notation.mistakes import CLOSING, OPENING, strange, unexpected
from symbp.notation.source import Source
from symbp.notation.tree import Build

GRAMMAR = r"""
start: statement? (_separator statement?)*
_separator: _NEWLINE | ";"

?statement: sizes | indices | declaration | marked | equation | update | fact | about | header | inference
          | layer

sizes: "sizes" size ("," size)*
size: name ["=" expr]
indices: "index" named_size ("," named_size)*
named_size: name "=" expr
declaration: kind declared ("," declared)*
!kind: "input" | "label" | "int" | "param" | "state"
declared: target [LESS expr] ["~" init]
init: NAME ["(" MINUS? NUMBER [SLASH NUMBER] ")"] | MINUS? NUMBER [SLASH NUMBER] | STRING
equation: target "=" expr
marked: "loss" "=" expr          -> the_loss
      | LOSS name                -> mark
      | LOSS equation            -> mark_equation
      | PREDICT name             -> mark
      | PREDICT equation         -> mark_equation
      | OUTPUT name ("," name)*  -> mark
      | OUTPUT equation          -> mark_equation
update: "update" name "=" name
fact: "fact" expr "=" expr ["for" binders]
header: TITLE STRING | TASK NAME
inference: INFERENCE
layer: LAYER target "=" call
call: name "(" [setting ("," setting)*] ")"
setting: name "=" value | value
?value: MINUS number -> negative | number | text | name | call | "(" value ("," value)* ")" -> several
text: STRING
about: "about" name ":" feature ("," feature)*
feature: SYMBOL STRING | ADJOINT STRING | LAYER NUMBER | SUBSCRIPTS numbers | ENTRY name numbers | INT
numbers: "(" [NUMBER ("," NUMBER)*] ")"

target: name ["[" [subscript ("," subscript)*] "]"]
subscript: expr [LESS expr]
binders: binder ("," binder)*
binder: name [LESS expr]

expr: term ((PLUS | MINUS) term)*
?term: unary | reduction | unary (STAR | SLASH) term -> product
?unary: MINUS unary -> negative | power
reduction: MINUS reduction -> negative
         | reducer "[" binders [":" condition] "]" term
!reducer: "sum" | "mean" | "max" | "min" | "logsumexp" | "softmax"
?power: atom | atom POWER exponent
?exponent: MINUS exponent -> negative | power
?atom: number | name | read | apply | "(" expr ")" -> bracket | iverson
number: NUMBER
read: name "[" [expr ("," expr)*] "]"
apply: callee "(" [argument ("," argument)*] ")"
?callee: name | reducer
?argument: expr | condition
iverson: OPEN condition "]"

?condition: conjunction ("or" conjunction)* -> either
?conjunction: negation ("and" negation)* -> all_of
?negation: "not" negation -> none_of | comparison | "(" condition ")"
comparison: expr (compare expr)+
compare: LESS | AT_MOST | MORE | AT_LEAST | EQUALS | DIFFERS

name: NAME | QUOTED

LOSS: "loss"
PREDICT: "predict"
OUTPUT: "output"
TITLE: "title"
TASK: "task"
INFERENCE: "inference"
SYMBOL: "symbol"
ADJOINT: "adjoint"
LAYER: "layer"
SUBSCRIPTS: "subscripts"
ENTRY: "entry"
INT: "int"
LESS: "<"
AT_MOST: "<=" | "≤"
MORE: ">"
AT_LEAST: ">=" | "≥"
EQUALS: "=="
DIFFERS: "!=" | "≠"
OPEN: "["
PLUS: "+"
MINUS: "-"
STAR: "*" | "·"
SLASH: "/"
POWER: "^" | "**"
NAME: /[^\W\d]\w*'?/
QUOTED: /`[^`\n]+`'?/
NUMBER: /(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?/
STRING: /"([^"]|"")*"/
_NEWLINE: /(\r?\n[ \t\r\f]*)+/
CONTINUED.1: /(\r?\n[ \t\r\f]*(#[^\n]*(?=\n))?)+(?=[+\-*\/^·])/
COMMENT: /#[^\n]*/
%ignore CONTINUED
%ignore COMMENT
%ignore /[ \t\r\f]+/
"""


class _Lines:
    """Drops the ends of lines inside brackets and after a sign that can't end a statement.

    Those before an operator are ignored by the grammar (CONTINUED), as no statement starts with one.
    """

    always_accept = ("_NEWLINE",)
    unfinished = frozenset("COMMA PLUS MINUS STAR SLASH POWER EQUAL TILDE COLON".split())

    def __init__(self) -> None:
        self.open: list[Token] = []
        self.last: Token | None = None

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        self.open, self.last = [], None
        for token in stream:
            if token.type in OPENING:
                self.open.append(token)
            elif token.type in CLOSING:
                if not self.open:
                    raise UnexpectedToken(token, set())
                self.open.pop()
            if token.type == "_NEWLINE" and (self.open or (self.last and self.last.type in self.unfinished)):
                continue
            self.last = token
            yield token


@lru_cache(maxsize=1)
def _parser() -> tuple[Lark, _Lines]:
    lines = _Lines()
    return Lark(GRAMMAR, parser="lalr", transformer=Build(), postlex=lines), lines


def parse(source: Source) -> list[s.Node]:
    """The statements of a text. Raises SymbpError with the place for what isn't in the grammar."""
    parser, lines = _parser()
    try:
        return parser.parse(source.text)  # type: ignore[return-value]  # what Build makes of it
    except UnexpectedCharacters as error:
        raise strange(source, error) from None
    except UnexpectedToken as error:
        raise unexpected(source, error.token, set(error.expected), lines.open, lines.last) from None
    except UnexpectedEOF as error:
        raise unexpected(
            source, Token("$END", "", len(source.text)), set(error.expected), lines.open, lines.last
        ) from None
