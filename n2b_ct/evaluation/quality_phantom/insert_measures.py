"""What one insert shows in repeated scans: HU, contrast, CNR, transfer function and d′ of two observers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from n2b_ct.config.quality_phantom import InsertSection
from n2b_ct.errors import DataError
from n2b_ct.evaluation.detectability import Detectability
from n2b_ct.evaluation.disks import Disk
from n2b_ct.evaluation.edge_fits import REACH_OF_RADIUS
from n2b_ct.evaluation.observers import cho, laguerre_gauss_channels, npw
from n2b_ct.evaluation.quality_phantom.estimates import NOTHING, Estimate, jackknifed
from n2b_ct.evaluation.quality_phantom.regions import Regions, Square
from n2b_ct.evaluation.quality_phantom.scans import Scan
from n2b_ct.evaluation.resolution import MAX_HALF_WIDTH_MM, Ttf, disk_ttf

T = TypeVar("T")

N_CHANNELS = 5
CHANNEL_WIDTH_PER_DIAMETER = 2.0 / 3.0
TTF_MARGIN_PX = 3

DEFINITIONS: dict[str, str] = {
    "insert_hu": "Mean inside 0.75 radius of the insert, mean over repeats; 95 % interval: jackknife over images.",
    "insert_contrast": (
        "Mean inside 0.75 radius − mean of the surroundings (from 1.5 px outside the edge to 1.6 radii, at least 4 px "
        "wide), signed; of a phantom scanned with and without inserts, minus the same at the same place without."
    ),
    "insert_cnr": (
        "Contrast / noise, signed as the contrast is. The noise is the standard deviation between repeats of the "
        "pixels of the surroundings; of a single image, that of the pixels there. It knows nothing of noise "
        "texture: a blur raises it."
    ),
    "insert_cho": (
        f"d′ of the channelised Hotelling observer as in FDA's LCD_CT: {N_CHANNELS} Laguerre-Gauss channels, 2/3 of "
        "the insert's diameter wide, squares without their mean, no internal noise. From the closed form that is free "
        "of the bias of few images (Wunderlich & Noo 2009); LCD_CT trains on one half of the images and tests on the "
        "other."
    ),
    "insert_npw": (
        "d′ of the non-prewhitening observer whose template is the nominal insert: sharp, of the nominal contrast, "
        "without its mean; no eye filter, no internal noise."
    ),
    "insert_absent": (
        "Regions without the insert are those of the scans without inserts at the same place; where there are none, "
        "squares of background at the same distance from the phantom's centre."
    ),
    "insert_ttf": (
        "Task transfer function of the insert, from the mean of the repeats (minus the mean without inserts, where "
        "that was scanned): at the insert's own contrast and noise, which is what a denoiser's resolution depends on."
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class InsertResult:
    """What one insert shows under one name.

    Attributes:
        ttf: Its transfer function; None where it cannot be measured, and ``ttf_remark`` says why.
        d_primes: Observer to its d′.
        remarks: Why numbers are missing.
    """

    insert: InsertSection
    nominal_contrast_hu: float
    hu: Estimate
    contrast_hu: Estimate
    cnr: Estimate
    noise_hu: Estimate
    ttf: Ttf | None
    d_primes: dict[str, Detectability]
    n_present: int
    n_absent: int
    remarks: tuple[str, ...] = ()


def measure_insert(scan: Scan, regions: Regions, insert: InsertSection) -> InsertResult:
    """Measure one insert.

    Raises:
        DataError: It is too small for the pixels.
    """
    core, ring = regions.core(insert), regions.ring(insert)
    inside, local = _means(scan.present.hu, core), _means(scan.present.hu, core) - _means(scan.present.hu, ring)
    without = None if scan.absent is None else _means(scan.absent.hu, core) - _means(scan.absent.hu, ring)
    variance = _variances(scan, ring)
    samples = [local] if without is None else [local, without]
    remarks: list[str] = []
    ttf = _or_remark(remarks, lambda: _ttf(scan, regions, insert))
    squares = _Squares(scan, regions, insert)
    d_primes = {}
    for name, observe in (("cho", squares.cho), ("npw", squares.npw)):
        found = _or_remark(remarks, observe)
        if found is not None:
            d_primes[name] = found
    return InsertResult(
        insert=insert,
        nominal_contrast_hu=regions.phantom.contrast_hu(insert),
        hu=jackknifed(np.mean, inside),
        contrast_hu=jackknifed(_contrast, *samples),
        cnr=_cnr(samples, variance),
        noise_hu=jackknifed(_root_mean, variance),
        ttf=ttf,
        d_primes=d_primes,
        n_present=len(squares.present),
        n_absent=len(squares.absent),
        remarks=tuple(dict.fromkeys(remarks)),
    )


class _Squares:
    """The observers' regions with and without an insert, each without its mean."""

    def __init__(self, scan: Scan, regions: Regions, insert: InsertSection) -> None:
        self.square: Square = regions.square(insert)
        self.regions, self.insert = regions, insert
        self.present = _levelled(self.square.cut(scan.present.hu))
        if scan.absent is not None:
            self.absent = _levelled(self.square.cut(scan.absent.hu))
        else:
            cut = [_levelled(one.cut(scan.present.hu)) for one in regions.empty_squares(insert)]
            self.absent = np.concatenate(cut) if cut else self.present[:0]

    def cho(self) -> Detectability:
        diameter_px = 2.0 * self.insert.radius_mm / float(np.mean(self.regions.pixel_mm))
        width_px = CHANNEL_WIDTH_PER_DIAMETER * diameter_px
        return cho(
            self.present,
            self.absent,
            laguerre_gauss_channels(self.square.size_px, width_px, N_CHANNELS, self.square.centre_px),
        )

    def npw(self) -> Detectability:
        return npw(self.present, self.absent, self.regions.template(self.insert, self.square))


def d_prime(observer: str) -> Callable[[InsertResult], Estimate | None]:
    """Read an observer's d′ off an insert's result."""

    def value(result: InsertResult) -> Estimate | None:
        found = result.d_primes.get(observer)
        return None if found is None else Estimate(found.d_prime, found.d_prime_low, found.d_prime_high)

    return value


def _ttf(scan: Scan, regions: Regions, insert: InsertSection) -> Ttf:
    reach_mm = insert.radius_mm + min(REACH_OF_RADIUS * insert.radius_mm, MAX_HALF_WIDTH_MM)
    row, col = regions.placement.insert_px(insert)
    half = [math.ceil(reach_mm / side) + TTF_MARGIN_PX for side in regions.pixel_mm]
    top, left = max(round(row) - half[0], 0), max(round(col) - half[1], 0)
    cut = np.s_[:, top : top + 2 * half[0] + 1, left : left + 2 * half[1] + 1]
    images = scan.present.hu[cut].astype(np.float64)
    if scan.absent is not None:
        images = images - scan.absent.hu[cut].mean(axis=0, dtype=np.float64)
    disk = Disk((row - top, col - left), insert.radius_mm, regions.phantom.contrast_hu(insert))
    return disk_ttf(images, disk, regions.pixel_mm)


def _or_remark(remarks: list[str], measure: Callable[[], T]) -> T | None:
    try:
        return measure()
    except DataError as error:
        remarks.append(str(error))
        return None


def _means(images_hu: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean of every image inside a mask, ``[images]``."""
    return np.asarray(images_hu[:, mask].mean(axis=1, dtype=np.float64))


def _variances(scan: Scan, ring: np.ndarray) -> np.ndarray:
    """Noise variance in the surroundings, one for every image, HU²."""
    noise_hu = scan.present.noise_hu
    if noise_hu is not None:
        return np.asarray(np.mean(noise_hu[:, ring].astype(np.float64) ** 2, axis=1))
    return np.asarray(np.var(scan.present.hu[:, ring].astype(np.float64), axis=1, ddof=1))


def _contrast(local: np.ndarray, without: np.ndarray | None = None) -> float:
    return float(local.mean() - (0.0 if without is None else without.mean()))


def _root_mean(variance: np.ndarray) -> float:
    return math.sqrt(float(variance.mean()))


def _cnr(samples: list[np.ndarray], variance: np.ndarray) -> Estimate:
    """Contrast over noise; an image's contrast and noise are left out together."""
    if not variance.all():
        return NOTHING
    local, *without = samples
    if len(variance) != len(local):
        return Estimate(_contrast(*samples) / _root_mean(variance))

    def ratio(pairs: np.ndarray, *absent: np.ndarray) -> float:
        return _contrast(pairs[:, 0], *absent) / _root_mean(pairs[:, 1])

    return jackknifed(ratio, np.stack([local, variance], axis=1), *without)


def _levelled(regions_hu: np.ndarray) -> np.ndarray:
    stack = regions_hu.astype(np.float64)
    return np.asarray(stack - stack.mean(axis=(1, 2), keepdims=True))
