"""Implants and covers: metal of its own HU, wires thinner than a pixel, cloth on air alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from n2b_ct.phantom.human.covers import Covers, draw_covers
from n2b_ct.phantom.human.extremities import Extremities
from n2b_ct.phantom.human.implants import Part, draw_foreign_parts, hip_prosthesis, paint_parts, plate, screw, stent
from n2b_ct.phantom.human.pelvic_bones import HIP_JOINT
from n2b_ct.phantom.human.section import Pose, Section
from n2b_ct.phantom.human.solids import Rods
from n2b_ct.phantom.human.trunk_implants import trunk_implants
from n2b_ct.phantom.shapes import Canvas, Plane, Tissue

METAL = Tissue(9000.0)


def canvas(z_mm: float = 0.0, pixel_mm: float = 0.5, size_px: int = 160) -> Canvas:
    axis = (np.arange(size_px) - (size_px - 1) / 2) * pixel_mm
    x, y = np.meshgrid(axis.astype(np.float32), axis.astype(np.float32))
    return Canvas(Plane(z_mm, axis, axis, x, y), Tissue(0.0))


def painted(parts: list[Part], z_mm: float = 0.0, pixel_mm: float = 0.5) -> np.ndarray:
    blank = canvas(z_mm, pixel_mm)
    paint_parts(Section(blank, Pose(), (0, 1), (0.0, 0.0)), parts)
    return blank.hu


@pytest.mark.parametrize("pixel_mm", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("radius_mm", [0.1, 0.15])
def test_a_wire_thinner_than_a_pixel_covers_the_share_that_it_fills(pixel_mm: float, radius_mm: float) -> None:
    wire = Part(Rods.along([(0.1, 0.0, -9.0), (0.1, 0.0, 9.0)], radius_mm), METAL, radius_mm)
    area = painted([wire], pixel_mm=pixel_mm).sum() / METAL.hu * pixel_mm**2
    assert 0.6 < area / (math.pi * radius_mm**2) < 1.6


def test_thick_metal_has_its_own_hu_unclipped() -> None:
    for parts in (
        screw((-20, 0, 0), (20, 0, 0), 2.5, METAL),
        plate([(-9, 0, 0), (0, 0, 0), (9, 0, 0)], (0, 1, 0), METAL),
    ):
        assert painted(parts).max() == pytest.approx(METAL.hu)


def test_a_stent_is_a_ring_of_wires_about_an_open_middle() -> None:
    hu = painted(stent([(0, 0, -20), (0, 0, 0), (0, 0, 20)], 5.0, METAL), pixel_mm=0.3)
    axis = (np.arange(160) - 79.5) * 0.3
    away = np.hypot(axis[None], axis[:, None])
    assert hu[away < 3.0].max() == 0.0
    assert (hu[(away > 4.0) & (away < 6.0)] > 300.0).sum() >= 4


def test_a_hip_is_a_ball_in_a_liner_in_a_cup() -> None:
    parts = hip_prosthesis((0, 0, 0), [(14, 4, 30), (30, 4, 90)], METAL, Tissue(-80.0), is_cemented=True)
    row = painted(parts)[80]
    axis = (np.arange(160) - 79.5) * 0.5
    for radius, hu in ((5.0, METAL.hu), (-19.0, -80.0), (-24.5, METAL.hu)):
        assert row[np.argmin(np.abs(axis - radius))] == pytest.approx(hu)


def test_foreign_parts_come_with_their_chance_and_from_their_seed() -> None:
    def tissue(_: float, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        inside = np.hypot(rows[:, None], columns[None]) < 90.0
        return np.where(inside, np.where(np.hypot(rows[:, None], columns[None]) < 20.0, 700.0, 50.0), -1000.0)

    draws = [draw_foreign_parts(np.random.default_rng(seed), (0.0, 100.0), tissue, 0.5) for seed in range(40)]
    assert 8 < sum(bool(parts) for parts in draws) < 32
    assert draws[0] == draw_foreign_parts(np.random.default_rng(0), (0.0, 100.0), tissue, 0.5)
    assert draw_foreign_parts(np.random.default_rng(0), (0.0, 100.0), tissue, 0.0) == ()


def test_some_adults_have_metal_in_their_limbs_and_infants_have_none() -> None:
    adults, infants = ([Extremities.draw(s, age) for s in range(40)] for age in ("adult", "infant"))
    assert 3 < sum(any(limb.implants for limb in one.limbs) for one in adults) < 30
    assert not any(limb.implants for one in infants for limb in one.limbs)


@pytest.mark.parametrize("region", ["head", "thorax"])
def test_covers_lie_on_air_alone(region: str) -> None:
    kinds = {"cloth": ((1.0, 1.0, -700.0),), "blanket": ((3.0, 2.0, -850.0),), "cushion_hu": -950.0}
    blank = canvas(pixel_mm=1.0)
    blank.hu[:] = -1000.0
    blank.hu[40:120, 50:110] = 40.0
    Covers(1, holder_mm=3.0 if region == "head" else 0.0, **kinds).paint(blank, 90.0)
    assert (blank.hu[40:120, 50:110] == 40.0).all()
    air = np.ones(blank.hu.shape, bool)
    air[40:120, 50:110] = False
    assert 0.02 < (blank.hu[air] > -995.0).mean() < 0.7


def test_only_heads_have_a_holder() -> None:
    drawn = {r: [draw_covers(np.random.default_rng(s), s, r) for s in range(20)] for r in ("head", "pelvis")}
    assert any(one.holder_mm > 0.0 for one in drawn["head"])
    assert not any(one.holder_mm > 0.0 or one.cushion_hu > -1000.0 for one in drawn["pelvis"])
    assert {bool(one.cloth) for one in drawn["pelvis"]} == {True, False}


def test_trunks_have_implants_of_their_own_and_other_regions_none() -> None:
    for region in ("thorax", "abdomen", "pelvis"):
        drawn = [trunk_implants(np.random.default_rng(seed), region, "adult") for seed in range(30)]
        assert 3 < sum(bool(parts) for parts in drawn) < 30, region
    assert not any(trunk_implants(np.random.default_rng(seed), "head", "adult") for seed in range(10))


def test_a_replaced_hip_sits_in_the_pelvis_joint() -> None:
    drawn = [trunk_implants(np.random.default_rng(seed), "pelvis", "adult") for seed in range(60)]
    balls = [part.solid.balls()[0] for parts in drawn for part in parts]
    cups = [centre for centre, radius in balls if radius == 26.0]
    assert cups
    assert {(abs(x), y, z) for x, y, z in cups} == {HIP_JOINT}
