"""What lies before a neck's spine: larynx, windpipe, thyroid, salivary glands, lymph nodes, carotids, jugulars.

Coordinates as in :mod:`n2b_ct.phantom.human.neck`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.human.muscles import FAT
from n2b_ct.phantom.human.section import Cut, Section
from n2b_ct.phantom.human.solids import Blob, Rods, Solid, both, curved
from n2b_ct.phantom.shapes import Tissue

AIR = Tissue(-1000.0)
MUCOSA = Tissue(48.0, 6.0, 4.0)


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


def draw_throat(rng: np.random.Generator, age_group: str) -> Throat:
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


def paint_glands(section: Section, throat: Throat) -> None:
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


def paint_neck_vessels(section: Section, throat: Throat) -> None:
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


def paint_larynx(section: Section, throat: Throat) -> None:
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


def paint_airway(section: Section, throat: Throat) -> None:
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
