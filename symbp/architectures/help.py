"""What `symbp nets` prints."""

from __future__ import annotations

import textwrap

from symbp.architectures import FAMILIES
from symbp.architectures.catalogue import LAYERS, LOSS_KINDS, Kind, option_text
from symbp.architectures.fields import Family
from symbp.architectures.tables import SCHEMA
from symbp.errors import SymbpError, nearest
from symbp.layers import LOSSES

LOSS_HELP = {
    "half_squared_error": "",
    "mean_squared_error": "",
    "cross_entropy": "integer labels",
    "soft_cross_entropy": "targets that add up to one",
    "binary_cross_entropy": "0/1 targets; the output is a logit",
}
OTHERS = """\
Any other network: its layers in a .toml file (`symbp nets toml`, docs/architectures.md), its equations in a .net file
(docs/notation.md) or on standard input (-), or a Python file that ends in `net = declare(...)` or
`net = Sequential(...)`."""


def overview() -> str:
    """Each family's form and an example, and what else a network may be."""
    parts = ["A network is written family:..., in one of these forms; `symbp nets FAMILY` says what the words mean.\n"]
    for family in FAMILIES.values():
        example = next(iter(family.examples))
        parts.append(f"{family.name}: {family.about}\n  {family.usage}\n  {example}\n")
    return "\n".join([*parts, losses(), "", OTHERS])


def losses() -> str:
    """What LOSS may be."""
    usual = [f"{name} ({meaning})" if meaning else name for name, meaning in LOSS_HELP.items()]
    return wrapped("LOSS", [*usual, *(name for name in LOSSES if name not in LOSS_HELP)])


def family_text(name: str) -> str:
    """One family in full; for toml the form of such files. Raises SymbpError for a name that is neither."""
    if name == "toml":
        return "\n".join(["A file name.toml:\n", SCHEMA, kinds("Layers", LAYERS), "", kinds("Losses", LOSS_KINDS)])
    if name not in FAMILIES:
        raise SymbpError(f"there is no family {name!r} of networks: {nearest(name, [*FAMILIES, 'toml'])}")
    family = FAMILIES[name]
    lines = [f"{family.name}: {family.about}", "", f"  {family.usage}", ""]
    lines += [f"  {line}" for line in family.grammar.splitlines()]
    return "\n".join([*lines, "", losses(), "", "For example:", *examples(family)])


def examples(family: Family) -> list[str]:
    return [line for text, meaning in family.examples.items() for line in ("", f"  {text}", f"      {meaning}")]


def kinds(title: str, found: dict[str, Kind]) -> str:
    """Each layer or loss with its options."""
    lines = [f"{title}, with their options:"]
    for kind in found.values():
        text = f"{kind.name}({', '.join(map(option_text, kind.options.values()))})"
        lines += textwrap.wrap(text, 110, initial_indent="  ", subsequent_indent="      ")
    return "\n".join(lines)


def wrapped(name: str, words: list[str]) -> str:
    return textwrap.fill(", ".join(words), 110, initial_indent=f"  {name}     ", subsequent_indent="           ")
