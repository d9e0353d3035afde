"""Digital patients scanned at a known dose with a known kernel: noisy slices with their noise-free truth.

The seeds begin at :data:`FIRST_SEED`; trainings stay below it. The kernels are defined here and in mm, apart from those
that a training draws from, and the noise is made here from the projections of the very slice that carries it::

    p       line integrals of the slice
    noise   M * FBP( sqrt(e^p / (a·I0)) · n1 + sqrt(Ne) · e^p / (a·I0) · n2 ),  n1, n2 white
    truth   M * detector blur * slice

I0 is chosen slice by slice, as tube current modulation does, so that the full dose shows the patient's own noise level
under the smoothest kernel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import fft, ndimage

from n2b_ct.phantom import anatomy
from n2b_ct.phantom.patients import AGE_GROUPS, REGIONS, draw_patient
from n2b_ct.phantom.piglet_plan import FIELD_OF_VIEW_MM
from n2b_ct.simulation.dose import WATER_PER_MM, attenuation_per_mm
from n2b_ct.simulation.projection import ParallelBeam, filtered_back_project, forward_project

FIRST_SEED = 1_000_000
SIZE_PX = 512
THICKNESS_MM = 3.0
DETECTOR_BLUR_MM = 0.3
ELECTRONIC_VARIANCE = 20.0
"""Of a ray, photons², whatever the tube current."""
MOST_INTEGRAL = 9.0
"""Longer line integrals count as this: detectors end there."""
FULL_DOSE_NOISE_HU = (8.0, 14.0)
"""Range of a patient's noise at full dose under the smoothest kernel, in the median soft tissue of the slice."""
STORED_HU = (-1024.0, 3071.0)
"""HU of 12 stored bits; scanners clip noise in air as well."""
PIGLET_Z_MM = {
    "piglet head": (60.0, 150.0),
    "piglet thorax": (280.0, 340.0),
    "piglet abdomen": (380.0, 470.0),
    "piglet pelvis": (490.0, 540.0),
}
PIXEL_MM = {
    "head": (0.42, 0.5),
    "neck": (0.5, 0.75),
    "thorax": (0.65, 0.85),
    "abdomen": (0.65, 0.9),
    "pelvis": (0.7, 0.9),
    "extremities": (0.4, 0.75),
}
"""Range of a region's pixel sizes in adults; children are drawn at seven tenths of it, infants at half."""
AGE_SCALE = {"adult": 1.0, "child": 0.7, "infant": 0.5}
BODY_ABOVE_HU = -300.0

Response = Callable[[np.ndarray], np.ndarray]


def _falling(half_per_mm: float, power: float) -> Response:
    """Fall to one half at a frequency, as steeply as the power says."""
    return lambda f_per_mm: np.exp(-np.log(2.0) * (f_per_mm / half_per_mm) ** power)


def _lung(f_per_mm: np.ndarray) -> np.ndarray:
    """Overshoot at middle frequencies, as edge-enhancing kernels do."""
    hump = (f_per_mm / 0.42) ** 2 * np.exp(1.0 - (f_per_mm / 0.42) ** 2)
    return (1.0 + 0.35 * hump) * np.exp(-np.log(2.0) * (f_per_mm / 0.8) ** 6)


KERNELS: dict[str, Response] = {
    "smooth": _falling(0.33, 2.0),
    "medium": _falling(0.45, 2.8),
    "sharp": _falling(0.58, 4.0),
    "edge-enhancing": _lung,
}
SMOOTHEST = "smooth"


@dataclass(frozen=True, eq=False)
class PhantomCase:
    """One noisy slice of a phantom and its truth.

    Attributes:
        region: Part of the body, with its age group or animal.
        seed: Of the patient.
        kernel: Of the reconstruction.
        dose: Fraction of the full dose.
        pixel_mm: Pixel size.
        noisy_hu, truth_hu: HU, float32 ``[rows, cols]``.
        is_body: True in the patient, lungs and bowel gas included.
    """

    region: str
    seed: int
    kernel: str
    dose: float
    pixel_mm: float
    noisy_hu: np.ndarray
    truth_hu: np.ndarray
    is_body: np.ndarray

    @cached_property
    def digest(self) -> str:
        """Names the pixels."""
        return hashlib.sha256(
            b"".join(one.tobytes() for one in (self.noisy_hu, self.truth_hu, self.is_body))
        ).hexdigest()[:16]


@dataclass(frozen=True)
class Subject:
    """One slice to scan: where it comes from and how it is drawn.

    Attributes:
        region: As :class:`PhantomCase` says it.
        seed: Of the patient.
        pixel_mm: Pixel size.
        draw: Draws the sharp noise-free slice, HU ``[rows, cols]``.
    """

    region: str
    seed: int
    pixel_mm: float
    draw: Callable[[], np.ndarray]


def subjects(n_seeds: int = 1, first_seed: int = FIRST_SEED) -> Iterator[Subject]:
    """Draw slices of every region and age group of the patients that there are, then of the piglet."""
    for k in range(n_seeds):
        yield from _patients(first_seed + k)
        yield from _piglets(first_seed + k)


def body_mask(hu: np.ndarray) -> np.ndarray:
    """Mark the patient with all that is inside, bool ``[rows, cols]``; the table is thinner than the opening."""
    solid = ndimage.binary_opening(ndimage.gaussian_filter(hu, 1.5) > BODY_ABOVE_HU, iterations=6)
    return np.asarray(ndimage.binary_fill_holes(solid))


def scanned(subject: Subject, views: Sequence[tuple[str, float]], size_px: int | None = None) -> Iterator[PhantomCase]:
    """Scan one slice with several pairs of kernel and dose; every pair has noise of its own.

    Args:
        subject: The slice.
        views: (kernel, dose fraction).
        size_px: Side of the part that is kept, the one of several that holds most of the patient; all where None.
    """
    rng = np.random.default_rng(np.random.SeedSequence(subject.seed, spawn_key=tuple(subject.region.encode())))
    sharp = subject.draw()
    is_body = body_mask(sharp)
    quantum, electronic = _ramp_fields(sharp, subject.pixel_mm, len(views), rng)
    part = _part(is_body, size_px, rng)
    level_hu = rng.uniform(*FULL_DOSE_NOISE_HU)
    smooth = filtered(quantum[0], subject.pixel_mm, KERNELS[SMOOTHEST])
    photons = (np.median(_local_noise(smooth)[is_body]) / level_hu) ** 2
    for k, (kernel, dose) in enumerate(views):
        noise = quantum[k] / np.sqrt(dose * photons) + electronic[k] * np.sqrt(ELECTRONIC_VARIANCE) / (dose * photons)
        noise = filtered(noise, subject.pixel_mm, KERNELS[kernel])
        truth = filtered(sharp, subject.pixel_mm, _with_blur(KERNELS[kernel], DETECTOR_BLUR_MM))
        noisy, truth = (np.clip(one, *STORED_HU)[part] for one in (truth + noise, truth))
        yield PhantomCase(subject.region, subject.seed, kernel, dose, subject.pixel_mm, noisy, truth, is_body[part])


def filtered(image: np.ndarray, pixel_mm: float, response: Response) -> np.ndarray:
    """Multiply an image's spectrum by a radial response of cycles per mm, float32 of the same shape."""
    margin = 16
    wide = np.pad(image, margin, mode="reflect")
    rows, cols = (fft.fftfreq(n, pixel_mm) for n in wide.shape)
    spectrum = fft.rfft2(wide.astype(np.float32))
    spectrum *= response(np.hypot(rows[:, None], np.abs(cols[: spectrum.shape[1]]))).astype(np.float32)
    return np.asarray(fft.irfft2(spectrum, wide.shape)[margin:-margin, margin:-margin], np.float32)


def sources_digest() -> str:
    """Name the code that draws phantoms and makes their noise: where it changes, kept cases are made anew."""
    root = Path(anatomy.__file__).parents[1]
    files = [*sorted((root / "phantom").rglob("*.py")), root / "simulation" / "projection.py", Path(__file__)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def _patients(seed: int) -> Iterator[Subject]:
    for age_group in AGE_GROUPS:
        for region in REGIONS:
            yield _patient_slice(seed, region, age_group)


def _patient_slice(seed: int, region: str, age_group: str) -> Subject:
    rng = np.random.default_rng((seed, *region.encode(), *age_group.encode()))
    pixel_mm = round(AGE_SCALE[age_group] * rng.uniform(*PIXEL_MM[region]), 3)
    share = rng.uniform(0.1, 0.9)

    def draw() -> np.ndarray:
        patient = draw_patient(seed, region, age_group)
        first, last = patient.z_range_mm
        z_mm = first + share * (last - first)
        return patient.slice_hu(z_mm, size_px=SIZE_PX, pixel_mm=pixel_mm, thickness_mm=THICKNESS_MM)

    return Subject(region if age_group == "adult" else f"{region}, {age_group}", seed, pixel_mm, draw)


def _piglets(seed: int) -> Iterator[Subject]:
    animal: list[anatomy.Animal] = []
    for region, (first, last) in PIGLET_Z_MM.items():
        z_mm = np.random.default_rng((seed, *region.encode())).uniform(first, last)

        def draw(z_mm: float = z_mm) -> np.ndarray:
            if not animal:
                animal.append(anatomy.grow_animal(seed))
            return anatomy.slice_hu(animal[0], z_mm, SIZE_PX, FIELD_OF_VIEW_MM)

        yield Subject(region, seed, FIELD_OF_VIEW_MM / SIZE_PX, draw)


def _ramp_fields(
    sharp_hu: np.ndarray, pixel_mm: float, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Reconstruct the two parts of the noise with the bare ramp, for I0 = Ne = 1; HU ``[n, rows, cols]`` each."""
    beam = ParallelBeam.for_image(len(sharp_hu), pixel_mm)
    inverse = np.exp(np.minimum(forward_project(attenuation_per_mm(sharp_hu), beam), np.float32(MOST_INTEGRAL)))
    scales = [np.sqrt(inverse)] * n + [inverse] * n
    noises = np.stack([scale * rng.standard_normal(inverse.shape, np.float32) for scale in scales])
    fields = filtered_back_project(noises, beam) * np.float32(1000.0 / WATER_PER_MM)
    return fields[:n], fields[n:]


def _local_noise(field: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(ndimage.gaussian_filter(field**2, 8.0)))


def _with_blur(response: Response, sigma_mm: float) -> Response:
    return lambda f_per_mm: response(f_per_mm) * np.exp(-2.0 * (np.pi * sigma_mm * f_per_mm) ** 2)


def _part(is_body: np.ndarray, size_px: int | None, rng: np.random.Generator) -> tuple[slice, slice]:
    """Choose a square part, the one of nine at random that holds most of the patient."""
    if size_px is None:
        return slice(None), slice(None)
    corners = rng.integers(0, [side - size_px + 1 for side in is_body.shape], (9, 2))
    parts = [(slice(r, r + size_px), slice(c, c + size_px)) for r, c in corners.tolist()]
    return max(parts, key=lambda part: int(is_body[part].sum()))
