"""One dose of one series on disk: its derived series, and its parameters as JSON beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from n2b_ct.batch.existing_output import ExistingOutput, combined, existing_series
from n2b_ct.batch.outcomes import Outcome
from n2b_ct.batch.run_context import RunningStd
from n2b_ct.batch.run_options import LowDoseOptions
from n2b_ct.errors import DataError
from n2b_ct.io.atomic import remove_partials, unwritable, write_text_atomically
from n2b_ct.io.dicom.elements import stable_uid
from n2b_ct.io.dicom.writing.derivation import DOSE_SIMULATION, Derivation
from n2b_ct.io.json_files import read_json
from n2b_ct.io.series import SeriesRef
from n2b_ct.simulation.calibration import Calibration
from n2b_ct.simulation.log_counts import STARVED_PHOTONS
from n2b_ct.simulation.noise_texture import NoiseTexture
from n2b_ct.version import __version__

MODEL_NAME = "projection-domain noise insertion"
GEOMETRY = "parallel beam, water-equivalent path"
NOISE_VERSION = 2
"""Of what is drawn for a seed: 2 knows bowtie filter, modulated current and the logarithm of few counts."""
STARVED_SHARE_MAX = 0.01
"""Share of starved rays above which a series is warned of."""

_OWN_KEYS = frozenset(("format", "n2b_ct", "dose", "calibration"))
_NO_CALIBRATION = Calibration(0.0, 0.0, NoiseTexture(0.0, 0.0), 0.0)
"""Fits no series, so its UIDs are those of none."""
_OTHERWISE = "its parameters were of another dose, seed, scanner or set of slices"


@dataclass(slots=True)
class LowDoseOutput:
    """One dose of one series: its derived series and its parameters.

    Attributes:
        dose: Fraction of the source's.
        target: Folder of the derived series.
        existing: What exists of it.
        added_std: Of the noise added, in soft tissue.
        starved_shares: Of each slice, the share of the rays through the body that run out of photons.
    """

    dose: float
    target: Path
    existing: ExistingOutput
    added_std: RunningStd = field(default_factory=RunningStd)
    starved_shares: list[float] = field(default_factory=list)

    @property
    def starved_share(self) -> float:
        """Share of the rays through the body that run out of photons, over all slices."""
        return sum(self.starved_shares) / len(self.starved_shares) if self.starved_shares else 0.0

    def told(self, outcome: Outcome, options: LowDoseOptions) -> Outcome:
        """Say in the outcome how many rays run out of photons."""
        problems = outcome.problems
        if self.starved_share > STARVED_SHARE_MAX:
            problems += ("rays_biased" if options.realistic_bias else "rays_starved",)
        return replace(outcome, problems=problems, starved_share=round(self.starved_share, 4))

    def find(self, series: SeriesRef, options: LowDoseOptions, created: datetime) -> ExistingOutput:
        """Return what exists of series and parameters; a kill may have come between them.

        The parameters say what was measured, so that the UIDs that follow from it can be compared with those there.
        """
        path = sidecar_path(self.target)
        facts = _read_facts(path)
        calibration = _calibration_in(facts) if facts.get("made_of") == _made_of(self.dose, series, options) else None
        derivation = low_dose_derivation(self.dose, calibration or _NO_CALIBRATION, options, created)
        found = existing_series(self.target, series, derivation)
        if path.exists() and not facts.keys() >= _OWN_KEYS:
            return combined([ExistingOutput(path, "foreign", path.name), found])
        if calibration is None or not _is_of_each(facts.get("photons_by_slice"), found.n_slices):
            why = "series and parameters were not both whole" if calibration else _OTHERWISE
            return combined([ExistingOutput(path, "outdated" if path.exists() else "absent", why), found])
        return found

    def remove_old_sidecar(self) -> None:
        """Remove the parameters of an older run, which must not outlive its series."""
        try:
            sidecar_path(self.target).unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(sidecar_path(self.target), error) from error

    def write_sidecar(
        self, series: SeriesRef, calibration: Calibration, options: LowDoseOptions, photons: Sequence[float]
    ) -> None:
        """Write the parameters; ``photons`` are those of each slice, in the series' order."""
        path = sidecar_path(self.target)
        remove_partials(path)
        electronic, shape = ("measured", "measured") if options.photons is None else ("typical", "none")
        facts = {
            "format": 1,
            "n2b_ct": __version__,
            "made_of": _made_of(self.dose, series, options),
            "dose": self.dose,
            "seed": options.seed,
            "geometry": GEOMETRY,
            "photons": "measured" if options.photons is None else "given",
            "electronic_variance": "given" if options.electronic_variance is not None else electronic,
            "bowtie": "given" if options.bowtie is not None else shape,
            "noise_mean": "of the logarithm of counts" if options.realistic_bias else "zero",
            "starved_below_photons_per_sample": STARVED_PHOTONS,
            "starved_share": round(self.starved_share, 4),
            "starved_share_by_slice": [round(share, 4) for share in self.starved_shares],
            "calibration": asdict(calibration),
            "photons_by_slice": [float(f"{value:.6g}") for value in photons],
            "added_noise_in_soft_tissue_hu": self.added_std.std,
        }
        write_text_atomically(path, json.dumps(facts, indent=2) + "\n")


def sidecar_path(target: Path) -> Path:
    """Return the path of the parameters, beside the series' folder."""
    target = target if target.name not in ("", "..") else target.resolve()
    return target.with_name(f"{target.name}.json")


def low_dose_derivation(
    dose: float, calibration: Calibration, options: LowDoseOptions, created: datetime
) -> Derivation:
    """Return the description of a dose's series."""
    texture = calibration.texture
    return Derivation(
        model_name=MODEL_NAME,
        model_version=__version__,
        model_digest="",
        parameters={
            "dose": dose,
            "seed": options.seed,
            "photons": float(f"{calibration.photons:.6g}"),
            "electronic_variance": float(f"{calibration.electronic_variance:.6g}"),
            "kernel_cutoff_per_px": float(f"{texture.cutoff_per_px:.6g}"),
            "kernel_exponent": float(f"{texture.exponent:.6g}"),
            "bowtie": float(f"{calibration.bowtie:.6g}"),
            "modulation": float(f"{calibration.modulation:.6g}"),
            "samples_per_ray": float(f"{calibration.samples_per_ray:.6g}"),
            "realistic_bias": options.realistic_bias,
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
    """Return a digest, in the form of a UID, of all that decides the calibration and the noise."""
    asked = (
        *(NOISE_VERSION, dose, options.seed, options.photons, options.electronic_variance, options.bowtie),
        options.realistic_bias,
    )
    slices = [f"{one.sop_instance_uid}/{one.frame_number or 0}" for one in series.instances]
    return stable_uid("low dose", __version__, repr(asked), options.write.identity, *slices)


def _read_facts(path: Path) -> dict[str, Any]:
    """Return the parameters; nothing where there are none, or a file of something else."""
    try:
        return read_json(path)
    except DataError:
        return {}


def _is_of_each(photons: object, n_slices: int) -> bool:
    return isinstance(photons, list) and len(photons) == n_slices


def _calibration_in(facts: dict[str, Any]) -> Calibration | None:
    """Return the calibration in the parameters, if they hold one."""
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
