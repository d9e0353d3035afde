"""Kill a batch run at random moments, again and again, and see that nothing is lost or half-written.

    python -m benchmarks.kill --out DIR [--n 100] [--seed 0]

``n2b-ct denoise`` over a tree of several series is ended at a random moment, by the clock or right before a step on
the file system, and started again until it has come to its end; then another run begins with an empty output folder,
with one that is there and is to be replaced, or with one of an input to which slices are added meanwhile (``--resume``
must not take the old output for done), until ``--n`` kills (SIGKILL to the whole process group) are counted.
Some runs are ended by SIGINT or SIGTERM instead. After each of them every series under its final name is whole and the
input is untouched; at the end of each run the tree is byte for byte that of an undisturbed one.

The summary goes to ``benchmarks/results/kill_batch.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.kill.cycles import Cycles, Tally
from benchmarks.kill.scene import N_SLICES_EARLY, write_model, write_scene
from benchmarks.results_files import RESULTS, write_results


def main() -> int:
    arguments = _arguments()
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments.out.mkdir(parents=True)
    early = write_scene(arguments.out / "in_early", N_SLICES_EARLY)
    source, model = write_scene(arguments.out / "in"), write_model(arguments.out / "model.pt")
    started = time.monotonic()
    cycles = Cycles(source, early, arguments.out, model, arguments.seed)
    tally = cycles.until(arguments.n, lambda line: print(line, flush=True))
    summary = {
        "command": f"python -m benchmarks.kill --out DIR --n {arguments.n} --seed {arguments.seed}",
        "seconds": round(time.monotonic() - started, 1),
        "undisturbed": cycles.undisturbed,
        **tally.numbers(),
    }
    write_results("kill_batch", summary, table(summary, tally), arguments.results)
    return 1 if tally.faults else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="A folder that is not there yet.")
    parser.add_argument("--n", type=int, default=100, help="How many kills, interruptions not counted.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS, help="Folder of the summary.")
    return parser.parse_args()


def table(summary: dict[str, Any], tally: Tally) -> str:
    """Word a summary as Markdown."""
    lines = [
        f"{tally.n_kills} kills of a batch run at random moments and {tally.n_interruptions} interruptions, "
        f"{tally.n_finished} runs brought to their end, {len(tally.faults)} faults, in {summary['seconds']:.0f} s.",
        f"`{summary['command']}`",
        "",
        "| ended | n |",
        "|---|---|",
        *(f"| {what} | {n} |" for what, n in sorted(tally.kinds.items())),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
