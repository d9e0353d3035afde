"""One dose of one series on disk: its derived series, and its parameters as JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

import n2b_ct
from n2b_ct.batch.low_dose_options import LowDoseOptions
from n2b_ct.batch.places import is_present
from n2b_ct.batch.work import Spread
from n2b_ct.hu import AIR_HU
from n2b_ct.io.atomic import remove_partials, write_atomically
from n2b_ct.io.atomic_folder import unwritable
from n2b_ct.io.dicom.writing.derivation import DOSE_SIMULATION, Derivation
from n2b_ct.simulation.calibration import Calibration

MODEL_NAME = "projection-domain noise insertion"
GEOMETRY = "parallel beam, water-equivalent path"
SOFT_TISSUE_HU = (-50.0, 150.0)
"""Where the added noise is told of."""


@dataclass(slots=True)
class LowDoseOutput:
    """What becomes of one dose.

    Attributes:
        dose: Fraction of the source's.
        target: Folder of the derived series.
        n_clipped: Pixels so far that met the limits of their type; noise of air does so in a real scan as well.
        added: Noise added so far, in soft tissue.
    """

    dose: float
    target: Path
    n_clipped: int = 0
    added: Spread = field(default_factory=Spread)

    @property
    def is_present(self) -> bool:
        """Whether series and parameters are there; a kill may have come between them."""
        return is_present(self.target) and is_present(sidecar_path(self.target))

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

    def write_sidecar(self, calibration: Calibration, options: LowDoseOptions, photons: Sequence[float]) -> None:
        """Write the parameters; ``photons`` are those of each slice, in the series' order."""
        path = sidecar_path(self.target)
        remove_partials(path)
        facts = {
            "format": 1,
            "n2b_ct": n2b_ct.__version__,
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
