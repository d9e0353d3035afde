"""Materials of the trunk without contrast agent; HU of CT at 120 kV."""

from __future__ import annotations

from dataclasses import replace

from n2b_ct.phantom.shapes import Tissue

SKIN = Tissue(25.0, 8.0, 6.0)
FAT = Tissue(-104.0, 5.0, 4.0)
VISCERAL_FAT = Tissue(-100.0, 7.0, 5.0)
FASCIA = Tissue(25.0, 8.0)
MUSCLE = Tissue(56.0, 5.0, 6.0)
GLAND = Tissue(20.0, 22.0, 16.0)
CORTEX = Tissue(1150.0, 80.0, 60.0)
THIN_CORTEX = Tissue(620.0, 60.0, 70.0)
SPONGIOSA = Tissue(170.0, 30.0, 70.0)
FATTY_MARROW = Tissue(-30.0, 20.0, 15.0)
CARTILAGE = Tissue(95.0, 14.0, 14.0)
DISC = Tissue(85.0, 7.0, 5.0)
NUCLEUS = Tissue(68.0, 6.0, 4.0)
CORD = Tissue(36.0, 4.0, 2.0)
EPIDURAL_FAT = Tissue(-60.0, 12.0, 6.0)
SPINAL_FLUID = Tissue(12.0, 3.0, 1.0)
CALCIFICATION = Tissue(750.0, 120.0, 80.0)
AIRWAY_WALL = Tissue(10.0, 10.0)
AIRWAY_AIR = Tissue(-995.0, 2.0)
MYOCARDIUM = Tissue(46.0, 5.0, 4.0)
GAS = Tissue(-995.0, 2.0)
GUT_WALL = Tissue(42.0, 5.0, 5.0)
LIVER = Tissue(58.0, 3.5, 4.0)
SPLEEN = Tissue(48.0, 3.0, 3.5)
PANCREAS = Tissue(40.0, 8.0, 9.0)
BILE = Tissue(8.0, 2.0, 1.0)
RENAL_CORTEX = Tissue(34.0, 4.0, 4.0)
RENAL_MEDULLA = Tissue(30.0, 4.0, 3.0)
URINE = Tissue(6.0, 2.0, 1.0)
PROSTATE = Tissue(42.0, 6.0, 5.0)
UTERUS = Tissue(48.0, 7.0, 4.0)


def enhanced(tissue: Tissue, added_hu: float) -> Tissue:
    """Add a contrast agent to a tissue."""
    return replace(tissue, hu=tissue.hu + added_hu)


def blood(hu: float) -> Tissue:
    """Return blood of a given density; mixing makes bright blood a little uneven."""
    return Tissue(hu, 2.0 + 0.02 * hu, 1.0)
