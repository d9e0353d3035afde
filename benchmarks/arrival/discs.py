"""The row of the FDA's low-contrast phantom: how much of faint discs' contrast is kept, and are they still detected.

Discs are put into the scans without signal, so that the same noise is there with and without them: the contrast kept
is the mean of denoised-with minus denoised-without inside the disc, over its contrast. The phantom's own discs, with
other noise in every scan, are too few to tell 60 from 90 %. NLM is taken at the strength at which it leaves the same
noise as the model, for a filter that does nothing keeps all contrast.

Reference: DIDSR/LCD_CT, simulated MITA-LCD phantom, CC0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
from scipy import ndimage

from benchmarks.arrival.store import Scores, Store
from benchmarks.arrival.truth_scores import Denoise, Grid
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
        """As tables head it."""
        return f"{self.contrast_hu:g} HU, {2 * self.radius_px:g} px"


DISCS = (Disc(3.0, 8.0), Disc(5.0, 6.0), Disc(7.0, 4.0), Disc(12.0, 12.0))


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
        present: list[np.ndarray] = []
        absent: list[np.ndarray] = []
        kept = []
        signal, inside = _signal(disc)
        for scan, plain in zip(scans, without, strict=True):
            shown = denoise(scan + signal)
            kept.append(float((shown - plain)[inside].mean()) / disc.contrast_hu)
            present += [_region(shown, place) for place in PLACES_PX]
            absent += [_region(plain, place) for place in PLACES_PX]
        seen = cho(np.stack(present), np.stack(absent), disk_channels(REGION_PX, disc.radius_px), paired=True)
        found["contrast_kept"][disc.name] = round(fmean(kept), 3)
        found["d_prime"][disc.name] = [round(v, 2) for v in (seen.d_prime, seen.d_prime_low, seen.d_prime_high)]
    return found


def _signal(disc: Disc) -> tuple[np.ndarray, np.ndarray]:
    """Draw discs as the phantom's scans blur them, HU, and mark where they are whole."""
    rows, cols = np.mgrid[:SIZE_PX, :SIZE_PX]
    distance = np.min([np.hypot(rows - row, cols - col) for row, col in PLACES_PX], axis=0) - disc.radius_px
    sharp = np.clip(0.5 - distance, 0.0, 1.0) * disc.contrast_hu
    return ndimage.gaussian_filter(sharp, EDGE_SIGMA_PX).astype(np.float32), distance <= -1.0


def _region(hu: np.ndarray, place: tuple[int, int]) -> np.ndarray:
    half = REGION_PX // 2
    row, col = place
    return hu[row - half : row + half + 1, col - half : col + half + 1]


def _noise_hu(scans: Sequence[np.ndarray]) -> float:
    """Noise in the phantom's middle, over scans: what repeats is no noise."""
    middle = np.stack([one[FLAT] for one in scans]).astype(np.float64)
    return float(np.sqrt(middle.var(axis=0, ddof=1).mean()))
