"""Steps of the optimisers and the bound of reverse mode: what `symbp count` says beside the gradients."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from counting_arrays import Counted, CountingNumPy, counted
from training_modules import OPTIMIZERS, fresh

from symbp.architectures import EXAMPLES, load
from symbp.cli import main
from symbp.count import compare
from symbp.count.algebra.polynomial import total
from symbp.count.ledger import Ledger
from symbp.count.tables.counts import BOUND, BYTES
from symbp.count.tables.parts import apart
from symbp.errors import SymbpError
from symbp.optimisers import OPTIMISERS
from symbp.unroll import concrete_sizes

NET = "mlp:4-8-3,tanh,cross_entropy"


@pytest.mark.parametrize("style", ["readable", "fast"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_emitted_steps_execute_what_is_counted(name: str, style: str) -> None:
    module = fresh(NET, style=style)
    module.np = CountingNumPy()
    rng = np.random.default_rng(0)
    params = {key: value.view(Counted) for key, value in module.init_params().items()}
    grads = {key: rng.normal(size=value.shape).view(Counted) for key, value in params.items()}
    settings = module.settings_from({"optimizer": name}, {})
    more = (params, grads) if style == "fast" else ()  # its arrays are those that are stepped
    _, found = counted(module.update, params, grads, {}, settings, 0.1, *more)
    expected = {kind: n.number for kind, n in Ledger(load(NET)).optimiser(name).items()}
    if style == "fast" and name == "adamw":  # it leaves out the vectors, which don't decay
        vectors = sum(value.size for value in params.values() if value.ndim < 2)
        expected = {k: n - (vectors if k in ("add", "mul") else 0) for k, n in expected.items()}
    assert found == expected


def test_the_stage_of_the_optimiser() -> None:
    table = apart(load(NET), "stage", "reverse + CSE", {"B": 16}, "rmsprop")
    stages = {str(row[0]): row[1] for row in table.rows}
    assert list(stages) == ["forward", "loss", "backward", "optimiser (rmsprop)"]
    assert stages["optimiser (rmsprop)"] == 9 * Ledger(load(NET)).parameters.number
    assert sum(float(str(row[2]).rstrip("%")) for row in table.rows) == pytest.approx(100, abs=0.2)
    every = apart(load(NET), "optimizer", "reverse + CSE", {"B": 16})
    assert [row[0] for row in every.rows] == list(OPTIMISERS) == list(OPTIMIZERS)
    assert [row[1] for row in every.rows] == [2, 4, 6, 9, 13, 15]
    with pytest.raises(SymbpError, match="unknown optimizer 'adamant': did you mean 'adam'"):
        apart(load(NET), "stage", "reverse", None, "adamant")


def test_closed_forms_of_the_stages() -> None:
    command = ["count", NET, "--formula", "--by", "stage", "--optimizer", "sgd", "--csv"]
    rows = [line.rsplit(",", 2) for line in CliRunner().invoke(main, command).output.splitlines()[1:]]
    ledger = Ledger(load(NET))
    stages = [total(amounts.values()) for amounts in ledger.by("stage", "reverse + CSE").values()]
    assert total(stages) == ledger["reverse + CSE"].total
    forms = [*map(str, stages), str(ledger.parameters * 2)]
    assert [form.strip('"') for _, form, _ in rows] == forms
    result = CliRunner().invoke(main, ["count", NET, "--formula", "--by", "optimizer"])
    assert result.exit_code == 2 and "leave out --formula" in result.output


# Deeper or larger ones of a family that is there.
OTHERS = [net for net in EXAMPLES if net.startswith("resnet") and net != "resnet18:1x8x8,classes=10,width=4"]
OTHERS += ["gpt:layers=4,heads=4,width=128,context=64,vocabulary=256", "gpt:gpt2", "gpt:gpt2,head=tied,context=T"]


@pytest.mark.parametrize("net", [net for net in EXAMPLES if net not in OTHERS])
def test_gradients_stay_below_the_bound_of_reverse_mode(net: str) -> None:
    program = load(net)
    ledger = Ledger(program, concrete_sizes(program, {n: {"B": 4, "T": 6}[n] for n in program.size_names}))
    forward, reverse, shared = (ledger[s].total.number for s in ("forward", "reverse", "reverse + CSE"))
    assert forward < shared <= reverse < BOUND * forward


def test_beyond_the_bound_is_said() -> None:
    """A batch norm over a single example gives zeros, which reverse mode doesn't know."""
    net = load("mlp:2-8-8-4-1,batch_norm+relu/linear,half_squared_error")
    assert "Above the bound" in compare(net).table()
    assert "Above the bound" not in compare(net, {"B": 2}).table()


def test_intensity_by_hand() -> None:
    """z = w x + b, h = tanh(z), y = v h + c, L = (y - t)^2/2 for one example."""
    row = compare(load("mlp:1-1-1,tanh/linear,half_squared_error"))["forward"]
    read_and_written = (3 + 1) + (1 + 1) + (3 + 1) + (2 + 1)
    assert row.moved == read_and_written
    assert row.intensity == row.flops / (BYTES * read_and_written) == (2 + 1 + 2 + 3) / (8 * 13)
