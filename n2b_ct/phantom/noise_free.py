"""The noise-free slices of a digital piglet on disk: drawn again from the parameters beside its images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.io.json_files import read_json
from n2b_ct.phantom.ground_truth import TOLERANCE_MM, TRUTH_FILE
from n2b_ct.phantom.piglet import thick_slice_hu
from n2b_ct.phantom.piglet_plan import ANATOMY, PigletPlan
from n2b_ct.simulation.dose import STANDARD, kernel_blur


@dataclass(frozen=True, slots=True)
class NoiseFreePiglet:
    """The truth behind every image of a digital piglet.

    Attributes:
        plan: What was made.
    """

    plan: PigletPlan

    def at(self, slice_location_mm: float | None, size_px: tuple[int, int]) -> np.ndarray | None:
        """Draw the slice at a location as its kernel shows it without noise; None where there is no such slice.

        Returns:
            HU, float32 ``[rows, cols]``.
        """
        if slice_location_mm is None or size_px != (self.plan.size_px, self.plan.size_px):
            return None
        locations_mm = np.array([self.plan.position_mm(index) for index in range(self.plan.n_slices)])
        nearest = int(np.abs(locations_mm - slice_location_mm).argmin())
        if abs(locations_mm[nearest] - slice_location_mm) > TOLERANCE_MM:
            return None
        return kernel_blur(thick_slice_hu(self.plan, nearest), STANDARD)


def read_noise_free(root: Path) -> NoiseFreePiglet | None:
    """Read what a digital piglet was made of; None where the folder holds none, or one of another anatomy.

    Raises:
        DataError: The parameters are there and cannot be read.
    """
    path = root / TRUTH_FILE
    if not path.is_file():
        return None
    try:
        facts = read_json(path)["parameters"]
        if facts.get("anatomy") != ANATOMY:
            return None
        doses = tuple(float(dose) for dose in facts["doses"])
        size_px, seed = int(facts["size_px"]), int(facts["seed"])
        plan = PigletPlan(int(facts["n_slices"]), size_px, float(facts["field_of_view_mm"]), doses, seed)
    except (DataError, OSError, AttributeError, ValueError, KeyError, TypeError) as error:
        remedy = "make the digital piglet again, or take the file away"
        raise DataError(explain(TRUTH_FILE, "must hold its parameters", "damage", remedy)) from error
    return NoiseFreePiglet(plan)
