"""The process that reads broken files as ``n2b-ct denoise`` does, all but the network; watched by its parent.

Orders come as one JSON object on standard input. What happens is told as JSON lines on the standard output that the
process was born with; whatever a library prints goes to standard error, where the parent looks for tracebacks.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from benchmarks.fuzz.mutants import Case, load_seeds, make_case
from benchmarks.fuzz.promises import Broken, broken_by_failure, broken_by_scan, broken_by_series, fingerprint
from benchmarks.fuzz.seeds import sibling_file
from benchmarks.fuzz.spoil_files import Mutant
from n2b_ct.errors import N2BError, SeriesError
from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.io.dicom.derived_series import DerivedSeriesWriter
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.dicom.writing.derivation import Derivation
from n2b_ct.io.series import FileRecord, SeriesRef

_N_COMPANIONS = 2
_DERIVATION = Derivation(
    model_name="identity",
    model_version="1",
    model_digest="",
    parameters={},
    learned=False,
    suffix=" same",
    created=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
)


def main() -> None:
    """Read orders, do them, tell."""
    faulthandler.enable()
    warnings.simplefilter("always")
    channel = _private_channel()
    orders = json.loads(sys.stdin.read())
    seeds = load_seeds(Path(orders["seeds_dir"]) if orders["seeds_dir"] else None)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        for index in orders["indices"]:
            case = make_case(orders["seed"], index, seeds)
            _tell(channel, {"began": index, "mutator": case.mutator, "seed_file": case.seed_name})
            row = drive(case, Path(scratch, str(index)))
            _tell(channel, {**row, "stderr_end": os.fstat(2).st_size})
            shutil.rmtree(Path(scratch, str(index)))


def drive(case: Case, scratch: Path) -> dict[str, Any]:
    """Put the file on disk, scan it, derive what was found, and say what became of it."""
    path, output = _write(case, scratch / "in"), scratch / "out"
    _forget_peak()
    started, children_peak_mib = time.perf_counter(), _children_peak_mib()
    outcome: dict[str, Any] = {"action": "", "reason": "", "derived": "", "problems": []}
    try:
        outcome |= _read_and_derive(case, path, output)
    except Exception:
        outcome["problems"] = ["exception"]
        outcome["detail"] = traceback.format_exc(limit=-4)
    seconds, later_peak_mib = time.perf_counter() - started, _children_peak_mib()
    return {
        "index": case.index,
        "mutator": case.mutator,
        "seed_file": case.seed_name,
        "n_bytes": len(case.mutant.content) + case.mutant.n_zeros,
        **outcome,
        "seconds": round(seconds, 4),
        "peak_mib": max(_own_peak_mib(), later_peak_mib if later_peak_mib > children_peak_mib else 0),
    }


def write_mutant(mutant: Mutant, folder: Path) -> Path:
    """Write a file; the zeros at its end take no room."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / mutant.name
    path.write_bytes(mutant.content)
    if mutant.n_zeros:
        os.truncate(path, len(mutant.content) + mutant.n_zeros)
    return path


def _write(case: Case, source: Path) -> Path:
    path = write_mutant(case.mutant, source)
    for place in range(1, 1 + _N_COMPANIONS if case.has_company else 1):
        (source / f"company{place}.dcm").write_bytes(sibling_file(place))
    return path


def _read_and_derive(case: Case, path: Path, output: Path) -> dict[str, Any]:
    result = scan(path.parent, repair_uids=case.repairs_uids, assume_hu=case.assumes_hu)
    own = next((record for record in result.records if record.path == path), FileRecord(path, "error"))
    broken = broken_by_scan(result.records, path.parent.iterdir())
    derivation = replace(_DERIVATION, options=case.options)
    derived = ""
    for number, series in enumerate(result.series):
        end, broken_here = _derive(series, output / str(number), derivation)
        broken |= broken_here
        derived = end if any(one.path == path for one in series.instances) else derived
    outcome = {"action": own.action, "reason": own.reason, "derived": derived, "problems": sorted(broken)}
    return outcome | ({"detail": broken} if broken else {})


def _derive(series: SeriesRef, target: Path, derivation: Derivation) -> tuple[str, Broken]:
    """Derive a series whose HU nobody changed; returns how it ended, and what it broke."""
    read: list[str] = []
    try:
        with DerivedSeriesWriter(series, target, derivation) as writer:
            for instance in series.instances:
                ct_slice = read_slice(instance)
                writer.add(ct_slice, ct_slice.hu)
                read.append(fingerprint(ct_slice))
    except (N2BError, OSError) as error:
        end = error.reason if isinstance(error, SeriesError) else type(error).__name__
        return end, broken_by_failure(target, str(error))
    return "done", broken_by_series(target, read)


def _private_channel() -> TextIO:
    """Keep the standard output for this module alone; prints of libraries go to standard error."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return channel


def _tell(channel: TextIO, what: dict[str, Any]) -> None:
    channel.write(json.dumps(what) + "\n")
    channel.flush()


def _forget_peak() -> None:
    """Let the peak of this process begin anew (Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _own_peak_mib() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def _children_peak_mib() -> int:
    """The largest child that ended so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024


if __name__ == "__main__":
    main()
