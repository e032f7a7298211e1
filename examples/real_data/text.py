"""A GPT over the letters of Alice's Adventures in Wonderland, against a trigram model of the same text.

The last tenth of the book is held out. The trigram model gives a letter the probability that it had behind the two
letters before it, smoothed towards the bigram's and that towards the unigram's (MacKay and Peto 1995); how strongly is
chosen on the held-out text itself, in the trigram's favour. The GPT must predict better than that. It sees the held-out
text in pieces of 64 letters, so the first letters of each piece come with little in front of them, which counts
against it. Losses are the mean of -log p of a letter, in nats.

    python examples/real_data/text.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from steps import OUT, python, symbp

from symbp.emit.run import load_module

BOOK = Path(__file__).resolve().parents[1] / "data" / "alice.txt"
SIZES = {"layers": 4, "heads": 4, "width": 128, "context": 64}


def letters() -> tuple[str, np.ndarray, np.ndarray]:
    """The alphabet, and the book as places in it: nine tenths to train on, and the last tenth."""
    book = BOOK.read_text(encoding="ascii")
    alphabet = "".join(sorted(set(book)))
    places = np.array([alphabet.index(letter) for letter in book])
    cut = len(places) * 9 // 10
    return alphabet, places[:cut], places[cut:]


def trigram_loss(known: np.ndarray, held: np.ndarray, size: int) -> float:
    """The lowest held-out loss of interpolated trigrams over ten strengths of interpolation."""
    counts = [np.zeros((size,) * n) for n in (1, 2, 3)]
    for n, count in enumerate(counts):
        np.add.at(count, tuple(known[k : len(known) - n + k] for k in range(n + 1)), 1)
    losses = []
    for strength in 2.0 ** np.arange(-2, 8):
        p = np.full(size, 1 / size)
        for count in counts:
            p = (count + strength * p) / (count.sum(axis=-1, keepdims=True) + strength)
        losses.append(float(-np.log(p[held[:-2], held[1:-1], held[2:]]).mean()))
    return min(losses)


def windows(places: np.ndarray, length: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """x and t, (B, length): stretches of the text that begin `step` letters apart, and the same a letter later."""
    at = np.arange(0, len(places) - length, step)[:, None] + np.arange(length)
    return places[at], places[at + 1]


def train(out: Path, epochs: int = 3, step: int = 16, sizes: dict[str, int] = SIZES) -> dict[str, float]:
    """The losses of both models on the held-out tenth; step: letters between the beginnings of two samples."""
    alphabet, known, held = letters()
    length = sizes["context"]
    (x, t), (x_val, t_val) = windows(known, length, step), windows(held, length, length)
    np.savez(out / "text.npz", x=x, t=t, x_val=x_val, t_val=t_val)
    net = "gpt:" + ",".join(f"{name}={value}" for name, value in {**sizes, "vocabulary": len(alphabet)}.items())
    symbp(out, "generate", net, "-o", "text_net.py", "--optimizer", "adamw", "--dtype", "float32")
    python(out, "text_net.py", "train", "text.npz", "--epochs", str(epochs), "--batch", "32", "--lr", "1e-3",
           "--schedule", "cosine", "--warmup", "50", "--clip", "1", "--out", "text_net.npz",
           "--every", "1")  # fmt: skip
    module = load_module((out / "text_net.py").read_text(encoding="utf-8"))
    params, _ = module.load(out / "text_net.npz")
    loss = module.evaluate(params, x_val, t_val)["loss"]
    return {"trigram": trigram_loss(known, held, len(alphabet)), "gpt": loss}


def continued(out: Path, start: str, count: int, length: int = SIZES["context"], seed: int = 0) -> str:
    """The start and `count` letters more, each drawn from the network's probabilities."""
    alphabet, _, _ = letters()
    module = load_module((out / "text_net.py").read_text(encoding="utf-8"))
    params, _ = module.load(out / "text_net.npz")
    rng = np.random.default_rng(seed)
    text = [alphabet.index(letter) for letter in start]
    for _ in range(count):
        seen = text[-length:]
        scores = module.forward(params, np.array([seen + [0] * (length - len(seen))]))[0, len(seen) - 1].astype(float)
        p = np.exp(scores - scores.max())
        text.append(int(rng.choice(len(alphabet), p=p / p.sum())))
    return "".join(alphabet[k] for k in text)


def main(out: Path = OUT) -> None:
    out.mkdir(parents=True, exist_ok=True)
    losses = train(out)
    print(continued(out, "Alice ", 400))
    for name, loss in losses.items():
        print(f"text, {name}: loss {loss:.3f} a letter on the held-out tenth of the book")


if __name__ == "__main__":
    main()
