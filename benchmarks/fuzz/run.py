"""All files of a run, shared out among driver processes."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from benchmarks.fuzz.watch import Row, watched_rows

_N_FILES_PER_DRIVER = 250


def fuzz(
    n_files: int, seed: int, *, seeds_dir: Path | None = None, n_workers: int = 1, done: Collection[int] = ()
) -> Iterator[Row]:
    """Yield one row per file that is not done yet, in the order in which they end.

    Args:
        n_files: Numbers 0 to here.
        seed: The same seed gives the same files.
        seeds_dir: Real files to start from as well.
        n_workers: Driver processes at a time.
        done: Numbers to leave out.

    Raises:
        RuntimeError: A driver cannot even start.
    """
    left = [index for index in range(n_files) if index not in done]
    batches = [left[start : start + _N_FILES_PER_DRIVER] for start in range(0, len(left), _N_FILES_PER_DRIVER)]
    rows: SimpleQueue[Row | None] = SimpleQueue()
    stop = threading.Event()

    def drive(batch: Sequence[int]) -> None:
        try:
            for row in watched_rows(seed, batch, seeds_dir):
                rows.put(row)
                if stop.is_set():
                    return
        finally:
            rows.put(None)

    with ThreadPoolExecutor(n_workers) as pool:
        try:
            futures = [pool.submit(drive, batch) for batch in batches]
            for _ in futures:
                yield from iter(rows.get, None)
            for future in futures:
                future.result()
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
