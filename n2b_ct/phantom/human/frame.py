"""The trunk's coordinates and its coarse form: where wall, cavity and spine lie at every height.

An average adult's millimetres: x towards the left, y towards the back, z from the apex of the lungs towards the feet.

=============  ==========================================
z              landmark
=============  ==========================================
0 mm           apex of the lungs, first rib
85 mm          aortic arch; 95 mm: the windpipe divides
120-205 mm     heart
190-210 mm     domes of the diaphragm
245-355 mm     kidneys
390 mm         crests of the ilium
440-545 mm     sacrum and coccyx
530 mm         heads of the femora
590 mm         ischial tuberosities
=============  ==========================================
"""

from __future__ import annotations

import numpy as np

from n2b_ct.phantom.body import Profile
from n2b_ct.phantom.human.build import Build
from n2b_ct.phantom.random_fields import smooth_field
from n2b_ct.phantom.shapes import Plane

WARP_MM = 8.0
BACK_MM = 104.0
"""y of the muscles of the back where they lie on the table, before the fat."""

# z, half width, half depth, centre y of the wall's muscles
WALL = Profile(
    [
        (-75.0, 60.0, 62.0, 14.0),
        (-40.0, 78.0, 66.0, 16.0),
        (0.0, 122.0, 82.0, 14.0),
        (50.0, 148.0, 98.0, 6.0),
        (120.0, 156.0, 106.0, 0.0),
        (200.0, 158.0, 110.0, -2.0),
        (260.0, 150.0, 106.0, -2.0),
        (330.0, 142.0, 98.0, -2.0),
        (390.0, 144.0, 95.0, -2.0),
        (440.0, 158.0, 97.0, 0.0),
        (500.0, 170.0, 99.0, 2.0),
        (540.0, 172.0, 97.0, 4.0),
        (585.0, 160.0, 85.0, 4.0),
        (640.0, 90.0, 20.0, 4.0),
    ]
)

# z, half width, half depth, centre y of the cavity of chest, abdomen and pelvis
CAVITY = Profile(
    [
        (-14.0, 8.0, 6.0, 22.0),
        (0.0, 48.0, 42.0, 22.0),
        (30.0, 88.0, 64.0, 10.0),
        (80.0, 118.0, 82.0, 0.0),
        (150.0, 132.0, 91.0, -5.0),
        (220.0, 135.0, 93.0, -8.0),
        (280.0, 130.0, 88.0, -10.0),
        (340.0, 124.0, 78.0, -14.0),
        (400.0, 127.0, 75.0, -17.0),
        (450.0, 116.0, 73.0, -17.0),
        (500.0, 88.0, 69.0, -11.0),
        (548.0, 62.0, 64.0, -3.0),
        (568.0, 46.0, 54.0, 6.0),
        (590.0, 22.0, 34.0, 22.0),
        (625.0, 8.0, 10.0, 20.0),
    ]
)

# z, y of the middle of the vertebral body, its half width, its half depth
SPINE = Profile(
    [
        (-75.0, 30.0, 12.0, 8.5),
        (-20.0, 44.0, 13.0, 9.5),
        (60.0, 60.0, 13.5, 11.5),
        (150.0, 62.0, 15.5, 14.0),
        (230.0, 54.0, 18.0, 15.5),
        (300.0, 42.0, 20.5, 16.5),
        (370.0, 34.0, 22.5, 17.0),
        (430.0, 40.0, 24.5, 17.0),
        (460.0, 54.0, 24.0, 15.0),
        (500.0, 74.0, 17.0, 10.0),
        (545.0, 84.0, 8.0, 5.0),
    ]
)


def patient_back_mm(build: Build) -> float:
    """Return y of the table's top in the patient's millimetres."""
    return build.scale * build.depth * back_skin_mm(build)


def back_skin_mm(build: Build) -> float:
    """Return y of the flattened skin of the back in an adult's millimetres; the weight halves the fat there."""
    return BACK_MM + 0.5 * build.fat_mm


def body_plane(plane: Plane, build: Build, seed: int) -> Plane:
    """Scale a slice's grid to an average adult and bend it gently: no two patients have the same shapes."""
    z_mm = plane.z_mm / build.scale
    row_mm = plane.row_mm / (build.scale * build.depth)
    column_mm = plane.column_mm / (build.scale * build.width)
    shifts = []
    for axis in (0, 1):
        broad = smooth_field((seed, 1, axis), z_mm, row_mm, column_mm, 45.0)
        narrow = smooth_field((seed, 2, axis), z_mm, row_mm, column_mm, 14.0)
        shifts.append(np.clip(3.0 * broad + 0.9 * narrow, -WARP_MM, WARP_MM))
    x_mm = column_mm[None].astype(np.float32) + shifts[0]
    y_mm = row_mm[:, None].astype(np.float32) + shifts[1]
    return Plane(z_mm, row_mm, column_mm, x_mm, y_mm, WARP_MM)
