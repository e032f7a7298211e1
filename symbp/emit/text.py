"""Lines of Python: docstrings, bodies and rows of items, broken where they are too long."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from symbp.emit.module import Body, Parameter, State

WIDTH = 110


def docstring(text: str, more: str = "") -> str:
    """The text as the docstring of a function, on one line where it fits. more: a paragraph below it."""
    if more:
        first = docstring(text).removesuffix('"""').rstrip()
        rows = textwrap.wrap(more, WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
        return "\n".join([first, "", *rows, '    """'])
    if len(text) + 4 + 6 <= WIDTH:
        return f'    """{text}"""'
    lines = textwrap.wrap(
        f'"""{text}', WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
    )
    return "\n".join([*lines, '    """'])


def fold(line: str) -> str:
    """A line of code or text, broken at blanks where it is too long."""
    start = line[: len(line) - len(line.lstrip())]
    return "\n".join(textwrap.wrap(line, WIDTH, subsequent_indent=start + 8 * " ", break_on_hyphens=False))


def indented(lines: Iterable[str]) -> list[str]:
    return ["    " + line if line.strip() else "" for line in lines]


def function_body(body: Body, depth: int = 1) -> str:
    lines: list[str] = []
    for line in body.lines:
        code, mark, comment = line.rpartition("  # ")
        if mark and code.strip() and len(line) + 4 * depth > WIDTH:  # the comment goes above its line
            code = code.rstrip()
            lines += [code[: len(code) - len(code.lstrip())] + "# " + comment, code]
        else:
            lines.append(line)
    text = "\n".join([*_unpacked(body.reads), *lines])
    return textwrap.indent(text, "    " * depth)


def _unpacked(names: Sequence[str]) -> list[str]:
    """W1, c1 = params["W1"], params["c1"]: in as few rows as fit."""
    return _unpack_rows(names, [f'params["{name}"]' for name in names])


def _unpack_rows(names: Sequence[str], values: Sequence[str]) -> list[str]:
    """a, b = x, y: in as few rows as fit."""
    rows: list[str] = []
    start = 0
    for end in range(1, len(names) + 1):
        row = f"{', '.join(names[start:end])} = {', '.join(values[start:end])}"
        if end - start > 1 and len(row) > WIDTH - 4:
            start = end - 1
            row = f"{names[start]} = {values[start]}"
        else:
            rows = rows[:-1] if end - start > 1 else rows
        rows.append(row)
    return rows


def filled(before: str, items: Sequence[str], after: str) -> list[str]:
    """before + items + after on one line, or the items filled into rows of their own."""
    line = before + ", ".join(items) + after
    return [line] if len(line) + 8 <= WIDTH else [before, *rows(items), after]


def rows(items: Sequence[str]) -> list[str]:
    """The items, filled into indented rows."""
    rows = textwrap.wrap(
        ", ".join(item.replace(" ", "\0") for item in items) + ",",
        WIDTH - 8,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return ["    " + row.replace("\0", " ") for row in rows]


def init_rows(arrays: Sequence[Parameter | State]) -> list[str]:
    """Rows of init_params' dict, the shapes in a column of comments where they fit."""
    rows = [f'        "{array.name}": {array.init},' for array in arrays]
    column = max(map(len, rows))
    out = []
    for row, array in zip(rows, arrays, strict=True):
        comment = f"  # {array.shape_text}"
        for width in (column, len(row)):
            if width + len(comment) <= WIDTH:
                row = row.ljust(width) + comment
                break
        out.append(row)
    return out
