"""Good slices on a machine that has no time for them: none may be refused, however long it takes.

    python -m benchmarks.busy_machine [--slices 500] [--loops-per-core 10] [--niceness 19] [--limit-s 3600]

Writes a series of good slices (JPEG-LS), keeps every core busy with endless loops, and lets ``n2b-ct inspect`` look for
the series with the lowest priority (``nice -n 19``), as jobs of the night do; then all slices are decoded likewise.
Results: ``benchmarks/results/busy_machine.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom.uid import JPEGLSLossless

from benchmarks.denoise_input import write_series
from benchmarks.results_files import write_results

SIZE_PX = 128
_INSPECT = "import sys; from n2b_ct.cli import main; sys.argv[0] = 'n2b-ct'; main()"
_DECODE = """
import json, sys
from pathlib import Path
from n2b_ct.errors import SeriesError
from n2b_ct.io.dicom.ct_reader import read_slices
from n2b_ct.io.dicom.scan import scan
slices = [one for series in scan(Path(sys.argv[1])).series for one in series.instances]
outcomes = list(read_slices(slices))
print(json.dumps([one.reason if isinstance(one, SeriesError) else "" for one in outcomes]))
"""


def main() -> int:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "series"
        write_series(source, arguments.slices, SIZE_PX, syntax=JPEGLSLossless)
        undisturbed_s, _ = _timed(_inspected, source, arguments)
        n_loops = arguments.loops_per_core * (os.cpu_count() or 1)
        with _busy_loops(n_loops):
            inspect_s, records = _timed(_inspected, source, arguments)
            decode_s, reasons = _timed(_decoded, source, arguments) if records else (0.0, None)
    refused = Counter(record["reason"] for record in records or () if record["action"] != "used")
    refused += Counter(reason for reason in reasons or () if reason)
    document = {
        "command": f"python -m benchmarks.busy_machine --slices {arguments.slices} "
        f"--loops-per-core {arguments.loops_per_core} --niceness {arguments.niceness} --limit-s {arguments.limit_s:g}",
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "n_slices": arguments.slices,
        "n_loops": n_loops,
        "niceness": arguments.niceness,
        "undisturbed_s": undisturbed_s,
        "inspect_s": inspect_s,
        "decode_s": decode_s,
        "is_inspected": records is not None,
        "is_decoded": reasons is not None,
        "refused": dict(refused),
    }
    if records is not None:
        document["n_refused"] = refused.total()
    write_results("busy_machine", document, _table(document))
    return 1 if refused else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--slices", type=int, default=500)
    parser.add_argument("--loops-per-core", type=int, default=10)
    parser.add_argument("--niceness", type=int, default=19)
    parser.add_argument(
        "--limit-s", type=float, default=3600.0, help="What either step may take before it is given up."
    )
    return parser.parse_args()


@contextmanager
def _busy_loops(n: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _timed(step: Any, source: Path, arguments: argparse.Namespace) -> tuple[float, Any]:
    started = time.perf_counter()
    found = step(source, arguments)
    return round(time.perf_counter() - started, 1), found


def _inspected(source: Path, arguments: argparse.Namespace) -> list[dict[str, Any]] | None:
    """One record a file, or None where the time did not suffice."""
    printed = _said(["-c", _INSPECT, "inspect", str(source), "--json"], arguments)
    return None if printed is None else list(json.loads(printed)["files"])


def _decoded(source: Path, arguments: argparse.Namespace) -> list[str] | None:
    """The reason for each slice that was refused, else nothing; None where the time did not suffice."""
    printed = _said(["-c", _DECODE, str(source)], arguments)
    return None if printed is None else list(json.loads(printed))


def _said(command: Sequence[str], arguments: argparse.Namespace) -> str | None:
    """What a Python process of low priority printed."""
    command = ["nice", "-n", str(arguments.niceness), sys.executable, *command]
    # in this session: Linux shares processors among sessions first, and priorities count within one only (sched(7))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            return process.communicate(timeout=arguments.limit_s)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            return None


def _table(found: dict[str, Any]) -> str:
    def time_of(step: str, is_done: bool) -> str:
        return f"{found[step]:g} s" if is_done else f"given up after {found[step]:g} s"

    refused = ", ".join(f"{n} {reason}" for reason, n in found["refused"].items()) or "none"
    return (
        f"{found['n_slices']} good slices (JPEG-LS) on {found['machine']}, {found['n_loops']} endless loops, "
        f"`nice -n {found['niceness']}`. `{found['command']}`\n\n"
        "| step | time |\n|---|---|\n"
        f"| `n2b-ct inspect`, no loops | {found['undisturbed_s']:g} s |\n"
        f"| `n2b-ct inspect` | {time_of('inspect_s', found['is_inspected'])} |\n"
        f"| scan and decode | {time_of('decode_s', found['is_decoded'])} |\n\n"
        f"Refused: {refused}.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
