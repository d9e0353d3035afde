"""The digital piglet: HU of any slice, at any resolution, from a seed.

Shapes are analytic and anti-aliased, bent by a smooth three-dimensional field and filled with a 1/f-like
texture, so that neighbouring slices look alike and nothing is flat. It imitates a piglet's body plan; it
is no model of a real animal.

============  =====================================  ============
z from nose   region                                 module
============  =====================================  ============
0–185 mm      snout, brain, jaw                      skeleton
185–255 mm    neck, shoulders, forelegs              body
255–400 mm    lungs, heart, diaphragm                thorax
340–500 mm    liver, stomach, kidneys, bowel         abdomen
480–566 mm    pelvis, thighs                         abdomen, skeleton
============  =====================================  ============
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from n2b_ct.phantom.abdomen import Viscera, grow_viscera, paint_abdomen
from n2b_ct.phantom.body import AIR, LENGTH_MM, paint_body, paint_table, warped_plane
from n2b_ct.phantom.lesions import Lesion, add_lesions, place_lesions
from n2b_ct.phantom.random_fields import fractal_field
from n2b_ct.phantom.shapes import Canvas
from n2b_ct.phantom.skeleton import paint_skeleton
from n2b_ct.phantom.thorax import LungTrees, grow_lungs, paint_thorax

__all__ = ["LENGTH_MM", "Animal", "grow_animal", "slice_hu"]

TEXTURE_LATTICES_MM = (14.0, 7.0, 3.5, 1.75)
GRAIN_LATTICES_MM = (1.4, 0.8)


@dataclass(frozen=True, slots=True)
class Animal:
    """One individual: everything that its seed decides and that is not evaluated by slice.

    Attributes:
        seed: Names it.
        lungs: Its lung vessels and airways.
        viscera: Its bowel and abdominal vessels.
        lesions: Its lesions.
    """

    seed: int
    lungs: LungTrees
    viscera: Viscera
    lesions: tuple[Lesion, ...]


def grow_animal(seed: int) -> Animal:
    """Draw an individual; the same seed gives the same animal."""
    lungs, viscera, lesions = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3))
    healthy = Animal(seed, grow_lungs(lungs), grow_viscera(viscera), ())
    return replace(healthy, lesions=place_lesions(lesions, seed, partial(_healthy_canvas_hu, healthy)))


def slice_hu(animal: Animal, z_mm: float, size_px: int, field_of_view_mm: float) -> np.ndarray:
    """Draw one slice without noise.

    Args:
        animal: Who.
        z_mm: Distance from the nose, 0 to :data:`LENGTH_MM`.
        size_px: Rows and columns.
        field_of_view_mm: Side of the square.

    Returns:
        HU, float32 ``[size_px, size_px]``; air is -1000.
    """
    axis = (np.arange(size_px) - (size_px - 1) / 2) * (field_of_view_mm / size_px)
    canvas = _healthy_canvas(animal, z_mm, axis, axis)
    add_lesions(canvas, animal.lesions)
    return np.maximum(canvas.hu, np.float32(AIR.hu))


def _healthy_canvas(animal: Animal, z_mm: float, row_mm: np.ndarray, column_mm: np.ndarray) -> Canvas:
    """Paint everything but the lesions, from the outside to the inside, then fill it with texture."""
    canvas, seed = Canvas(warped_plane(animal.seed, z_mm, row_mm, column_mm), AIR), animal.seed
    paint_table(canvas)
    body = paint_body(canvas, seed)
    paint_thorax(canvas, body, animal.lungs, seed)
    paint_abdomen(canvas, body, animal.viscera, seed)
    paint_skeleton(canvas, body, seed)
    canvas.hu += canvas.texture_hu * fractal_field((seed, 10), z_mm, row_mm, column_mm, TEXTURE_LATTICES_MM)
    canvas.hu += canvas.grain_hu * fractal_field((seed, 13), z_mm, row_mm, column_mm, GRAIN_LATTICES_MM)
    return canvas


def _healthy_canvas_hu(animal: Animal, z_mm: float, row_mm: np.ndarray, column_mm: np.ndarray) -> np.ndarray:
    """HU without lesions on any grid."""
    return _healthy_canvas(animal, z_mm, row_mm, column_mm).hu
