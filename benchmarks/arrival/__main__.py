"""Denoising on arrival, measured: phantoms with known truth, patients, scanners, baselines.

    python -m benchmarks.arrival --phantoms-only --quick --model NAME=RUN_DIR

``--quick`` prints the statistics that recipes are chosen by; see :mod:`benchmarks.arrival.quick`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.arrival.quick import KEPT, quick_scores, summary_table
from n2b_ct import api


def main() -> None:
    arguments = _arguments()
    models = {name: api.load(path) for name, path in map(_named, arguments.model)}
    rows = quick_scores(models, arguments.out, arguments.seeds)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "quick.json").write_text(json.dumps(rows, indent=0) + "\n", encoding="utf-8")
    print(summary_table(rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phantoms-only", action="store_true", help="leave patients and scanners out")
    parser.add_argument("--quick", action="store_true", help="a small set in two minutes, to choose recipes by")
    parser.add_argument("--model", action="append", default=[], help="NAME=RUN_DIR or FILE; repeat for several")
    parser.add_argument("--seeds", type=int, default=1, help="patients of every region, with --quick")
    parser.add_argument("--out", type=Path, default=KEPT)
    return parser.parse_args()


def _named(argument: str) -> tuple[str, str]:
    name, _, path = argument.rpartition("=")
    return name or Path(path).stem, path


if __name__ == "__main__":
    main()
