"""What an emitted module says: its arrays, ready lines of code and strings, in the order of its functions."""

from __future__ import annotations

from dataclasses import dataclass

TASKS = ("classification", "binary", "regression")
DTYPES = ("float64", "float32")


@dataclass(frozen=True)
class Data:
    """An input or a target.

    name: of the argument. shape_text: for docstrings, "(B, 64)". shape: the same, sizes without a number by their
    names. example: an expression of `rng` for random values of it. integer: whether it holds integers. whole: whether
    only whole numbers are let in, limit: those below it, if known.
    """

    name: str
    shape_text: str
    shape: tuple[int | str, ...]
    example: str
    integer: bool = False
    whole: bool = False
    limit: int | None = None


@dataclass(frozen=True)
class Random:
    """An input that is drawn for every training batch. draw: an expression of `rng` and sizes; init: what it means.

    split: whether the batch is its first axis.
    """

    name: str
    shape_text: str
    draw: str
    init: str
    split: bool = True


@dataclass(frozen=True)
class Parameter:
    """A trained array. init: an expression of `rng`, `np`, `math`. layer: its place, from 1."""

    name: str
    shape_text: str
    init: str
    layer: int


@dataclass(frozen=True)
class State:
    """An untrained array among the parameters. update: the name of its new value in loss_and_grads."""

    name: str
    shape_text: str
    init: str
    update: str


@dataclass(frozen=True)
class Body:
    """A function's body. reads: the params it takes, in order. lines: its code without the return."""

    reads: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class FastBody:
    """The fast style's loss and gradients. setup: makes the arrays; step: a step's lines. moved: state -> its new
    array.
    """

    setup: tuple[str, ...]
    step: tuple[str, ...]
    loss: str
    moved: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ModuleContext:
    """All that an emitted module says; strings arrive ready.

    title, equations, command, version, licence: the header. in_place: the equations that a step computes in place of
    some of those. helpers: source texts of functions that the lines call.
    inputs: what forward takes; random: what loss_and_grads takes behind them, random_sizes the lines that read their
    sizes off the data; targets: what comes last. batch: the size along which data are split, where it is the first
    axis; splits_prediction: whether it is the prediction's. forward's lines compute `prediction`, those of loss and
    grads `loss_name`; those of grads also d_<name> for each parameter and State.update for each state. task: one of
    TASKS. optimizers: the first is the default. metric_target: what predictions are compared with, None where nothing
    can be. threshold: what a binary prediction exceeds for label 1. fast: None in the readable style. keeps_memory:
    whether the process is made to keep the memory of a step for the next one. claim: a sentence on the memory of
    loss_and_grads, "" for none. parallel: "mpi" where the lines complete sums over the ranks of MPI, "processes" where
    those of the workspace do over forks, else None; traffic: lines that say what a rank sends in a step.
    """

    title: str
    equations: tuple[str, ...]
    command: str
    version: str
    licence: str
    dtype: str
    helpers: tuple[str, ...]
    batch: str
    inputs: tuple[Data, ...]
    targets: tuple[Data, ...]
    parameters: tuple[Parameter, ...]
    state: tuple[State, ...]
    forward: Body
    loss: Body
    grads: Body
    prediction: str
    prediction_shape: str
    loss_name: str
    task: str
    metric_target: str | None
    random: tuple[Random, ...] = ()
    random_sizes: tuple[str, ...] = ()
    splits_prediction: bool = True
    activations: Body | None = None
    activation_kinds: tuple[tuple[str, str], ...] = ()
    optimizers: tuple[str, ...] = ("adam", "momentum", "sgd")
    learning_rate: float = 1e-3
    threshold: float = 0.0
    keeps_memory: bool = False
    fast: FastBody | None = None
    parallel: str | None = None
    claim: str = ""
    traffic: tuple[str, ...] = ()
    in_place: tuple[str, ...] = ()
