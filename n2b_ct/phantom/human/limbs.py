"""The stretches of arms and legs: flesh, vessels and tendons of each, and who paints its bones.

Coordinates are a left limb's own: x towards the patient's left (away from the body), y towards the back, z along it,
0 at the stretch's upper end, millimetres of an average adult.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.human.arm_bones import paint_elbow_bones, paint_hand_bones, paint_upper_arm_bones
from n2b_ct.phantom.human.leg_bones import paint_foot_bones, paint_knee_bones, paint_shin_bones, paint_thigh_bones
from n2b_ct.phantom.human.long_bones import BoneQuality
from n2b_ct.phantom.human.section import Section
from n2b_ct.phantom.human.solids import Blob, Rods, Solid

Path = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Stretch:
    """One stretch of a limb.

    Attributes:
        length_mm: From its upper to its lower end.
        back_mm: From its axis to its back.
        flesh: What the muscles' outline is drawn around.
        vessels: Paths of arteries with their radii; a vein runs beside each.
        tendons: Tendons and ligaments.
        paint_bones: Paints its bones and joints.
        muscle_until_mm: Where muscles thin out along it: from, to; beyond it there is fat and tendon.
        n_muscles: Number of compartments.
        paired: How often both limbs are on the picture.
        fatness: Thickness of its fat beside a thigh's.
        blend_mm: Fillet of its flesh.
        sheath_mm: How deep below the flesh' outline muscles begin.
    """

    length_mm: float
    back_mm: float
    flesh: tuple[Solid, ...]
    vessels: tuple[tuple[Path, float], ...]
    tendons: tuple[Solid, ...]
    paint_bones: Callable[[Section, BoneQuality], None]
    muscle_until_mm: tuple[float, float]
    n_muscles: int
    paired: float = 0.5
    fatness: float = 1.0
    blend_mm: float = 10.0
    sheath_mm: float = 1.0

    def muscle_share(self, z_mm: np.ndarray) -> np.ndarray:
        """Say how much muscle there is at heights, 0 to 1."""
        start, stop = self.muscle_until_mm
        share = np.clip((np.float32(stop) - z_mm) / np.float32(stop - start), 0.0, 1.0)
        return np.asarray(share, np.float32)


THIGH = Stretch(
    length_mm=300.0,
    back_mm=80.0,
    flesh=(
        Rods.along([(-6, 4, -80), (-8, 4, 60), (-6, 4, 180), (-4, 6, 320)], (90.0, 84.0, 72.0, 56.0)),
        Blob((-20.0, 50.0, -10.0), (70.0, 60.0, 70.0)),
    ),
    vessels=(
        ([(-30, -46, -20), (-34, -28, 100), (-30, 0, 220), (-18, 26, 330)], 4.2),
        ([(-20, -40, 10), (-14, -12, 120), (-10, 18, 240)], 2.4),
        ([(-20, -30, 60), (-40, -40, 200)], 1.2),
    ),
    tendons=(
        Rods.along([(-8, 42, 0), (-8, 34, 120), (-10, 34, 300)], 3.4),
        Rods.along([(-34, 50, 120), (-40, 44, 330)], 2.6),
    ),
    paint_bones=paint_thigh_bones,
    muscle_until_mm=(900.0, 1000.0),
    n_muscles=20,
)

KNEE = Stretch(
    length_mm=220.0,
    back_mm=58.0,
    flesh=(
        Rods.along([(0, 6, -60), (0, 4, 40), (0, 2, 100), (0, 6, 160), (0, 14, 260)], (58.0, 52.0, 48.0, 45.0, 52.0)),
        Blob((0.0, -34.0, 90.0), (28.0, 17.0, 36.0)),
    ),
    vessels=(
        ([(-6, 34, -40), (0, 36, 60), (2, 34, 130), (4, 26, 260)], 3.2),
        ([(10, 40, 20), (8, 42, 120), (0, 40, 260)], 1.2),
    ),
    tendons=(
        Rods.along([(0, -40, 106), (0, -34, 150)], (5.0, 4.0)),
        Rods.along([(0, -34, 0), (0, -38, 66)], (6.0, 5.0)),
        Rods.along([(-34, 30, 20), (-34, 28, 90), (-26, 6, 180)], 3.0),
        Rods.along([(36, 22, 20), (34, 20, 120)], 4.0),
        Rods.along([(-40, 4, 80), (-36, 0, 160)], 2.2),
    ),
    paint_bones=paint_knee_bones,
    muscle_until_mm=(900.0, 1000.0),
    n_muscles=16,
    fatness=0.8,
)

SHIN = Stretch(
    length_mm=260.0,
    back_mm=52.0,
    flesh=(
        Rods.along(
            [(2, 14, -60), (2, 16, 40), (2, 14, 120), (0, 10, 220), (0, 6, 320)], (52.0, 54.0, 48.0, 36.0, 30.0)
        ),
    ),
    vessels=(
        ([(0, 14, -20), (-2, 18, 150), (-12, 20, 320)], 1.8),
        ([(8, 0, -10), (4, -10, 300)], 1.5),
        ([(16, 14, 30), (16, 14, 300)], 1.3),
    ),
    tendons=(
        Rods.along([(0, 44, 160), (0, 36, 240), (0, 32, 330)], (2.0, 5.5, 5.5)),
        Rods.along([(-10, 40, 80), (-24, 30, 200)], 1.2),
    ),
    paint_bones=paint_shin_bones,
    muscle_until_mm=(220.0, 340.0),
    n_muscles=14,
    fatness=0.7,
)

FOOT = Stretch(
    length_mm=118.0,
    back_mm=56.0,
    flesh=(
        Rods.along([(0, 6, -110), (0, 6, 10), (0, 4, 60)], (36.0, 31.0, 32.0)),
        Rods.along([(2, 34, 76), (2, 0, 84), (2, -60, 84), (2, -110, 94)], (27.0, 27.0, 25.0, 18.0)),
        Rods.along([(-4, -8, 56), (-12, -56, 68), (-8, -100, 84)], (25.0, 24.0, 17.0)),
        Rods.along([(-16, -50, 84), (-22, -120, 94), (-26, -166, 94)], (20.0, 16.0, 10.0)),
        Rods.along([(18, -30, 88), (24, -106, 96), (26, -136, 96)], (18.0, 13.0, 7.0)),
        Rods.along([(4, -118, 94), (6, -160, 94)], (13.0, 7.0)),
        Rods.along([(-8, -120, 94), (-10, -166, 94)], (12.0, 7.0)),
        Rods.along([(16, -116, 94), (17, -150, 94)], (11.0, 7.0)),
        Rods.along([(0, 36, -80), (0, 36, 40), (2, 44, 80)], (12.0, 11.0, 20.0)),
    ),
    vessels=(([(-14, 18, -80), (-16, 22, 40), (-8, 0, 100)], 1.3), ([(4, -20, -60), (2, -26, 40), (-4, -80, 58)], 1.1)),
    tendons=(
        Rods.along([(0, 38, -90), (0, 38, 40), (2, 50, 70)], (4.5, 4.5, 6.0)),
        Rods.along([(-14, -20, -60), (-16, -26, 40), (-20, -60, 58)], 3.0),
        Rods.along([(0, -24, -60), (0, -28, 40), (-10, -110, 80)], 2.4),
        Rods.along([(12, -22, -60), (12, -26, 40), (14, -100, 82)], 2.4),
        Rods.along([(26, 14, -60), (27, 16, 50), (26, -20, 90)], 2.6),
        Rods.along([(-18, 14, -60), (-24, 14, 50), (-18, -40, 76)], 2.8),
        Rods.along([(0, 30, 100), (-4, -40, 102), (-6, -120, 104)], 2.6),
    ),
    paint_bones=paint_foot_bones,
    muscle_until_mm=(-60.0, 110.0),
    n_muscles=13,
    paired=0.5,
    fatness=0.4,
    blend_mm=8.0,
)

UPPER_ARM = Stretch(
    length_mm=240.0,
    back_mm=50.0,
    flesh=(
        Rods.along([(-6, 2, -30), (-2, 2, 40), (0, 4, 120), (0, 4, 300)], (52.0, 50.0, 42.0, 40.0)),
        Rods.along([(-30, 6, 0), (-60, 16, 10)], (46.0, 50.0)),
    ),
    vessels=(([(-36, -12, 30), (-26, -4, 120), (-22, -10, 300)], 2.6), ([(20, -30, 40), (22, -30, 300)], 1.4)),
    tendons=(Rods.along([(10, -18, 10), (8, -20, 80)], 2.4),),
    paint_bones=paint_upper_arm_bones,
    muscle_until_mm=(900.0, 1000.0),
    n_muscles=13,
    paired=0.15,
)

ELBOW = Stretch(
    length_mm=240.0,
    back_mm=44.0,
    flesh=(
        Rods.along([(0, 4, -80), (0, 4, 20), (0, 2, 60), (0, 0, 110), (0, 2, 300)], (40.0, 38.0, 36.0, 40.0, 28.0)),
        Blob((0.0, 0.0, 70.0), (44.0, 30.0, 50.0)),
    ),
    vessels=(
        ([(-12, -18, -40), (-4, -20, 60), (10, -14, 140), (16, -12, 300)], 1.7),
        ([(-8, -16, 70), (-14, -8, 300)], 1.6),
        ([(-26, -28, -20), (-26, -26, 280)], 1.5),
    ),
    tendons=(Rods.along([(2, -20, 30), (6, -10, 88)], 3.4), Rods.along([(-6, 28, -20), (-10, 24, 40)], 4.0)),
    paint_bones=paint_elbow_bones,
    muscle_until_mm=(220.0, 400.0),
    n_muscles=15,
    paired=0.25,
    fatness=0.6,
)

HAND = Stretch(
    length_mm=236.0,
    back_mm=26.0,
    flesh=(
        Rods.along([(0, 1, -90), (0, 1, 20), (0, 0, 60)], (27.0, 25.0, 23.0)),
        Rods.along([(14, 1, -90), (15, 0, 50), (20, -4, 100), (22, -1, 136)], (17.0, 15.0, 15.0, 11.5)),
        Rods.along([(-16, 1, -90), (-17, 0, 60), (-16, -3, 130)], (16.0, 15.0, 12.5)),
        Rods.along([(6, 0, 70), (6, -1, 142)], (16.0, 12.5)),
        Rods.along([(-6, 0, 70), (-6, -1, 138)], (16.0, 12.5)),
        Rods.along([(22, -8, 70), (40, -18, 112), (47, -22, 142), (51, -23, 172)], (14.0, 13.5, 10.0, 8.0)),
        *(
            Rods.along(
                [
                    (24 - 10 * r + 0.5 * f, 0, 78 + n),
                    (24 - 10 * r + 0.9 * f, -5, 78 + 1.7 * n),
                    (24 - 10 * r + 1.2 * f, -15, 80 + 2.4 * n),
                ],
                (9.5, 8.6, 6.8),
            )
            for r, f, n in ((1, 7.0, 60.0), (2, 0.0, 66.0), (3, -7.0, 60.0), (4, -14.0, 54.0))
        ),
    ),
    vessels=(
        ([(18, -10, -80), (20, -9, 50), (14, -10, 110)], 1.1),
        ([(-16, -10, -80), (-16, -10, 70), (-8, -12, 120)], 1.0),
    ),
    tendons=tuple(
        Rods.along([(x, y, -70), (0.8 * x, y, 30), (2.2 * x, y + 0.2 * abs(x), 130)], 1.5)
        for x, y in (
            (-8, -12),
            (-3, -13),
            (3, -13),
            (8, -12),
            (-5, -9),
            (1, -9),
            (6, -9),
            (-8, 12),
            (-3, 13),
            (3, 13),
            (8, 12),
        )
    ),
    paint_bones=paint_hand_bones,
    muscle_until_mm=(-70.0, 170.0),
    n_muscles=12,
    paired=0.35,
    fatness=0.25,
    blend_mm=3.0,
    sheath_mm=1.5,
)

STRETCHES = {
    "thigh": THIGH,
    "knee": KNEE,
    "lower leg": SHIN,
    "foot": FOOT,
    "upper arm": UPPER_ARM,
    "forearm": ELBOW,
    "hand": HAND,
}
"""The stretches by name."""
