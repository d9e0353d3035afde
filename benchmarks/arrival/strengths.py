"""What each strength leaves of noise and texture, and how well a series finds its own best one, on digital patients.

    python -m benchmarks.arrival.strengths --model base

Two tables, ``benchmarks/results/strengths.md``. The first: σ and texture of what is left in flat tissue, and the error
against the truth, by strength. The second: how much larger the error in soft tissue is than at the strength that the
truth itself would choose, for fixed strengths, for ``auto``, and for generalised SURE with noise of the slice's own
calibration, s = ⟨z, (N(x + εz) − N(x))/ε⟩ / ⟨N, N⟩ over soft tissue.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from benchmarks.arrival.phantoms import PhantomCase, scanned, subjects
from benchmarks.results_files import write_results
from n2b_ct import api
from n2b_ct.errors import N2BError
from n2b_ct.evaluation.rois import find_flat_rois
from n2b_ct.evaluation.texture import compare_texture, noise_power
from n2b_ct.inference.model import Model
from n2b_ct.inference.slices import noise_hu
from n2b_ct.inference.strength import MIN_REGIONS, NoiseGoal, choose_strength, measure_regions
from n2b_ct.simulation.calibration import calibrate
from n2b_ct.simulation.calibration_regions import measure_regions as measure_noise
from n2b_ct.simulation.kernel_responses import KernelResponse, filters
from n2b_ct.simulation.noise_fields import Exposure, noise_fields
from n2b_ct.simulation.projection import ParallelBeam

COMMAND = "python -m benchmarks.arrival.strengths --model base"
FIRST_SEED = 3_000_000
VIEWS = (("smooth", 0.25), ("medium", 0.1), ("sharp", 0.5), ("edge-enhancing", 0.25))
"""Kernel and dose; each slice is seen through two of them in turn."""
STRENGTHS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 1.0)
SOFT_TISSUE_HU = (-150.0, 250.0)
LEAST_PX = 3000
SURE_STEP = 0.1
AUTO, SURE = "`auto`", "calibrated SURE"


@dataclass(frozen=True, eq=False)
class Found:
    """One slice through the model.

    Attributes:
        case: The slice and its truth.
        noise: What the model finds, HU.
        is_soft: Soft tissue of the denoised slice, away from its edges.
        chosen: Strength by name of what chose it.
    """

    case: PhantomCase
    noise: np.ndarray
    is_soft: np.ndarray
    chosen: dict[str, float]

    def rmse_hu(self, strength: float) -> float:
        """Error against the truth in soft tissue."""
        error = self.case.noisy_hu - strength * self.noise - self.case.truth_hu
        return float(np.sqrt(np.mean(error[self.is_soft] ** 2)))

    @property
    def best(self) -> float:
        """The strength from 0 to 1 of the least error."""
        error, noise = (self.case.noisy_hu - self.case.truth_hu)[self.is_soft], self.noise[self.is_soft]
        return float(np.clip(np.sum(error * noise, dtype=np.float64) / np.sum(noise**2, dtype=np.float64), 0.0, 1.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="base", help="base, a run folder or a model file")
    parser.add_argument("--seeds", type=int, default=1, help="patients of every region and age group")
    options = parser.parse_args()
    model = api.load(options.model).model
    found = list(_found(model, options.seeds))
    document = {
        "command": COMMAND,
        "model": {"name": model.name, "version": model.version, "digest": model.digest},
        "n_slices": len(found),
        "by_strength": [by_strength(found, strength) for strength in STRENGTHS],
        "choice": choices(found),
    }
    write_results("strengths", document, _tables(document))


def by_strength(found: Sequence[Found], strength: float) -> dict[str, float]:
    """Return what a strength leaves: means over the slices, σ and texture in flat soft tissue."""
    kept, shifts = [], []
    for one in found:
        rois, pixel_mm = find_flat_rois(one.case.noisy_hu), (one.case.pixel_mm, one.case.pixel_mm)
        if not rois.corners:
            continue
        before = noise_power(rois.cut(one.case.noisy_hu - one.case.truth_hu), pixel_mm)
        left = one.case.noisy_hu - strength * one.noise - one.case.truth_hu
        change = compare_texture(before, noise_power(rois.cut(left), pixel_mm))
        kept.append(1.0 - (change.noise_reduction_percent or 0.0) / 100.0)
        shifts.append(change.mean_frequency_shift_percent or 0.0)
    return {
        "strength": strength,
        "noise_kept": float(np.mean(kept)),
        "mean_frequency_shift_percent": float(np.mean(shifts)),
        "error_kept": float(np.mean([one.rmse_hu(strength) / one.rmse_hu(0.0) for one in found])),
    }


def choices(found: Sequence[Found]) -> list[dict[str, Any]]:
    """Return for every way to choose a strength how much larger the error is than at the truth's own choice."""
    ways: dict[str, Callable[[Found], float | None]] = {f"{s:g}": lambda _, s=s: s for s in (1.0, 0.9, 0.85, 0.8)}
    ways |= {name: lambda one, name=name: one.chosen.get(name) for name in (AUTO, SURE)}
    rows = []
    for name, way in ways.items():
        pairs = [(one, strength) for one in found if (strength := way(one)) is not None]
        excess = [100.0 * (one.rmse_hu(strength) / one.rmse_hu(one.best) - 1.0) for one, strength in pairs]
        rows.append(
            {
                "choice": name,
                "n_slices": len(pairs),
                "mean_excess_percent": float(np.mean(excess)),
                "90th_percentile_percent": float(np.quantile(excess, 0.9)),
                "most_percent": float(np.max(excess)),
                "mean_deviation": float(np.mean([strength - one.best for one, strength in pairs])),
                "worse_than_1": float(np.mean([one.rmse_hu(s) > 1.001 * one.rmse_hu(1.0) for one, s in pairs])),
            }
        )
    return rows


def _found(model: Model, n_seeds: int) -> Iterator[Found]:
    for number, subject in enumerate(subjects(n_seeds, FIRST_SEED)):
        for case in scanned(subject, [VIEWS[(number + k) % len(VIEWS)] for k in (0, 2)]):
            noise = noise_hu(model, case.noisy_hu)
            denoised = case.noisy_hu - noise
            is_soft = (denoised > SOFT_TISSUE_HU[0]) & (denoised < SOFT_TISSUE_HU[1]) & case.is_body
            is_soft = ndimage.binary_erosion(is_soft, iterations=2)
            if np.count_nonzero(is_soft) >= LEAST_PX:
                yield Found(case, noise, is_soft, dict(_chosen(model, case, noise, is_soft)))


def _chosen(model: Model, case: PhantomCase, noise: np.ndarray, is_soft: np.ndarray) -> Iterator[tuple[str, float]]:
    regions = measure_regions(model, [(case.noisy_hu, None)])
    if len(regions) >= MIN_REGIONS:
        yield AUTO, choose_strength(regions, NoiseGoal(), 1.0).share
    try:
        yield SURE, _by_sure(model, case, noise, is_soft)
    except N2BError:  # nothing to calibrate on
        return


def _by_sure(model: Model, case: PhantomCase, noise: np.ndarray, is_soft: np.ndarray) -> float:
    """Choose by generalised SURE: noise of the slice's own calibration says how N answers to noise."""
    beam = ParallelBeam.for_image(len(case.noisy_hu), case.pixel_mm)
    calibration = calibrate([measure_noise(case.noisy_hu, case.pixel_mm)], beam, 3.0)
    exposure = Exposure(calibration.photons, calibration.electronic_variance)
    denoised = np.asarray(case.noisy_hu - noise, np.float32)
    (field,) = noise_fields(denoised, case.pixel_mm, [exposure], np.random.default_rng(case.seed))
    kernel = filters([KernelResponse.of_texture(calibration.texture)], len(field)).noise[0]
    z = np.fft.irfft2(np.fft.rfft2(field) * kernel, field.shape).astype(np.float32)
    answer = (noise_hu(model, case.noisy_hu + SURE_STEP * z) - noise) / SURE_STEP
    share = np.sum((z * answer)[is_soft], dtype=np.float64) / np.sum(noise[is_soft] ** 2, dtype=np.float64)
    return float(np.clip(share, 0.0, 1.0))


def _tables(document: dict[str, Any]) -> str:
    model = document["model"]
    lines = [
        f"{document['n_slices']} slices of digital patients and piglets that no training has seen; model "
        f"{model['name']} {model['version']}, {model['digest'][:12]}. `{COMMAND}`",
        "",
        "| strength | σ left in flat tissue | its mean frequency | error left in soft tissue |",
        "|---|---|---|---|",
    ]
    for row in document["by_strength"]:
        lines.append(
            f"| {row['strength']:g} | {row['noise_kept']:.2f} × | {row['mean_frequency_shift_percent']:+.0f} % "
            f"| {row['error_kept']:.3f} × |"
        )
    lines += [
        "",
        "| strength | slices | error above the best, mean | 90th percentile | most | worse than strength 1 |",
        "|---|---|---|---|---|---|",
    ]
    for row in document["choice"]:
        lines.append(
            f"| {row['choice']} | {row['n_slices']} | {row['mean_excess_percent']:.1f} % "
            f"| {row['90th_percentile_percent']:.1f} % | {row['most_percent']:.1f} % | {row['worse_than_1']:.0%} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
