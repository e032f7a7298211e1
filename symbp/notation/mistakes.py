"""Texts that the grammar doesn't have: what stands there, what could, and how to mend it."""

from __future__ import annotations

from lark import Token
from lark.exceptions import UnexpectedCharacters

from symbp.errors import SymbpError
from symbp.notation.source import Source
from symbp.notation.words import REDUCERS, STATEMENT_WORDS

OPENING, CLOSING = frozenset(("LPAR", "OPEN")), frozenset(("RPAR", "RSQB"))


def strange(source: Source, error: UnexpectedCharacters) -> SymbpError:
    """The error at a character that no token starts with."""
    at = error.pos_in_stream or 0
    character = source.text[at]
    fixes = {
        '"': 'this text is not closed: end it with "',
        "`": "this name is not closed: end it with a backquote on the same line",
        "'": "a prime stands right behind the name of a state: m'[h] = ...",
        "!": "write != for `is not equal`, and `not` before a condition",
        "&": "write `and`",
        "|": "write `or`; for an absolute value abs(x)",
        "{": "brackets are ( ) in expressions and [ ] for indices",
        "}": "brackets are ( ) in expressions and [ ] for indices",
        ".": "a number has a digit beside its point",
        "@": "write the contraction as a sum: sum[i] x[b,i]*W[i,h]",
        "%": "there is no remainder in the notation",
    }
    return source.error(at, f"{character!r} has no meaning here: {fixes.get(character, 'remove it')}")


_NAMES_OF_TERMINALS = {"NUMBER": "a number", "STRING": 'a text in "..."', "NAME": "a name", "$END": "the end"}


def unexpected(
    source: Source, token: Token, expected: set[str], open_brackets: list[Token], last: Token | None
) -> SymbpError:
    """The error at a token. open_brackets: those around it. last: the token that the parser was given last."""
    ended = token.type in ("$END", "_NEWLINE", "SEMICOLON")
    at = token.start_pos if token.type != "$END" and token.start_pos is not None else len(source.text.rstrip())
    if token.type in CLOSING and not open_brackets and token is not last:
        return source.error(at, f"this {str(token)!r} closes no bracket: remove it, or add the one that it closes")
    outer = open_brackets[:-1] if token is last and token.type in OPENING else open_brackets
    if outer:
        start = outer[-1].start_pos or 0
        if ended or "\n" in source.text[start:at]:
            closing = ")" if outer[-1] == "(" else "]"
            return source.error(start, f"this bracket is not closed: add its {closing!r}")
    found = "the end of the statement" if ended else repr(str(token))
    return source.error(at, f"{found} stands where the notation expects {_wanted(token, expected, outer, last)}")


def _wanted(token: Token, expected: set[str], open_brackets: list[Token], last: Token | None) -> str:
    """What could stand in place of a token."""
    text, word = str(token), str(token) in STATEMENT_WORDS
    as_name = f"; {text} is a word of the notation, as a name write `{text}`" if word else ""
    if "LPAR" in expected:
        return "a number, a tensor, a sum or a bracket" + as_name
    if {"NAME", "SEMICOLON"} <= expected:
        named = f"; as the name of a tensor write `{text}`" if text in REDUCERS else ""
        return "a statement: a word such as `input` or `param`, or an equation z[b,h] = ..." + named
    if text == "=" and open_brackets:
        return "an operator; in a condition equality is written =="
    if text in ("<", "<=", ">", ">=", "==", "!=", "≤", "≥", "≠"):
        return f"no comparison: [a {text} b] is 1 where it holds and 0 elsewhere, or write where(condition, ...)"
    if text in ("]", ")") and "AT_LEAST" in expected:
        return "a comparison: [j <= i] is 1 where it holds; the indices of a tensor stand behind its name"
    if {"PLUS", "STAR"} & expected:
        if open_brackets:
            return f"an operator such as * or +, or {')' if open_brackets[-1] == '(' else ']'!r}"
        return "an operator such as * or +, or the end of the statement" + (
            ": start the next one on a new line, or behind a ;" if word else ""
        )
    before = "" if last is None else str(last)
    if text in ("=", "[") and before in STATEMENT_WORDS:
        as_name = f"; {before} is a word of the notation, as a name write `{before}`"
    return " or ".join(sorted({_terminal(e) for e in expected if e != "_NEWLINE"})) + as_name


def _terminal(name: str) -> str:
    if name in _NAMES_OF_TERMINALS:
        return _NAMES_OF_TERMINALS[name]
    signs = {
        "EQUAL": "=", "COMMA": ",", "TILDE": "~", "LESS": "<", "OPEN": "[", "RSQB": "]", "LPAR": "(", "RPAR": ")",
        "COLON": ":", "QUOTED": "a name", "_NEWLINE": "the end of the line", "SEMICOLON": ";", "MINUS": "-",
    }  # fmt: skip
    sign = signs.get(name, name.lower())
    return sign if " " in sign else repr(sign)
