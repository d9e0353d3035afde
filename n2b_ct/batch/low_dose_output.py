"""One dose of one series on disk: its derived series, and its parameters as JSON beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

import n2b_ct
from n2b_ct.batch.low_dose_options import LowDoseOptions
from n2b_ct.batch.presence import Presence, series_presence, together
from n2b_ct.batch.work import Spread
from n2b_ct.errors import DataError
from n2b_ct.hu import AIR_HU
from n2b_ct.io.atomic import remove_partials, unwritable, write_atomically
from n2b_ct.io.dicom.uids import stable_uid
from n2b_ct.io.dicom.writing.derivation import DOSE_SIMULATION, Derivation
from n2b_ct.io.json_files import read_json
from n2b_ct.io.series import SeriesRef
from n2b_ct.simulation.calibration import Calibration
from n2b_ct.simulation.noise_texture import NoiseTexture

MODEL_NAME = "projection-domain noise insertion"
GEOMETRY = "parallel beam, water-equivalent path"
SOFT_TISSUE_HU = (-50.0, 150.0)
"""Where the added noise is told of."""

_OWN_KEYS = frozenset(("format", "n2b_ct", "dose", "calibration"))
_OF_NOTHING = Calibration(0.0, 0.0, NoiseTexture(0.0, 0.0), 0.0)
"""Fits no series, so its UIDs are those of none."""
_OTHERWISE = "its parameters were of another dose, seed, scanner or set of slices"


@dataclass(slots=True)
class LowDoseOutput:
    """What becomes of one dose.

    Attributes:
        dose: Fraction of the source's.
        target: Folder of the derived series.
        found: What lies in its place.
        n_clipped: Pixels so far that met the limits of their type; noise of air does so in a real scan as well.
        added: Noise added so far, in soft tissue.
    """

    dose: float
    target: Path
    found: Presence
    n_clipped: int = 0
    added: Spread = field(default_factory=Spread)

    def look(self, series: SeriesRef, options: LowDoseOptions, created: datetime) -> Presence:
        """Find out what lies in the places of series and parameters; a kill may have come between them.

        The parameters say what was measured, so that the UIDs that follow from it can be compared with those there.
        """
        path = sidecar_path(self.target)
        facts = _read_facts(path)
        calibration = _calibration(facts) if facts.get("made_of") == _made_of(self.dose, series, options) else None
        derivation = low_dose_derivation(self.dose, calibration or _OF_NOTHING, options, created)
        found = series_presence(self.target, series, derivation)
        if path.exists() and not facts.keys() >= _OWN_KEYS:
            return together([Presence(path, "foreign", path.name), found])
        if calibration is None or not _is_of_each(facts.get("photons_by_slice"), found.n_slices):
            why = "series and parameters were not both whole" if calibration else _OTHERWISE
            return together([Presence(path, "outdated" if path.exists() else "absent", why), found])
        return found

    def remove_old_sidecar(self) -> None:
        """Parameters of an older run must not outlive its series."""
        try:
            sidecar_path(self.target).unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(sidecar_path(self.target), error) from error

    def note(self, before_hu: np.ndarray, after_hu: np.ndarray, n_clipped: int) -> None:
        """Count a slice in."""
        is_tissue = (before_hu > SOFT_TISSUE_HU[0]) & (before_hu < SOFT_TISSUE_HU[1])
        self.added.add((after_hu - before_hu)[is_tissue])
        self.n_clipped += max(0, n_clipped - int(np.count_nonzero(after_hu < AIR_HU)))

    def write_sidecar(
        self, series: SeriesRef, calibration: Calibration, options: LowDoseOptions, photons: Sequence[float]
    ) -> None:
        """Write the parameters; ``photons`` are those of each slice, in the series' order."""
        path = sidecar_path(self.target)
        remove_partials(path)
        facts = {
            "format": 1,
            "n2b_ct": n2b_ct.__version__,
            "made_of": _made_of(self.dose, series, options),
            "dose": self.dose,
            "seed": options.seed,
            "geometry": GEOMETRY,
            "photons": "measured" if options.photons is None else "given",
            "electronic_variance": "typical" if options.electronic_variance is None else "given",
            "calibration": asdict(calibration),
            "photons_by_slice": [float(f"{value:.6g}") for value in photons],
            "added_noise_in_soft_tissue_hu": self.added.std,
        }
        content = json.dumps(facts, indent=2) + "\n"
        write_atomically(path, lambda file: file.write(content.encode()))


def sidecar_path(target: Path) -> Path:
    """Name the JSON of parameters, beside the series' folder."""
    target = target if target.name not in ("", "..") else target.resolve()
    return target.with_name(f"{target.name}.json")


def low_dose_derivation(
    dose: float, calibration: Calibration, options: LowDoseOptions, created: datetime
) -> Derivation:
    """Describe what a dose's series is."""
    texture = calibration.texture
    return Derivation(
        model_name=MODEL_NAME,
        model_version=n2b_ct.__version__,
        model_digest="",
        parameters={
            "dose": dose,
            "seed": options.seed,
            "photons": float(f"{calibration.photons:.6g}"),
            "electronic_variance": float(f"{calibration.electronic_variance:.6g}"),
            "kernel_cutoff_per_px": float(f"{texture.cutoff_per_px:.6g}"),
            "kernel_exponent": float(f"{texture.exponent:.6g}"),
            "bowtie": calibration.bowtie,
            "reference_current": calibration.reference_current,
            "adapts_to_slice": options.photons is None,
        },
        learned=False,
        suffix=f" {100 * dose:g}% dose",
        created=created,
        description="Lower dose simulated",
        options=options.write,
        operation=DOSE_SIMULATION,
    )


def _made_of(dose: float, series: SeriesRef, options: LowDoseOptions) -> str:
    """Name all that the calibration and the noise follow from; a UID, for it is no longer than one and as stable."""
    asked = (dose, options.seed, options.photons, options.electronic_variance, options.bowtie)
    slices = [f"{one.sop_instance_uid}/{one.frame_number or 0}" for one in series.instances]
    return stable_uid("low dose", n2b_ct.__version__, repr(asked), options.write.identity, *slices)


def _read_facts(path: Path) -> dict[str, Any]:
    """Read parameters; nothing where there are none, or none of ours."""
    try:
        return read_json(path)
    except DataError:
        return {}


def _is_of_each(photons: object, n_slices: int) -> bool:
    return isinstance(photons, list) and len(photons) == n_slices


def _calibration(facts: dict[str, Any]) -> Calibration | None:
    """Rebuild what was measured; None where the parameters do not hold it."""
    try:
        measured = {**facts["calibration"]}
        texture = {**measured.pop("texture")}
        if not all(_is_number(value) for value in (*measured.values(), *texture.values())):
            return None
        return Calibration(**measured, texture=NoiseTexture(**texture))
    except (KeyError, TypeError):
        return None


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and math.isfinite(value))
