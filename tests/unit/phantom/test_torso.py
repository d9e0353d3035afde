"""The trunk of digital patients: organs have the HU of their kind and phase, whatever the build."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, label

from n2b_ct.phantom.human.build import draw_build
from n2b_ct.phantom.human.contrast_agent import draw_enhancement
from n2b_ct.phantom.human.lungs import Lungs
from n2b_ct.phantom.human.region import Region, straight_plane
from n2b_ct.phantom.human.tissues import LIVER
from n2b_ct.phantom.human.torso import Abdomen, Pelvis, Thorax, Torso
from n2b_ct.phantom.shapes import Canvas, Tissue

AGES = ("adult", "child", "infant")


def draw(kind: type[Torso], seed: int, age_group: str) -> Torso:
    return kind.draw(seed, age_group)


def around(torso: Torso, place_mm: tuple[float, float, float], reach_mm: float = 4.0) -> np.ndarray:
    """HU without texture in a small square around a place given in an average adult's millimetres."""
    x, y, z = place_mm
    build = torso.build
    offsets = np.linspace(-reach_mm, reach_mm, 9) * build.scale
    rows, columns = offsets + y * build.scale * build.depth, offsets + x * build.scale * build.width
    canvas = Canvas(straight_plane(z * build.scale, rows, columns), Tissue(-1000.0))
    torso.paint(canvas)
    return canvas.hu


@pytest.mark.parametrize("age_group", AGES)
def test_organs_of_the_abdomen_have_their_hu(age_group: str) -> None:
    abdomen = draw(Abdomen, 2, age_group)
    agent = abdomen.enhancement
    liver = np.median(around(abdomen, (-85.0, 5.0, 250.0)))
    assert liver == pytest.approx(LIVER.hu + abdomen.upper_organs.liver_hu + agent.liver_hu, abs=8.0)
    assert np.median(around(abdomen, (4.0, 9.0, 340.0), 2.0)) == pytest.approx(agent.artery_hu, abs=8.0)
    assert 60.0 < np.median(around(abdomen, (0.0, 37.0, 350.0))) < 500.0


@pytest.mark.parametrize("age_group", AGES)
def test_lungs_are_filled_with_air_and_the_windpipe_more_so(age_group: str) -> None:
    thorax = draw(Thorax, 2, age_group)
    assert isinstance(thorax.lungs, Lungs)
    thorax = replace(thorax, lungs=replace(thorax.lungs, ailment="none"))
    assert -980.0 < np.median(around(thorax, (-85.0, 10.0, 120.0))) < -450.0
    assert np.median(around(thorax, (-1.0, 6.0, 50.0), 1.5)) < -950.0


@pytest.mark.parametrize("age_group", AGES)
def test_a_hip_joints_head_is_bone_and_the_bladder_holds_fluid(age_group: str) -> None:
    pelvis = draw(Pelvis, 2, age_group)
    assert 90.0 < np.median(around(pelvis, (91.0, 2.0, 532.0))) < 700.0
    x, y, z = pelvis.pelvic_organs.bladder.centre_mm
    assert -5.0 < np.median(around(pelvis, (x, y, z), 2.0)) < 600.0


@pytest.mark.parametrize("kind", [Thorax, Abdomen, Pelvis])
def test_bones_are_covered_by_flesh_and_air_within_is_not_that_without(kind: type[Torso]) -> None:
    torso = draw(kind, 5, "adult")
    axis = np.arange(-290.0, 290.0, 3.5)
    first, last = torso.z_range_mm
    for share in (0.1, 0.5, 0.9):
        canvas = Canvas(straight_plane(first + share * (last - first), axis, axis), Tissue(-1000.0))
        torso.paint(canvas)
        numbers, _ = label(canvas.hu < -400.0)
        outside = numbers == numbers[0, 0]
        assert not (binary_dilation(outside) & (canvas.hu > 350.0)).any(), share
        assert 30_000.0 < (~outside).sum() * 3.5**2 < 190_000.0, share


def test_every_part_of_the_trunk_is_a_region() -> None:
    for kind in (Thorax, Abdomen, Pelvis):
        assert isinstance(draw(kind, 0, "infant"), Region)


def test_one_seed_is_one_patient_in_all_its_parts() -> None:
    thorax, abdomen = draw(Thorax, 7, "child"), draw(Abdomen, 7, "child")
    assert thorax.build == abdomen.build
    assert thorax.z_range_mm[0] < abdomen.z_range_mm[0] < thorax.z_range_mm[1]
    np.testing.assert_array_equal(around(thorax, (30.0, 0.0, 220.0)), around(abdomen, (30.0, 0.0, 220.0)))


def test_patients_are_slim_to_obese_and_small_to_large() -> None:
    builds = [draw_build(np.random.default_rng(seed), "adult") for seed in range(60)]
    fat = [build.fat_mm for build in builds]
    assert min(fat) < 8.0
    assert max(fat) > 38.0
    assert {build.are_arms_down for build in builds} == {True, False}
    assert {build.is_female for build in builds} == {True, False}
    infants = [draw_build(np.random.default_rng(seed), "infant").scale for seed in range(20)]
    assert max(infants) < 0.5 < min(build.scale for build in builds)


def test_every_phase_of_the_contrast_agent_is_drawn() -> None:
    drawn = [draw_enhancement(np.random.default_rng(seed)) for seed in range(80)]
    assert {one.phase for one in drawn} == {"none", "arterial", "portal", "excretory"}
    arterial = [one for one in drawn if one.phase == "arterial"]
    assert all(one.artery_hu > one.vein_hu > 50.0 for one in arterial)
    assert all(one.cortex_hu > one.medulla_hu + 40.0 for one in arterial)
    assert all(34.0 <= one.artery_hu == one.vein_hu <= 52.0 for one in drawn if one.phase == "none")
