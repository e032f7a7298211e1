"""The work of deriving and emitting grows with the depth of a network and no faster: counted in calls, not in time."""

import sys

from symbp.emit import generate
from symbp.layers import Activation, Dense
from symbp.sequence import Sequential
from symbp.simplify import simplify


def calls_a_layer(depth, width):
    """Python calls that deriving and emitting takes, by layer; the width makes expressions of its own."""
    layers = [layer for _ in range(depth) for layer in (Dense(width), Activation("tanh"))]
    net = Sequential(*layers, features=width, loss="half_squared_error")
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        generate(net)
    finally:
        sys.setprofile(None)
    return calls / depth


def test_work_is_linear_in_depth():
    calls_a_layer(2, 3)  # what is done once in a process
    shallow, deep = calls_a_layer(20, 5), calls_a_layer(100, 7)
    assert deep < 1.05 * shallow, f"{deep:.0f} calls a layer at 100 layers, {shallow:.0f} at 20"


def test_a_simplified_program_is_left_alone():
    """Nothing is left to do, and it is the same object that says so."""
    net = Sequential(Dense(4), Activation("tanh"), Dense(3), features=5, loss="cross_entropy")
    once = simplify(net.gradient(simplify=False))
    assert simplify(once) is once
