"""The row of digital patients: PSNR against the truth in every cell of region and dose, beside NLM, TV and BM3D."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.arrival.phantoms import PhantomCase, scanned, subjects
from benchmarks.arrival.store import Scores, Store
from benchmarks.arrival.truth_scores import (
    GRIDS,
    as_function,
    baseline_rows,
    input_rows,
    installed,
    mean_of,
    model_rows,
)
from n2b_ct.inference.denoiser import Denoiser

ROW = "phantoms"
DOSES = (0.05, 0.1, 0.25, 0.5)
KERNELS_IN_TURN = (
    ("smooth", "medium", "sharp", "edge-enhancing"),
    ("sharp", "edge-enhancing", "smooth", "medium"),
    ("medium", "smooth", "edge-enhancing", "sharp"),
)
"""Kernel of each dose; patients take turns."""
SIZE_PX = 256
N_SEEDS = 2
KEPT_NAME = "arrival_phantom_baselines.json"
MEASURES = ("psnr_db", "psnr_lung_db", "rmse_hu", "rmse_per_sigma", "soft_tissue_shift_hu", "detail_removed_percent")


def run_row(models: dict[str, Denoiser], store: Store, kept: Path, n_seeds: int = N_SEEDS) -> None:
    """Measure the input, baselines and models in every cell; subjects are made one after the other."""
    rows = []
    grids = installed(GRIDS)
    for cases in _cases(n_seeds):
        rows += [*input_rows(cases), *baseline_rows(cases, grids, kept / KEPT_NAME)]
        for name, model in models.items():
            rows += model_rows(cases, name, as_function(model))
    cells: dict[str, dict[str, Scores]] = {}
    for method in dict.fromkeys(row["method"] for row in rows):
        for region, dose in dict.fromkeys((row["region"], row["dose"]) for row in rows):
            own = [row for row in rows if (row["method"], row["region"], row["dose"]) == (method, region, dose)]
            means = {key: mean_of(own, key) for key in MEASURES}
            cells.setdefault(method, {})[f"{region}, {100 * dose:g} %"] = {
                key: None if mean is None else round(mean, 3) for key, mean in means.items()
            }
    for method, found in cells.items():
        store.put(ROW, method, found)


def _cases(n_seeds: int) -> Iterator[list[PhantomCase]]:
    for number, subject in enumerate(subjects(n_seeds)):
        yield list(scanned(subject, list(zip(KERNELS_IN_TURN[number % 3], DOSES, strict=True)), SIZE_PX))
