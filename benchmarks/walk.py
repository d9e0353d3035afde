"""Which files and functions of n2b_ct a slice passes through on its way from its file to its denoised file.

    python -m benchmarks.walk INPUT MODEL [--files]

Denoises a copy of INPUT, a DICOM file or a series, with the tasks of worker processes done in this process. Prints how
many files and functions were called, and how often a header was parsed: how many data sets pydicom built of one file.
``--files`` lists the files. What is called while modules load does not count.
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

from n2b_ct.api.denoising import denoise
from n2b_ct.errors import SeriesError
from n2b_ct.io.sandbox import pool
from n2b_ct.io.sandbox.messages import Answer

PACKAGE = Path(__file__).resolve().parents[1] / "n2b_ct"


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--files", action="store_true", help="list the files")
    arguments = parser.parse_args()
    pool._shared[os.getpid()] = HereAndNow()  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in" / arguments.source.name
        copy = shutil.copytree if arguments.source.is_dir() else shutil.copy
        source.parent.mkdir()
        copy(arguments.source, source)
        denoise(arguments.source, Path(folder) / "first", model=arguments.model)  # loads what is loaded late
        with Walk() as walk:
            denoise(source, Path(folder) / "second", model=arguments.model)  # a copy: nothing of it is remembered
    if arguments.files:
        for file, n_functions in walk.files():
            print(f"{n_functions:4} {file}")
    n_dicom = sum("/io/dicom/" in file for file, _ in walk.files())
    print(f"{len(walk.files())} files, {n_dicom} of them in io/dicom; {len(walk.functions)} functions")
    print(f"a header is parsed {max(walk.parsed.values())} times")


if __name__ == "__main__":
    main()
