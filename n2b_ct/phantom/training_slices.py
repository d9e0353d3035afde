"""Slices of digital patients with noise fields, made once by worker processes and kept in a folder.

::

    <folder>/settings.json      what the slices follow from
    <folder>/train-thorax-00012.npy     int16 [1 + fields, rows, cols]: noise-free HU in quarters; noise fields in
                                        thousandths of their own standard deviation in the body
    <folder>/train-thorax-00012.json    facts about it; written last, so that a slice without them is made again

A slice follows from the settings, its part of the body and its number alone, so a killed run goes on where it stopped,
more slices or parts are added to those that are there, and several runs may share one folder.

Half of the patients are adults. Every slice of a patient has the same pixel size, such that the body fills the image
more or less, as on a scanner, and its own thickness.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.ndimage import binary_erosion

from n2b_ct.errors import DataError, OutputError, explain
from n2b_ct.io.atomic import write_atomically, write_text_atomically
from n2b_ct.io.json_files import read_json
from n2b_ct.io.progress import Progress
from n2b_ct.phantom.subjects import REGIONS, Subject, draw_subject
from n2b_ct.simulation.body_cells import body_cells
from n2b_ct.simulation.kernel_responses import log_uniform
from n2b_ct.simulation.noise_fields import draw_exposure, noise_fields
from n2b_ct.simulation.ordered_pool import OrderedPool

__all__ = [
    "HU_UNIT",
    "NOISE_UNIT",
    "REGIONS",
    "SliceName",
    "SliceRole",
    "SliceSettings",
    "StoredSlice",
    "make_slices",
    "region_problems",
    "slices_folder",
]

SliceRole = Literal["train", "validation"]

FORMAT = 5
"""Counts how often the slices of equal settings have changed."""
N_SEEDS = 1_000_000
"""Seeds of patients to learn from lie below; those that denoisers are judged by, above."""
HU_UNIT = 0.25
NOISE_UNIT = 1e-3
PIXELS_MM = (0.35, 0.95)
THICKNESSES_MM = (0.6, 5.0)

_SLICES_PER_PATIENT = 4
_AGE_GROUPS, _AGE_SHARES = ("adult", "child", "infant"), (0.5, 0.3, 0.2)
_BODY_ABOVE_HU = -300.0
_COARSE_PX, _COARSE_MM = 128, 4.0
_WIDTH_HEIGHTS, _FILLED = (0.25, 0.5, 0.75), (0.7, 1.1)
_SETTINGS_FILE = "settings.json"


@dataclass(frozen=True, slots=True)
class SliceSettings:
    """What slices follow from.

    Attributes:
        seed: Names the patients and their scans.
        size_px: Rows and columns.
        n_noise_fields: Noise fields of a slice; 0: none.
    """

    seed: int = 0
    size_px: int = 512
    n_noise_fields: int = 2

    @property
    def digest(self) -> str:
        """Of the settings; folders are named by it."""
        return hashlib.sha256(self._text.encode()).hexdigest()[:16]

    @property
    def _text(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)

    def write(self, folder: Path) -> None:
        """Write them into a folder, which is made.

        Raises:
            OutputError: It cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            remedy = "choose another place"
            raise OutputError(explain(str(folder), "must be writable", error.strerror, remedy)) from error
        write_text_atomically(folder / _SETTINGS_FILE, self._text + "\n")


@dataclass(frozen=True, slots=True)
class StoredSlice:
    """A slice in the folder.

    Attributes:
        path: The file of its pixels.
        facts: ``region``, ``pixel_mm``, ``thickness_mm``, ``field_std_hu`` of each noise field in the body, ``cells``
            that hold some of the body, ``digest`` of the pixels.
    """

    path: Path
    facts: dict[str, Any]

    def pixels(self) -> np.ndarray:
        """Map its pixels into memory, int16 ``[1 + fields, rows, cols]``.

        Raises:
            DataError: The file is damaged.
        """
        try:
            found: np.ndarray = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(
                explain(str(self.path), "must hold a slice", "damage", "remove it, to make it again")
            ) from error
        return found

    @property
    def cells(self) -> np.ndarray:
        """Row and column of each square that the body has a share in, ``[n, 2]``."""
        n_cells = self.facts["n_cells"]
        bits = np.frombuffer(bytes.fromhex(self.facts["cells"]), np.uint8)
        return np.argwhere(np.unpackbits(bits, count=n_cells**2).reshape(n_cells, n_cells))


def slices_folder(root: Path | None, settings: SliceSettings) -> Path:
    """Return where slices are kept: below the folder given, else below ``n2b-ct`` in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "n2b-ct"
    return (root or cache) / f"phantoms-{settings.digest}"


def region_problems(subject: str, names: Sequence[str]) -> list[str]:
    """Return a line where some are no parts of the body; ``subject`` is the key that names them."""
    unknown = [name for name in names if name not in REGIONS]
    requirement = f"must be some of {', '.join(REGIONS)}"
    return [explain(subject, requirement, ", ".join(unknown), "name others")] if unknown else []


def make_slices(
    folder: Path,
    settings: SliceSettings,
    role: SliceRole,
    n_slices: int,
    *,
    regions: Sequence[str] = REGIONS,
    n_workers: int | None = None,
    progress: Progress | None = None,
) -> list[StoredSlice]:
    """Make the slices of a role that the folder does not hold yet.

    Args:
        folder: Where they are kept.
        settings: What they follow from.
        role: ``train`` or ``validation``; they show different patients.
        n_slices: How many there must be.
        regions: Parts of the body, in turn.
        n_workers: Processes; None: one per core.
        progress: Called with (slices done, all, what).

    Raises:
        DataError: There is no such region.
        OutputError: The folder cannot be written, or a worker failed.
    """
    settings.write(folder)
    names = [SliceName.at(role, regions, k) for k in range(n_slices)]
    missing = [name for name in names if _stored(folder, name) is None]
    n_done, by_patient = n_slices - len(missing), _by_patient(missing)
    n_processes = min(n_workers or os.cpu_count() or 1, len(by_patient))
    with OrderedPool(n_processes) as pool:
        tasks = ((len(of_one), (of_one,)) for of_one in by_patient)
        for n_made, _ in pool.map(partial(_make, folder, settings), tasks):
            n_done += n_made
            if progress is not None:
                progress(n_done, n_slices, "phantoms")
    return [stored for name in names if (stored := _stored(folder, name)) is not None]


@dataclass(frozen=True, slots=True)
class SliceName:
    """Which slice.

    Attributes:
        role: ``train`` or ``validation``.
        region: Part of the body.
        number: Counts the slices of this part.
    """

    role: SliceRole
    region: str
    number: int

    @classmethod
    def at(cls, role: SliceRole, regions: Sequence[str], index: int) -> SliceName:
        """Return the slice at a place of a role, where patients of all parts of the body take turns."""
        patient, slice_of_it = divmod(index, _SLICES_PER_PATIENT)
        patient_of_region, region = divmod(patient, len(regions))
        return cls(role, regions[region], patient_of_region * _SLICES_PER_PATIENT + slice_of_it)

    @property
    def patient(self) -> int:
        """Counts the patients of this part of the body."""
        return self.number // _SLICES_PER_PATIENT

    def path(self, folder: Path) -> Path:
        """The file of its pixels."""
        return folder / f"{self.role}-{self.region}-{self.number:05d}.npy"

    def rng(self, seed: int, *, of_patient: bool = False) -> np.random.Generator:
        """Source of all that is drawn for it, or for its patient."""
        name = zlib.crc32(f"{self.role} {self.region}".encode())
        return np.random.default_rng([seed, name, int(of_patient), self.patient if of_patient else self.number])


def _by_patient(names: Sequence[SliceName]) -> list[list[SliceName]]:
    """Put the slices of each patient together."""
    patients: dict[tuple[str, int], list[SliceName]] = {}
    for name in names:
        patients.setdefault((name.region, name.patient), []).append(name)
    return list(patients.values())


def _stored(folder: Path, name: SliceName) -> StoredSlice | None:
    path = name.path(folder)
    try:
        return StoredSlice(path, read_json(path.with_suffix(".json"))) if path.is_file() else None
    except DataError:
        return None


def _make(folder: Path, settings: SliceSettings, names: Sequence[SliceName]) -> None:
    for name in names:
        planes, facts = drawn_slice(settings, name)
        path = name.path(folder)
        write_atomically(path, partial(np.save, arr=planes, allow_pickle=False))
        write_text_atomically(path.with_suffix(".json"), json.dumps(facts) + "\n")


def drawn_slice(settings: SliceSettings, name: SliceName) -> tuple[np.ndarray, dict[str, Any]]:
    """Draw one slice and its noise fields.

    Returns:
        Pixels, int16 ``[1 + fields, rows, cols]``, and facts, as a :class:`StoredSlice` has them.
    """
    subject, pixel_mm = _patient(settings, name.role, name.region, name.patient)
    rng = name.rng(settings.seed)
    thickness = log_uniform(rng, *THICKNESSES_MM)
    z_mm = rng.uniform(*subject.z_range_mm)
    hu = subject.slice_hu(
        z_mm, size_px=settings.size_px, pixel_mm=pixel_mm, thickness_mm=thickness, table=bool(rng.random() < 0.9)
    )
    exposures = [draw_exposure(rng, settings.size_px, pixel_mm, thickness) for _ in range(settings.n_noise_fields)]
    fields = noise_fields(hu, pixel_mm, exposures, rng) if exposures else np.empty((0, *hu.shape), np.float32)
    spreads = _body_spreads(hu, fields)
    planes = _planes(hu, fields / spreads[:, None, None])
    cells = body_cells(hu)
    return planes, {
        "region": name.region,
        "pixel_mm": pixel_mm,
        "thickness_mm": thickness,
        "z_mm": z_mm,
        "field_std_hu": spreads.tolist(),
        "n_cells": len(cells),
        "cells": np.packbits(cells).tobytes().hex(),
        "digest": hashlib.sha256(planes.data).hexdigest()[:16],
    }


def _planes(hu: np.ndarray, fields: np.ndarray) -> np.ndarray:
    """Store a slice and its noise fields as whole numbers; the few values beyond their range are clipped."""
    limits = np.iinfo(np.int16)
    planes = np.concatenate([hu[None] / HU_UNIT, fields / NOISE_UNIT])
    return np.ascontiguousarray(np.rint(planes).clip(limits.min, limits.max), np.int16)


@lru_cache(maxsize=2)
def _patient(settings: SliceSettings, role: SliceRole, region: str, number: int) -> tuple[Subject, float]:
    """Draw a patient, once for all slices, and the pixel size, mm."""
    rng = SliceName(role, region, number * _SLICES_PER_PATIENT).rng(settings.seed, of_patient=True)
    age_group = str(rng.choice(_AGE_GROUPS, p=_AGE_SHARES))
    subject = draw_subject(int(rng.integers(N_SEEDS)), region, age_group)
    field_mm = _width_mm(subject) / rng.uniform(*_FILLED)
    return subject, float(np.clip(field_mm, *(512 * np.array(PIXELS_MM)))) / settings.size_px


def _width_mm(subject: Subject) -> float:
    """The longer side of the body, mm: the median of three heights."""
    first, last = subject.z_range_mm
    return float(np.median([_width_at_mm(subject, first + share * (last - first)) for share in _WIDTH_HEIGHTS]))


def _width_at_mm(subject: Subject, z_mm: float) -> float:
    coarse = subject.slice_hu(z_mm, size_px=_COARSE_PX, pixel_mm=_COARSE_MM, thickness_mm=0.0, table=False)
    body = np.argwhere(coarse > _BODY_ABOVE_HU)
    return float(np.ptp(body, axis=0).max() + 1) * _COARSE_MM if len(body) else _COARSE_PX * _COARSE_MM / 2


def _body_spreads(hu: np.ndarray, fields: np.ndarray) -> np.ndarray:
    """Standard deviation of each field in the body, HU."""
    body = binary_erosion(hu > _BODY_ABOVE_HU, iterations=3)
    where = body if body.any() else np.ones_like(body)
    return np.asarray(np.maximum(np.sqrt(np.mean(fields[:, where].astype(np.float64) ** 2, axis=1)), 1e-3))
