"""One pass of a slice of 512 x 512 against scikit-image's fast NLM (5, 6), in turns, on the same threads."""

from __future__ import annotations

import time
from statistics import median

import numpy as np
import torch

from benchmarks.arrival.store import Store
from benchmarks.arrival.truth_scores import Denoise, Grid
from n2b_ct.inference.denoiser import Denoiser

ROW = "time of 512²"
SIZE_PX, N_ROUNDS = 512, 7
NLM = Grid("nlm", (0.8,))


def run_row(models: dict[str, Denoiser], store: Store) -> None:
    """Time NLM and models in turns, after a warm-up."""
    hu = np.random.default_rng(0).normal(40.0, 30.0, (SIZE_PX, SIZE_PX)).astype(np.float32)
    methods: dict[str, Denoise] = {"nlm": lambda hu: NLM.denoise(0.8, 30.0, hu)}
    methods |= {name: model.noise for name, model in models.items()}
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for number in range(N_ROUNDS + 1):
        for name, denoise in methods.items():
            start = time.perf_counter()
            denoise(hu)
            if number:
                seconds[name].append(time.perf_counter() - start)
    nlm = median(seconds["nlm"])
    for name, own in seconds.items():
        facts = {"seconds": round(median(own), 4), "of_nlm": round(median(own) / nlm, 3)}
        store.put(ROW, name, {**facts, "threads": torch.get_num_threads()})
