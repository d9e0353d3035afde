"""Heads, necks and limbs: plausible HU where anatomy says, variety between seeds, likeness between neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_closing, binary_dilation, label

from n2b_ct.phantom.human.brain import BrainBuild
from n2b_ct.phantom.human.extremities import Extremities
from n2b_ct.phantom.human.head import Head
from n2b_ct.phantom.human.limbs import STRETCHES
from n2b_ct.phantom.human.neck import Neck
from n2b_ct.phantom.patients import draw_patient
from n2b_ct.phantom.shapes import Canvas, Plane, Tissue

Region = Head | Neck | Extremities
REGIONS: tuple[type[Region], ...] = (Head, Neck, Extremities)
SIZE_PX = 96


def image(region: Region, z_mm: float, pixel_mm: float = 2.6, size_px: int = SIZE_PX) -> np.ndarray:
    """Paint a slice without texture."""
    axis = (np.arange(size_px) - (size_px - 1) / 2) * pixel_mm
    x, y = np.meshgrid(axis.astype(np.float32), axis.astype(np.float32))
    canvas = Canvas(Plane(z_mm, axis, axis, x, y), Tissue(-1000.0))
    region.paint(canvas)
    return canvas.hu


def middle(region: Region, share: float = 0.5) -> float:
    first, last = region.z_range_mm
    return first + share * (last - first)


def limb(kind: str, age_group: str = "adult") -> Extremities:
    return next(one for s in range(200) if (one := Extremities.draw(s, age_group)).kind == kind)


@pytest.mark.parametrize("age_group", ["adult", "child", "infant"])
@pytest.mark.parametrize("region", REGIONS)
def test_every_slice_shows_bone_within_flesh_within_air(region: type[Region], age_group: str) -> None:
    drawn = region.draw(3, age_group)
    for share in (0.25, 0.8):
        hu = image(drawn, middle(drawn, share), 4.0)
        assert np.isfinite(hu).all()
        assert hu.min() > -1000.1
        assert hu.max() > 250.0
        body = binary_closing(np.pad(hu > -400.0, 8), iterations=5)[8:-8, 8:-8]
        numbers, _ = label(~body)
        outside = np.isin(numbers, np.setdiff1d(numbers[[0, -1]], [0]))
        assert outside.any()
        assert (binary_dilation(outside) & (hu > 500.0)).sum() < 4


@pytest.mark.parametrize("region", REGIONS)
def test_equal_seeds_are_equal_and_others_differ(region: type[Region]) -> None:
    assert region.draw(5, "adult") == region.draw(5, "adult")
    one, again, other = (image(region.draw(s, "adult"), 20.0, 5.0, 48) for s in (5, 5, 6))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).mean() > 20.0


@pytest.mark.parametrize("region", REGIONS)
def test_neighbouring_slices_look_alike(region: type[Region]) -> None:
    drawn = region.draw(1, "adult")
    here, near, far = (image(drawn, middle(drawn, share), 4.0, 64) for share in (0.5, 0.503, 0.75))
    assert np.abs(here - near).mean() < 0.3 * np.abs(here - far).mean()


def test_a_brain_has_white_matter_darker_than_grey_and_both_brighter_than_fluid() -> None:
    for seed in range(6):
        brain: BrainBuild = Head.draw(seed, "adult").brain
        assert brain.fluid_hu < 12.0 < brain.white_hu < brain.grey_hu - 4.0
    hu = image(Head.draw(2, "adult"), -35.0, 0.9, 128)
    inside = hu[40:88, 40:88]
    assert 20.0 < np.median(inside) < 50.0
    assert np.percentile(inside, 90) - np.percentile(inside, 20) > 4.0


def test_an_adults_vault_is_two_tables_with_diploe_between() -> None:
    head = next(one for s in range(20) if (one := Head.draw(s, "adult")).skull.thickness_mm > 7.5)
    hu = image(head, -30.0, 0.3, 700)[350, 350:]
    bone = np.flatnonzero(hu > 500.0)
    wall = hu[bone[0] : bone[-1] + 1]
    edge = len(wall) // 6
    assert wall[edge:-edge].min() < 0.75 * min(wall[: 2 * edge].max(), wall[-2 * edge :].max())


def test_metal_in_teeth_goes_beyond_what_twelve_bits_hold() -> None:
    head = next(one for s in range(40) if 2 in (one := Head.draw(s, "adult")).face.teeth[4:12])
    z = [middle(head, share) for share in np.linspace(0.78, 0.92, 6)]
    assert max(float(image(head, at, 0.8, 160).max()) for at in z) > 3071.0


def test_infants_have_open_sutures_and_no_teeth() -> None:
    for seed in range(4):
        head = Head.draw(seed, "infant")
        assert head.skull.fontanelle_mm > 4.0
        assert not any(head.face.teeth)


def test_a_neck_has_air_before_its_spine_and_broad_shoulders_below() -> None:
    neck = Neck.draw(0, "adult")
    throat, shoulders = image(neck, middle(neck, 0.4), 2.0, 128), image(neck, middle(neck, 0.95), 4.0, 128)
    assert (throat[20:70, 50:78] < -800.0).sum() > 15
    assert (shoulders > -200.0).any(axis=0).sum() * 4.0 > 1.8 * (throat > -200.0).any(axis=0).sum() * 2.0


@pytest.mark.parametrize("kind", sorted(STRETCHES))
def test_every_stretch_of_a_limb_has_its_bones(kind: str) -> None:
    drawn = limb(kind)
    assert 0.002 < np.mean([(image(drawn, middle(drawn, s), 3.0) > 400.0).mean() for s in (0.2, 0.5, 0.8)]) < 0.25


def test_a_shaft_is_a_hard_wall_about_fatty_marrow() -> None:
    thigh = limb("thigh")
    hu = image(thigh, middle(thigh, 0.6), 1.0, 256)
    wall = hu > 1000.0
    numbers, _ = label(~wall)
    marrow = [hu[numbers == n] for n in range(1, numbers.max() + 1) if 20 < (numbers == n).sum() < 600]
    assert marrow
    assert np.median(np.concatenate(marrow)) < 50.0


@pytest.mark.parametrize("kind", ["foot", "hand"])
def test_lesions_find_room_in_the_smallest_parts(kind: str) -> None:
    patient = draw_patient(limb(kind).seed, "extremities")
    assert len(patient.lesions) >= 3
    assert all(abs(one.contrast_hu) >= 3.0 and one.radius_mm >= 1.0 for one in patient.lesions)


def test_limbs_come_alone_and_in_pairs() -> None:
    assert {len(Extremities.draw(seed, "adult").limbs) for seed in range(30)} == {1, 2}
