"""What every peer's script shares: the slice, the threads, the answer. Needs NumPy and torch alone."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

WARM_UP = 1


def measure(prepare: Callable[[np.ndarray], Callable[[], object]]) -> None:
    """Time what ``prepare`` makes of the slices; prints JSON with the seconds a slice.

    Called as ``script SLICES.npy THREADS TURNS``; slices are float32 HU ``[slices, rows, cols]``.
    """
    path, threads, turns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    slices = np.load(path)
    run = prepare(slices)
    for _ in range(WARM_UP):
        run()
    seconds = []
    for _ in range(turns):
        started = time.perf_counter()
        run()
        seconds.append((time.perf_counter() - started) / len(slices))
    print(json.dumps({"seconds": seconds, "median_s": statistics.median(seconds), "torch": torch.__version__}))
