"""The text form on random programs and on damaged texts."""

import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from notation_programs import assert_reads_back, programs

from symbp.errors import SymbpError
from symbp.notation import read
from symbp.verify import verify

TEXTS = [p.read_text(encoding="utf-8") for p in sorted((Path(__file__).parents[1] / "examples").glob("*.net"))]
TEXTS.append("""sizes B, I=4, K=3
input x[b,i]
layer a = Dense(x, units=8, bias=true)
layer n = BatchNorm(a)
layer s[b,k] = Dense(n, K)
layer L = CrossEntropy(s, smoothing=0.1)
""")
HEAD = "sizes B, I=3, H=2\ninput x[b,i]; label t[b]; state m[h]\nparam W[i,h]\n"
TOKENS = """sizes index input label int param state loss predict output update fact title task inference about layer
    sum mean max min logsumexp softmax where delta exp sqrt b i h t B T I x W m m' z 0 1 2 3.5 1e5 -1
    + - * / ^ ** < <= == != > = ~
    [ ] ( ) , ; : # " ` and or not for pi inf size 9^9 1e999999 symbol entry Dense Conv2D x[b,i] W[i,h] z[b] y[b,h] ·
    λ \x00 \u2028 \ud7ff""".split(" ")


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(programs())
def test_random_programs_and_their_gradients_read_back(program):
    try:
        verify(program)
    except SymbpError:
        assume(False)
    assert_reads_back(program)
    try:
        derived = program.gradient(["W", "x"], simplify=False)
        simple = program.gradient(["W", "x"])
    except (SymbpError, Warning, ZeroDivisionError):  # nothing depends on W, or all is constant
        return
    assert_reads_back(derived)
    assert_reads_back(simple)


def damaged(text, rng):
    """The text with something cut, put in, doubled or exchanged."""
    for _ in range(rng.choice((1, 1, 2, 5))):
        a = rng.randrange(len(text) + 1)
        b = min(len(text), a + rng.choice((1, 1, 3, 30)))
        way = rng.randrange(6)
        if way == 0:
            text = text[:a] + text[b:]
        elif way == 1:
            text = text[:a] + rng.choice(TOKENS).strip() + text[a:]
        elif way == 2:
            text = text[:a] + " " + rng.choice(TOKENS) + " " + text[b:]
        elif way == 3:
            c = rng.randrange(len(text) + 1)
            text = text[:a] + text[c : c + rng.choice((1, 3, 20))] + text[a:]
        elif way == 4:
            text = text[:a] + chr(rng.randrange(9, 300)) + text[a:]
        else:
            names = re.findall(r"\b[A-Za-z]\w*\b", text) or ["x"]
            text = re.sub(rf"\b{rng.choice(names)}\b", rng.choice(names), text, count=rng.choice((1, 0)))
    return text


@pytest.mark.parametrize("seed", range(4))
def test_damaged_texts_are_errors_of_ours_or_networks(seed):
    rng = random.Random(seed)
    for _ in range(250):
        text = damaged(rng.choice(TEXTS), rng)
        if rng.random() < 0.2:
            text = HEAD + " ".join(rng.choice(TOKENS) for _ in range(rng.randrange(1, 25)))
        try:
            read(text)
        except SymbpError as error:
            assert re.match(r"network:(\d+:\d+: .+\n    .*\n +\^| .)", str(error).replace("\t", " ")) or "\n" in text


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.text())
def test_any_text_is_an_error_of_ours_or_a_network(text):
    for whole in (text, HEAD + "y[b] = " + text):
        try:
            read(whole)
        except SymbpError:
            pass


@pytest.mark.parametrize(
    "formula",
    [
        "(" * 5000 + "1" + ")" * 5000,
        "-" * 5000 + "1",
        "sum[i] " * 3000 + "x[0,i]",
        "2^" * 3000 + "2",
        "9^9^9^9",
        "((2^(1/2))^99999)^99999^99",
        "1e400*" * 50 + "1e400",
        "x[0, (B^99)^99]",
        "[(B + H + I)^999 > 3]",
        "1" * 5000,
        "+".join(["x[0,0]"] * 5000),
    ],
    ids=lambda f: f[:20],
)
def test_nothing_takes_forever_or_breaks_the_stack(formula):
    try:
        read(HEAD + "y = " + formula)
    except SymbpError:
        pass
