"""Errors in a text: the place, and the fix."""

import pytest

from symbp.errors import SymbpError
from symbp.notation import read

HEAD = "sizes B, I=4, H=3, K=2\ninput x[b,i], w[b]; label t[b]\nparam W[i,h], V[h,k]\n"

CASES = [
    # ------------------------------------------------------------------------------------------- names
    ("y[b] = x[b,i]", 12, "the index i is unbound here: sum over it, or add it to the indices of the left-hand side"),
    ("y[b] = sum[i] z[b,i]", 15, "there is no tensor z: known are x, w, t, W, V, y"),
    ("y[b] = rleu(x[b,0])", 8, "there is no function rleu: did you mean 'relu'?"),
    ("y[b] = w", 8, r"w has 1 axis and is read without indices: write w\[b\]"),
    ("y[b] = sum[i] x[b]", 15, r"x has 2 axes and is read with 1 index: write x\[b, i\]"),
    ("y[b] = x(b,0)", 8, r"x is a tensor: write x\[...\] with square brackets"),
    ("y[b] = exp[b]", 8, r"exp is a function: write exp\(...\)"),
    ("y[b] = B[b]", 8, "B is a size, not a tensor"),
    ("y[b] = sum(x[b,0])", 8, r"write sum\[i\] \(...\), with the indices in square brackets"),
    ("y[b] = if(w[b] > 0, 1, 2)", 8, r"if is not a function of the notation: write where\("),
    ("y = ww + 1", 5, "there is no ww: did you mean 'w'?"),
    ("y[b] = leaky_relu(w[b], 1, 2)", 8, "leaky_relu takes 1 to 2 arguments and has 3 here"),
    ("y[b] = where(w[b] > 0, 1)", 8, r"write where\(condition, value, otherwise\)"),
    ("y[b] = softmax[k] V[0,k]", 16, r"softmax\[k\] has a value for each k, which is unbound here"),
    ("m' = 3", 1, r"m is not a state: declare it, state m\[...\] ~ 0"),
    ("y[b] = w[b]; predict q", 22, "there is no tensor q"),
    ("y[b] = w[b]\ny[b] = 2", (5, 1), "y is defined by this equation, and defined in line 4 already: rename one"),
    ("loss = w[0]; loss q = 2", 19, "a network has one loss, and L is it already: keep one"),
    ("pi = 3", 1, "pi is a word of the notation: choose another name, or write `pi`"),
    ("λ[b] = w[b]", 1, "is not a plain identifier"),
    ("lambda[b] = w[b]", 1, "is a Python keyword"),
    # ------------------------------------------------------------------------------------------- sizes
    ("y[b] = sum[i] x[i,b]", 17, r"the index i has size 4 \(from `sizes`.*but axis 0 of x has size B"),
    ("y[b] = sum[q] 3", 12, "the index q has no size: no tensor is read at a bare q .* write `sizes Q=...`"),
    ("y[c] = 2*c", 3, "the index c has no size"),
    ("sizes Q=0\ny = 1", 9, "a size is a whole number from 1 on, not 0"),
    ("sizes Q=1.5\ny = 1", 9, "a size is a whole number from 1 on, not 3/2"),
    ("sizes Q=w[0]\ny = 1", 9, "a size is made of numbers|there is no tensor"),
    ("sizes B\ny = 1", 7, "the size B is given twice: keep one"),
    ("int u[b] < 7\ny[b] = V[u[b],0]", (5, 10), r"the range of u has size 7 .* axis 0 of V has size 3"),
    ("y[b] = sum[i<5] x[b,i]", 21, "the index i runs over 5: sizes must be the same"),
    ("y[b,b] = 1", 5, "y has the index b on two axes"),
    ("y = sum[i,i] x[0,i]", 11, "the index i is bound twice"),
    # ------------------------------------------------------------------------------------------- reads
    ("y[b] = x[b,4]", 8, r"reads axis 1 at 4, outside its range 0 .. 3: read it inside that range"),
    ("y[b,h] = sum[i] x[b,i]*W[i+1,h]", 24, r"W\[i \+ 1, h\] reads axis 0 at i \+ 1, that is 1 .. 4"),
    ("y[b] = V[w[b],0]", 10, "axis 0 of V is read at w, which holds real numbers"),
    ("y[b] = w[b*b]", 1, "not affine"),
    ("h[b] = h[b-1] + w[b]", 8, r"or a start h\[-1, ...\] = 0"),
    ("h[-2] = 0; h[b] = h[b-2]", 21, r"the start h\[-1\] is missing"),
    ("h[-1] = 0; h[-1] = 2; h[b] = h[b-1]", 12, "this start of h is given twice"),
    ("h[-1.5] = 0; h[b] = 1", 3, "this is no start of h: write -1"),
    ("y[3] = 1", 1, r"no equation defines y: the indices on the left are bare names, y\[b\]"),
    ("h[b] = h[b-1] + h[b+1]", 1, r"reads both b - 1 and b \+ 1: split it"),
    ("y[b] = a[b]\na[b] = y[b]", 1, "the equations form a cycle: y -> a -> y"),
    # ------------------------------------------------------------------------------------------ grammar
    ("y[b] = sum[i] x[b,i", 16, "this bracket is not closed: add its ']'"),
    ("y = (1 + (2)\nz = 3", 5, r"this bracket is not closed: add its '\)'"),
    ("y = 1)", 6, r"this '\)' closes no bracket"),
    ("y = 3 x", 7, r"'x' stands where the notation expects an operator such as \* or \+, or the end"),
    ("y[b] = where(w[b] = 0, 1, 2)", 19, "in a condition equality is written =="),
    ("y[b] = 1 + (w[b] > 0)", 18, "no comparison: .* is 1 where it holds and 0 elsewhere"),
    ("y[b] = [b]", 10, r"expects a comparison: \[j <= i\]"),
    ("y[b] = w[b]*", 13, "the end of the statement stands where the notation expects a number"),
    ("y[b] = where(w[b], 1, 2)", 14, "a condition is expected here: a comparison"),
    ("loss = mean w[b]", 13, "expects a number|'w' stands where"),
    ("y = @", 5, r"'@' has no meaning here: write the contraction as a sum"),
    ('title "abc', 7, "this text is not closed"),
    ("param = 3", 7, "param is a word of the notation, as a name write `param`"),
    ("y[b] = 1 input q", 10, "the end of the statement: start the next one on a new line, or behind a ;"),
    ("y = exp(w[0])/sum[b] w[b]*2", 15, r"where does this sum behind a / end\?"),
    ("3 = y", 1, "'3' stands where the notation expects a statement"),
    ("y = 1; inference; y = 2; inference", 26, "there is one `inference` part"),
    # ------------------------------------------------------------------------------------------ numbers
    ("y[b] = w[b]/0", 13, "this divides by zero"),
    ("y = 10^(10^10)", 7, "this number is too large"),
    ("y = 1e99999", 5, "a number has at most"),
    # --------------------------------------------------------------------------------------- declarations
    ("param Z[h] ~ hee; y = 1", 7, "unknown initialiser 'hee': did you mean 'he'"),
    ("input Z[h] ~ he; y = 1", 7, "leave out ~ he"),
    ("input Z[h] ~ bernoulli(2); y = 1", 7, "the probability of a one must be above 0 and at most 1"),
    ("input Z[h] ~ normal; y = 1", 7, "unknown initialiser 'normal': did you mean .normal.1."),
    ("label Z[h] ~ normal(1); y = 1", 7, "leave out ~ normal"),
    ("param Z[h] ~ normal(0); y = 1", 7, "the standard deviation must be above 0"),
    ("param Z[h] ~ bernoulli(0.5); y = 1", 7, "unknown initialiser .bernoulli"),
    ("input Z[h] < 3; y = 1", 14, "holds real numbers, which have no range"),
    ("about w: layer 1.5; y = 1", 7, "layer takes whole numbers"),
    # -------------------------------------------------------------------------------------------- layers
    ("layer a = Dens(x, 3)", 11, "there is no layer Dens: did you mean 'Dense'"),
    ("layer a = Dense(x)", 11, "missing a required argument: 'units'; it takes"),
    ("layer a = Dense(3)", 11, r"stands first: Dense\(x, ...\)"),
    ("layer a = Dense(x, units=-3)", 7, "would have size -3"),
    ('layer a = Dense(x, units="f(1)")', 26, "made of letters and digits"),
    ("layer a[b,c,d] = Dense(x, 3)", 7, "a has 2 axes"),
    ("layer a = Conv2D(x, 3, 3)", 11, "its input must have the axes"),
]


@pytest.mark.parametrize(("text", "place", "message"), CASES, ids=[c[0][:30] for c in CASES])
def test_the_place_and_the_fix(text, place, message):
    line, column = place if isinstance(place, tuple) else (4, place)
    whole = HEAD + text
    with pytest.raises(SymbpError, match=message) as raised:
        read(whole, "my.net")
    head, shown, caret = str(raised.value).rsplit("\n", 2)
    assert head.startswith(f"my.net:{line}:{column}: ")
    assert shown == "    " + whole.split("\n")[line - 1]
    assert caret == " " * (4 + column - 1) + "^"


def test_a_text_without_equations():
    with pytest.raises(SymbpError, match="there is no equation"):
        read("# nothing")


def test_long_lines_are_cut_around_the_place():
    with pytest.raises(SymbpError) as raised:
        read("y = " + "1 + " * 200 + "q" + " + 1" * 200)
    shown, caret = str(raised.value).split("\n")[1:]
    assert len(shown) < 120 and shown[caret.index("^")] == "q"
