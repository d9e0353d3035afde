"""What a digital piglet is to be: sizes, doses and geometry, checked before anything is made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from n2b_ct.errors import DataError, explain
from n2b_ct.io.dicom.writing.original import OriginalSeries
from n2b_ct.phantom.anatomy import LENGTH_MM
from n2b_ct.simulation.dose import STANDARD
from n2b_ct.simulation.projection import ParallelBeam
from n2b_ct.version import __version__

FIELD_OF_VIEW_MM = 240.0
FULL_TUBE_CURRENT_MA = 300
SLICE_THICKNESS_MM = 0.625
MAX_SLICES = 9060
ELECTRONIC_SHARE = 2e-4
"""Electronic variance over photons of an unattenuated ray: 30 photons² for 150,000 photons."""
ANATOMY = 2
"""Counts how often the animal has changed: another animal gets other UIDs and goes on with no older one's slices."""
DECOY_DESCRIPTION = "ASIR 40 FULL"

_PHOTONS_PER_MM2_VIEW = 4.8e7
"""Makes the full-dose noise in the abdomen about 13 HU at any matrix size; see :attr:`PigletPlan.photons`."""


@dataclass(frozen=True)
class PigletPlan:
    """What to make; validated.

    Attributes:
        n_slices: Slices of every series, spread evenly over the whole animal.
        size_px: Rows and columns.
        field_of_view_mm: Side of the image.
        doses: Dose fractions; 1 is among them.
        seed: Names the animal and its noise.
        decoy: Add the series of another reconstruction.
    """

    n_slices: int = 906
    size_px: int = 512
    field_of_view_mm: float = FIELD_OF_VIEW_MM
    doses: tuple[float, ...] = (1.0, 0.5, 0.25, 0.1, 0.05)
    seed: int = 0
    decoy: bool = True

    def __post_init__(self) -> None:
        size, view_mm, doses = self.size_px, self.field_of_view_mm, self.doses
        are_fractions = all(0.0 < dose <= 1.0 for dose in doses)
        are_distinct = len({dose_label(dose) for dose in doses}) == len(doses)
        _require(8 <= self.n_slices <= MAX_SLICES, "slices", f"must be 8 to {MAX_SLICES}", self.n_slices)
        _require(64 <= size <= 1024 and size % 16 == 0, "size", "must be 64 to 1024, a multiple of 16", size)
        _require(220.0 <= view_mm <= 500.0, "field of view", "must be 220 to 500 mm", view_mm)
        _require(are_fractions, "doses", "must be above 0 and at most 1", doses)
        _require(are_distinct, "doses", "must differ", doses)
        _require(1.0 in doses, "doses", "must hold the full dose, 1", doses)
        _require(self.seed >= 0, "seed", "must not be negative", self.seed)

    @property
    def pixel_mm(self) -> float:
        """Pixel size, mm."""
        return self.field_of_view_mm / self.size_px

    @property
    def spacing_mm(self) -> float:
        """Distance of neighbouring slices, mm: 0.625 for 906 slices."""
        return LENGTH_MM / self.n_slices

    @property
    def photons(self) -> float:
        """Photons per ray at full dose.

        Noise variance goes with 1 / (pixel² · views · photons), so this keeps it independent of the matrix.
        """
        beam = ParallelBeam.for_image(self.size_px, self.pixel_mm)
        return _PHOTONS_PER_MM2_VIEW / (beam.n_views * self.pixel_mm**2)

    @property
    def electronic_variance(self) -> float:
        """Variance of the electronic noise, photons²; in proportion, so that streaks do not depend on the matrix."""
        return ELECTRONIC_SHARE * self.photons

    @cached_property
    def series(self) -> tuple[OriginalSeries, ...]:
        """All series, in the order of :attr:`doses`, the decoy last."""
        described = [(f"FBP {dose_label(dose)}", dose) for dose in self.doses]
        described += [(DECOY_DESCRIPTION, 1.0)] if self.decoy else []
        return tuple(self._series(k, description, dose) for k, (description, dose) in enumerate(described, 1))

    @property
    def made_of(self) -> str:
        """All that the bytes depend on: two plans that say the same here make the same tree."""
        return f"n2b-ct {__version__} anatomy {ANATOMY} {self!r}"

    def distance_mm(self, index: int) -> float:
        """Distance of a slice from the nose, mm."""
        return (index + 0.5) * self.spacing_mm

    def position_mm(self, index: int) -> float:
        """z of a slice in the patient coordinate system, where z points to the head."""
        return LENGTH_MM / 2 - self.distance_mm(index)

    def file_number(self, index: int) -> int:
        """Number of a slice's file: a permutation that leaves no two neighbours together."""
        step = next(s for s in range(round(0.382 * self.n_slices), self.n_slices) if math.gcd(s, self.n_slices) == 1)
        return (index * step + 3) % self.n_slices

    def facts(self) -> dict[str, object]:
        """Collect the parameters of the simulation for the truth file."""
        return {
            "anatomy": ANATOMY,
            "n_slices": self.n_slices,
            "size_px": self.size_px,
            "field_of_view_mm": self.field_of_view_mm,
            "slice_spacing_mm": self.spacing_mm,
            "doses": list(self.doses),
            "seed": self.seed,
            "photons": self.photons,
            "electronic_variance": self.electronic_variance,
            "kernel": STANDARD.name,
            "kernel_blur_px": STANDARD.blur_px,
            "n_views": ParallelBeam.for_image(self.size_px, self.pixel_mm).n_views,
        }

    def _series(self, number: int, description: str, dose: float) -> OriginalSeries:
        settings = (self.n_slices, self.size_px, self.field_of_view_mm, self.doses, self.seed)
        return OriginalSeries(
            study_key=f"piglet {ANATOMY} {__version__} {settings}",
            series_key=description,
            number=number,
            description=description,
            subject_id=f"PIGLET-{self.seed}",
            species="Sus scrofa",
            size_px=self.size_px,
            pixel_mm=self.pixel_mm,
            slice_thickness_mm=SLICE_THICKNESS_MM,
            slice_spacing_mm=self.spacing_mm,
            kernel=STANDARD.name,
            tube_current_ma=max(1, round(FULL_TUBE_CURRENT_MA * dose)),
        )


def dose_label(dose: float) -> str:
    """Name a dose as the real set does: FULL, 50, 25, 10, 5."""
    return "FULL" if dose == 1 else f"{100 * dose:g}"


def _require(is_fine: bool, name: str, requirement: str, got: object) -> None:
    """Refuse a parameter outside its range."""
    if not is_fine:
        raise DataError(explain(f"piglet {name}", requirement, got, f"change the {name}"))
