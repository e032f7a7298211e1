"""Networks from TOML files: the same chains of layers, every layer and option of the library, and errors by place."""

from __future__ import annotations

import inspect
import re
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_architectures import DOCS, goes_all_the_way_through, relu, same

from symbp import layers
from symbp.architectures import load
from symbp.architectures.catalogue import LAYERS, LOSS_KINDS, REQUIRED, Kind, Option, snake_case
from symbp.architectures.tables import Place, made_of, read_toml
from symbp.cli import main
from symbp.errors import SymbpError
from symbp.layers import (
    GRU,
    Activation,
    BatchNorm,
    Bidirectional,
    Conv2D,
    CrossEntropy,
    Dense,
    Embedding,
    GlobalAverage,
    Huber,
    Last,
    LayerNorm,
    LearnedPositions,
    Residual,
    TransformerBlock,
)
from symbp.program import Program
from symbp.sequence import Sequential

DOCUMENTED = re.findall(r"^```toml\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)


def toml(text: str) -> Program:
    return read_toml(text.encode(), "net.toml")


TOML_SAME = [
    lambda: Sequential(
        Conv2D(4, 3, padding=1), relu, Residual(Conv2D(4, 3, padding=1, bias=False), BatchNorm(), relu),
        GlobalAverage(), Dense(10), shape=(1, 8, 8), loss=CrossEntropy(smoothing="1/10"), title="net.toml",
    ),
    lambda: Sequential(
        Embedding(5, 4), LearnedPositions(), TransformerBlock(2, activation="gelu_tanh"),
        TransformerBlock(2, activation="gelu_tanh"), LayerNorm(), Dense(5, bias=False), shape=(6,),
        loss="cross_entropy", title="net.toml",
    ),
    lambda: Sequential(
        Bidirectional(GRU(4, reset_after=True)), Last(), Dense(1), shape=("T", 3), loss=Huber("1/2"), title="net.toml",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "made"), list(zip(DOCUMENTED, TOML_SAME, strict=True)))
def test_documented_files(text: str, made, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    net = toml(text)
    assert same(net, made())
    goes_all_the_way_through(net, capsys)


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text('loss = "huber"\n[input]\nfeatures = 2\nbatch = 3\n[[layers]]\nkind = "prelu"\n', encoding="utf-8")
    net = load(str(path))
    assert net.title == path.as_posix()
    assert not net.size_names
    path.write_text("title = 'mine'\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert load(str(path)).title == "mine"
    shown = CliRunner().invoke(main, ["derive", str(path)])
    assert shown.exit_code == 0, shown.output
    path.write_bytes(b"\xff")
    with pytest.raises(SymbpError, match=r"net\.toml: it is not a text in UTF-8"):
        load(str(path))
    path.unlink()
    with pytest.raises(SymbpError, match=r"there is no file .*net\.toml"):
        load(str(path))


def given(option: Option) -> tuple[str, object]:
    """A legal value of an option, in TOML and in Python."""
    return {
        "true or false": ("true", True), "whole number": ("2", 2), "number": ("0.5", "1/2"),
        "word": (f'"{option.words[-1]}"' if option.words else "", option.words[-1] if option.words else ""),
        "layer": ('{kind = "gru", units = 2}', GRU(2)), "layers": ('["relu"]', (relu,)), "loss": ('"huber"', Huber()),
        "numbers": ("[0.5]", ("1/2",)), "[length, width]": ('["S", 2]', ("S", 2)),
    }[option.type]  # fmt: skip


@pytest.mark.parametrize("kind", [*LAYERS.values(), *LOSS_KINDS.values()], ids=lambda k: k.name)
def test_every_option_reaches_the_class(kind: Kind) -> None:
    """All options given at once make an instance that holds them."""
    options = ", ".join(f"{o.name} = {given(o)[0]}" for o in kind.options.values())
    text = f'made = {{kind = "{kind.name}"{", " if options else ""}{options}}}'
    found = tomllib.loads(text, parse_float=Decimal)["made"]
    kinds, what = (LAYERS, "layer") if kind.name in LAYERS and LAYERS[kind.name] is kind else (LOSS_KINDS, "loss")
    made = made_of(Place("net.toml", "made"), found, kinds, what)
    for option in kind.options.values():
        value, expected = getattr(made, option.name), given(option)[1]
        assert str(value) == str(expected).replace("'", "") or value == expected


def test_every_layer_and_loss_has_a_kind() -> None:
    classes = {c for n in layers.__all__ if inspect.isclass(c := getattr(layers, n))}
    classes -= {layers.Layer, layers.Loss, Activation}
    assert {snake_case(c.__name__) for c in classes} == {
        *(k for k, kind in LAYERS.items() if "an activation" not in kind.about),
        *(k for k in LOSS_KINDS if k != "soft_cross_entropy"),
    }
    functions = {getattr(layers, n).__name__ for n in layers.__all__ if inspect.isfunction(getattr(layers, n))}
    assert functions - {"size_of"} <= set(LAYERS)
    assert [snake_case(n) for n in ("BatchNorm", "RMSNorm", "Conv2D", "LSTM", "GaussianNLL", "InfoNCE")] == [
        "batch_norm", "rms_norm", "conv2d", "lstm", "gaussian_nll", "info_nce",
    ]  # fmt: skip


HEAD = 'loss = "huber"\n[input]\nfeatures = 2\n'


def layer(kind: str, *options: str) -> str:
    return "\n".join(["[[layers]]", f'kind = "{kind}"', *options, ""])


def one(kind: str, *options: str) -> str:
    """A network of one layer."""
    return HEAD + layer(kind, *options)


def reads(form: str) -> str:
    """A network of one dense layer, with another input."""
    return HEAD.replace("features = 2", form) + DENSE


def losing(loss: str) -> str:
    """A network of one dense layer, with another loss."""
    return HEAD.replace('"huber"', loss) + DENSE


DENSE = layer("dense", "units = 2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loss = ", "it is not TOML: "),
        ("x = " + "[" * 3000, "it is not TOML"),
        ("x = " + "9" * 5000, "it is not TOML"),
        (HEAD, r"there is no layers: give \[\[layers\]\] with kind"),
        (DENSE, r"there is no input: give \[input\] with features = 64"),
        ("[input]\nfeatures = 2\n" + DENSE, 'there is no loss: give loss = "cross_entropy"'),
        ("lose = 1\n" + HEAD + DENSE, "net.toml: lose: the file has no such option: did you mean 'loss'"),
        ("title = ''\n" + HEAD + DENSE, "title: it is a line of text, not ''"),
        ("layers = 3\n" + HEAD, "layers: it is a list of layers, one or more, not 3"),
        (losing('"hubber"'), "loss.kind: there is no loss 'hubber': did you mean 'huber'"),
        (losing("3"), "loss: a loss is a name, or a table with a kind, not 3"),
        (losing('{kind = "cross_entropy", targets = "sof"}'), "loss.targets: unknown word 'sof': did you mean 'soft'"),
        (losing('{kind = "penalised", loss = "hinge", l3 = 1}'), "loss.l3: penalised has no such option"),
        (losing('{kind = "quantile"}'), "loss: quantile needs q: number"),
        (HEAD + DENSE + layer("dense", "unit = 2"), r"layers\[2\].unit: dense has no such.*: did you mean 'units'"),
        (one("dense"), r"layers\[1\]: dense needs units: whole number"),
        (one("dens"), r"layers\[1\].kind: there is no layer 'dens': did you mean 'dense'"),
        (HEAD + "[[layers]]\nkind = 3", r"layers\[1\].kind: there is no layer 3"),
        (HEAD + "[[layers]]\nunits = 3", r"layers\[1\]: a layer is a name, or a table with a kind, not {'units': 3}"),
        (one("dense", 'units = "2"'), r"layers\[1\].units: it is a whole number from 1 to 1,000,000,000, not '2'"),
        (one("dense", "units = 2.0"), r"layers\[1\].units: it is a whole number from 1 to 1,000,000,000, not '2.0'"),
        (one("dense", "units = true"), r"layers\[1\].units: it is a whole number from 1 to 1,000,000,000, not true"),
        (one("dense", "units = 0"), r"layers\[1\].units: it is a whole number from 1 to 1,000,000,000, not 0"),
        (one("max_pool1d", "kernel = 2", "stride = -1"), r"layers\[1\].stride: it is a whole number from 0 to"),
        (one("dense", "units = 2", "repeat = 100000"), r"layers\[1\].repeat: it is a whole number from 1 to 5,000"),
        (one("residual", 'layers = [{kind = "relu", repeat = 3000}]', "repeat = 2"), "has more than 5,000 layers"),
        (one("batch_norm", "epsilon = -1"), r"layer 1 \(BatchNorm\): the epsilon is -1: it must be at least 0"),
        (one("batch_norm", "momentum = 5"), "the momentum is 5: it must be at least 0 and at most 1"),
        (one("dropout", "rate = 1.0"), "the rate is 1: it must be at least 0 and less than 1"),
        (losing('{kind = "huber", delta = 0}'), r"the loss \(Huber\): the delta is 0: it must be more than 0"),
        (losing('{kind = "quantile", q = 1.5}'), "the q is 3/2: it must be more than 0 and less than 1"),
        (losing('{kind = "penalised", loss = {kind = "huber", delta = -2}}'), "the delta is -2: it must be more"),
        (one("dense", "units = 2", "repeat = 0"), r"layers\[1\].repeat: it is a whole number from 1 to 5,000, not 0"),
        (one("dense", "units = 2", "bias = 1"), r"layers\[1\].bias: it is true or false, not 1"),
        (one("glu", "units = 2", 'gate = "sigmod"'), r"layers\[1\].gate: unknown.*: did you mean 'sigmoid'"),
        (one("glu", "units = 2", "gate = []"), r"layers\[1\].gate: unknown word \[\]"),
        (one("elu", 'arguments = [0.5, "x"]'), r"layers\[1\].arguments\[2\]: it is a number, not 'x'"),
        (one("elu", "arguments = [1e99999999]"), r"arguments\[1\]: it is a number, not '1E"),
        (one("elu", "arguments = [nan]"), r"arguments\[1\]: it is a number"),
        (one("elu", "arguments = 1"), r"layers\[1\].arguments: it is a list of numbers, not 1"),
        (one("elu", "arguments = [1, 2]"), r"layers\[1\]: elu takes 1 arguments"),
        (one("residual", 'layers = [{kind = "dense", unit = 3}]'), r"layers\[1\].layers\[1\].unit: dense has no"),
        (one("residual", "layers = []"), r"layers\[1\].layers: it is a list of layers, one or more"),
        (one("bidirectional", 'layer = {kind = "gru", units = 2, repeat = 2}'), r"layers\[1\].layer.repeat: gru"),
        (one("multi_head_attention", "heads = 2", "memory = 3"), r"layers\[1\].memory: it is a list of a length and"),
        (one("gru", "units = 2"), r"layer 1 \(GRU\): its input must have the axes \[n, t, i\]"),
        (one("embedding", "vocabulary = 3", "units = 2"), "input.features: the first layer is an embedding"),
        (reads("feature = 2"), "input.feature: input has no such option: did you mean 'features'"),
        (reads("features = 2\nshape = [2]"), "input: give one of features, shape, tokens, not features and shape"),
        (reads("batch = 2"), "input: give one of features, shape, tokens, not none"),
        (reads('tokens = "T"'), "input.tokens: tokens need an embedding as the first layer"),
        (reads('shape = ["B", 3]'), r"input.shape\[1\]: a size that is left open has a name such as T \(B is"),
        (reads('shape = ["2*T", 3]'), r"input.shape\[1\]: a size that is left open has a name"),
        (reads("shape = 3"), "input.shape: it is a list of sizes"),
        ("input = 3\nloss = 'huber'\n" + DENSE, "input: input is a table of options, not 3"),
        (reads('shape = [2, "T"]').replace(DENSE, layer("transformer_block", "heads = 2")),
         r"layer 1 \(TransformerBlock\): its width must be a number, not T"),
    ],
)  # fmt: skip
def test_bad_files(text: str, message: str) -> None:
    with pytest.raises(SymbpError, match=message) as caught:
        toml(text)
    assert str(caught.value).startswith("net.toml: ")


def test_nothing_is_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "__import__('pathlib').Path('made').touch()"
    for text in (one("elu", f'arguments = ["{code}"]'), one(code), reads(f'shape = ["{code}"]'), losing(f'"{code}"')):
        with pytest.raises(SymbpError, match=r"net\.toml: (layers|input|loss)"):
            toml(text)
    assert not list(tmp_path.iterdir())


def test_options_without_a_default_are_shown_so() -> None:
    assert LAYERS["dense"].options["units"].default is REQUIRED
    assert "| `dense` | `units: whole number`; `axes: whole number = 1`; `bias: true or false = true` |" in DOCS
    assert '`targets: "integer" or "soft" = "soft"`' in DOCS
