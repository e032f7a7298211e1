# SPDX-License-Identifier: MIT
"""examples/one_hidden_neuron.py

The network, in index notation:

    (1) z1[n, j] = b1[j] + Sum(W1[i, j]*x[n, i], (i, 0, 0))
    (2) h1[n, j] = sigmoid(z1[n, j])
    (3) y[n, k] = b2[k] + Sum(W2[j, k]*h1[n, j], (j, 0, 0))
    (4) L = Sum((-t[n, k] + y[n, k])**2, (k, 0, 0), (n, 0, B - 1))/B

Written by symbp 0.1.0; this makes it again:

    symbp generate examples/one_hidden_neuron.py -o one_hidden_neuron.py --optimizer adam,momentum,sgd --dtype
        float64 --lr 0.001

Needs Python >= 3.9 and NumPy >= 1.24, nothing else. `--help` says what it does as a program.
"""

import argparse
import contextlib
import json
import math
import os
import sys
import time
import zipfile
import zlib

import numpy as np

DTYPE = np.float64


def sigmoid(z):
    """1 / (1 + exp(-z)), without overflow for any z: exp of a value that isn't positive."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def init_params(seed=0):
    """Fresh parameters, a dict of arrays; the same seed gives the same ones."""
    rng = np.random.default_rng(seed)
    params = {
        "W1": rng.uniform(-1, 1, (1, 1)) * math.sqrt(6 / (1 + 1)),  # (1, 1)
        "b1": np.zeros((1,)),                                       # (1,)
        "W2": rng.uniform(-1, 1, (1, 1)) * math.sqrt(6 / (1 + 1)),  # (1, 1)
        "b2": np.zeros((1,)),                                       # (1,)
    }
    return {name: np.asarray(value, DTYPE) for name, value in params.items()}


def forward(params, x):
    """The prediction y (B, 1) for x (B, 1)."""
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    z1 = x @ W1 + b1  # (B, 1)
    h1 = sigmoid(z1)  # (B, 1)
    y = h1 @ W2 + b2  # (B, 1)
    return y


def loss(params, x, t):
    """The loss of a batch, a number: x (B, 1), t (B, 1)."""
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    z1 = x @ W1 + b1         # (B, 1)
    h1 = sigmoid(z1)         # (B, 1)
    y = h1 @ W2 + b2         # (B, 1)
    L = ((y - t)**2).mean()  # scalar
    return L


def loss_and_grads(params, x, t):
    """L, dL/dparameter by name, for a batch: x (B, 1), t (B, 1)."""
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    B = x.shape[0]
    z1 = x @ W1 + b1                     # (1)  (B, 1)
    h1 = sigmoid(z1)                     # (2)  (B, 1)
    y = h1 @ W2 + b2                     # (3)  (B, 1)
    d_y = 2 * (y - t) / B                # dL/dy, from (4)  (B, 1)
    L = B * np.vdot(d_y, d_y) / 4        # (4)  scalar
    d_W2 = h1.T @ d_y                    # dL/dW2, from (3)  (1, 1)
    d_b2 = d_y.sum(axis=0)               # dL/db2, from (3)  (1,)
    d_z1 = (d_y @ W2.T) * h1 * (1 - h1)  # dL/dz1, from (3), (2)  (B, 1)
    d_W1 = x.T @ d_z1                    # dL/dW1, from (1)  (1, 1)
    d_b1 = d_z1.sum(axis=0)              # dL/db1, from (1)  (1,)
    return L, {"W1": d_W1, "b1": d_b1, "W2": d_W2, "b2": d_b2}


def gradient_check(params, x, t, *, entries=10, step=1e-5, floor=1e-4, seed=0):
    """Worst relative error of dL/dparameter against central differences: a dict, one float a parameter.

    Looks at up to `entries` random entries of each parameter, in float64. The error is relative to the
    larger derivative, or to floor * max(1, |L|) where both are smaller. Right gradients stay below 1e-5.
    A kink (relu, max, abs) within a step spoils a difference: each entry counts by the better of two steps.
    """
    global DTYPE
    usual, DTYPE = DTYPE, np.float64
    try:
        rng = np.random.default_rng(seed)
        params = {name: np.array(value, np.float64) for name, value in params.items()}
        data = take([np.asarray(a) for a in (x, t)], slice(None))
        value, grads = loss_and_grads(params, *data)[:2]
        floor *= max(1.0, abs(float(value)))
        worst = {}
        for name, grad in grads.items():
            flat, slopes = params[name].reshape(-1), np.ravel(grad)  # flat is a view: writing to it moves L
            worst[name] = 0.0
            for k in rng.choice(flat.size, min(entries, flat.size), replace=False):
                kept, errors = flat[k], []
                for h in (step, step / 10):
                    flat[k] = kept + h
                    above = loss_and_grads(params, *data)[0]
                    flat[k] = kept - h
                    below = loss_and_grads(params, *data)[0]
                    flat[k] = kept
                    slope = float(above - below) / (2 * h)
                    error = abs(slope - slopes[k]) / max(abs(slope), abs(slopes[k]), floor)
                    errors.append(float(error) if math.isfinite(error) else math.inf)
                worst[name] = max(worst[name], min(errors))
        return worst
    finally:
        DTYPE = usual


# What follows is the machinery of training: data, optimisers, files, the command line.

LAYERS = {"W1": 1, "b1": 1, "W2": 2, "b2": 2}
# The shapes of the data, in the order of the arguments; B is the batch.
INPUTS = {"x": ("B", 1)}
TARGETS = {"t": ("B", 1)}


class InputError(ValueError):
    """Data, a file or a setting that can't be used; the message is one line and says which."""


def check_data(*arrays, source="data", suffix=""):
    """The data as arrays, if they fit; else an InputError. Targets may be left out.

    They stay as they are; what np.load(..., mmap_mode="r") gave is read in slices and stays on disk.
    """
    wanted = {**INPUTS, **TARGETS} if len(arrays) != len(INPUTS) else INPUTS
    if len(arrays) != len(wanted):
        raise InputError(f"{source}: {len(arrays)} arrays are given, not {len(wanted)}: {', '.join(wanted)}")
    arrays, sizes = [np.asarray(array) for array in arrays], {}
    for (name, shape), array in zip(wanted.items(), arrays):
        what = name + suffix
        if array.dtype.kind not in "biuf":
            raise InputError(f"{source}: {what} holds {array.dtype}, not numbers")
        fits = [isinstance(n, str) or n == size for n, size in zip(shape, array.shape)]
        if array.ndim != len(shape) or not all(fits):
            asked = str(shape).replace("'", "")
            raise InputError(f"{source}: {what} has shape {array.shape}, not {asked}")
        if array.size == 0:
            raise InputError(f"{source}: {what} is empty")
        for n, size in zip(shape, array.shape):
            known, where = sizes.setdefault(n, (size, what))
            if known != size:
                raise InputError(f"{source}: {n} is {known} in {where} and {size} in {what}")
        _check_numbers(array, f"{source}: {what}")
    return arrays


def _check_numbers(array, what):
    """An InputError if not all are finite."""
    array = np.atleast_1d(array)
    rows = max(1, 2**20 // array[0].size)
    for start in range(0, len(array), rows):
        part = array[start : start + rows]
        if not np.isfinite(part).all():
            row, *rest = np.argwhere(~np.isfinite(part))[0].tolist()
            raise InputError(f"{what} holds NaN or infinity, first at index {[start + row, *rest]}")


def take(arrays, rows):
    """These rows of the arrays as numbers to compute with."""
    return [np.asarray(array[rows], DTYPE, order="C") for array in arrays]


def slices(arrays, rows=None, size=1024):
    """take() for one slice of at most `size` samples after another; rows: of these samples only."""
    samples = len(arrays[0]) if rows is None else len(rows)
    for i in range(0, samples, size):
        yield take(arrays, slice(i, i + size) if rows is None else rows[i : i + size])


def sgd(params, grads, memory, lr):
    """Gradient descent, in place; it remembers nothing."""
    for name, grad in grads.items():
        params[name] -= lr * grad


def momentum(params, grads, memory, lr, keep=0.9):
    """Gradient descent with a heavy ball (Polyak 1964), in place; memory: v.<name>."""
    for name, grad in grads.items():
        v = memory.setdefault("v." + name, np.zeros_like(grad))
        v *= keep
        v += grad
        params[name] -= lr * v


def adam(params, grads, memory, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    """Adam (Kingma and Ba 2015, algorithm 1), in place; memory: step, m.<name>, v.<name>."""
    step = int(memory.get("step", 0)) + 1
    memory["step"] = np.array(step)
    for name, grad in grads.items():
        m = memory.setdefault("m." + name, np.zeros_like(grad))
        v = memory.setdefault("v." + name, np.zeros_like(grad))
        m *= beta1
        m += (1 - beta1) * grad
        v *= beta2
        v += (1 - beta2) * grad * grad
        params[name] -= lr / (1 - beta1**step) * m / (np.sqrt(v / (1 - beta2**step)) + eps)


OPTIMIZERS = {"adam": adam, "momentum": momentum, "sgd": sgd}


DEFAULTS = {"optimizer": "adam", "lr": 0.001, "batch_size": 64}


def predict(params, x):
    """Predicted values for x (B, 1)."""
    y = np.concatenate([forward(params, *part) for part in slices((x,))])
    return y


def evaluate(params, x, t, rows=None):
    """{"loss": its mean over slices of 1024 samples, "mae": mean absolute error}; rows: of these samples."""
    total = samples = score = values = 0
    for part in slices((x, t), rows):
        total += float(loss(params, *part)) * len(part[0])
        samples += len(part[0])
        found, right = predict(params, *part[:1]), part[1]
        score += float(np.sum(np.abs(found - right)))
        values += found.size
    return {"loss": total / samples, "mae": score / values}


def gradient_norms(grads):
    """Euclidean norm of the gradient by layer: {layer: float}, first layer first."""
    squares = dict.fromkeys(sorted(set(LAYERS.values())), 0.0)
    for name, grad in grads.items():
        squares[LAYERS[name]] += float(np.vdot(grad, grad))
    return {layer: math.sqrt(square) for layer, square in squares.items()}


def gradient_advice(norms):
    """One line on gradients that vanish or explode, from gradient_norms(); "" if they look healthy."""
    first, last = min(norms), max(norms)
    for layer, norm in norms.items():
        if not norm <= 1e3:  # NaN too
            return (f"gradients explode: norm {norm:.1e} in layer {layer}. Try a smaller learning rate, "
                    "smaller initial weights, scaled inputs, or normalisation.")
    if norms[first] < 1e-3 * norms[last]:
        return (f"gradients vanish: norm {norms[first]:.1e} in layer {first}, {norms[last]:.1e} in {last}. "
                "Try relu for sigmoid or tanh, He or Glorot weights, normalisation, or fewer layers.")
    return ""


def train(params, x, t, *, epochs, batch_size=None, lr=None, optimizer=None, validation=None,
          seed=0, state=None, every=0, on_epoch=None, quiet=False):
    """Mini-batch training until epoch `epochs` -> new params, and a state for save() and a later train().

    Data: x (B, 1), t (B, 1).
    validation: such data too, or the fraction of the samples to hold back for it, always the same ones.
    Settings left at None are those of `state`, else DEFAULTS. With the `state` of an earlier call, training
    goes on bitwise as if it had never stopped. state["history"] holds a dict an epoch. After each epoch,
    on_epoch(params, state) gets copies. Every `every` epochs (0: some 20 times) a line goes to stderr.
    Raises InputError for data or settings that don't fit, FloatingPointError for numbers that aren't finite.
    """
    data = check_data(x, t)
    rows, held = np.arange(len(data[0])), None
    if isinstance(validation, float):
        count = round(validation * len(rows))
        if not 0 < count < len(rows):
            raise InputError(f"data: validation {validation:g} of {len(rows)} samples leaves one side empty")
        order = np.random.default_rng(0).permutation(len(rows))  # the same whatever the seed of the training
        rows, held, validation = order[count:], order[:count], data
    elif validation is not None:
        validation = check_data(*validation, suffix="_val")
    given = {"optimizer": optimizer, "lr": lr, "batch_size": batch_size}
    settings = {**DEFAULTS, **(state["settings"] if state else {})}
    settings.update({key: value for key, value in given.items() if value is not None})
    if settings["optimizer"] not in OPTIMIZERS:
        raise InputError(f"no optimizer {settings['optimizer']!r} here, only {', '.join(OPTIMIZERS)}")
    size, lr = settings["batch_size"], settings["lr"] = int(settings["batch_size"]), float(settings["lr"])
    if not (min(epochs, size) >= 1 and lr > 0):
        raise InputError("epochs, batch_size and lr must be above zero")
    rng = np.random.default_rng(seed)
    begin, history, memory = 0, [], {}
    if state:
        if state["epoch"] >= epochs:
            raise InputError(f"{state['epoch']} epochs are done already; epochs={epochs} counts them too")
        if state["settings"]["optimizer"] != settings["optimizer"]:
            raise InputError(f"training began with {state['settings']['optimizer']}: resume it with that")
        rng.bit_generator.state = state["rng"]
        begin, history = state["epoch"], list(state["history"])
        memory = {name: np.array(value) for name, value in state["memory"].items()}
    # Copies, as updates are in place; all of one layout, as a product's last bits depend on it.
    params = {name: np.array(value, DTYPE, order="C") for name, value in params.items()}
    update = OPTIMIZERS[settings["optimizer"]]
    every = every or max(1, epochs // 20)
    live = not quiet and sys.stderr.isatty()
    started = shown = time.monotonic()
    warned = ""
    for epoch in range(begin + 1, epochs + 1):
        # Equal batches to within one sample: no tiny last batch with noisy gradients and statistics.
        batches = np.array_split(rng.permutation(rows), math.ceil(len(rows) / size))
        total, seen = 0.0, 0
        for number, batch in enumerate(batches, 1):
            with np.errstate(over="ignore", invalid="ignore"):  # looked at in the next lines
                part = take(data, batch)
                value, grads = loss_and_grads(params, *part)
            if not math.isfinite(value):
                raise FloatingPointError(f"epoch {epoch}, batch {number}: the loss is {value}. Try a smaller "
                                         f"learning rate (now {lr:g}), or scale the inputs.")
            update(params, grads, memory, lr)
            total += float(value) * len(batch)
            seen += len(batch)
            if live and time.monotonic() - shown > 0.2:
                shown = time.monotonic()
                pace = _pace(started, (epoch - begin - 1) * len(rows) + seen, (epochs - begin) * len(rows))
                _show(f"epoch {epoch}/{epochs}  batch {number}  loss {total / seen:.4g}  {pace}", True)
        norms = gradient_norms(grads)  # of the last batch
        advice = gradient_advice(norms)
        if not all(map(math.isfinite, norms.values())):
            raise FloatingPointError(f"epoch {epoch}, last batch: {advice}")
        row = {"epoch": epoch, "loss": total / len(rows)}
        if validation is not None:
            scores = evaluate(params, *validation, rows=held)
            row.update({f"val_{key}": value for key, value in scores.items()})
        history.append({**row, **{f"gradient_norm_{layer}": norm for layer, norm in norms.items()}})
        memory_now = {name: value.copy() for name, value in memory.items()}
        state = {"epoch": epoch, "settings": settings, "rng": rng.bit_generator.state,
                 "history": list(history), "memory": memory_now}
        if on_epoch is not None:
            on_epoch({name: value.copy() for name, value in params.items()}, state)
        if not quiet and (epoch % every == 0 or epoch == epochs):
            words = [f"{key.replace('_', ' ')} {value:.4g}" for key, value in row.items() if key != "epoch"]
            words.append("gradient norms " + " ".join(f"{norm:.1e}" for norm in norms.values()))
            words.append(_pace(started, epoch - begin, epochs - begin, len(rows)))
            _show("  ".join([f"epoch {epoch}/{epochs}", *words]), False)
        if not quiet and advice[:15] != warned[:15]:  # said again only when it turns into the other trouble
            _show(f"epoch {epoch}: {advice or 'gradients look healthy again.'}", False)
            warned = advice
    return params, state


def _pace(started, done, total, samples=1):
    """Rate so far and time left, after `done` of `total` pieces of `samples` samples each."""
    rate = done / max(time.monotonic() - started, 1e-9)
    minutes, seconds = divmod(round((total - done) / rate), 60)
    return f"{rate * samples:.0f} samples/s  {minutes}:{seconds:02d} left"


def _show(text, live):
    """Write a line to stderr; the next one overwrites a live one (which only a terminal gets)."""
    before = "\r\033[K" if sys.stderr.isatty() else ""
    print(before + text, end="" if live else "\n", file=sys.stderr, flush=True)


def save(path, params, state=None):
    """Write params, and train()'s state if given, to an .npz file: the whole of it or nothing."""
    arrays = dict(params)
    if state is not None:
        arrays.update({"memory." + name: value for name, value in state["memory"].items()})
        rest = {key: value for key, value in state.items() if key != "memory"}
        arrays["training.state"] = np.array(json.dumps(rest))
    _write(path, lambda file: np.savez(file, **arrays))


def load(path):
    """(params, state) out of save()'s file; state is None if it holds none. InputError if it doesn't fit."""
    arrays = _read(path)
    params = {}
    for name, like in init_params().items():
        if name not in arrays:
            raise InputError(f"{path}: no array {name}: not a file of this network")
        value = arrays.pop(name)
        if value.shape != like.shape or value.dtype.kind != "f":
            raise InputError(f"{path}: {name} is {value.dtype} {value.shape}, not {like.dtype} {like.shape}")
        if not np.isfinite(value).all():
            raise InputError(f"{path}: {name} holds NaN or infinity")
        params[name] = value.astype(DTYPE)
    rest = arrays.pop("training.state", None)
    memory = {}
    for key, value in arrays.items():
        kind, _, name = key.partition(".")
        owner = params.get(name.partition(".")[2])  # the array that m.W1 belongs to
        if kind != "memory" or value.shape != (() if owner is None else owner.shape):
            raise InputError(f"{path}: array {key} {value.shape} doesn't belong to this network")
        memory[name] = value
    if rest is None:
        return params, None
    try:
        rest = json.loads(str(rest))
        state = {"memory": memory, **{key: rest[key] for key in ("epoch", "settings", "rng", "history")}}
        np.random.default_rng().bit_generator.state = state["rng"]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: array training.state can't be read") from error
    return params, state


def _read(path):
    """All arrays of an .npz file: a dict. Never unpickles."""
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: not a readable .npz file of plain arrays") from error


def _write(path, write):
    """Call write(file) on a file beside path, then rename it to path: a failure leaves the old file whole."""
    temporary = f"{os.fspath(path)}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise


def load_data(path):
    """The data x, t of an .npz file, and those for validation (x_val, ...) or None."""
    arrays = _read(path)
    wanted = [*INPUTS, *TARGETS]
    found = {name: arrays[name] for name in wanted if name in arrays}
    parts = [check_data(*_all(found, wanted, path, arrays), source=path)]
    if any(name + "_val" in arrays for name in wanted):
        validation = {name: arrays[name + "_val"] for name in wanted if name + "_val" in arrays}
        parts.append(check_data(*_all(validation, wanted, path, arrays, "_val"), source=path, suffix="_val"))
    return parts[0], parts[1] if len(parts) == 2 else None


def _all(found, wanted, path, arrays, suffix=""):
    """The wanted arrays in their order; an InputError names the first that is missing."""
    for name in wanted:
        if name not in found:
            raise InputError(f"{path}: no array {name}{suffix}; it holds {', '.join(arrays) or 'nothing'}")
    return [found[name] for name in wanted]


def _train(args):
    for path in filter(None, (args.out, args.history)):
        if not os.path.isdir(os.path.dirname(path) or "."):  # said now, not after hours of training
            raise InputError(f"{path}: its folder doesn't exist")
    data, validation = load_data(args.data)
    if args.validation is not None:
        if validation is not None:
            raise InputError(f"{args.data}: it has x_val already, so leave out --validation")
        validation = args.validation
    params, state = load(args.resume) if args.resume else (init_params(args.seed), None)
    latest, trouble = {}, None
    try:
        train(params, *data, epochs=args.epochs, batch_size=args.batch, lr=args.lr, optimizer=args.optimizer,
              validation=validation, seed=args.seed, state=state, every=args.every, quiet=args.quiet,
              on_epoch=lambda params, state: latest.update(params=params, state=state))
    except (KeyboardInterrupt, FloatingPointError) as error:
        trouble = error  # the whole epochs before it are worth keeping
    if latest and args.out:
        save(args.out, latest["params"], latest["state"])
        _show(f"saved {args.out} after epoch {latest['state']['epoch']}; --resume goes on from it", False)
    if latest and args.history:
        rows = latest["state"]["history"]
        keys = list(dict.fromkeys(key for row in rows for key in row))
        lines = [",".join(keys), *(",".join(str(row.get(key, "")) for key in keys) for row in rows), ""]
        _write(args.history, lambda file: file.write("\n".join(lines).encode()))
    if trouble:
        raise trouble
    return 0


def _predict(args):
    params, _ = load(args.net)
    arrays = _read(args.data)
    wanted = [*INPUTS, *TARGETS] if TARGETS.keys() <= arrays.keys() else [*INPUTS]
    data = check_data(*_all(arrays, wanted, args.data, arrays), source=args.data)
    y = predict(params, *data[:1])
    if args.out:
        _write(args.out, lambda file: np.save(file, y, allow_pickle=False))
    else:
        np.savetxt(sys.stdout, y.reshape(len(y) if y.ndim else 1, -1), fmt="%.9g")
    if len(data) == 2:
        scores = "  ".join(f"{key} {value:.6g}" for key, value in evaluate(params, *data).items())
        _show(f"{scores}  ({len(data[0])} samples)", False)
    return 0


def _check(args):
    rng = np.random.default_rng(args.seed)
    params = init_params(args.seed)
    for name in LAYERS:  # away from zero biases and unit scales, which could hide an error
        params[name] = params[name] + 0.05 * rng.standard_normal(params[name].shape)
    x = rng.standard_normal((7, 1))
    t = rng.standard_normal((7, 1))
    worst = gradient_check(params, x, t, seed=args.seed)
    for name, error in worst.items():
        print(f"{name:16} {error:.1e}  {'ok' if error <= args.tolerance else 'WRONG'}")
    passed = max(worst.values()) <= args.tolerance
    print("gradient check passed" if passed else f"gradient check FAILED (above {args.tolerance:g})")
    return 0 if passed else 1


def _info(args):
    print(__doc__)
    params = init_params()
    for name, value in params.items():
        note = "" if name in LAYERS else "  (not trained)"
        print(f"{name:16} {value.shape!s:20} {value.size:12,}{note}")
    print(f"{'trained':37} {sum(params[name].size for name in LAYERS):12,}")
    return 0


def main(argv=None):
    """The command line. Exit status: 0, 1 (the check or the training failed), 2 (bad input), 130 (Ctrl-C)."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="command")
    add = commands.add_parser("train", help="train on the arrays of an .npz file")
    add.add_argument("data")
    add.add_argument("--epochs", type=int, default=20, help="in all, resumed ones included (default 20)")
    add.add_argument("--batch", type=int, help="samples a step (default {batch_size})".format(**DEFAULTS))
    add.add_argument("--lr", type=float, help="learning rate (default {lr:g})".format(**DEFAULTS))
    add.add_argument("--optimizer", choices=OPTIMIZERS, help="(default {optimizer})".format(**DEFAULTS))
    add.add_argument("--seed", type=int, default=0, help="of the first weights and the shuffling (default 0)")
    add.add_argument("--validation", type=float, help="fraction held back; repeat it with --resume")
    add.add_argument("--out", help="write the trained network and the state of training here (.npz)")
    add.add_argument("--resume", help="go on from such a file, with its settings unless given here")
    add.add_argument("--history", help="write loss, validation and gradient norms by epoch here (.csv)")
    add.add_argument("--every", type=int, default=0, help="epochs from one progress line to the next")
    add.add_argument("--quiet", action="store_true", help="no progress lines")
    add.set_defaults(run=_train)
    add = commands.add_parser("predict", help="predict from the arrays of an .npz file")
    add.add_argument("net", help="what train --out wrote")
    add.add_argument("data")
    add.add_argument("-o", "--out", help="write an .npy file (default: print)")
    add.set_defaults(run=_predict)
    add = commands.add_parser("check", help="compare the gradients with central differences on random data")
    add.add_argument("--seed", type=int, default=0)
    add.add_argument("--tolerance", type=float, default=1e-5)
    add.set_defaults(run=_check)
    add = commands.add_parser("info", help="the equations and the parameters")
    add.set_defaults(run=_info)
    args = parser.parse_args(argv)
    try:
        return args.run(args)
    except (InputError, OSError) as error:
        message, status = error, 2
    except FloatingPointError as error:
        message, status = error, 1
    except KeyboardInterrupt:
        message, status = "interrupted", 130
    print(f"{parser.prog}: error: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
