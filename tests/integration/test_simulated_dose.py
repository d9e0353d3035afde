"""The simulated dose against a scanned one of which everything is known: the bench's own scan, small."""

from __future__ import annotations

import pytest

from benchmarks.dose_phantom import SCANNERS, Setup, checked, drawn
from n2b_ct.simulation.dose import attenuation_per_mm
from n2b_ct.simulation.projection import forward_project

SMALL = Setup(size_px=256)


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda scanner: scanner.name)
def test_a_quarter_dose_is_within_ten_percent_of_the_scanned_one(scanner):
    integrals = [forward_project(attenuation_per_mm(hu), SMALL.fine) for hu in drawn("disk", SMALL)]
    (row,) = checked(integrals, scanner, 10.0, SMALL, kernels=("sharp",))
    assert row["starved_share"] < 0.02
    for place in ("soft", "centre", "rim", "mean_frequency"):
        assert row[place] == pytest.approx(1.0, abs=0.1), place
    assert row["anisotropy_simulated"] == pytest.approx(row["anisotropy_real"], rel=0.25)
