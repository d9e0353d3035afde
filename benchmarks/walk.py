"""Which files and functions of n2b_ct a slice passes through on its way from its file to its denoised file.

    python -m benchmarks.walk INPUT MODEL [--files] [--write]

Denoises a copy of INPUT, a DICOM file or a series, with the tasks of worker processes done in this process. Prints how
many files and functions were called, how many of the files only load the model (nothing in them is called where it is
loaded before), and how often a header was parsed: how many data sets pydicom built of one file. ``--files`` lists the
files. ``--write`` writes ``results/walk.json`` and ``results/walk.md``. What is called while modules load does not
count.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from pydicom.dataset import Dataset, FileDataset

from benchmarks.results_files import write_results
from n2b_ct.api.denoising import denoise, load
from n2b_ct.errors import SeriesError
from n2b_ct.io.sandbox import pool
from n2b_ct.io.sandbox.messages import Answer

PACKAGE = Path(__file__).resolve().parents[1] / "n2b_ct"

BEFORE = {"files": 66, "functions": 382, "parses": 2}
"""By this script for a native slice, before the package was rearranged; a slice of JPEG 2000 was parsed 3 times."""


class Walk:
    """What is called while a block runs, by files."""

    def __init__(self) -> None:
        self.functions: set[tuple[str, str]] = set()
        self.n_calls = 0
        self.parsed: Counter[str] = Counter()
        self._callers: set[tuple[str, str]] = set()

    def __enter__(self) -> Walk:
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if event != "call":
            return
        code = frame.f_code
        if code is FileDataset.__init__.__code__ and isinstance(frame.f_locals["dataset"], Dataset):  # not one frame's
            self.parsed[str(frame.f_locals["filename_or_obj"])] += 1
        if code.co_filename.startswith(str(PACKAGE)) and not code.co_name.startswith("<"):
            self.functions.add((os.path.relpath(code.co_filename, PACKAGE.parent), code.co_qualname))

    def files(self) -> list[tuple[str, int]]:
        """Each file and how many of its functions were called."""
        return sorted(Counter(file for file, _ in self.functions).items())


class HereAndNow:
    """A sandbox without processes: one reader, in this one."""

    def ask(self, task: str, **arguments: Any) -> Answer:
        """Run one task."""
        module, _, function = task.partition(":")
        answer: Answer = getattr(importlib.import_module(module), function)(**arguments)
        return answer

    def ask_each(self, task: str, items: Iterable[dict[str, Any]], **_: int) -> Iterator[Answer | SeriesError]:
        """Run a task on each item."""
        for item in items:
            try:
                yield self.ask(task, **item)
            except SeriesError as error:
                yield error


def measured(source: Path, model: Path) -> tuple[Walk, Walk]:
    """Return the walk of a call that loads the model, and that of one that is given a loaded model."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder)
        denoise(source, outputs / "first", model=model)  # loads what is loaded late
        loaded = load(model)
        with Walk() as whole:
            denoise(_copy(source, outputs / "a"), outputs / "second", model=model)
        with Walk() as of_slices:
            denoise(_copy(source, outputs / "b"), outputs / "third", model=loaded)
    return whole, of_slices


def _copy(source: Path, folder: Path) -> Path:
    """Return the path of a copy: nothing of it is remembered."""
    folder.mkdir()
    copy = shutil.copytree if source.is_dir() else shutil.copy
    return Path(copy(source, folder / source.name))


def counts(whole: Walk, of_slices: Walk) -> dict[str, Any]:
    """Return what the tables show."""
    files, on_the_way = ({file for file, _ in walk.functions} for walk in (whole, of_slices))
    return {
        "files": len(files),
        "files_that_only_load_the_model": len(files - on_the_way),
        "files_in_io_dicom": sum("/io/dicom/" in file for file in files),
        "functions": len(whole.functions),
        "parses": max(whole.parsed.values()),
    }


def table(now: dict[str, Any]) -> str:
    """Return the numbers before and now as Markdown."""
    rows = [
        ("files", BEFORE["files"], now["files"]),
        ("of them only to load the model", "–", now["files_that_only_load_the_model"]),
        ("of them in `io/dicom`", "–", now["files_in_io_dicom"]),
        ("functions", BEFORE["functions"], now["functions"]),
        ("parses of a header", BEFORE["parses"], now["parses"]),
    ]
    lines = [
        "What a native CT slice passes through from its file to its denoised file; `python -m benchmarks.walk`.",
        "",
    ]
    lines += ["| | before the package was rearranged | now |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {name} | {before} | {number} |" for name, before, number in rows)]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--files", action="store_true", help="list the files")
    parser.add_argument("--write", action="store_true", help="write results/walk.json and results/walk.md")
    arguments = parser.parse_args()
    pool._shared[os.getpid()] = HereAndNow()  # type: ignore[assignment]
    whole, of_slices = measured(arguments.source, arguments.model)
    now = counts(whole, of_slices)
    if arguments.files:
        on_the_way = dict(of_slices.files())
        for file, n_functions in whole.files():
            print(f"{n_functions:4} {file}{'' if file in on_the_way else '  (only loads the model)'}")
    print(
        f"{now['files']} files; of these {now['files_that_only_load_the_model']} only load the model, "
        f"{now['files_in_io_dicom']} lie in io/dicom; {now['functions']} functions"
    )
    print(f"a header is parsed {now['parses']} times")
    if arguments.write:
        files = [{"file": file, "functions": n_functions} for file, n_functions in whole.files()]
        write_results("walk", {"before": BEFORE, "now": now, "files": files}, table(now))


if __name__ == "__main__":
    main()
