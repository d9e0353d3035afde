"""Every table of ``benchmarks/README.md``, one benchmark after the other on an otherwise idle machine.

    python -m benchmarks --data-root DATA --model RUN [--only training_step ...]

``--data-root`` and ``--model`` (a run, trained as ``benchmarks/README.md`` says) are for what needs real slices and
trained weights; without them that benchmark is left out. One that fails stops no other; the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks import targets

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = (
    "training_step",
    "denoise_network",
    "denoise_job",
    "report_costs",
    "planning",
    "cluster_throughput",
    "peers",
    "busy_machine",
)
NEED_DATA = ("denoise_network",)


def main() -> None:
    arguments = _arguments()
    failed = [name for name in arguments.only or BENCHMARKS if not _run(name, arguments)]
    targets.main()
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--only", action="append", choices=BENCHMARKS)
    return parser.parse_args()


def _run(name: str, arguments: argparse.Namespace) -> bool:
    options: list[str] = []
    if name in NEED_DATA:
        if arguments.data_root is None or arguments.model is None:
            print(f"{name}: left out, it needs --data-root and --model", flush=True)
            return True
        options = ["--data-root", str(arguments.data_root), "--model", str(arguments.model)]
    print(f"== {name}", flush=True)
    command = [sys.executable, "-m", f"benchmarks.{name}", *options]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0  # noqa: S603 (our own)


if __name__ == "__main__":
    main()
