"""Bad input: every message names the offender and the fix."""

import numpy as np
import pytest
from sympy import Eq, Function, Idx, IndexedBase, Sum, Symbol, gamma

from symbp.architectures import from_file, load
from symbp.declare import declare
from symbp.errors import SymbpError, UnusedParameterWarning, nearest
from symbp.expr import access, call, index, num, sum_over
from symbp.language import sizes
from symbp.layers import ELU, LOSSES, Activation, Dense
from symbp.program import Equation, Program, Tensor
from symbp.sequence import Sequential
from symbp.unroll import unroll
from symbp.verify import RESERVED, check_name, verify

B, H, K = sizes("B H K")
n, i, j, k = Idx("n", B), Idx("i", H), Idx("j", H), Idx("k", K)
x, y, t, z, W, b, v = map(IndexedBase, "x y t z W b v".split())
L, s = Symbol("L"), Symbol("s")


def refused(message, equations, **declared):
    with pytest.raises(SymbpError, match=message):
        declare(equations, **declared)


# ------------------------------------------------------------------------------------------ declaring


def test_loss_that_is_no_scalar():
    message = r"the loss L is not a scalar: it has the indices n; sum or average over them"
    refused(message, [(IndexedBase("L")[n], x[n] ** 2)], inputs=[x[n]], loss=IndexedBase("L")[n])
    net = declare([(y[n, k], x[n, k] ** 2)], inputs=[x[n, k]])
    with pytest.raises(SymbpError, match="y is not a scalar: it has the indices n, k; sum or average over them"):
        net.gradient("x", of="y")


def test_loss_without_equation_or_unknown():
    refused("the loss L has no equation: add one that defines it", [(y[n], x[n])], inputs=[x[n]], loss=L)
    net = declare([(y[n], x[n])], inputs=[x[n]])
    with pytest.raises(SymbpError, match="network has no loss: name the scalar to differentiate with of="):
        net.gradient("x")
    with pytest.raises(SymbpError, match="there is no tensor Loss to differentiate: known are x, y"):
        net.gradient("x", of="Loss")


def test_unbound_symbol():
    message = "equation for L: the symbol W is unbound: declare it as an input or a parameter"
    refused(message, [(L, Sum(W[i] * x[i], i))], inputs=[x[i]], loss=L)
    message = "equation for L: the symbol s is unbound: declare it as an input or a parameter, or use it as the size"
    refused(message, [(L, s * Sum(x[i], i))], inputs=[x[i]], loss=L)


def test_unbound_index():
    message = "equation for y: the index i is unbound on the right-hand side: sum over it, or add it to the target's"
    refused(message, [(y[n], x[n, i])], inputs=[x[n, i]])


def test_index_with_two_sizes():
    wide = Idx("i", 5)
    message = "equation for L: the index i has two sizes, (H and 5|5 and H)"
    refused(message, [(L, Sum(x[i], i) * Sum(t[wide], wide))], inputs=[x[i], t[wide]])


def test_mismatched_sizes():
    message = r"equation for L: axis 0 of W has size K, but the index i runs over H: sizes must be the same"
    refused(message, [(L, Sum(x[i] * W[i], i))], inputs=[x[i]], parameters=[W[k]])
    two, three = Idx("a", 2), Idx("b", 3)
    message = r"equation for L: axis 0 of W has size 3, but the index a runs over 2"
    refused(message, [(L, Sum(x[two] * W[two], two))], inputs=[x[two]], parameters=[W[three]])


def test_wrong_number_of_indices():
    message = r"equation for L: W has 2 axes and is read with 1 indices: write W\[i, k\]"
    refused(message, [(L, Sum(W[i], i))], parameters=[W[i, k]])


def test_reading_outside_an_axis():
    three = Idx("a", 3)
    message = r"equation for L: x\[3\] reads axis 0 at 3, outside its range 0 .. 2: read it inside"
    refused(message, [(L, x[3] + Sum(x[three], three))], inputs=[x[three]])


def test_reads_that_can_leave_an_axis():
    message = r"for y: x\[n \+ 1\] reads axis 0 at n \+ 1, that is 1 .. B, outside its range 0 .. B - 1: write Piece"
    refused(message, [(y[n], x[n + 1])], inputs=[x[n]])
    refused("equation for y: axis 0 of x is read at n\\*\\*2, which is not affine", [(y[n], x[n**2])], inputs=[x[n]])
    refused("equation for y: axis 0 of x is read at t", [(y[n], x[t[n]])], inputs=[x[n], t[n]])


def test_tensor_defined_twice():
    refused("tensor y is defined twice: rename one of the two", [(y[n], x[n]), (y[n], 2 * x[n])], inputs=[x[n]])
    refused("tensor x is declared, and defined by an equation too", [(x[n], t[n])], inputs=[x[n], t[n]])
    refused("tensor x is declared twice: keep one", [(y[n], x[n])], inputs=[x[n]], parameters=[x[n]])


def test_cycle():
    message = "the equations form a cycle: y -> z -> y; break it"
    refused(message, [(y[n], z[n] + x[n]), (z[n], y[n] ** 2)], inputs=[x[n]])
    refused("the equations form a cycle: y -> y; break it", [(y[n], y[n] + x[n])], inputs=[x[n]])


def test_target_that_is_no_bare_access():
    refused(r"tensor y: y\[0\] is not written with bare indices: write y\[n, i\]", [(y[0], x[n])], inputs=[x[n]])
    refused("is not a tensor: write an access with bare indices", [(x[n] + 1, y[n])], inputs=[y[n]])
    refused("tensor y has one index on two axes", [(y[n, n], x[n])], inputs=[x[n]])


def test_index_without_size():
    bare = Idx("q")
    refused(r"tensor x: index q has no size: write Idx\('q', size\)", [(L, x[bare])], inputs=[x[bare]])


def test_not_an_equation():
    refused("is not an equation: write Eq\\(target, value\\) or \\(target, value\\)", [x[n]], inputs=[x[n]])
    refused("equation for L: 'x' is no SymPy expression", [(L, "x")], inputs=[x[n]])


def test_empty_network():
    refused("a network needs equations: the list of equations is empty", [])
    with pytest.raises(SymbpError, match=r"the network is empty: give Sequential at least one layer, e.g. Dense\(3\)"):
        Sequential(features=2, loss="half_squared_error")


def test_unknown_function():
    message = "equation for L: sigmoide is not in symbp's language .*: did you mean 'sigmoid'"
    refused(message, [(L, Function("sigmoide")(s))], inputs=[s])


def test_output_without_equation():
    refused("output q has no equation: add one", [(y[n], x[n])], inputs=[x[n]], outputs=[Symbol("q")])


def test_extending_by_a_name_that_is_taken():
    net = declare([(y[n], x[n])], inputs=[x[n]])
    with pytest.raises(SymbpError, match="tensor y is defined twice"):
        net.extend([(y[n], 2 * x[n])])
    with pytest.raises(SymbpError, match="tensor x is declared twice"):
        net.extend([(z[n], 2 * x[n])], inputs=[x[n]])


def test_a_fact_must_be_an_equation():
    refused("is not an equation", [(y[n], x[n])], inputs=[x[n]], facts=[Sum(x[n], n)])
    refused("fact: gamma is not in symbp's language", [(y[n], x[n])], inputs=[x[n], s], facts=[Eq(gamma(s), 1)])


# --------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["2x", "a-b", "a b", "größe", "x'", ""])
def test_names_that_are_no_identifiers(name):
    with pytest.raises(SymbpError, match="is not a plain identifier: use letters, digits and _"):
        check_name(name, "tensor name")


@pytest.mark.parametrize("name", ["lambda", "for", "None", "class"])
def test_python_keywords(name):
    with pytest.raises(
        SymbpError, match=f"tensor name '{name}' is a Python keyword: choose another name, e.g. {name}_"
    ):
        declare([(y[n], IndexedBase(name)[n])], inputs=[IndexedBase(name)[n]])


@pytest.mark.parametrize("name", ["np", "params", "loss_and_grads", "main", "sum"])
def test_names_of_the_emitted_module(name):
    assert name in RESERVED
    message = f"tensor name '{name}' is a name that the emitted module uses itself: choose another, e.g. {name}_"
    with pytest.raises(SymbpError, match=message):
        declare([(y[n], IndexedBase(name)[n])], inputs=[IndexedBase(name)[n]])


def test_a_name_for_a_tensor_and_a_size():
    taken = IndexedBase("B")
    refused("B is both a tensor and a size: rename one of them", [(y[n], taken[n])], inputs=[taken[n]])


# ------------------------------------------------------------------------------------ differentiating


def test_unused_parameter():
    net = declare([(L, Sum(W[i] ** 2, i))], parameters=[W[i], b[i]], loss=L)
    with pytest.warns(UnusedParameterWarning, match="L does not depend on b: its gradient is zero") as caught:
        g = net.gradient()
    assert caught[0].filename == __file__, "the warning points at the caller"
    assert np.array_equal(g.evaluate({"W": np.ones(2), "b": np.ones(2)})["d_b"], np.zeros(2))


def test_differentiating_by_an_integer_input():
    c = IndexedBase("c")
    net = declare([(L, Sum(x[n, c[n]], n))], inputs=[x[n, k]], integers=[c[n]], loss=L)
    with pytest.raises(SymbpError, match="c holds integers, which have no gradient: leave it out of wrt"):
        net.gradient("c")


def test_differentiating_by_something_unknown():
    net = load("mlp:2-1,tanh,half_squared_error")
    with pytest.raises(SymbpError, match="there is no tensor W7 to differentiate by: known are W1, b1, x, t"):
        net.gradient("W7")


def test_unknown_method():
    net = load("mlp:2-1,tanh,half_squared_error")
    with pytest.raises(SymbpError, match="unknown method 'backward': use one of reverse, forward, naive"):
        net.gradient(method="backward")


def test_no_parameters():
    net = declare([(L, Sum(x[n], n))], inputs=[x[n]], loss=L)
    with pytest.raises(SymbpError, match="has no parameters: name the tensors to differentiate by with wrt="):
        net.gradient()


# --------------------------------------------------------------------------------- layers and short texts


def test_unknown_loss_and_width():
    with pytest.raises(SymbpError, match=r"unknown loss 'crossentropy': did you mean 'cross_entropy'. known are half_"):
        Sequential(Dense(2), features=2, loss="crossentropy")
    for units in (0, -1, 2.5, "3"):
        with pytest.raises(SymbpError, match="a layer's width must be a positive integer, not"):
            Sequential(Dense(units), features=2, loss="half_squared_error")
    with pytest.raises(SymbpError, match="a layer's width must be a positive integer, not 0"):
        Sequential(Dense(1), features=0, loss="half_squared_error")


def test_unknown_activation_in_a_layer():
    with pytest.raises(SymbpError, match="unknown activation 'sigmod': did you mean 'sigmoid'"):
        Sequential(Dense(2), Activation("sigmod"), features=2, loss="half_squared_error")
    with pytest.raises(SymbpError, match="unknown activation 'maximum': known are exp"):
        Activation("maximum")
    with pytest.raises(SymbpError, match=r"elu takes 1 arguments, not \(1, 2\)"):
        ELU(1, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mlp:2-3-1", "expected mlp:SIZES,LAYERS,LOSS as in mlp:2-3-2-1,sigmoid,half_squared_error"),
        ("mlp:2-3-1,relu", "expected mlp:SIZES,LAYERS,LOSS"),
        ("mlp:2-3-1,relu,half_squared_error,adam", "expected mlp:SIZES,LAYERS,LOSS"),
        ("mlp:2,relu,half_squared_error", "the sizes '2' must be two or more positive integers as in 2-3-2-1"),
        ("mlp:2-0-1,relu,half_squared_error", "the sizes '2-0-1' must be two or more positive integers"),
        ("mlp:2-x-1,relu,half_squared_error", "the sizes '2-x-1' must be two or more positive integers"),
        ("mlp:2--1,relu,half_squared_error", "the sizes '2--1' must be two or more positive integers"),
        ("mlp:,relu,half_squared_error", "the sizes '' must be two or more positive integers"),
        ("mlp:2-3-1,rellu,half_squared_error", "unknown activation 'rellu': did you mean 'relu'"),
        ("mlp:2-3-1,maximum,half_squared_error", "unknown activation 'maximum'.*known are exp"),
        ("mlp:2-3-1,relu/softmx,half_squared_error", "unknown activation 'softmx': did you mean 'softmax'"),
        ("mlp:2-3-1,relu+,half_squared_error", "unknown activation ''"),
        ("mlp:2-3-1,relu,square", "unknown loss 'square'.*known are half_squared_error"),
        ("resnet", "'resnet' is neither a built-in network .mlp:.* nor a Python file"),
        ("", "'' is neither a built-in network"),
    ],
)
def test_bad_texts(text, message):
    with pytest.raises(SymbpError, match=message) as caught:
        load(text)
    assert repr(text) in str(caught.value), "the text is named"


def test_texts_are_not_evaluated():
    with pytest.raises(SymbpError, match="unknown activation"):
        load("mlp:2-1,__import__('os').abort()/relu,half_squared_error")


def test_files(tmp_path):
    with pytest.raises(SymbpError, match=r"there is no file .*missing\.py"):
        load(str(tmp_path / "missing.py"))
    empty = tmp_path / "empty.py"
    empty.write_text("network = 1\n")
    with pytest.raises(
        SymbpError, match=r"empty.py does not define `net` as a symbp Program: end it with net = declare"
    ):
        load(str(empty))
    good = tmp_path / "good.py"
    good.write_text("from symbp.architectures import load\nnet = load('mlp:2-1,tanh,half_squared_error')\n")
    assert from_file(good).loss == "L"
    good.write_text("from symbp import *\nfrom symbp import GLU\nnet = Sequential(Dense(1), features=2, loss='hinge')")
    assert from_file(good).loss == "L"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def (", "1: invalid syntax"),
        ("\n1/0", "2: ZeroDivisionError: division by zero"),
        ("from symbp import Sequential, Dense\nnet = Sequential(Dense(3), features=2, loss='cross')",
         "2: unknown loss 'cross': known are"),
    ],
)  # fmt: skip
def test_errors_in_a_file_name_its_line(tmp_path, text, message):
    file = tmp_path / "net.py"
    file.write_text(text)
    with pytest.raises(SymbpError, match=f"net.py:{message}"):
        load(str(file))


def test_every_named_loss_builds():
    for loss in LOSSES:
        shape = {"triplet": {"shape": (3, 5)}, "info_nce": {"shape": (2, 5)}}.get(loss, {"features": 3})
        assert Sequential(Dense(2), **shape, loss=loss).loss == "L"


# -------------------------------------------------------------------------------------- values, neurons


def test_values_that_are_missing_or_do_not_fit():
    net = load("mlp:2-3,tanh,half_squared_error")
    values = {"x": np.ones((5, 2)), "W1": np.ones((2, 3)), "b1": np.ones(3), "t": np.ones((5, 3))}
    with pytest.raises(SymbpError, match=r"no value for the parameter W1, shape \(2, 3\)"):
        net.evaluate({name: a for name, a in values.items() if name != "W1"})
    with pytest.raises(SymbpError, match=r"x has shape \(B, 2\), the value has shape \(5,\)"):
        net.evaluate({**values, "x": np.ones(5)})
    with pytest.raises(SymbpError, match=r"b1 has shape \(3,\), the value has shape \(4,\)$"):
        net.evaluate({**values, "b1": np.ones(4)})
    with pytest.raises(SymbpError, match=r"t has shape \(B, 3\), the value has shape \(6, 3\): B is 5, not 6"):
        net.evaluate({**values, "t": np.ones((6, 3))})


def test_labels_out_of_range():
    net = load("mlp:2-3,tanh,cross_entropy")
    values = {"x": np.ones((2, 2)), "W1": np.ones((2, 3)), "b1": np.ones(3), "t": np.array([0, 3])}
    with pytest.raises(SymbpError, match=r"p1 is read at 0\.\.3, outside 0\.\.2"):
        net.evaluate(values)


def test_sizes_at_neuron_level():
    net = declare([(L, Sum(W[k] * x[n, k], n, k))], inputs=[x[n, k]], parameters=[W[k]], loss=L)
    with pytest.raises(SymbpError, match="give a value for the size K: at neuron level every size is a number"):
        unroll(net)
    with pytest.raises(SymbpError, match="network has no size Q: its sizes are B, K"):
        unroll(net, {"Q": 1})
    with pytest.raises(SymbpError, match="the size K must be a positive integer, not 0"):
        unroll(net, {"K": 0})
    with pytest.raises(SymbpError, match="entries at neuron level, more than 200000: use the tensor level"):
        unroll(load("mlp:2-1000-1,tanh,half_squared_error"), {"B": 200})


# ------------------------------------------------------------------------- what a faulty pass would make


def test_a_faulty_pass_is_named():
    a = index("a", 3)
    p = Tensor("p", (a,), "parameter")
    loss = Tensor("L")

    def program(*equations, tensors=(p, loss), **more):
        return Program("broken", {t.name: t for t in tensors}, equations, ("L",), "L", **more)

    total = Equation(loss.access, sum_over(p.access, [a]))
    assert verify(program(total)).loss == "L"
    with pytest.raises(SymbpError, match="after the pass tidy: equation for L: the index a is unbound"):
        verify(program(Equation(loss.access, p.access)), "tidy")
    with pytest.raises(SymbpError, match="equation for q: the tensor is not declared"):
        verify(program(total, Equation(access("q"), num(1))))
    with pytest.raises(SymbpError, match="equation for L reads q before it is defined: put that equation first"):
        verify(program(Equation(loss.access, access("q")), Equation(access("q"), num(1)), tensors=(loss, Tensor("q"))))
    with pytest.raises(SymbpError, match="tensor L is defined twice: rename one, or drop one of the two"):
        verify(program(total, total))
    with pytest.raises(SymbpError, match="tensor p is declared as parameter, and has an equation too"):
        verify(program(total, Equation(p.access, num(1))))
    with pytest.raises(SymbpError, match="equation for L: the function nope is not in the table"):
        verify(program(Equation(loss.access, sum_over(call("nope", p.access), [a]))))
    with pytest.raises(SymbpError, match="its target must be written with the tensor's own bare indices"):
        verify(program(Equation(access("p2", (index("c", 3),)), num(1)), tensors=(loss, Tensor("p2", (a,)))))
    with pytest.raises(SymbpError, match="tensor p: role 'weight', dtype 'real' are not known"):
        verify(program(total, tensors=(Tensor("p", (a,), "weight"), loss)))


def test_hints():
    assert nearest("relo", ["relu", "tanh"]) == "did you mean 'relu'? known are relu, tanh"
    assert nearest("zzz", ["relu", "tanh"]) == "known are relu, tanh"


def test_what_a_pass_leaves_alone_is_checked_for_its_place():
    """Equations and tensors that are the objects of the program before are trusted, not where they stand."""
    a = index("a", 3)
    p, q, loss = Tensor("p", (a,), "parameter"), Tensor("q", (a,)), Tensor("L")
    double = Equation(q.access, 2 * p.access)
    total = Equation(loss.access, sum_over(q.access, [a]))

    def program(*equations, tensors=(p, q, loss)):
        return Program("broken", {t.name: t for t in tensors}, equations, ("L",), "L")

    before = verify(program(double, total))
    assert verify(program(double, total), "tidy", before).equations == (double, total)
    with pytest.raises(SymbpError, match="equation for q: the index b is unbound"):
        verify(program(Equation(q.access, access("p", (index("b", 3),))), total), "tidy", before)
    with pytest.raises(SymbpError, match="equation for L reads q before it is defined"):
        verify(program(total, double), "tidy", before)
    with pytest.raises(SymbpError, match="equation for L reads q before it is defined"):
        verify(program(total), "tidy", before)
    with pytest.raises(SymbpError, match="q has 0 axes and is read with 1 indices"):
        verify(program(Equation(access("q"), num(1)), total, tensors=(p, Tensor("q"), loss)), "tidy", before)
    with pytest.raises(SymbpError, match="axis 0 of p has size 4"):
        verify(program(double, total, tensors=(Tensor("p", (index("a", 4),), "parameter"), q, loss)), "tidy", before)
    with pytest.raises(SymbpError, match="tensor q: role 'hidden'"):
        verify(program(double, total, tensors=(p, Tensor("q", (a,), "hidden"), loss)), "tidy", before)
    with pytest.raises(SymbpError, match="tensor L is defined twice"):
        verify(program(double, total, total), "tidy", before)
