"""What is printed means what was derived: a third style writes the same formulas as Python, and their values agree.

The printers decide on order, signs, brackets, fractions and matrix products for every style alike; only the spelling of
single symbols differs. So this covers what LaTeX and text have in common.
"""

import re
from dataclasses import replace

import numpy as np
import pytest

from symbp.architectures import load
from symbp.expr import Num
from symbp.functions import TABLE
from symbp.show.derivation import derivation
from symbp.show.formulas.matrix import MatrixPrinter
from symbp.show.formulas.printer import Printer
from symbp.show.names.symbols import Symbol, names_of, with_symbols
from symbp.show.plan.equations import plan
from symbp.show.styles import breaks

NETS = (
    "mlp:2-3-2-1,sigmoid,half_squared_error",
    "mlp:3-5-2,batch_norm+relu/linear,half_squared_error",
    "mlp:4-5-3,tanh/softmax,soft_cross_entropy",
    "mlp:4-5-3,gelu/linear,mean_squared_error",
    "mlp:3-5-2,gelu_tanh+batch_norm/linear,binary_cross_entropy",
    "mlp:3-4-2,softsign,mean_squared_error",
)


class Ones:
    """The vector of ones, of the length that is needed."""

    __array_ufunc__ = None

    def __matmul__(self, a):
        return a.sum(axis=0, keepdims=True)

    def __rmatmul__(self, a):
        return a.sum(axis=1, keepdims=True)


class Python:
    """Python source for NumPy arrays with two axes; a symbol is the text between dollars."""

    stacked = False
    space, matmul, top, dots = " * ", " @ ", ".T", ""

    def symbol(self, symbol, indices=(), transposed=False):
        assert not indices
        return f"${symbol.nucleus}$" + (".T" if transposed else "")

    def number(self, value):
        return str(value)

    def size(self, name):
        return name

    def constant(self, name):
        return f"np.{name}"

    def fraction(self, top, bottom):
        return f"{top}/{bottom}"

    def brackets(self, inside):
        return f"({inside})"

    def power(self, base, exponent):
        return f"{base}**({exponent})"

    elementwise_power = power

    def root(self, inside):
        return f"np.sqrt({inside})"

    def call(self, function, arguments, binding):
        return f"call({function!r}, {', '.join(arguments)})"

    def iverson(self, condition):
        return f"(({condition}) * 1.0)"

    def cases(self, condition, then, otherwise):
        return f"np.where({condition}, {then}, {otherwise})"

    def relation(self, operator):
        return operator

    def hadamard(self):
        return " * "

    def transpose(self, inside):
        return f"({inside}).T"

    def ones(self, transposed=False):
        return "ONES"

    def squared_norm(self, inside):
        return f"np.sum(({inside})**2)"


def plain_names(program):
    """Names whose symbol is the tensor's own name."""
    names = names_of(program, program, {})
    return replace(names, meaning={name: Symbol(name) for name in names.meaning})


def value_of(source, values, sizes):
    """The value of a printed formula."""

    def call(function, *arguments):
        row = TABLE[function]
        assert row.evaluate is not None
        return row.evaluate(*arguments)

    scope = {"np": np, "call": call, "ONES": Ones(), "values": values, **sizes}
    parts = re.sub(r"(?<=\d)(?=[A-Z])|(?<=\))(?=np\.)", "*", source).split("$")  # 2B: constants stand side by side
    text = "".join(p if k % 2 == 0 else f"values[{p!r}]" for k, p in enumerate(parts))
    return eval(text, scope)


def random_values(program, sizes, seed=7):
    """Seeded values of inputs, parameters and state, positive where a variance must be."""
    rng = np.random.default_rng(seed)

    def length(s):
        return int(s.value) if isinstance(s, Num) else sizes[s.label]

    values = {}
    for t in program.tensors.values():
        if t.role != "computed":
            shape = tuple(length(s) for s in t.shape)
            values[t.name] = rng.uniform(0.2, 1.2, shape) if t.role == "state" else rng.normal(size=shape)
    if program.facts:  # targets that add up to one
        values["t"] = np.exp(values["t"]) / np.exp(values["t"]).sum(axis=1, keepdims=True)
    return values


@pytest.mark.parametrize("text", NETS)
def test_matrix_notation_has_the_right_values(text):
    net = load(text)
    d = derivation(net, level="matrix")
    sizes = {"B": 7}
    given = random_values(net, sizes)
    exact = d.program.evaluate(given)
    reference = net.gradient().evaluate(given)
    for p in net.parameters:
        np.testing.assert_allclose(exact[f"d_{p.name}"], reference[f"d_{p.name}"], rtol=1e-9, atol=1e-12)
    printer = MatrixPrinter(Printer(plain_names(d.program), Python()))
    rows = {}
    for t in d.program.tensors.values():
        value = np.asarray(exact.get(t.name, given.get(t.name)))
        if value.ndim == 1:
            value = value[:, None] if t.indices[0].label in printer.orientation.row_labels else value[None, :]
        rows[t.name] = value
    printed = 0
    for step in d.steps:
        for f in step.formulas:
            side = printer.side(f.target, f.value)
            assert side is not None, f.name
            got = value_of(breaks.unmarked(side), rows, sizes)
            np.testing.assert_allclose(got, rows[f.name], rtol=1e-9, atol=1e-12, err_msg=f"{f.name} = {side}")
            printed += 1
    assert printed > len(net.parameters)


@pytest.mark.parametrize("text", NETS)
def test_neuron_formulas_have_the_right_values(text):
    net = load(text)
    sizes = {"B": 2}
    d = derivation(net, level="neuron", sizes=sizes)
    given = random_values(net, sizes)
    reference = net.gradient().evaluate(given)
    flat = {}
    for name, array in {**reference, **given}.items():
        for at, value in np.ndenumerate(np.asarray(array)):
            flat["_".join((name, *map(str, at)))] = value
    printer = Printer(plain_names(d.program), Python())
    for step in d.steps:
        for f in step.formulas:
            flat[f.name] = value_of(breaks.unmarked(printer.write(f.value)), flat, {})
    for p in net.parameters:
        for at, value in np.ndenumerate(reference[f"d_{p.name}"]):
            name = "_".join((f"d_{p.name}", *map(str, at)))
            np.testing.assert_allclose(flat[name], value, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("method", ["forward", "naive"])
def test_the_other_methods_have_the_right_values(method):
    net = load("mlp:2-3-1,sigmoid,half_squared_error")
    d = derivation(net, ("W1", "b2"), level="neuron", method=method)
    given = random_values(net, {"B": 1})
    reference = net.gradient().evaluate(given)
    flat = {}
    for name, array in {**reference, **given}.items():
        for at, value in np.ndenumerate(np.asarray(array)):
            flat["_".join((name, *map(str, at)))] = value
    exact = {n: v for n, v in flat.items() if n.startswith(("d_W1_", "d_b2_"))}
    printer = Printer(plain_names(d.program), Python())
    for step in d.steps:
        for f in step.formulas:
            flat[f.name] = value_of(breaks.unmarked(printer.write(f.value)), flat, {})
    assert len(exact) == 7
    for name, value in exact.items():
        np.testing.assert_allclose(flat[name], value, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("text", NETS)
def test_what_stands_between_equals_signs_is_equal(text):
    """The form of an equation before an adjoint is written out in it has the same value."""
    net = with_symbols(load(text))
    wrt = [p.name for p in net.parameters]
    given = random_values(net, {"B": 7})
    for keep in (False, True):
        found = plan(net, wrt, "reverse", keep_adjoints=keep)
        before = {e.name: e for e in found.before}
        exact = found.program.evaluate(given)
        other = found.program.with_(before.get(e.name, e) for e in found.program.equations).evaluate(given)
        for name in found.program.outputs:
            np.testing.assert_allclose(other[name], exact[name], rtol=1e-9, atol=1e-12, err_msg=name)
