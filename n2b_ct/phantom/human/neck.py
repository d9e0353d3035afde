"""A neck, from below the jaw to the shoulders, of an adult, a child or an infant.

Coordinates are those of :mod:`n2b_ct.phantom.human.region`; z is 0 at the third cervical vertebra.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.body import SKIN
from n2b_ct.phantom.human.brain import both
from n2b_ct.phantom.human.cervical import SpineBuild, draw_spine, paint_spine
from n2b_ct.phantom.human.implants import Part, paint_parts
from n2b_ct.phantom.human.long_bones import draw_bone_quality
from n2b_ct.phantom.human.muscles import FAT, STRAND, Compartments, draw_compartments, paint_compartments
from n2b_ct.phantom.human.section import Cut, Pose, Section
from n2b_ct.phantom.human.shoulders import Shoulders, draw_shoulders, paint_shoulder_bones, shoulder_outline
from n2b_ct.phantom.human.solids import FAR, Blob, Rods, Solid, curved
from n2b_ct.phantom.human.surgery import neck_implants
from n2b_ct.phantom.shapes import Canvas, Tissue

_STREAM = 402
_SIZES = {"adult": (0.92, 1.1), "child": (0.62, 0.82), "infant": (0.42, 0.52)}

AIR = Tissue(-1000.0)
MUCOSA = Tissue(48.0, 6.0, 4.0)

_HALF_SITES = (
    (8, 62),
    (11, 78),
    (20, 55),
    (24, 70),
    (33, 50),
    (36, 66),
    (44, 40),
    (48, 56),
    (28, 38),
    (40, 26),
    (20, 92),
    (52, 22),
    (56, 40),
    (8, 3),
    (22, 18),
    (30, 12),
)
_OUTER_SITES = (
    (75, 30),
    (95, 48),
    (80, 60),
    (110, 20),
    (120, 50),
    (140, 10),
    (150, 60),
    (165, -10),
    (180, 20),
    (190, 45),
    (170, 62),
    (105, -5),
    (70, 5),
    (60, 70),
    (85, -15),
    (130, -20),
    (200, 5),
)
_SITES = np.array([(s * x, y) for s in (1.0, -1.0) for x, y in _HALF_SITES + _OUTER_SITES])


@dataclass(frozen=True, slots=True)
class Throat:
    """Larynx, windpipe, gland and vessels of one neck.

    Attributes:
        artery_hu: Blood in arteries.
        vein_hu: Blood in veins.
        gland_hu: The thyroid.
        lobes: Size of its left and right lobe, 1 being the average.
        nodules: In the thyroid.
        ossified: How much of the larynx' cartilage is bone, 0 to 1.
        glottis_mm: Half width of the glottis.
        jugular_mm: Radius of the left and right jugular vein.
        plaque: How much of the carotids' wall is calcified, 0 to 1.
        nodes: Lymph nodes.
    """

    artery_hu: float
    vein_hu: float
    gland_hu: float
    lobes: tuple[float, float]
    nodules: tuple[tuple[Blob, float], ...]
    ossified: float
    glottis_mm: float
    jugular_mm: tuple[float, float]
    plaque: float
    nodes: tuple[Blob, ...]


@dataclass(frozen=True)
class Neck:
    """One neck.

    Attributes:
        seed: Names the patient.
        z_range_mm: From the third cervical to the second thoracic vertebra.
        back_mm: y of what it lies on.
        pose: How it lies.
        girth: Thickness, 1 being the average.
        fat_mm: Thickness of the fat below the skin.
        shoulders: The shoulders.
        muscles: Its muscles.
        spine: Its spine.
        throat: What lies before the spine.
        implants: What surgeons and nurses left.
    """

    seed: int
    z_range_mm: tuple[float, float]
    back_mm: float
    pose: Pose
    girth: float
    fat_mm: float
    shoulders: Shoulders
    muscles: Compartments
    spine: SpineBuild
    throat: Throat
    implants: tuple[Part, ...]

    @classmethod
    def draw(cls, seed: int, age_group: str) -> Neck:
        """Draw a neck; equal seeds, equal necks."""
        rng = np.random.default_rng(np.random.SeedSequence([seed, _STREAM, len(age_group)]))
        size = float(rng.uniform(*_SIZES[age_group]))
        nod, roll, turn = rng.normal(0.0, 1.0, 3) * np.array([8.0, 3.0, 4.0])
        shift = rng.normal(0.0, 8.0, 2)
        quality = draw_bone_quality(rng, age_group)
        throat = _draw_throat(rng, age_group)
        girth = float(rng.uniform(0.88, 1.18))
        last = 162.0 if age_group == "adult" else 148.0
        return cls(
            seed=seed,
            z_range_mm=(-4.0 * size, last * size),
            back_mm=float(shift[1] + 100.0 * size * girth),
            pose=Pose((float(shift[0]), float(shift[1]), 0.0), (float(nod), float(roll), float(turn)), size),
            girth=girth,
            fat_mm=float(rng.gamma(3.0, 2.2)) + 1.5,
            shoulders=draw_shoulders(rng, quality),
            muscles=draw_compartments(rng, _SITES, jitter_mm=3.0),
            spine=draw_spine(rng, (0.0, 28.0, -36.0), quality, age_group, throat.artery_hu),
            throat=throat,
            implants=neck_implants(rng, age_group),
        )

    def paint(self, canvas: Canvas) -> None:
        """Paint from the outside to the inside."""
        section = Section(canvas, self.pose, (self.seed, _STREAM), (1.6, 0.5))
        self._paint_body(section)
        paint_shoulder_bones(section, self.shoulders, self.throat.vein_hu)
        _paint_glands(section, self.throat)
        paint_spine(section, self.spine, 2, 13)
        _paint_vessels(section, self.throat)
        _paint_larynx(section, self.throat)
        _paint_airway(section, self.throat)
        paint_parts(section, self.implants)

    def _paint_body(self, section: Section) -> None:
        """Paint skin, fat, muscles and the loose tissue of the throat."""
        size = np.float32(self.pose.size)
        outline = self._outline(section)
        section.paint(section.cover(outline), SKIN)
        under_skin = section.cover(outline + np.float32(1.9) * size)
        section.paint(under_skin, FAT)
        section.paint(under_skin * np.float32(0.45) * section.sheets(180, 8.0, 0.09), STRAND)
        waves = np.clip(1.0 + 0.4 * section.field(181, 22.0), 0.3, 2.2)
        nape = np.clip(section.y / np.float32(80.0), 0.0, 1.0)
        fat = np.float32(self.fat_mm + 1.9) * (np.float32(0.6) * waves + np.float32(0.8) * nape) * size
        front = np.float32(9.0) - section.y - np.float32(0.22) * np.abs(section.x)
        inner = np.maximum(outline + fat, front * size)
        rows, columns = np.flatnonzero((inner < 1).any(axis=1)), np.flatnonzero((inner < 1).any(axis=0))
        if len(rows) and len(columns):
            where = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            paint_compartments(section, self.muscles, section.cover(inner[where]), where)
        self._paint_long_muscles(section, section.cover(outline + np.float32(0.5) * fat))

    def _paint_long_muscles(self, section: Section, within: np.ndarray) -> None:
        """Paint the muscles that run along the throat."""
        muscle = Tissue(self.muscles.hu, 4.5, 3.5)
        mastoid = [(50, 8, -10), (44, -8, 40), (34, -26, 80), (20, -38, 125)]
        straps = (
            Rods.along(mastoid, (9.5, 11.0, 9.0, 6.5)),
            Rods.along([(50, 14, -10), (46, -2, 40), (40, -20, 80), (32, -32, 125)], (7.0, 8.0, 7.0, 5.0)),
            Rods.along([(8, -50, 22), (12, -48, 60), (14, -44, 130)], 3.6),
            Rods.along([(16, -46, 30), (20, -44, 60), (20, -40, 130)], 3.2),
            Rods.along([(8, -3, -20), (10, -4, 40), (10, 0, 120)], (6.0, 6.5, 6.0)),
            Rods.along([(26, 4, 30), (34, 4, 80), (42, 0, 120)], (7.0, 9.0, 8.0)),
        )
        for solid in straps:
            section.draw(muscle, *both(solid), grow_mm=0.2, within=within)
        section.draw(Tissue(50.0, 6.0, 5.0), Blob((0.0, -40.0, -2.0), (22.0, 24.0, 22.0)), within=within)

    def _outline(self, section: Section) -> np.ndarray:
        """Measure the distance to the skin, world millimetres."""
        girth, fat = self.girth, 0.6 * self.fat_mm
        neck = (
            Rods.along(
                [(0, 24, -60), (0, 26, 60), (0, 30, 260)], (60 * girth + fat, 58 * girth + fat, 66 * girth + fat)
            ),
            Rods.along(
                [(0, -8, -30), (0, -12, 60), (0, -10, 220)], (52 * girth + fat, 44 * girth + fat, 54 * girth + fat)
            ),
            Blob((0.0, -40.0, -32.0), (50.0, 46.0, 42.0)),
        )
        cut = section.cut(*neck, *shoulder_outline(self.shoulders, fat), blend_mm=26.0, margin_mm=14.0)
        outline = np.full(section.x.shape, FAR)
        if cut is not None:
            outline[cut.where] = cut.distance_mm
        bottom = section.canvas.plane.row_mm[:, None] - np.float32(self.back_mm - 0.5)
        return np.maximum(outline, bottom.astype(np.float32)) + np.float32(0.3) * section.field(182, 8.0)


def _draw_throat(rng: np.random.Generator, age_group: str) -> Throat:
    """Draw what lies before the spine."""
    contrast = float(rng.choice([0.0, 0.0, 1.0]) * rng.uniform(60.0, 420.0))
    vein = contrast * float(rng.choice([0.25, 0.9, 2.5])) if contrast else 0.0
    lobes = np.exp(rng.normal(0.0, 0.25, 2)) * (1.5 if rng.random() < 0.15 else 1.0)
    is_adult = age_group == "adult"
    return Throat(
        artery_hu=float(rng.uniform(38.0, 52.0)) + contrast,
        vein_hu=float(rng.uniform(38.0, 52.0)) + vein,
        gland_hu=float(rng.uniform(80.0, 125.0)) + 0.35 * contrast,
        lobes=(float(lobes[0]), float(lobes[1])),
        nodules=tuple(_nodule(rng) for _ in range(rng.poisson(1.5 if is_adult else 0.3))),
        ossified=float(rng.beta(1.2, 1.5)) if is_adult else 0.0,
        glottis_mm=float(rng.uniform(1.0, 5.5)),
        jugular_mm=(float(rng.uniform(3.0, 8.5)), float(rng.uniform(4.0, 9.5))),
        plaque=max(0.0, float(rng.normal(0.0, 0.5))) if is_adult else 0.0,
        nodes=tuple(_node(rng) for _ in range(int(rng.integers(10, 26)))),
    )


def _nodule(rng: np.random.Generator) -> tuple[Blob, float]:
    side, radius = float(rng.choice([-1.0, 1.0])), float(rng.uniform(1.0, 9.0))
    centre = (side * float(rng.uniform(13, 22)), float(rng.uniform(-34, -18)), float(rng.uniform(62, 92)))
    return Blob(centre, (radius, radius * 0.9, radius * 1.1)), float(rng.choice([-70.0, -40.0, -15.0, 20.0, 500.0]))


def _node(rng: np.random.Generator) -> Blob:
    side, z = float(rng.choice([-1.0, 1.0])), float(rng.uniform(-10.0, 120.0))
    x, y = float(rng.uniform(20.0, 50.0)), float(rng.uniform(-30.0, 10.0))
    short = float(rng.gamma(3.0, 0.75)) + 1.0
    return Blob((side * x, y, z), (short, 1.3 * short, 1.8 * short), (0.0, 0.0, float(rng.uniform(-60, 60))))


def _paint_glands(section: Section, throat: Throat) -> None:
    """Paint salivary glands, lymph nodes with fatty hila, the thyroid with its nodules, the gullet."""
    salivary = Tissue(24.0, 12.0, 8.0)
    section.draw(salivary, *both(Blob((30, -40, 2), (9, 15, 15)), Blob((52, -4, -14), (10, 15, 20))), blend_mm=1.0)
    node = Tissue(0.2 * throat.artery_hu + 34.0, 4.0, 3.0)
    section.draw(node, *throat.nodes)
    hila = tuple(
        Blob(n.centre_mm, (0.4 * n.radii_mm[0], 0.5 * n.radii_mm[1], n.radii_mm[2]), n.turn_deg)
        for n in throat.nodes[::2]
    )
    section.draw(Tissue(-40.0, 10.0), *hila)
    lobes: list[Solid] = [Rods.along([(-12, -40, 78), (0, -43, 79), (12, -40, 78)], 3.4)]
    for side, size in zip((1.0, -1.0), throat.lobes, strict=True):
        lobes.append(Blob((side * 17.0, -28.0, 76.0), (7.5 * size, 11.0 * size, 21.0 * size), (0.0, 0.0, side * 15.0)))
    gland = section.cut(*lobes, blend_mm=3.0)
    section.draw(Tissue(throat.gland_hu, 7.0, 5.0), *lobes, blend_mm=3.0)
    if gland is not None:
        cover = section.cover(gland.distance_mm)
        for blob, added in throat.nodules:
            cut = section.cut(blob)
            if cut is not None:
                section.canvas.hu[cut.where] += (
                    np.float32(added) * section.cover(cut.distance_mm, 0.8) * _part(cover, gland, cut)
                )
    gullet = Rods.along([(0, -13, 60), (3, -12, 90), (5, -6, 180)], 6.2)
    section.draw(Tissue(44.0, 5.0, 4.0), gullet)
    section.draw(Tissue(-500.0, 100.0), gullet, grow_mm=-5.0)


def _part(cover: np.ndarray, outer: Cut, inner: Cut) -> np.ndarray:
    """Read one window's coverage on another window, 0 beyond it."""
    rows, columns = (np.arange(s.start, s.stop) - o.start for s, o in zip(inner.where, outer.where, strict=True))
    known_rows, known_columns = (rows >= 0) & (rows < cover.shape[0]), (columns >= 0) & (columns < cover.shape[1])
    found = np.zeros((len(rows), len(columns)), np.float32)
    found[np.ix_(known_rows, known_columns)] = cover[np.ix_(rows[known_rows], columns[known_columns])]
    return found


def _paint_vessels(section: Section, throat: Throat) -> None:
    """Paint carotids with their fork and plaques, and jugular veins, in sheaths of fat."""
    artery, vein = Tissue(throat.artery_hu, 2.0, 1.0), Tissue(throat.vein_hu, 2.0, 1.0)
    common = Rods.along(curved([(18, -12, 180), (22, -14, 120), (24, -18, 70), (25, -16, 34)], 12), 3.6)
    inner = Rods.along(curved([(25, -16, 36), (28, -9, 22), (28, -4, -30)], 8), np.linspace(4.2, 2.5, 8).tolist())
    outer = Rods.along(curved([(25, -16, 36), (22, -24, 20), (26, -28, -30)], 8), 2.1)
    tree = both(common, inner, outer)
    veins = tuple(
        Rods.along(
            [(side * 33, -4, -30), (side * 35, -10, 40), (side * 32, -14, 90), (side * 26, -18, 170)],
            (0.8 * r, r, 1.1 * r, r),
        )
        for side, r in zip((1.0, -1.0), throat.jugular_mm, strict=True)
    )
    small = both(
        Rods.along([(48, -14, -20), (46, -30, 40), (44, -20, 120)], 1.6),
        Rods.along([(8, -52, 10), (10, -54, 120)], 1.2),
    )
    section.draw(FAT, *tree, grow_mm=1.6, soft_mm=1.0)
    section.draw(vein, *veins, *small)
    section.draw(Tissue(60.0), *tree, grow_mm=0.7)
    section.draw(artery, *tree)
    if throat.plaque > 0.05:
        cut = section.cut(*tree)
        if cut is not None:
            near_fork = np.exp(-(((section.z[cut.where] - 30.0) / 22.0) ** 2))
            patches = np.clip(
                section.field(183, 4.0, cut.where) + np.float32(throat.plaque) * near_fork - 0.7, 0.0, 1.0
            )
            section.paint(section.sheet(cut.distance_mm, 1.5) * patches, Tissue(950.0, 150.0, 100.0), cut.where)


def _paint_larynx(section: Section, throat: Throat) -> None:
    """Paint the larynx' soft tissue and its cartilages, mottled with bone."""
    section.draw(
        MUCOSA, Rods.along([(0, -26, -20), (0, -26, 14), (0, -32, 40), (0, -34, 62)], (17.0, 16.0, 17.0, 13.0))
    )
    section.draw(FAT, *both(Blob((8.0, -38.0, 40.0), (3.2, 6.0, 12.0), (0, 0, -30))), soft_mm=1.5)
    angle = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 11)
    hyoid = np.stack([21 * np.sin(angle), -30 - 22 * np.cos(angle), 18 + 0 * angle], axis=1)
    cut = section.cut(Rods.along(hyoid, np.interp(np.abs(angle), [0, 1.57], [3.2, 2.0]).tolist()))
    if cut is not None:
        section.paint(section.cover(cut.distance_mm), Tissue(420.0 + 500.0 * throat.ossified, 60.0, 60.0), cut.where)
        section.paint(section.cover(cut.distance_mm + np.float32(0.9)), Tissue(160.0, 50.0, 60.0), cut.where)
    plates = both(Blob((11.5, -38.0, 44.0), (1.7, 19.0, 14.0), (0.0, 0.0, 33.0)))
    ring = (Blob((0.0, -33.0, 64.0), (13.0, 14.0, 5.5)), Blob((0.0, -24.0, 59.0), (10.0, 4.5, 9.0)))
    small = both(Blob((5.0, -23.0, 50.0), (2.4, 3.0, 4.5)))
    for solids in (plates, ring, small):
        _paint_cartilage(section, throat, solids)


def _paint_cartilage(section: Section, throat: Throat, solids: tuple[Solid, ...]) -> None:
    """Paint cartilage whose rims and patches have turned to bone."""
    cut = section.cut(*solids)
    if cut is None:
        return
    cover = section.cover(cut.distance_mm)
    section.paint(cover, Tissue(85.0, 10.0, 6.0), cut.where)
    patches = np.clip(1.5 * (section.field(184, 5.0, cut.where) + np.float32(3.0 * throat.ossified - 1.6)), 0.0, 1.0)
    section.paint(cover * patches, Tissue(520.0, 80.0, 70.0), cut.where)
    marrow = section.cover(cut.distance_mm + np.float32(1.0))
    section.paint(marrow * patches * np.float32(0.8), Tissue(90.0, 60.0, 60.0), cut.where)


def _paint_airway(section: Section, throat: Throat) -> None:
    """Paint the air from the mouth to the windpipe, which has rings of cartilage."""
    pipe = Rods.along(curved([(0, -33, 60), (0, -34, 80), (0, -30, 120), (0, -22, 190)], 10), 8.6)
    cut = section.cut(pipe, margin_mm=3.0)
    if cut is not None:
        phase = np.cos(2.0 * np.pi * section.z[cut.where] / 4.6) > -0.3
        is_front = section.y[cut.where] < -24.0
        section.paint(section.cover(cut.distance_mm - np.float32(2.0)), MUCOSA, cut.where)
        rings = section.sheet(cut.distance_mm - np.float32(1.0), 1.6) * (phase & is_front)
        section.paint(rings, Tissue(80.0 + 320.0 * throat.ossified, 40.0, 30.0), cut.where)
    wide = throat.glottis_mm
    spaces: tuple[Solid, ...] = (
        Rods.along([(0, -16, -30), (0, -18, 8), (0, -24, 26)], (9.0, 8.5, 7.0)),
        Rods.along([(0, -26, 24), (0, -30, 40)], (6.0, 2.0 + wide)),
        Blob((0.0, -33.0, 48.0), (wide, 10.0, 12.0)),
        Rods.along([(0, -33, 54), (0, -33, 66)], (2.0 + wide, 7.5)),
        *both(Blob((11.0, -20.0, 34.0), (3.4, 4.5, 13.0))),
        pipe,
    )
    air = section.cut(*spaces, blend_mm=2.0)
    if air is not None:
        section.paint(
            section.cover(air.distance_mm + np.float32(0.8) * section.field(185, 5.0, air.where)), AIR, air.where
        )
    leaf = Blob((0.0, -29.0, 22.0), (8.0, 1.3, 13.0), (25.0, 0.0, 0.0))
    section.draw(Tissue(60.0, 5.0), leaf)
