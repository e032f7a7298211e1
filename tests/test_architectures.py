"""Networks by short text: chains of layers, checked all the way through; their errors, help and documentation."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from symbp import architectures
from symbp.architectures import EXAMPLES, FAMILIES, load
from symbp.architectures.catalogue import LAYERS, LOSS_KINDS, table
from symbp.architectures.help import family_text
from symbp.cli import main
from symbp.emit import generate
from symbp.emit.run import load_module
from symbp.errors import SymbpError
from symbp.layers import (
    GRU,
    LSTM,
    Activation,
    BatchNorm,
    Bidirectional,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAverage,
    Last,
    LayerNorm,
    LearnedPositions,
    MaxPool1D,
    MaxPool2D,
    ResNetBlock,
    TransformerBlock,
)
from symbp.program import Program
from symbp.sequence import Sequential

DOCS = (Path(__file__).resolve().parents[1] / "docs" / "architectures.md").read_text(encoding="utf-8")
LENET = "cnn:1x28x28,6c5p2+relu+max2,16c5+relu+max2,120+relu,84+relu,10,cross_entropy"
relu = Activation("relu")


def same(found: Program, expected: Program) -> bool:
    return found.equations == expected.equations and found.tensors == expected.tensors


def goes_all_the_way_through(net: Program, capsys: pytest.CaptureFixture[str]) -> None:
    gradient = net.gradient()
    assert {f"d_{p.name}" for p in net.parameters} <= {e.name for e in gradient.equations}
    assert load_module(generate(net)).main(["check"]) in (0, None)
    assert "gradient check passed" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------ short texts

# The examples whose check takes long, in small; None: one of another family says the same.
SMALL = {
    "mlp:64-64-32-10,relu,cross_entropy": "mlp:4-4-3-3,relu,cross_entropy",
    LENET: "cnn:1x12x12,2c5p2+relu+max2,3c5+relu,4+relu,3+relu,2,cross_entropy",
    "resnet18:3x224x224": "resnet18:1x9x9,classes=2,width=1,stem=imagenet",
    "resnet18:3x32x32,classes=10": None,
    "resnet18:1x8x8,classes=10,width=4": None,
    "resnet34:3x224x224": None,
    "resnet34:3x32x32,classes=10": None,
    "resnet34:1x8x8,classes=10,width=4": None,
    "gpt:layers=4,heads=4,width=128,context=64,vocabulary=256": "gpt:layers=2,heads=2,width=4,context=3,vocabulary=5",
    "gpt:nano": "gpt:nano,layers=1,width=6,context=2",
    "gpt:gpt2": "gpt:gpt2,layers=1,heads=2,width=2,context=2,vocabulary=3,activation=gelu,hidden=3",
    "gpt:gpt2,head=tied,context=T": "gpt:layers=1,heads=2,width=4,context=3,vocabulary=5,head=tied",
    "lstm:32-128-10,cross_entropy": "lstm:3-4-2,cross_entropy",
    "lstm:8-12-12-65,vocabulary=65,each,cross_entropy": "lstm:2-3-2-5,vocabulary=5,each,cross_entropy",
}
FURTHER = [
    "cnn:4x3x4,4c3p1g2+gelu,dw3p1+silu,avg2s1,global,2,half_squared_error",
    "cnn:1x4x4,2c1,avg3s1p1,global,2,huber",
    "cnn:1x6x6,2c1,avg2p1,global,2,huber",
    "cnn:1x9,2c3d2s2+tanh,3,softmax,soft_cross_entropy",
    "gpt:layers=1,heads=1,width=4,vocabulary=3,positions=sinusoidal",
    "gpt:layers=1,heads=2,width=4,context=3,vocabulary=3,positions=alibi,activation=relu",
    "lstm:2-3-1,peepholes,bidirectional,half_squared_error",
    "gru:2-3-1,reset_after,steps=3,huber",
]


@pytest.mark.parametrize("text", [small for t in EXAMPLES if (small := SMALL.get(t, t)) is not None] + FURTHER)
def test_goes_all_the_way_through(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    net = load(text)
    assert net.title == text
    goes_all_the_way_through(net, capsys)


def test_a_header_holds_the_command() -> None:
    module = generate(load("gru:3-2-1,half_squared_error"))
    assert "symbp generate gru:3-2-1,half_squared_error -o net.py" in module


@pytest.mark.parametrize("text", EXAMPLES)
def test_texts_need_no_quotes_in_a_shell(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9:,.+/=_-]+", text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        # 6 (25 + 1) + 16 (6 25 + 1) + 400 120 + 120 + 120 84 + 84 + 84 10 + 10
        (LENET, 156 + 2_416 + 48_120 + 10_164 + 850),
        ("resnet18:3x224x224", 11_689_512),  # torchvision's models; for CIFAR a window of 3x3 instead of 7x7
        ("resnet18:3x32x32,classes=10", 11_689_512 - 3 * 40 * 64 - 990 * 513),
        ("resnet34:3x224x224", 21_797_672),
        # GPT-2 as published, its head tied, and the head
        ("gpt:gpt2", 124_439_808 + 768 * 50_257),
        ("gpt:gpt2-medium", 354_823_168 + 1_024 * 50_257),
        # three blocks of 12 D^2 + 13 D, the last norm, embedding, positions and head
        ("gpt:nano", 3 * (12 * 48**2 + 13 * 48) + 2 * 48 + 3 * 48 + 11 * 48 + 48 * 3),
        ("lstm:32-128-10,cross_entropy", 4 * (32 * 128 + 128 * 128 + 128) + 128 * 10 + 10),
        ("gru:3-8-1,half_squared_error", 3 * (3 * 8 + 8 * 8 + 8) + 8 + 1),
        ("rnn:2-6-1,bidirectional,half_squared_error", 2 * (2 * 6 + 6 * 6 + 6) + 12 + 1),
    ],
)
def test_parameters(text: str, count: int) -> None:
    assert load(text).parameter_count.value == count  # type: ignore[attr-defined]


def test_examples_say_how_many_parameters() -> None:
    said = {text: re.search(r"([\d,]+) parameters", meaning) for text, meaning in EXAMPLES.items()}
    assert sum(found is not None for found in said.values()) >= 3
    for text, found in said.items():
        if found:
            assert f"{load(text).parameter_count.value:,}" == found[1]  # type: ignore[attr-defined]


SAME = {
    "mlp:3-4-2,batch_norm+relu+dropout0.25,huber": lambda: Sequential(
        Dense(4), BatchNorm(), relu, Dropout("0.25"), Dense(2), features=3, loss="huber",
    ),
    "cnn:1x6x6,2c3p1+batch_norm+relu+max2,4,cross_entropy": lambda: Sequential(
        Conv2D(2, 3, padding=1), BatchNorm(), relu, MaxPool2D(2), Flatten(), Dense(4), shape=(1, 6, 6),
        loss="cross_entropy",
    ),
    "cnn:2x8,3c3s2p1d1g1+max3s1p1,global+dropout0.25,2,huber": lambda: Sequential(
        Conv1D(3, 3, 2, 1), MaxPool1D(3, 1, 1), GlobalAverage(), Dropout("0.25"), Dense(2), shape=(2, 8), loss="huber",
    ),
    "cnn:2x3x3,5+relu,2,focal": lambda: Sequential(Flatten(), Dense(5), relu, Dense(2), shape=(2, 3, 3), loss="focal"),
    "resnet18:2x16x16,classes=3,width=2": lambda: Sequential(
        Conv2D(2, 3, padding=1, bias=False), BatchNorm(), relu, ResNetBlock(2), ResNetBlock(2), ResNetBlock(4, 2),
        ResNetBlock(4), ResNetBlock(8, 2), ResNetBlock(8), ResNetBlock(16, 2), ResNetBlock(16), GlobalAverage(),
        Dense(3), shape=(2, 16, 16), loss="cross_entropy",
    ),
    "gpt:layers=2,heads=2,width=4,context=3,vocabulary=5,dropout=0.1": lambda: Sequential(
        Embedding(5, 4), LearnedPositions(), Dropout("0.1"), TransformerBlock(2, activation="gelu_tanh", dropout="0.1"),
        TransformerBlock(2, activation="gelu_tanh", dropout="0.1"), LayerNorm(), Dense(5, bias=False), shape=(3,),
        loss="cross_entropy",
    ),
    "gpt:layers=1,heads=2,width=4,vocabulary=5,positions=rotary,dropout=0.0,hidden=3": lambda: Sequential(
        Embedding(5, 4), TransformerBlock(2, 3, activation="gelu_tanh", rotary=True), LayerNorm(),
        Dense(5, bias=False), shape=("T",), loss="cross_entropy",
    ),
    "lstm:2-3-4-1,bidirectional,peepholes,half_squared_error": lambda: Sequential(
        Bidirectional(LSTM(3, True)), Bidirectional(LSTM(4, True)), Last(), Dense(1), shape=("T", 2),
        loss="half_squared_error",
    ),
    "gru:2-3-5,vocabulary=5,steps=4,each,cross_entropy": lambda: Sequential(
        Embedding(5, 2), GRU(3), Dense(5), shape=(4,), loss="cross_entropy"
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", SAME)
def test_is_the_chain_of_layers(text: str) -> None:
    assert same(load(text), SAME[text]())


def test_the_stem_follows_the_size() -> None:
    small, large = load("resnet18:3x63x63,width=1"), load("resnet18:3x64x64,width=1")
    assert [str(p.shape[-1]) for p in (small.tensors["W1"], large.tensors["W1"])] == ["Num:3", "Num:7"]


def test_layers_of_equal_width_in_a_row() -> None:
    """Two convolutions with as many channels each, and a bias."""
    assert load("cnn:1x4x4,2c3p1,2c3p1,2c3p1,2,cross_entropy").gradient().equations


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cnm:1x4x4,2,cross_entropy", "there is no family 'cnm' of networks: did you mean 'cnn'"),
        ("cnn:1x4x4,cross_entropy", "expected cnn:SHAPE,STEP,...,LOSS as in cnn:1x28x28"),
        ("cnn:28,6c5,cross_entropy", "field 1 '28': expected channels x height x width as in 1x28x28"),
        ("cnn:1x8x8,2c3,6k5,10,cross_entropy", "field 3 '6k5': expected a layer such as 6c5p2"),
        ("cnn:1x8x8,2c3+rellu,10,cross_entropy", "field 2 '2c3.rellu': unknown layer 'rellu': did you mean 'relu'"),
        ("cnn:1x8x8,2c3+,10,cross_entropy", "field 2 '2c3.': expected a layer"),
        ("cnn:1x8x8,c3,10,cross_entropy", "field 2 'c3': c3: c needs the number of filters in front, as in 6c5"),
        ("cnn:1x8x8,2max3,10,cross_entropy", "field 2 '2max3': 2max3: max takes no number in front"),
        ("cnn:1x8x8,max2d2,10,cross_entropy", r"max takes no 'd'; behind its window it takes s \(stride\), p \("),
        ("cnn:1x8x8,2c3s1s2,10,cross_entropy", "the stride is given twice"),
        ("cnn:1x8x8,2c3s0,10,cross_entropy", "field 2 '2c3s0': the stride must be a positive integer"),
        ("cnn:1x8x8,0c3,10,cross_entropy", "field 2 '0c3': the number of filters must be a positive integer"),
        ("cnn:1x8,dw3,10,cross_entropy", "a depthwise convolution needs height and width"),
        ("cnn:1x8x8,5+relu,2c3,cross_entropy", "field 3 '2c3': 2c3 needs channels and space: put it in front"),
        ("cnn:1x8x8,5,cross_entrpy", "field 3 'cross_entrpy': unknown loss.*: did you mean 'cross_entropy'"),
        ("cnn:1x8x8,2c9,5,cross_entropy", r"layer 1 \(Conv2D\): the kernel spans 9 along h"),
        ("cnn:1x8x8,dropout1.5,5,cross_entropy", "a rate is a decimal number of at least 0 and less than 1"),
        ("resnet18:32x32", "field 1 '32x32': expected channels x height x width"),
        ("resnet18:3x32x32,clases=3", "field 2 'clases=3': unknown option 'clases': did you mean 'classes'"),
        ("resnet18:3x32x32,stem=cifra", "unknown stem 'cifra': did you mean 'cifar'"),
        ("resnet18:3x32x32,width", "field 2 'width': give a value: width=..."),
        ("resnet18:3x32x32,width=2,width=3", "field 3 'width=3': width is given twice"),
        ("gpt:", "field 1 '': unknown preset ''.*known are nano"),
        ("gpt:activation=relu", "layers, heads, width, context, vocabulary missing"),
        ("gpt:nanno", "field 1 'nanno': unknown preset 'nanno': did you mean 'nano'"),
        ("gpt:layers=2,heads=2,width=4,vocabulary=3", "context missing: write gpt:layers=4"),
        ("gpt:nano,heads=5", r"layer 1 \(Residual\).*5 heads don't divide the width 48"),
        ("gpt:nano,heads=2.5", "field 2 'heads=2.5': heads must be a positive integer of up to 9 digits, not '2.5'"),
        ("gpt:nano,heads=" + "9" * 5000, "heads must be a positive integer of up to 9 digits"),
        ("gpt:nano,dropout=1", "field 2 'dropout=1': a rate is a decimal number"),
        ("gpt:nano,positions=roatry", "unknown positions 'roatry': did you mean 'rotary'"),
        ("gpt:nano,activation=__import__", "unknown activation '__import__'"),
        ("lstm:3-4-2", "expected lstm:SIZES.,OPTION,....,LOSS as in lstm:32-128-10,cross_entropy"),
        ("lstm:3-2,cross_entropy", "field 1 '3-2': expected three or more widths joined by -"),
        ("lstm:3-4-2,bidirektional,cross_entropy", "field 2 'bidirektional': unknown option.*'bidirectional'"),
        ("lstm:3-4-2,each=1,cross_entropy", "field 2 'each=1': each takes no value"),
        ("lstm:3-4-2,reset_after,cross_entropy", "unknown option 'reset_after'"),
        ("rnn:3-4-2,function=than,huber", "unknown function 'than': did you mean 'tanh'"),
        ("mlp:2-" + "9" * 5000 + "-1,relu,huber", "must be two or more positive integers"),
    ],
)  # fmt: skip
def test_bad_texts(text: str, message: str) -> None:
    with pytest.raises(SymbpError, match=message) as caught:
        load(text)
    assert repr(text) in str(caught.value), "the text is named"


# ------------------------------------------------------------------------------------ not evaluated, documented


def test_nothing_evaluates_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No module here calls what runs text, and texts that would write a file write none."""
    for path in Path(str(architectures.__file__)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func).split(".")[-1]
                assert called not in {"eval", "exec", "sympify", "parse_expr", "nsimplify", "S", "literal_eval"}, path
    monkeypatch.chdir(tmp_path)
    code = "__import__('pathlib').Path('made').touch()"
    for family in FAMILIES:
        for text in (f"{family}:{code}", f"{family}:2-3-2,{code},huber", f"{family}:1x4x4,{code},2,cross_entropy"):
            with pytest.raises(SymbpError):
                load(text)
    assert not list(tmp_path.iterdir())


def test_the_documentation_shows_what_there_is() -> None:
    """Its tables are those of the catalogue, its grammar is what `symbp nets FAMILY` prints."""
    for kinds in (LAYERS, LOSS_KINDS):
        shown = table(kinds.values())
        assert shown in DOCS, f"docs/architectures.md should hold:\n{shown}"
        assert all(f"`{name}`" in shown for name in kinds)
    for family in FAMILIES:
        shown = f"```text\n{family_text(family)}\n```"
        assert shown in DOCS, f"docs/architectures.md should hold:\n{shown}"


def test_nets() -> None:
    def shown(*words: str) -> str:
        result = CliRunner().invoke(main, ["nets", *words])
        assert result.exit_code == 0, result.output
        return result.output

    every = shown()
    for name, family in FAMILIES.items():
        assert family.usage in every
        assert next(iter(family.examples)) in every
        assert all(example in shown(name) for example in family.examples)
        assert max(map(len, shown(name).splitlines())) <= 120
    assert all(f"  {name}(" in shown("toml") for name in (*LAYERS, *LOSS_KINDS))
    result = CliRunner().invoke(main, ["nets", "cn"])
    assert result.exit_code == 2
    assert "there is no family 'cn' of networks: did you mean 'cnn'?" in result.output


def test_help_names_all_forms() -> None:
    for command in ("derive", "count", "generate"):
        text = " ".join(CliRunner().invoke(main, [command, "--help"]).output.split())
        assert all(word in text for word in ("mlp:", "cnn", ".toml", ".net", "Python file", "`symbp nets`"))


def test_a_gpt_has_a_largest_number_of_layers() -> None:
    with pytest.raises(SymbpError, match="layers must be a positive integer of at most 5,000, not '999999999'"):
        load("gpt:layers=999999999,heads=2,width=8,context=4,vocabulary=5")
