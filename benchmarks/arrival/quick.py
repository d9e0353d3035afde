"""The statistics that recipes are chosen by, in two minutes on one core: phantoms alone, parts of slices, one strength.

from benchmarks.arrival.quick import quick_scores, summary_table
print(summary_table(quick_scores({"mine": model})))
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.arrival.phantoms import PhantomCase, scanned, sources_digest, subjects
from benchmarks.arrival.truth_scores import (
    QUICK_GRIDS,
    Denoise,
    as_function,
    baseline_rows,
    input_rows,
    mean_of,
    model_rows,
)
from n2b_ct.inference.denoiser import Denoiser
from n2b_ct.inference.model import Model

SIZE_PX = 256
VIEWS = (
    (("smooth", 0.5), ("medium", 0.25), ("sharp", 0.25), ("edge-enhancing", 0.5)),
    (("smooth", 0.1), ("medium", 0.5), ("sharp", 0.1), ("edge-enhancing", 0.25)),
    (("smooth", 0.25), ("medium", 0.05), ("sharp", 0.5), ("edge-enhancing", 0.1)),
)
"""Kernel and dose of the parts that are kept of each slice; subjects take turns."""
SIGMA_LIMITS_HU = (20.0, 40.0, 80.0)
KEPT = Path("runs/arrival")
"""Where cases and the scores of baselines are kept, so that the next run has only the models to do."""


def quick_scores(
    denoisers: Mapping[str, Denoise | Denoiser | Model], kept: Path = KEPT, n_seeds: int = 1
) -> list[dict[str, Any]]:
    """Score denoisers, the input and NLM at its best h on the quick set of phantoms.

    Args:
        denoisers: Name to a loaded model, a denoiser, or a function from HU ``[rows, cols]`` to HU.
        kept: Folder of what need not be made again.
        n_seeds: Patients of every region and age group.

    Returns:
        One row per slice and method: region, seed, kernel, dose, method, σ of the noise (RMS inside the patient),
        RMSE against the truth there, in HU and in units of σ, PSNR, shift of soft tissue, fine structure removed,
        seconds.
    """
    cases = quick_cases(kept, n_seeds)
    rows = [*input_rows(cases), *baseline_rows(cases, QUICK_GRIDS, kept / "quick_baselines.json")]
    for name, denoiser in denoisers.items():
        rows += model_rows(cases, name, as_function(denoiser))
    return rows


def quick_cases(kept: Path = KEPT, n_seeds: int = 1) -> list[PhantomCase]:
    """Make the quick set, or read it where the same code made it before."""
    path = kept / f"quick_{n_seeds}_{sources_digest()}.npz"
    if not path.is_file():
        kept.mkdir(parents=True, exist_ok=True)
        _write(path, list(_made(n_seeds)))
    return _read(path)


def summary_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Show the mean truth error in units of σ, by region, kernel and σ, and the means of all else, as Markdown."""
    methods = list(dict.fromkeys(row["method"] for row in rows if row["method"] != "input"))
    lines = [_line(["truth RMSE / σ", "n", *methods]), _line(["---"] * (2 + len(methods)))]
    for title, own in _groups([row for row in rows if row["method"] != "input"]):
        means = [mean_of([row for row in own if row["method"] == method], "rmse_per_sigma") for method in methods]
        lines.append(_line([title, str(len(own) // len(methods)), *[_number(one, 3) for one in means]]))
    lines += ["", _line(["all", "input", *methods]), _line(["---"] * (2 + len(methods)))]
    for key, decimals in _MEANS.items():
        means = [mean_of([row for row in rows if row["method"] == one], key) for one in ("input", *methods)]
        lines.append(_line([key, *[_number(one, decimals) for one in means]]))
    return "\n".join(lines) + "\n"


_MEANS = {
    "rmse_hu": 2,
    "psnr_db": 2,
    "psnr_lung_db": 2,
    "soft_tissue_shift_hu": 2,
    "detail_removed_percent": 1,
    "seconds": 3,
}


def _groups(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    yield "**all**", list(rows)
    for key in ("region", "kernel"):
        for value in dict.fromkeys(row[key] for row in rows):
            yield str(value), [row for row in rows if row[key] == value]
    limits = (0.0, *SIGMA_LIMITS_HU, float("inf"))
    for low, high in itertools.pairwise(limits):
        own = [row for row in rows if low <= row["sigma_hu"] < high]
        if own:
            yield f"σ {low:g} to {high:g} HU", own


def _made(n_seeds: int) -> Iterator[PhantomCase]:
    for number, subject in enumerate(subjects(n_seeds)):
        yield from scanned(subject, VIEWS[number % len(VIEWS)], SIZE_PX)


def _write(path: Path, cases: Sequence[PhantomCase]) -> None:
    facts = np.array([(one.region, one.seed, one.kernel, one.dose, one.pixel_mm) for one in cases], dtype=object)
    with path.open("wb") as file:
        np.savez(
            file,
            facts=facts.astype(str),
            noisy_hu=np.stack([one.noisy_hu for one in cases]),
            truth_hu=np.stack([one.truth_hu for one in cases]),
            is_body=np.stack([one.is_body for one in cases]),
        )


def _read(path: Path) -> list[PhantomCase]:
    with np.load(path) as found:
        facts, *images = (found[name] for name in ("facts", "noisy_hu", "truth_hu", "is_body"))
    return [
        PhantomCase(region, int(seed), kernel, float(dose), float(pixel_mm), *own)
        for (region, seed, kernel, dose, pixel_mm), *own in zip(facts.tolist(), *images, strict=True)
    ]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"
