"""Recurrent networks by short text, `lstm:32-128-10,cross_entropy`."""

from __future__ import annotations

from typing import Any

from symbp.architectures.fields import ACTIVATIONS, Family, Settings, built, fields
from symbp.errors import SymbpError
from symbp.layers import GRU, LSTM, RNN, Bidirectional, Dense, Embedding, Last, Layer
from symbp.program import Program
from symbp.sequence import Sequential

CELLS: dict[str, type[RNN | LSTM | GRU]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
WORDS = {"rnn": (), "gru": ("reset_after",), "lstm": ("peepholes",)}
SIZES = "three or more widths joined by -: features, hidden (one a recurrent layer), outputs, as in 32-128-10"


def recurrent(text: str) -> Program:
    """A recurrent network from its text, see FAMILIES."""
    name = text.partition(":")[0]
    first, *rest = fields(text, name)
    if not rest:
        raise SymbpError(f"{text!r}: expected {name}:SIZES[,OPTION,...],LOSS as in {name}:32-128-10,cross_entropy")
    features, *hidden, outputs = first.sizes("-", SIZES, range(3, 100))
    loss = rest.pop().loss()
    words = ("each", "bidirectional", *WORDS[name])
    said = [field.text for field in rest if field.text in words]
    options = ("steps", "vocabulary", *(("function",) if name == "rnn" else ()))
    given = Settings([field for field in rest if field.text not in words], options, words)
    chosen: dict[str, Any] = {word: True for word in WORDS[name] if word in said}
    if name == "rnn":
        chosen["function"] = given.word("function", ACTIVATIONS, "tanh")
    layers: list[Layer] = []
    for units in hidden:
        cell = CELLS[name](units, **chosen)
        layers.append(Bidirectional(cell) if "bidirectional" in said else cell)
    layers += [Dense(outputs)] if "each" in said else [Last(), Dense(outputs)]
    steps = given.integer("steps", 0) or "T"
    shape: tuple[int | str, ...] = (steps, features)
    if "vocabulary" in given.values:
        layers.insert(0, Embedding(given.integer("vocabulary", 0), features))
        shape = (steps,)
    return built(text, lambda: Sequential(*layers, shape=shape, loss=loss, title=text))


def _family(name: str, about: str, more: str, examples: dict[str, str]) -> Family:
    return Family(
        name=name,
        about=about,
        usage=f"{name}:SIZES[,OPTION,...],LOSS",
        grammar=f"""\
SIZES           features, hidden (one for each recurrent layer), outputs: 32-128-10
each            an output at every step; left out, only the last step goes to the output
bidirectional   every layer runs both ways, its outputs side by side
vocabulary=65   the input holds tokens, and the first of SIZES is the width of their embedding
steps=20        the length of the sequences; left out: any length T
{more}""".rstrip(),
        examples=examples,
        build=recurrent,
    )


FAMILIES = (
    _family("lstm", "long short-term memory", "peepholes       the gates see the cell's state", {
        "lstm:32-128-10,cross_entropy": "sequences of 32 features into ten classes",
        "lstm:8-12-12-65,vocabulary=65,each,cross_entropy": "predicts the next of 65 characters, two layers",
    }),
    _family("gru", "gated recurrent units", "reset_after     the form that cuDNN and PyTorch run", {
        "gru:3-8-1,half_squared_error": "forecasts a number",
        "gru:3-5-2,bidirectional,each,cross_entropy": "labels every step, having seen all of them",
    }),
    _family("rnn", "plain recurrence (Elman 1990)", "function=tanh   the activation", {
        "rnn:2-6-1,half_squared_error": "adds up, say",
        "rnn:2-6-1,function=relu,steps=7,half_squared_error": "with ReLU, over seven steps",
    }),
)  # fmt: skip
