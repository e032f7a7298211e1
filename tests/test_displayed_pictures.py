"""Pictures of graphs show the program: every box, label, number and edge, told by what is seen, in SVG and TikZ."""

import math
import random
import re
from collections import Counter
from functools import cache

import numpy as np
import pytest
from displayed.pictures import read, seen_svg, seen_tikz, symbols
from displayed.tree import Unreadable
from test_displayed import DOCUMENT, TEXTBOOK, network, neurons

from symbp.show.graph import graph
from symbp.show.graph.svg import svg
from symbp.show.graph.tikz import tikz

CASES = (
    (TEXTBOOK, "neuron"), ("mlp:2-3-3,selu/linear,mean_squared_error", "neuron"), (TEXTBOOK, "matrix"),
    ("BatchNorm", "index"), ("GRU", "index"), ("FiLM", "matrix"),
)  # fmt: skip


@cache
def made(name, level):
    """The account of a derivation with numbers, and its pictures."""
    account = (neurons if level == "neuron" else network)(name).worked(level)
    g = graph(account.d)
    return account, {"svg": svg(g, name), "tikz": tikz(g)}


def drawn(style, text, d):
    return read((seen_svg if style == "svg" else seen_tikz)(text), symbols(d))


def leading(d):
    """What leads to the loss: name -> what its equation reads."""
    reads = {f.name: f.value.tensors for f in d.definitions}
    needed = {d.network.loss}
    while more := {r for n in needed if n in reads for r in reads[n]} - needed:
        needed |= more
    return {n: reads[n] for n in reads if n in needed}


def faults(style, text, account):
    """Where the picture isn't that of the program."""
    d = account.d
    try:
        g = drawn(style, text, d)
    except (Unreadable, ValueError, AssertionError) as error:
        return [str(error)]
    reads = leading(d)
    placed = {on: ends for ends, (on, *_) in g.edges.items() if on}
    out = []
    wanted = {(r, n) for n, read in reads.items() for r in read if r not in placed}
    if set(g.edges) != wanted:
        out.append(f"edges {set(g.edges) ^ wanted}")
    boxes = {*reads, *(r for read in reads.values() for r in read)} - placed.keys()
    if set(g.nodes) != boxes:
        out.append(f"boxes {set(g.nodes) ^ boxes}")
    for on, (source, target) in placed.items():  # a weight times what comes along its edge
        if not is_weight(account, on, source, target) or [n for n in reads if on in reads[n]] != [target]:
            out.append(f"{on} does not belong between {source} and {target}")
    derived = {p.wrt: n for n, p in d.names.derivatives.items() if p.of == d.network.loss and n in shown(d)}
    order = {n: k for k, n in enumerate(reads)}
    for (source, target), (_, back, later) in g.edges.items():
        flows = source in derived and (target in derived or target == d.network.loss)
        if back != flows or later != (order.get(source, -1) >= order[target]):
            out.append(f"the edge from {source} to {target}")
    for name, (kind, adjoint, numbers) in g.nodes.items():
        role = "loss" if name == d.network.loss else d.names.tensors[name].role
        scalars = [n for n in (name, adjoint) if n and np.ndim(account.expected(n)) == 0]
        values = [f"{account_value(account, n):.3g}" for n in scalars]
        if kind != role or adjoint != derived.get(name, "") or list(numbers) != values:
            out.append(f"the box of {name}: {kind}, {adjoint}, {numbers}")
    for name, numbers in g.on_edges.items():
        if list(numbers) != [f"{account_value(account, n):.3g}" for n in (name, derived[name])]:
            out.append(f"the numbers of {name}")
    return out


def shown(d):
    return {f.name for s in d.steps for f in s.formulas}


def account_value(account, name):
    return float(account.expected(name))


def is_weight(account, on, source, target):
    """Whether what comes from the source is multiplied by this weight."""
    (a, at), (b, of), (c, by) = (account.named[n] for n in (source, target, on))
    local = account.point.local
    found = [local(b, c)[of + by], local(b, a)[of + at]]
    return abs(found[0] - account.tensor(a)[at]) < 1e-9 and abs(found[1] - account.tensor(c)[by]) < 1e-9


@pytest.mark.parametrize("style", ["svg", "tikz"])
@pytest.mark.parametrize(("name", "level"), CASES)
def test_pictures_show_the_program(name, level, style):
    account, pictures = made(name, level)
    assert faults(style, pictures[style], account) == []


# ------------------------------------------------------------------------------------- checking the check


def mistakes(style, text, rng):
    """(kind, the picture with it): a label, a number, an end of a curve, a curve left out or of the other kind."""
    lines = re.split(r"(?=<g |<path )", text) if style == "svg" else text.splitlines(keepends=True)
    digits = r"(?<=>)−?\d\.\d+(?=<)" if style == "svg" else r"(?<=\{\$)-?\d\.\d+(?=\$)"
    label = r"(?<=letters\">)[a-zA-Z](?=<)" if style == "svg" else r"(?<=\{\$)[a-zA-Z](?=[_^])"
    for kind, pattern, change in (
        ("letter", label, lambda m: "q" if m[0] != "q" else "k"),
        ("number", digits, lambda m: f"1{m[0][-3:]}7"),
        ("entry", r"(?<=>)\d(?=</tspan>)" if style == "svg" else r"(?<=_\{)\d", lambda m: str(int(m[0]) + 4)),
    ):
        found = list(re.finditer(pattern, text))
        for m in rng.sample(found, min(6, len(found))):
            yield kind, text[: m.start()] + change(m) + text[m.end() :]
    last = r"[\d.]+ [\d.]+(?=\")" if style == "svg" else r"\([\d.,]+\)(?=;)"
    mark = "flow forward" if style == "svg" else r"\draw[forward"
    curves = [k for k, line in enumerate(lines) if mark in line]
    for k in rng.sample(curves, min(6, len(curves))):
        end = {j: re.findall(last, lines[j])[-1] for j in curves}
        far = [j for j in curves if math.dist(place(end[k]), place(end[j])) > (24 if style == "svg" else 1.5)]
        wrong = lines[k][::-1].replace(end[k][::-1], end[rng.choice(far)][::-1], 1)[::-1]
        yield "end", "".join([*lines[:k], wrong, *lines[k + 1 :]])
        turned = lines[k].replace("forward", "backward")
        yield "direction", "".join([*lines[:k], turned, *lines[k + 1 :]])
        left = re.sub(r"<path.*?/>", "", lines[k]) if style == "svg" else ""
        yield "left out", "".join([*lines[:k], left, *lines[k + 1 :]])


def place(text):
    return [float(n) for n in re.findall(r"[\d.]+", text)]


def test_a_wrong_picture_is_found():
    rng = random.Random(1)
    made_up, missed = Counter(), []
    for name, level in CASES[:4]:
        account, pictures = made(name, level)
        for style, text in pictures.items():
            for kind, wrong in mistakes(style, text, rng):
                made_up[kind] += 1
                if not faults(style, wrong, account):
                    missed.append((name, level, style, kind))
    assert set(made_up) == {"letter", "number", "entry", "end", "direction", "left out"}, made_up
    said = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    found = f"{made_up.total() - len(missed):,} of {made_up.total():,} wrong pictures"
    assert found in said, (found, missed[:6])
