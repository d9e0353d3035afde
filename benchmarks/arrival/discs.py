"""The row of the FDA's low-contrast phantom: how much of faint discs' contrast is kept, and are they still detected.

Discs are put into the scans without signal, so that the same noise is there with and without them: the contrast kept
is the mean of denoised-with minus denoised-without inside the disc, over its contrast. The phantom's own discs, with
other noise in every scan, are too few to tell 60 from 90 %. NLM is taken at the strength at which it leaves the same
noise as the model, for a filter that does nothing keeps all contrast.

Reference: DIDSR/LCD_CT, simulated MITA-LCD phantom, CC0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from scipy import ndimage

from benchmarks.arrival.store import Scores, Store
from benchmarks.arrival.truth_scores import Denoise, Grid
from n2b_ct.evaluation.detectability import interval_around, jackknife_error
from n2b_ct.evaluation.observers import cho, disk_channels
from n2b_ct.inference.denoiser import Denoiser

ROW = "FDA low contrast"
DOSES = ("010", "055", "100")
SIZE_PX, N_SCANS = 256, 10
AIR_OFFSET_HU = 1000.0
EDGE_SIGMA_PX = 0.6
PLACES_PX = ((96, 96), (96, 160), (160, 96), (160, 160))
REGION_PX = 49
FLAT = (slice(104, 152), slice(104, 152))
NLM = Grid("nlm", (0.65, 0.8, 0.95, 1.1, 1.3))


@dataclass(frozen=True)
class Disc:
    """A faint disc."""

    contrast_hu: float
    radius_px: float

    @property
    def name(self) -> str:
        """As tables head it, with its diameter."""
        return f"{self.contrast_hu:g} HU, {2 * self.radius_px:g} px"


DISCS = (Disc(3.0, 8.0), Disc(5.0, 6.0), Disc(7.0, 4.0), Disc(12.0, 2.75))


def run_row(data_root: Path, models: dict[str, Denoiser], store: Store) -> None:
    """Measure the input, NLM at all strengths, and models, at three doses."""
    for dose in DOSES:
        _run_dose(f"{ROW}, dose {int(dose)}", read_scans(data_root, dose), models, store)


def _run_dose(row: str, scans: Sequence[np.ndarray], models: dict[str, Denoiser], store: Store) -> None:
    sigma_hu = _noise_hu(scans)

    def of_nlm(strength: float) -> Scores:
        return _scores(scans, partial(NLM.denoise, strength, sigma_hu))

    store.put(row, "input", store.once(f"{row}, input", lambda: _scores(scans, lambda hu: hu)))
    kept = [{**store.once(f"{row}, nlm {h:g}", partial(of_nlm, h)), "strength": h} for h in NLM.strengths]
    for name, model in models.items():
        scores = _scores(scans, partial(model.denoise, strength=1.0))
        store.put(row, name, scores)
        gaps = [abs(one["noise_hu"] - scores["noise_hu"]) for one in kept]
        store.put(row, f"nlm as quiet as {name}", kept[gaps.index(min(gaps))])


def read_scans(data_root: Path, dose: str) -> list[np.ndarray]:
    """Read the scans without signal, HU float32 ``[rows, cols]``."""
    folder = data_root / "ct_sim_lcd" / f"dose_{dose}_signal_absent"
    paths = [folder / f"signal_absent_{number:03d}.raw" for number in range(1, N_SCANS + 1)]
    stored = [np.fromfile(path, "<i2").reshape(SIZE_PX, SIZE_PX) for path in paths]
    return [(one - AIR_OFFSET_HU).astype(np.float32) for one in stored]


def _scores(scans: Sequence[np.ndarray], denoise: Denoise) -> Scores:
    without = [denoise(hu) for hu in scans]
    found: Scores = {"noise_hu": round(_noise_hu(without), 2), "contrast_kept": {}, "d_prime": {}}
    for disc in DISCS:
        signal, inside = _signal(disc)
        shown = [denoise(scan + signal) for scan in scans]
        kept = [float((one - plain)[inside].mean()) for one, plain in zip(shown, without, strict=True)]
        present, absent = (np.stack([_regions(one) for one in images]) for images in (shown, without))
        of_all, *of_others = (
            _d_prime(disc, np.delete(present, left_out, axis=0), np.delete(absent, left_out, axis=0))
            for left_out in ([], *([k] for k in range(len(scans))))
        )
        found["contrast_kept"][disc.name] = round(fmean(kept) / disc.contrast_hu, 3)
        found["d_prime"][disc.name] = {"all": round(of_all, 3), "without_scan": [round(one, 3) for one in of_others]}
    return found


def d_prime_difference(own: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[float, float, float]:
    """Difference of two methods' d′ on the same scans, with its 95 % interval by leaving each scan out."""
    difference = own["all"] - other["all"]
    without = np.array(own["without_scan"]) - np.array(other["without_scan"])
    low, high = interval_around(difference, jackknife_error([without]), len(without) - 1)
    return difference, low, high


def _d_prime(disc: Disc, present: np.ndarray, absent: np.ndarray) -> float:
    """CHO's d′ of regions ``[scans, places, rows, cols]``."""
    with_disc, without = (regions.reshape(-1, REGION_PX, REGION_PX) for regions in (present, absent))
    return cho(with_disc, without, disk_channels(REGION_PX, disc.radius_px), paired=True).d_prime


def _signal(disc: Disc) -> tuple[np.ndarray, np.ndarray]:
    """Draw discs as the phantom's scans blur them, HU, and mark where they are whole."""
    rows, cols = np.mgrid[:SIZE_PX, :SIZE_PX]
    distance = np.min([np.hypot(rows - row, cols - col) for row, col in PLACES_PX], axis=0) - disc.radius_px
    sharp = np.clip(0.5 - distance, 0.0, 1.0) * disc.contrast_hu
    return ndimage.gaussian_filter(sharp, EDGE_SIGMA_PX).astype(np.float32), distance <= -1.0


def _regions(hu: np.ndarray) -> np.ndarray:
    """Cut the squares around all places, ``[places, rows, cols]``."""
    half = REGION_PX // 2
    return np.stack([hu[row - half : row + half + 1, col - half : col + half + 1] for row, col in PLACES_PX])


def _noise_hu(scans: Sequence[np.ndarray]) -> float:
    """Noise in the phantom's middle, over scans: what repeats is no noise."""
    middle = np.stack([one[FLAT] for one in scans]).astype(np.float64)
    return float(np.sqrt(middle.var(axis=0, ddof=1).mean()))
