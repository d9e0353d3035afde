"""The brain: folded cortex over white matter, nuclei, ventricles and cisterns, cerebellum, brainstem, vessels, disease.

Coordinates are a head's own: x towards the left, y towards the back, z towards the feet, 0 in the middle of the brain,
millimetres of an average adult.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import map_coordinates

from n2b_ct.phantom.human.brain_findings import Finding, draw_findings, paint_finding
from n2b_ct.phantom.human.section import Section, Window
from n2b_ct.phantom.human.solids import Blob, Rods, Solid, both, curved
from n2b_ct.phantom.shapes import Tissue

_SPLINE_STD = (11.0 / 20.0) ** 1.5
"""Root mean square of the tensor-product quadratic B-spline of unit normal numbers."""

N_NODES = 28


@dataclass(frozen=True, slots=True)
class BrainBuild:
    """One brain.

    Attributes:
        grey_hu: Cortex and nuclei.
        white_hu: White matter.
        fluid_hu: Cerebrospinal fluid.
        blood_hu: Blood, with contrast agent or without.
        sulcus_mm: Width of the sulci at the surface.
        gap_mm: Fluid between brain and skull.
        ventricle: Size of the ventricles, 1 being a young adult's.
        fold_mm: Distance of the fields' nodes that fold the cortex.
        plexus_hu: HU of the choroid plexus' calcification; below 60 there is none.
        leukoaraiosis_hu: How much darker the white matter about the ventricles is.
        findings: Diseases, see :class:`~n2b_ct.phantom.human.brain_findings.Finding`.
    """

    grey_hu: float
    white_hu: float
    fluid_hu: float
    blood_hu: float
    sulcus_mm: float
    gap_mm: float
    ventricle: float
    fold_mm: float
    plexus_hu: float
    leukoaraiosis_hu: float
    findings: tuple[Finding, ...]

    @property
    def grey(self) -> Tissue:
        """Grey matter."""
        return Tissue(self.grey_hu, 1.0, 1.2)

    @property
    def white(self) -> Tissue:
        """White matter."""
        return Tissue(self.white_hu, 1.0, 1.0)

    @property
    def fluid(self) -> Tissue:
        """Cerebrospinal fluid."""
        return Tissue(self.fluid_hu, 0.8, 0.6)

    @property
    def blood(self) -> Tissue:
        """Blood."""
        return Tissue(self.blood_hu, 1.0, 1.0)


def draw_brain(rng: np.random.Generator, age_group: str) -> BrainBuild:
    """Draw a brain; old ones have shrunk."""
    age = {"adult": float(rng.beta(1.4, 1.2)), "child": 0.08, "infant": 0.0}[age_group]
    is_infant = age_group == "infant"
    contrast_hu = float(rng.choice([0.0, 0.0, 45.0, 120.0, 300.0]) * rng.uniform(0.7, 1.3))
    grey_hu = float(rng.normal(32.0 if is_infant else 37.5, 1.5))
    return BrainBuild(
        grey_hu=grey_hu + 0.02 * contrast_hu,
        white_hu=grey_hu - float(rng.uniform(5.5, 10.5)) + 0.01 * contrast_hu,
        fluid_hu=float(rng.uniform(2.0, 10.0)),
        blood_hu=float(rng.uniform(38.0, 56.0)) + contrast_hu,
        sulcus_mm=float(rng.uniform(0.25, 0.9)) + 2.4 * age**1.5 + (0.7 * float(rng.random()) if is_infant else 0.0),
        gap_mm=float(rng.uniform(0.3, 1.1)) + 2.0 * age**2 + (1.2 * float(rng.random()) if is_infant else 0.0),
        ventricle=float(rng.uniform(0.75, 1.1)) + 0.75 * age**1.5,
        fold_mm=float(rng.uniform(5.6, 7.4)),
        plexus_hu=float(rng.uniform(20.0, 500.0)) if age_group == "adult" else 45.0,
        leukoaraiosis_hu=float(rng.uniform(0.0, 9.0)) * age**1.5,
        findings=draw_findings(rng),
    )


CENTRE = Blob((0.0, -4.0, 0.0), (60.0, 37.0, 29.0))
"""Where the hemispheres are joined: callosum, nuclei."""
CAUDATE = Rods.along(
    [(11.0, -30.0, -6.0), (13.5, -24.0, -14.0), (16.0, -5.0, -22.0), (20.0, 12.0, -22.0)], (6, 6, 4, 3)
)
PUTAMEN = Blob((25.0, -10.0, -3.0), (5.0, 18.0, 13.0), (0.0, 0.0, -14.0))
PALLIDUM = Blob((18.5, -7.0, 0.0), (4.5, 10.0, 8.0), (0.0, 0.0, -20.0))
THALAMUS = Blob((10.5, 11.0, -6.0), (8.0, 15.0, 10.0), (0.0, 0.0, 20.0))
CLAUSTRUM = Blob((31.5, -8.0, -4.0), (1.0, 17.0, 12.0), (0.0, 0.0, -10.0))
HORN = curved([(5, -38, -6), (8, -30, -12), (7, -10, -22), (10, 12, -24), (20, 30, -18), (26, 34, -6)], 14)
HORN_MM = (2.5, 4.2, 4.6, 4.4, 4.0, 3.6, 3.6, 3.8, 4.2, 4.8, 5.4, 6.0, 6.2, 5.2)
BACK_HORN = curved([(25, 34, -8), (25, 50, -6), (22, 62, -3)], 5)
SIDE_HORN = curved([(27, 33, -4), (33, 26, 8), (32, 6, 18), (29, -6, 22)], 7)
PLEXUS = Rods.along([(16.0, 26.0, -19.0), (23.0, 33.0, -12.0), (25.0, 33.0, -3.0)], (1.2, 3.2, 2.2))
THIRD = (Blob((0.0, 2.0, -2.0), (1.6, 15.0, 9.0)), Blob((0.0, -10.0, 6.0), (1.4, 6.0, 6.0)))
FOURTH = (Blob((0.0, 35.0, 36.0), (7.0, 5.0, 8.0)), Rods.along([(0, 23, 14), (0, 30, 28)], (1.0, 2.0)))
MIDBRAIN = (
    Blob((0.0, 14.0, 14.0), (15.0, 12.0, 10.0)),
    Blob((11.0, 4.0, 12.0), (6.5, 9.0, 10.0), (0.0, 0.0, 32.0)),
    Blob((-11.0, 4.0, 12.0), (6.5, 9.0, 10.0), (0.0, 0.0, -32.0)),
)
BRAINSTEM = (
    Blob((0.0, 13.0, 32.0), (17.0, 12.5, 14.0)),
    Rods.along([(0, 18, 34), (0, 22, 55), (0, 26, 80), (0, 28, 100)], (13.0, 8.0, 6.2, 5.5)),
)
PEDUNCLES = (Rods.along([(10, 18, 32), (24, 38, 34)], (7, 8)), Rods.along([(-10, 18, 32), (-24, 38, 34)], (7, 8)))
CEREBELLUM = (
    Blob((25.0, 48.0, 36.0), (26.0, 29.0, 25.0)),
    Blob((-25.0, 48.0, 36.0), (26.0, 29.0, 25.0)),
    Blob((0.0, 46.0, 20.0), (14.0, 25.0, 24.0)),
    Blob((15.0, 50.0, 24.0), (20.0, 25.0, 22.0)),
    Blob((-15.0, 50.0, 24.0), (20.0, 25.0, 22.0)),
    Blob((11.0, 40.0, 58.0), (9.0, 12.0, 12.0)),
    Blob((-11.0, 40.0, 58.0), (9.0, 12.0, 12.0)),
)
DENTATE = Blob((14.0, 42.0, 38.0), (4.0, 8.0, 5.0), (0.0, 0.0, -30.0))
CISTERNS = (
    Blob((0.0, -10.0, 16.0), (12.0, 8.0, 8.0)),
    Rods.along([(8, -12, 14), (20, -16, 12), (32, -14, 8)], (4.0, 2.5, 2.5)),
    Rods.along([(-8, -12, 14), (-20, -16, 12), (-32, -14, 8)], (4.0, 2.5, 2.5)),
    Blob((0.0, 28.0, 8.0), (9.0, 4.0, 9.0)),
    Blob((0.0, -2.0, 38.0), (22.0, 7.0, 20.0)),
)
PINEAL = Blob((0.0, 22.0, -1.0), (2.5, 3.0, 2.5))

ARTERIES: tuple[Rods, ...] = (
    Rods.along(curved([(8, -6, 34), (9, -14, 28), (9, -8, 22), (11, -13, 15), (22, -15, 11), (34, -12, 8)], 14), 1.6),
    Rods.along(curved([(34, -12, 8), (37, -4, 2), (38, 10, -6), (46, 18, -14), (58, 20, -22)], 14), 1.0),
    Rods.along(curved([(36, -10, 7), (40, -18, 0), (48, -24, -12), (58, -26, -30)], 12), 0.8),
    Rods.along(
        curved([(11, -13, 15), (3, -20, 10), (1.5, -34, 6), (1.5, -44, -8), (1.5, -34, -26), (1.5, 0, -32)], 18), 1.0
    ),
    Rods.along(curved([(2, 0, 20), (10, 2, 19), (17, 12, 16), (18, 26, 10), (10, 46, 4)], 14), 1.1),
)
BASILAR = Rods.along([(0, 2, 58), (0, -2, 44), (1, -2, 30), (0, -1, 20)], 1.7)
VERTEBRALS = (
    Rods.along([(0, 2, 58), (9, 10, 72), (16, 20, 84)], 1.6),
    Rods.along([(0, 2, 58), (-8, 10, 72), (-16, 20, 84)], 1.3),
)


def paint_brain(section: Section, build: BrainBuild, depth_mm: np.ndarray, seed: int) -> None:
    """Paint all that lies within the skull.

    Args:
        section: The head.
        build: The brain.
        depth_mm: How deep a pixel lies within the skull's cavity, own millimetres, float32 ``[rows, cols]``.
        seed: Names the patient.
    """
    where = section.near((0.0, 4.0, 4.0), 104.0)
    if where is None:
        return
    inside = section.cover(-depth_mm * np.float32(section.pose.size))
    if not inside.any():
        return
    section.paint(inside, build.fluid)
    tent = _below_tentorium(section)
    upper = _paint_cerebrum(section, build, depth_mm, tent, where, seed)
    _paint_hindbrain(section, build, depth_mm, tent, inside)
    _paint_deep(section, build, inside, upper)
    _paint_sheets(section, depth_mm, tent, inside)
    _paint_vessels(section, build, inside)
    for finding in build.findings:
        paint_finding(section, finding, inside)


def _below_tentorium(section: Section) -> np.ndarray:
    """Measure the signed distance to the posterior fossa, negative in it."""
    x, y, z = np.abs(section.x), section.y, section.z
    roof = np.float32(1.0) + np.float32(0.30) * x + np.float32(0.18) * np.maximum(y - 32.0, 0.0)
    front = np.float32(1.0) + np.float32(0.35) * x + np.float32(0.8) * np.clip(np.float32(24.0) - z, 0.0, 19.0)
    return np.asarray(np.maximum(np.float32(0.85) * (roof - z), np.float32(0.9) * (front - y)), np.float32)


def _paint_cerebrum(
    section: Section, build: BrainBuild, depth_mm: np.ndarray, tent: np.ndarray, where: Window, seed: int
) -> np.ndarray:
    """Paint the hemispheres' white matter, their cortex and their sulci; give their coverage."""
    fold, reach = _folds(section, build, where, seed)
    depth = np.minimum(depth_mm[where] - np.float32(build.gap_mm), tent[where] - np.float32(0.8))
    depth = np.minimum(depth, _fissure_depth(section, build, where))
    hemisphere = section.cover(-depth)
    wide = np.float32(build.sulcus_mm) * np.clip(1.0 - depth / reach, 0.0, 1.0)
    past = np.clip((reach - depth) / np.float32(3.0), 0.0, 1.0)
    sulcus = section.sheet(fold, wide) * past
    cortex = np.float32(2.9) + np.float32(0.4) * section.field(84, 9.0, where)
    grey = np.minimum(depth - cortex, np.maximum(fold - 0.5 * wide - cortex, depth - reach - 1.5))
    section.paint(hemisphere, build.white, where)
    section.paint(hemisphere * section.cover(grey, 1.2), build.grey, where)
    section.paint(hemisphere * sulcus, build.fluid, where)
    whole = np.zeros_like(depth_mm)
    whole[where] = hemisphere
    return whole


def _folds(section: Section, build: BrainBuild, where: Window, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Measure the distance to the nearest sulcus' middle, and how deep sulci reach here, millimetres.

    The fields are sampled on a sphere-like surface and nearly alike along each radius, so that sulci stand upright.
    """
    x, y, z = section.x[where], section.y[where], section.z[where] + np.float32(4.0)
    side = np.where(x < 0.0, np.float32(300.0), np.float32(0.0))
    radius = np.sqrt(x**2 + (0.8 * y) ** 2 + z**2) + np.float32(8.0)
    outwards = (np.float32(66.0) / radius) ** np.float32(0.7)
    point = np.stack([x * outwards + side, y * outwards, z * outwards])
    fold = _sampled((seed, 301), point / np.float32(build.fold_mm))
    depth = section.field(89, 2.0 * build.fold_mm, where)
    pixel = np.float32(section.canvas.plane.pixel_mm)
    along_rows, along_columns = np.gradient(fold, pixel)
    slope = np.hypot(along_rows, along_columns) + np.float32(0.03)
    reach = np.clip(np.float32(13.0) + np.float32(6.5) * depth, 3.0, 26.0)
    outer = CENTRE.distance(0, section.x[where], y, section.z[where])
    return np.abs(fold) / slope, reach * np.clip(np.float32(0.75) + outer / np.float32(20.0), 0.04, 1.0)


def _fissure_depth(section: Section, build: BrainBuild, where: Window) -> np.ndarray:
    """Measure how deep a pixel lies beneath the great fissures: between the hemispheres, and over the insula."""
    x, y, z = np.abs(section.x[where]), section.y[where], section.z[where]
    half = np.float32(0.9 + 0.35 * build.sulcus_mm)
    outside_centre = CENTRE.distance(0, section.x[where], y, z)
    between = np.maximum(x - half, -outside_centre)
    half = np.float32(0.4 + 0.75 * build.sulcus_mm)
    line = np.float32(2.0) - np.float32(0.5) * (y + 12.0) + np.float32(4.0) * section.field(87, 14.0, where)
    sylvian = np.hypot(np.maximum(np.float32(37.0) - x, 0.0), np.abs(z - line))
    reach = np.maximum(np.abs(y + 4.0) - 30.0, 0.0)
    insula = np.hypot(x - 37.5 + 0.012 * (y + 5.0) ** 2, np.maximum(np.abs(z - line) - 11.0, 0.0))
    lateral = np.minimum(sylvian, insula) + reach - half
    return np.asarray(np.minimum(between, lateral), np.float32)


def _paint_hindbrain(
    section: Section, build: BrainBuild, depth_mm: np.ndarray, tent: np.ndarray, inside: np.ndarray
) -> None:
    """Paint cerebellum with its leaves, pons and medulla."""
    cut = section.cut(*CEREBELLUM, blend_mm=5.0, margin_mm=4.0)
    if cut is not None:
        distance = np.maximum(cut.distance_mm - np.float32(3.0), -depth_mm[cut.where] + np.float32(build.gap_mm + 0.3))
        distance = np.maximum(distance, tent[cut.where] + np.float32(1.2))
        cover = section.cover(distance) * inside[cut.where]
        section.paint(cover, build.grey, cut.where)
        section.paint(cover * _leaves(section, distance, cut.where), build.fluid, cut.where)
        core = distance + np.float32(11.0) + np.float32(4.0) * section.field(81, 5.0, cut.where)
        section.paint(cover * np.float32(0.8) * section.cover(core, 3.0), build.white, cut.where)
        section.draw(build.grey, *both(DENTATE), soft_mm=1.0)
    section.draw(build.fluid, *MIDBRAIN, grow_mm=1.2 + 0.7 * build.sulcus_mm, blend_mm=3.0, within=inside)
    section.draw(build.white, *BRAINSTEM, *PEDUNCLES, blend_mm=4.0, within=inside)
    section.draw(build.white, *MIDBRAIN, blend_mm=3.0, within=inside)
    section.draw(build.fluid, *FOURTH, grow_mm=0.5 * (build.ventricle - 1.0), blend_mm=1.0, within=inside)


def _leaves(section: Section, distance_mm: np.ndarray, where: Window) -> np.ndarray:
    """Draw the thin fluid between the cerebellum's leaves, which run along its surface and fade inwards."""
    x, y, z = section.x[where], section.y[where] - np.float32(20.0), section.z[where]
    radius = np.sqrt(x**2 * np.float32(0.5) + y**2 + np.float32(2.0) * z**2)
    phase = radius / np.float32(3.4) + np.float32(0.55) * section.field(82, 6.0, where)
    line = np.exp(-((np.sin(np.pi * phase) / np.float32(0.22)) ** 2))
    fade = np.clip(1.0 + distance_mm / np.float32(9.0), 0.0, 1.0) * np.clip(
        0.35 + section.field(83, 7.0, where), 0.0, 1.0
    )
    return np.asarray(np.float32(0.5) * line * fade, np.float32)


def _paint_deep(section: Section, build: BrainBuild, inside: np.ndarray, upper: np.ndarray) -> None:
    """Paint nuclei, cisterns, ventricles and what calcifies in them."""
    nuclei = Tissue(build.grey_hu - 0.5, 1.0, 1.2)
    section.draw(nuclei, *both(CAUDATE, PUTAMEN, THALAMUS), soft_mm=1.4, within=inside)
    section.draw(Tissue(build.grey_hu - 3.0, 1.0, 1.0), *both(PALLIDUM), soft_mm=1.4, within=inside)
    section.draw(nuclei, *both(CLAUSTRUM), soft_mm=1.0, within=inside)
    section.draw(build.fluid, *CISTERNS, grow_mm=0.8 * build.sulcus_mm - 1.0, blend_mm=2.0, within=inside)
    section.draw(build.white, *MIDBRAIN, blend_mm=3.0, within=inside)
    horns = _horns(build.ventricle)
    halo = section.cut(*horns, blend_mm=3.0, margin_mm=12.0)
    if halo is not None and build.leukoaraiosis_hu > 0.0:
        patchy = np.clip(0.6 + section.field(85, 6.0, halo.where), 0.0, 1.0)
        dark = np.clip(1.0 - halo.distance_mm / np.float32(11.0), 0.0, 1.0) * patchy * upper[halo.where]
        section.canvas.hu[halo.where] -= np.float32(build.leukoaraiosis_hu) * dark
    section.draw(build.fluid, *horns, blend_mm=3.0, soft_mm=0.8, within=inside)
    section.draw(build.fluid, *THIRD, grow_mm=1.6 * (build.ventricle - 1.0), soft_mm=0.8, within=inside)
    if build.plexus_hu > 60.0:
        cut = section.cut(*both(PLEXUS), PINEAL)
        if cut is not None:
            clumps = np.clip(0.2 + section.field(86, 2.2, cut.where), 0.0, 1.0)
            section.paint(section.cover(cut.distance_mm, 1.0) * clumps, Tissue(build.plexus_hu, 40.0, 30.0), cut.where)


@lru_cache(maxsize=8)
def _horns(size: float) -> tuple[Solid, ...]:
    """Make the lateral ventricles, of a size."""
    radii = [size * r for r in HORN_MM]
    side = Rods.along(SIDE_HORN, np.linspace(4.0, 1.2, len(SIDE_HORN)).tolist()).scaled(size**1.5)
    back = Rods.along(BACK_HORN, np.linspace(3.6, 1.2, len(BACK_HORN)).tolist()).scaled(size**1.5)
    return both(Rods.along(HORN, radii), back, side)


def _paint_sheets(section: Section, depth_mm: np.ndarray, tent: np.ndarray, inside: np.ndarray) -> None:
    """Paint dura beneath the skull, falx and tentorium."""
    dura = Tissue(52.0, 4.0, 3.0)
    section.paint(inside * section.sheet(depth_mm - np.float32(0.3), 0.8), dura)
    x, y, z = section.x, section.y, section.z
    around = CENTRE.distance(0, x, y, z)
    falx = np.clip(around / np.float32(4.0), 0.0, 1.0) * np.clip(tent / np.float32(2.0), 0.0, 1.0)
    section.paint(inside * section.sheet(x, 1.1) * falx, dura)
    edge = np.clip((np.hypot(x, y - 18.0) - np.float32(19.0)) / np.float32(3.0), 0.0, 1.0)
    section.paint(inside * section.sheet(tent, 1.0) * edge, dura)


def _paint_vessels(section: Section, build: BrainBuild, inside: np.ndarray) -> None:
    """Paint the circle of Willis with its branches, and the sinuses."""
    section.draw(build.blood, *both(*ARTERIES), BASILAR, *VERTEBRALS, within=inside)
    section.draw(Tissue(build.blood_hu + 4.0, 2.0, 1.0), *_sinuses(), blend_mm=2.0, within=inside)


@lru_cache(maxsize=1)
def _sinuses() -> tuple[Solid, ...]:
    """Make the venous sinuses, which follow the skull."""
    angle = np.linspace(-0.9, 2.0, 22)
    crest = np.stack([0 * angle, 83.0 * np.sin(angle), -10.0 - 65.0 * np.cos(angle)], axis=1)
    side = curved([(2, 80, 14), (25, 74, 18), (46, 54, 22), (50, 34, 30), (44, 24, 44), (34, 20, 60)], 16)
    return (
        Rods.along(crest, np.linspace(1.5, 4.4, 22).tolist()),
        Rods.along(side, 3.8),
        Rods.along(side * np.array([-1.0, 1.0, 1.0]), 2.8),
        Rods.along([(0, 28, -2), (0, 52, 5), (0, 78, 13)], (2.0, 2.2, 3.0)),
        *both(Rods.along([(1.6, 2, -14), (1.6, 18, -8), (0.5, 27, -4)], (0.9, 1.1, 1.4))),
    )


def _sampled(key: tuple[int, ...], point: np.ndarray) -> np.ndarray:
    """Sample a smooth field of unit variance at any points, ``[3, rows, cols]`` in units of its nodes."""
    field = map_coordinates(_nodes(key), point, order=2, mode="grid-wrap", prefilter=False, output=np.float32)
    return np.asarray(field / np.float32(_SPLINE_STD), np.float32)


@lru_cache(maxsize=8)
def _nodes(key: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(np.random.SeedSequence(key)).standard_normal((N_NODES,) * 3, dtype=np.float32)
