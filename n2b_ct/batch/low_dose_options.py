"""What a run of dose simulation is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from n2b_ct.batch.outcomes import IfPresent
from n2b_ct.errors import DataError, explain
from n2b_ct.io.dicom.writing.derivation import WriteOptions
from n2b_ct.simulation.dose import LEAST_DOSE, MOST_PHOTONS

_STRONGEST_BOWTIE = 3.0


@dataclass(frozen=True, slots=True)
class LowDoseOptions:
    """How to simulate lower doses.

    Attributes:
        doses: Fractions of the source's dose, above 0 and up to 1.
        seed: Names the noise.
        photons: ``I0``, photons per ray at the source's dose; None: from the source's own noise.
        electronic_variance: ``Ne``, photons² per ray; None: that of a typical detector.
        bowtie: What the bowtie filter adds to the line integral 100 mm off the image's middle; 0: no filter.
        n_workers: Processes. The bytes do not depend on it.
        if_present: What to do where something is there already: ``refuse`` everything; ``skip`` what is what this run
            would make, make again what is not; ``replace`` it.
        repair_uids: Take files with blank UIDs too; their output has no source references.
        assume_hu: Vouch that values are HU where a file does not say so.
        skip_bad_slices: Leave out slices that cannot be used; by default their series fails whole.
        allow_own_output: Take series that n2b-ct has denoised.
        select: Regular expression on SeriesDescription; None: every series.
        created: The one time of every output; None: now.
        write: How derived instances are written.
    """

    doses: Sequence[float]
    seed: int = 0
    photons: float | None = None
    electronic_variance: float | None = None
    bowtie: float = 0.0
    n_workers: int = 1
    if_present: IfPresent = "refuse"
    repair_uids: bool = False
    assume_hu: bool = False
    skip_bad_slices: bool = False
    allow_own_output: bool = False
    select: str | None = None
    created: datetime | None = None
    write: WriteOptions = field(default_factory=WriteOptions)

    def require_sound(self) -> None:
        """Refuse before any work what no scan could be.

        Raises:
            DataError: A dose, the photons or the electronic variance is out of range, or a dose comes twice.
        """
        if not self.doses or any(not LEAST_DOSE <= dose <= 1.0 for dose in self.doses):
            got = ", ".join(f"{dose:g}" for dose in self.doses) or "none"
            raise DataError(
                explain("--dose", f"must be at least {LEAST_DOSE:g} and at most 1", got, "give a fraction such as 0.25")
            )
        if len({dose_name(dose) for dose in self.doses}) < len(self.doses):
            raise DataError(explain("--dose", "every dose must be given once", "one twice", "leave it out"))
        if self.photons is not None and not 1.0 < self.photons <= MOST_PHOTONS:
            requirement = f"must be above 1 and at most {MOST_PHOTONS:g}"
            raise DataError(explain("--photons", requirement, self.photons, "1e5 to 1e7 are usual"))
        if self.electronic_variance is not None and not 0.0 <= self.electronic_variance <= MOST_PHOTONS:
            requirement, remedy = f"must be 0 to {MOST_PHOTONS:g}", "give photons², or leave it out"
            raise DataError(explain("--electronic-variance", requirement, self.electronic_variance, remedy))
        if not 0.0 <= self.bowtie <= _STRONGEST_BOWTIE:
            raise DataError(explain("--bowtie", f"must be 0 to {_STRONGEST_BOWTIE:g}", self.bowtie, "0.6 is usual"))


def dose_name(dose: float) -> str:
    """Name the folder of a dose, such as ``0.25``."""
    return f"{dose:g}"
