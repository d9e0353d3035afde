"""Fuzz the DICOM path: read thousands of broken files as ``n2b-ct denoise`` does, and see that nothing breaks.

    python -m benchmarks.fuzz --out DIR [--n 20000] [--seed 0] [--workers 2] [--seeds-dir FOLDER]

Every file is a function of its number and the seed. ``--out`` keeps one line per file in ``rows.jsonl``; started
again with the same arguments, the run goes on where it was stopped. ``--write N`` writes file N there and does
nothing else. The summary goes to ``benchmarks/results/fuzz_dicom.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks.fuzz.driver import write_mutant
from benchmarks.fuzz.log import Log
from benchmarks.fuzz.mutants import load_seeds, make_case
from benchmarks.fuzz.run import fuzz
from benchmarks.fuzz.summary import summarise, table
from benchmarks.results_files import RESULTS, write_results


def main() -> int:
    arguments = _arguments()
    seeds = load_seeds(arguments.seeds_dir)
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.write is not None:
        print(write_mutant(make_case(arguments.seed, arguments.write, seeds).mutant, arguments.out))
        return 0
    run = {"seed": arguments.seed, "seed_files": seeds.digest, "n_real_seed_files": len(seeds.real)}
    log = Log(arguments.out / "rows.jsonl", run)
    started = time.monotonic()
    rows = fuzz(
        arguments.n, arguments.seed, seeds_dir=arguments.seeds_dir, n_workers=arguments.workers, done=log.indices
    )
    for row in rows:
        log.append(row)
        if row["problems"]:
            print(f"{row['index']:>6} {', '.join(row['problems'])}: {row['mutator']} of {row['seed_file']}")
    log.append_time(time.monotonic() - started)
    summary = summarise(log.rows(arguments.n), {**run, "command": _command(arguments), "seconds": log.seconds})
    write_results("fuzz_dicom", summary, table(summary), arguments.results)
    return 1 if summary["n_files_with_problems"] else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="Keeps the log of the run.")
    parser.add_argument("--n", type=int, default=20000, help="How many files.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="Driver processes at a time.")
    parser.add_argument("--seeds-dir", type=Path, help="Real DICOM files to start from as well; read, never copied.")
    parser.add_argument("--write", type=int, metavar="N", help="Write file N and stop.")
    parser.add_argument("--results", type=Path, default=RESULTS, help="Folder of the summary.")
    return parser.parse_args()


def _command(arguments: argparse.Namespace) -> str:
    real = " --seeds-dir FOLDER" if arguments.seeds_dir else ""
    return f"python -m benchmarks.fuzz --out DIR --n {arguments.n} --seed {arguments.seed}{real}"


if __name__ == "__main__":
    sys.exit(main())
