"""One training step (forward, loss, every gradient, gradient descent in place), symbp beside PyTorch and NumPy by hand.

    python benchmarks/step.py [--nets mlp gpt1 ...] [--systems torch numpy_b symbp_readable ...]
                              [--rounds 15] [--json FILE] [--markdown docs/speed.md]
    python benchmarks/step.py --from FILE --markdown docs/speed.md      # the document from what was measured earlier
    python benchmarks/step.py --quick      # each once, for correctness only

torch is PyTorch's eager mode; numpy_a is NumPy by hand as a careful student writes it, numpy_b the best that we could
write. All start from the same numbers, and the first step of each, at learning rate 1, is compared with PyTorch's in
double precision (agreement.py): the very callable that is timed.

Each system runs in a process of its own, three of them one after the other: where arrays happen to lie in memory makes
a tenth of difference. A round samples all systems in turn, the others stopped meanwhile, since idle thread pools spin.
Ratios are taken within a round and their median is shown, so that slow spells of the machine cancel.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import agreement
import markdown
from peers import nets
from systems import PEERS, SPLIT, SYSTEMS, NotAvailable, prepare, threads_of
from threads import environment

BASES = ("torch", "numpy_b")
ENOUGH = 5  # undisturbed samples: with fewer a median is of all of them, and goes into no document
UNTRACED = ("torch", SPLIT)  # memory that no one process of Python's knows of
PATIENCE = 300  # seconds that a worker may take to answer


class Worker:
    """One system's process. It is stopped whenever it isn't asked."""

    def __init__(self, system: str, threads: int, scratch: Path) -> None:
        variables = {**environment(threads_of(system, threads)), "PYTHONWARNINGS": "ignore"}
        here = Path(__file__).parent
        path = [str(here.parent), variables.get("PYTHONPATH", "")]
        variables["PYTHONPATH"] = os.pathsep.join(p for p in path if p)
        self.log = (scratch / f"{system}.log").open("w")
        command = [sys.executable, str(here / "worker.py"), system, str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, env=variables, text=True
        )
        self.ready = self.read()

    def read(self) -> dict[str, Any]:
        """Its answer; "failed" says why there is none."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            self.process.kill()
            return {"failed": f"no answer in {PATIENCE} s"}
        line = self.process.stdout.readline()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGSTOP)
        return json.loads(line) if line else {"failed": "the process ended"}

    def ask(self, do: str, **order: Any) -> dict[str, Any]:
        """Lets it go on, and waits for the answer to an order."""
        assert self.process.stdin is not None
        if self.process.poll() is not None:
            return {"failed": "the process ended"}
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self.process.stdin.flush()
        return self.read()

    def end(self) -> None:
        """A stopped process would outlive this one."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()
        self.log.close()


def measure(
    name: str, systems: Sequence[str], rounds: int, seconds: float, threads: int, launches: int
) -> dict[str, Any]:
    """What each system takes for one network: a row a system, with "why" where there is nothing.

    launches: over how many processes of a system the rounds are spread.
    """
    net = nets.make(name)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        by, exact = agreement.reference(net)
        agreement.write(scratch / "reference.npz", exact)
        rows: dict[str, dict[str, Any]] = {}
        live = list(systems)
        for launch in range(launches):
            workers = {}
            try:
                for system in live:
                    workers[system] = Worker(system, threads, scratch)
                    before = rows.get(system, {}).get("samples", [])
                    rows[system] = first(workers[system], name, scratch / "reference.npz", seconds)
                    if "why" not in rows[system]:
                        rows[system]["samples"] = before
                live = [system for system in live if "why" not in rows[system]]
                for k in range(rounds * launch // launches, rounds * (launch + 1) // launches):
                    for system in live[k % len(live) :] + live[: k % len(live)]:
                        rows[system]["samples"].append(workers[system].ask("sample"))
                for system in live:
                    rows[system]["bytes"] = None if system in UNTRACED else workers[system].ask("memory")["bytes"]
            finally:
                for worker in workers.values():
                    worker.end()
    for system in live:
        rows[system] |= summary(rows, system)
    return {"net": name, "dtype": net.dtype.name, "step_flops": net.step_flops, "reference": by, "systems": rows}


def first(worker: Worker, name: str, reference: Path, seconds: float) -> dict[str, Any]:
    """The network prepared, checked and warmed up in one system, or why not."""
    if "ready" not in worker.ready:
        return {"why": worker.ready.get("unavailable") or worker.ready["failed"]}
    found = worker.ask("prepare", net=name, reference=str(reference))
    if "failed" in found:
        return {"why": found["failed"]}
    if not found["agrees"]:
        return {"why": f"disagrees: {found['where']} by {found['error']:.1e}"}
    warm = worker.ask("warm", seconds=seconds)
    return {"why": warm["failed"]} if "failed" in warm else found


def summary(rows: dict[str, dict[str, Any]], system: str) -> dict[str, Any]:
    """Median seconds, and the median ratios to the bases: of undisturbed rounds where there are `ENOUGH` of them."""
    samples = rows[system]["samples"]
    clean = [s["seconds"] for s in samples if s["clean"]]
    found: dict[str, Any] = {
        "median": statistics.median(clean if len(clean) >= ENOUGH else [s["seconds"] for s in samples]),
        "clean": len(clean),
    }
    for base in BASES:
        if "samples" in rows.get(base, {}):
            pairs = list(zip(samples, rows[base]["samples"], strict=True))
            ratios = [(a["seconds"] / b["seconds"], a["clean"] and b["clean"]) for a, b in pairs]
            good = [ratio for ratio, both in ratios if both]
            found[f"to_{base}"] = statistics.median(good if len(good) >= ENOUGH else [ratio for ratio, _ in ratios])
    return found


def report(result: dict[str, Any]) -> str:
    """One network's rows, as text."""
    lines = [f"{result['net']}  ({result['step_flops'] / 1e6:.2f} MFLOP in matrix products)"]
    for system, row in result["systems"].items():
        if "why" in row:
            lines.append(f"  {system:<15} not available: {row['why']}")
            continue
        ratios = "".join(f"  x{row[f'to_{base}']:7.3f} of {base}" for base in BASES if f"to_{base}" in row)
        used = "" if row["bytes"] is None else f"  {row['bytes'] / 1e3:>10,.1f} kB"
        derived = f"  derived in {row['prepare_seconds']:.2f} s" if row["prepare_seconds"] else ""
        lines.append(f"  {system:<15}{row['median'] * 1e6:>12,.1f} us{ratios}{used}{derived}"
                     f"  error {row['error']:.1e}, {row['clean']}/{len(row['samples'])} undisturbed")  # fmt: skip
    return "\n".join(lines)


def quick(names: Sequence[str], systems: Sequence[str]) -> list[tuple[str, str, str, float, str]]:
    """(network, system, type, worst error, where), each step run once in this process; symbp in double precision too.

    Raises AssertionError where one is further from the reference than `agreement.TOLERANCE`.
    """
    found = []
    for name in names:
        net = nets.make(name)
        _, exact = agreement.reference(net)
        for system in systems:
            types = {net.dtype.name} if system in PEERS else {net.dtype.name, "float64"}
            for dtype in sorted(types):
                try:
                    step = agreement.one_step(net.astype(dtype), prepare(system, net.astype(dtype)))
                except NotAvailable as why:
                    print(f"{name:<10}{system:<16}{dtype:<9}not available: {why}")
                    continue
                error, where = agreement.worst(step, exact)
                print(f"{name:<10}{system:<16}{dtype:<9}{error:.1e}  {where}")
                agrees = error <= agreement.TOLERANCE[dtype]
                assert agrees, f"{name}: {system} in {dtype} is wrong: {where} by {error:.1e}"
                found.append((name, system, dtype, error, where))
    return found


def document(found: dict[str, Any]) -> str:
    """The Markdown of docs/speed.md: time ratios, then memory and the seconds that deriving takes.

    Raises ValueError where the machine was too busy with other things for a median to mean something.
    """
    results = found["nets"]
    systems = list(results[0]["systems"])
    rows = [(r["net"], s, row) for r in results for s, row in r["systems"].items()]
    disturbed = [f"{s} on {net}" for net, s, row in rows if row.get("clean", ENOUGH) < ENOUGH]
    if disturbed:
        raise ValueError(f"others used the machine, measure again: {', '.join(disturbed)}")

    def cell(result: dict[str, Any], system: str, key: str, form: str, scale: float = 1) -> str:
        value = result["systems"].get(system, {}).get(key)
        return "" if value is None else format(value * scale, form)

    others = [s for s in systems if s != "torch" and any("median" in r["systems"][s] for r in results)]
    ours = [s for s in others if s not in PEERS]
    times = [
        [r["net"], cell(r, "torch", "median", ",.0f", 1e6), *(cell(r, s, "to_torch", ".2f") for s in others),
         *(cell(r, s, "to_numpy_b", ".2f") for s in ours)]
        for r in results
    ]  # fmt: skip
    used = [
        [r["net"], *(cell(r, s, "bytes", ",.0f", 1e-3) for s in others if s not in UNTRACED),
         *(cell(r, s, "prepare_seconds", ".2f") for s in ours)]
        for r in results
    ]  # fmt: skip
    time_head = ["net", "torch, us", *(f"{s} / torch" for s in others), *(f"{s} / numpy_b" for s in ours)]
    emit_head = [f"{s}, s to derive and emit" for s in ours]
    used_head = ["net", *(f"{s}, kB" for s in others if s not in UNTRACED), *emit_head]
    parts = [found["circumstances"], markdown.table(time_head, times), markdown.table(used_head, used)]
    return "\n\n".join([*parts, *missing(results)])


def missing(results: Sequence[dict[str, Any]]) -> list[str]:
    """A line for every reason why a cell is empty."""
    why: dict[tuple[str, str], list[str]] = {}
    for r in results:
        for system, row in r["systems"].items():
            if "why" in row:
                why.setdefault((system, row["why"]), []).append(r["net"])
    everywhere = [result["net"] for result in results]
    return [
        f"{system} is not available{'' if names == everywhere else ' for ' + ', '.join(names)}: {reason}."
        for (system, reason), names in why.items()
    ]


def main() -> None:
    """Measures, prints, and writes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", default=list(nets.NETS), choices=nets.NETS, metavar="NET")
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS, metavar="SYSTEM")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--launches", type=int, default=3, help="over how many processes the rounds are spread")
    parser.add_argument("--seconds", type=float, default=0.05, help="that a sample lasts")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="where all samples go")
    parser.add_argument("--markdown", type=Path, help="the document whose part about steps is replaced")
    parser.add_argument("--from", dest="earlier", type=Path, help="a file that --json wrote: measure nothing")
    parser.add_argument("--quick", action="store_true", help="run each once, for correctness only")
    a = parser.parse_args()
    if a.quick:
        quick(a.nets, a.systems)
        return
    if a.earlier:
        found = json.loads(a.earlier.read_text())
    else:
        versions = ["numpy", "torch"] if "torch" in a.systems else ["numpy"]
        found = {"circumstances": markdown.circumstances(versions), "nets": []}
        for name in a.nets:
            found["nets"].append(measure(name, a.systems, a.rounds, a.seconds, a.threads, a.launches))
            print(report(found["nets"][-1]), flush=True)
            if a.json:
                a.json.write_text(json.dumps(found, indent=1))
    if a.markdown:
        markdown.replace_between(a.markdown, "steps", document(found))


if __name__ == "__main__":
    main()
