"""Decoder-only transformers by short text, `gpt:layers=4,heads=4,width=128,context=64,vocabulary=256`."""

from __future__ import annotations

from symbp.architectures.fields import ACTIVATIONS, Family, Settings, built, fields
from symbp.builder import MOST_LAYERS
from symbp.errors import SymbpError
from symbp.layers import (
    LOSSES,
    Dense,
    Dropout,
    Embedding,
    Layer,
    LayerNorm,
    LearnedPositions,
    SinusoidalPositions,
    TiedHead,
    TransformerBlock,
)
from symbp.program import Program
from symbp.sequence import Sequential

SIZES = ("layers", "heads", "width", "context", "vocabulary")
# Radford et al. 2019, table 2; the small ones are minGPT's, with the data of its demonstration (sorting) or bytes.
PRESETS = {
    "nano": (3, 3, 48, 11, 3),
    "micro": (4, 4, 128, 64, 256),
    "mini": (6, 6, 192, 128, 256),
    "gpt2": (12, 12, 768, 1024, 50257),
    "gpt2-medium": (24, 16, 1024, 1024, 50257),
    "gpt2-large": (36, 20, 1280, 1024, 50257),
    "gpt2-xl": (48, 25, 1600, 1024, 50257),
}
POSITIONS = ("learned", "sinusoidal", "rotary", "alibi")
HEADS = ("own", "tied")
OPTIONS = (*SIZES, "hidden", "activation", "positions", "head", "dropout", "loss")
USAGE = "gpt:[PRESET,]OPTION=VALUE,..."


def gpt(text: str) -> Program:
    """A decoder-only transformer from its text, see FAMILY."""
    found = fields(text, "gpt")
    preset: dict[str, int] = {}
    if "=" not in found[0].text:
        first = found.pop(0)
        name = first.one_of(first.text, PRESETS, "preset")
        preset = dict(zip(SIZES, PRESETS[name], strict=True))
    given = Settings(found, OPTIONS)
    positions = given.word("positions", POSITIONS, "learned")
    missing = [s for s in SIZES if s not in preset and s not in given.values]
    if positions != "learned" and "context" in missing:
        missing.remove("context")  # positions that need no table go with sequences of any length T
    if missing:
        names = ", ".join(missing)
        raise SymbpError(f"{text!r}: {names} missing: write gpt:layers=4,heads=4,width=128,context=64,vocabulary=256, "
                         f"or a preset as in gpt:nano (of {', '.join(PRESETS)})")  # fmt: skip
    layers, heads, width, vocabulary = (
        given.integer(s, preset.get(s, 0), most=MOST_LAYERS if s == "layers" else None) for s in SIZES if s != "context"
    )
    anything = given.values.get("context", ("", ""))[1] == "T"
    context = "T" if anything else given.integer("context", preset.get("context", 0)) or "T"
    rate, loss = given.rate("dropout"), given.word("loss", LOSSES, "cross_entropy")
    block = TransformerBlock(
        heads,
        given.integer("hidden", 0),
        activation=given.word("activation", ACTIVATIONS, "gelu_tanh"),
        dropout=rate,
        alibi=positions == "alibi",
        rotary=positions == "rotary",
    )
    front: dict[str, list[Layer]] = {"learned": [LearnedPositions()], "sinusoidal": [SinusoidalPositions()]}
    chain: list[Layer] = [Embedding(vocabulary, width), *front.get(positions, []), *([Dropout(rate)] if rate else [])]
    tied = given.word("head", HEADS, "own") == "tied"
    chain += [*[block] * layers, LayerNorm(), TiedHead() if tied else Dense(vocabulary, bias=False)]
    return built(text, lambda: Sequential(*chain, shape=(context,), loss=loss, title=text))


FAMILY = Family(
    name="gpt",
    about="decoder-only transformers as GPT-2: norm first, causal attention, a head without bias, its own or tied",
    usage=USAGE,
    grammar=f"""\
PRESET      nano, micro, mini (minGPT's), gpt2, gpt2-medium, gpt2-large, gpt2-xl; options override it
layers      blocks: x + attention(norm(x)), then x + dense(activation(dense(norm(x))))
heads       of the attention; they divide the width
width       of the embedding and of every block
context     the length of the sequences; T, or left out where positions need no table: any length T
vocabulary  the number of tokens, at the input and at the output
hidden      the width inside a block's dense layers (4 times the width)
activation  between them (gelu_tanh)
positions   {", ".join(POSITIONS)} (learned)
head        own, or tied: the scores by the embedding's table, as in GPT-2 (own)
dropout     a rate, behind the positions, the attention and the dense layers (0)
loss        (cross_entropy): every position predicts a label, the next token say""",
    examples={
        "gpt:layers=4,heads=4,width=128,context=64,vocabulary=256": "over bytes",
        "gpt:nano": "minGPT's smallest, which sorts 0, 1, 2",
        "gpt:gpt2": "GPT-2's smallest, 163,037,184 parameters with a head of its own",
        "gpt:gpt2,head=tied,context=T": "as published, 124M; over T tokens, for formulas in B and T (`symbp count`)",
        "gpt:layers=1,heads=2,width=8,vocabulary=5,positions=rotary": "sequences of any length",
    },
    build=gpt,
)
