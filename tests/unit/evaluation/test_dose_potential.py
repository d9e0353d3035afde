"""The dose of equal detectability, read off curves of known form."""

from __future__ import annotations

import numpy as np
import pytest

from n2b_ct.errors import DataError
from n2b_ct.evaluation.dose_potential import dose_reduction_potential

DOSES = [0.05, 0.10, 0.25, 0.50, 1.00]


def root_curve(scale: float) -> list[float]:
    """Quantum noise: d′ grows with the root of the dose."""
    return [scale * dose**0.5 for dose in DOSES]


def test_a_method_that_changes_nothing_saves_nothing() -> None:
    found = dose_reduction_potential(DOSES, root_curve(4.0), root_curve(4.0))
    assert found.dose_fraction == pytest.approx(1.0)
    assert found.reduction_percent == pytest.approx(0.0)


@pytest.mark.parametrize("gain", [1.1, 1.5, 2.0, 3.0])
def test_a_gain_g_in_d_prime_saves_all_but_one_over_g_squared_of_the_dose(gain: float) -> None:
    found = dose_reduction_potential(DOSES, root_curve(4.0), root_curve(4.0 * gain))
    assert found.target_d_prime == pytest.approx(4.0)
    assert found.dose_fraction == pytest.approx(1.0 / gain**2, rel=0.03)
    assert found.reduction_percent == pytest.approx(100.0 * (1.0 - found.dose_fraction))
    assert found.remark == ""


def test_a_dose_that_was_measured_is_met_exactly() -> None:
    found = dose_reduction_potential(DOSES, [1, 2, 3, 4, 5], [2, 3, 5, 6, 7])
    assert found.dose_fraction == pytest.approx(0.25)


def test_the_order_and_the_unit_of_doses_do_not_matter() -> None:
    order = [3, 0, 4, 1, 2]
    shuffled = dose_reduction_potential(
        *([values[k] for k in order] for values in ([80 * d for d in DOSES], root_curve(4.0), root_curve(6.0)))
    )
    straight = dose_reduction_potential(DOSES, root_curve(4.0), root_curve(6.0))
    assert shuffled.dose_fraction == pytest.approx(straight.dose_fraction)


def test_nothing_is_extrapolated_below_the_lowest_dose() -> None:
    found = dose_reduction_potential(DOSES, root_curve(1.0), root_curve(9.0))
    assert (found.dose_fraction, found.reduction_percent) == (None, None)
    assert found.remark == "below the lowest dose measured, 0.05 of full"


def test_a_method_that_never_gets_there_has_no_number() -> None:
    found = dose_reduction_potential(DOSES, root_curve(4.0), root_curve(3.0))
    assert found.reduction_percent is None
    assert found.remark == "not reached at any dose measured"


def test_a_dip_from_noise_still_gives_one_answer_between_its_neighbours() -> None:
    found = dose_reduction_potential(DOSES, [1, 2, 3, 4, 5], [3.0, 5.2, 4.4, 5.6, 6.0])
    assert 0.25 < found.dose_fraction < 0.50


def test_of_equal_doses_the_lowest_counts() -> None:
    found = dose_reduction_potential(DOSES, [1, 2, 3, 4, 5], [3.0, 5.0, 5.0, 5.0, 6.0])
    assert found.dose_fraction == pytest.approx(0.10)


@pytest.mark.parametrize(
    ("doses", "plain", "denoised", "message"),
    [
        ([1.0], [2.0], [3.0], "two or more different doses"),
        ([0.5, 0.5], [1.0, 2.0], [2.0, 3.0], "two or more different doses"),
        ([0.5, 1.0], [1.0], [2.0, 3.0], "2 doses, 1 and 2 values"),
        ([0.0, 1.0], [1.0, 2.0], [2.0, 3.0], "doses above 0 and finite d′"),
        ([0.5, 1.0], [1.0, np.nan], [2.0, 3.0], "doses above 0 and finite d′"),
    ],
)
def test_impossible_curves_are_refused(doses, plain, denoised, message: str) -> None:
    with pytest.raises(DataError, match=message):
        dose_reduction_potential(doses, plain, denoised)
