"""What an iodinated contrast agent adds to every tissue in each phase of its passage."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True, slots=True)
class Enhancement:
    """HU of blood, and HU that the agent adds to organs.

    Attributes:
        phase: ``none``, ``arterial``, ``portal`` or ``excretory``.
        artery_hu: Blood of aorta, arteries and left heart.
        lung_hu: Blood of the right heart and of the lung arteries.
        vein_hu: Blood of the caval veins.
        portal_hu: Blood of portal and hepatic veins.
        liver_hu: Added to the liver.
        spleen_hu: Added to spleen and pancreas; the spleen's stripes are arterial.
        stripes_hu: Amplitude of the stripes of an arterial spleen.
        cortex_hu: Added to the cortex of the kidneys.
        medulla_hu: Added to the medulla of the kidneys.
        urine_hu: Added to the urine in the renal pelves and ureters.
        wall_hu: Added to walls of stomach and bowel, and to the myocardium.
        muscle_hu: Added to muscle.
        oral_hu: HU of what stomach and bowel hold where an oral agent was given, else 0.
    """

    phase: str
    artery_hu: float
    lung_hu: float
    vein_hu: float
    portal_hu: float
    liver_hu: float
    spleen_hu: float
    stripes_hu: float
    cortex_hu: float
    medulla_hu: float
    urine_hu: float
    wall_hu: float
    muscle_hu: float
    oral_hu: float


# artery, lung artery, vein, portal, liver, spleen, stripes, cortex, medulla, urine, wall, muscle
_PHASES = {
    "none": (44.0, 43.0, 42.0, 42.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "arterial": (320.0, 260.0, 110.0, 80.0, 12.0, 70.0, 22.0, 130.0, 25.0, 0.0, 35.0, 4.0),
    "portal": (160.0, 150.0, 140.0, 175.0, 52.0, 72.0, 0.0, 140.0, 95.0, 5.0, 45.0, 10.0),
    "excretory": (105.0, 100.0, 105.0, 105.0, 32.0, 42.0, 0.0, 85.0, 80.0, 500.0, 25.0, 8.0),
}
_CHANCES = {"none": 0.34, "arterial": 0.2, "portal": 0.34, "excretory": 0.12}


def draw_enhancement(rng: np.random.Generator) -> Enhancement:
    """Draw a phase, and how strongly the patient enhances in it."""
    phase = str(rng.choice(list(_CHANCES), p=list(_CHANCES.values())))
    values = np.asarray(_PHASES[phase])
    if phase == "none":
        blood = float(rng.uniform(34.0, 52.0))
        values = np.concatenate([np.full(4, blood), values[4:]])
    else:
        strength = float(rng.uniform(0.6, 1.5))  # dose over body weight, and tube voltage
        is_blood = np.arange(len(values)) < 4
        values = np.where(is_blood, 42.0 + (values - 42.0) * strength, values * (0.5 + 0.5 * strength))
        values = values * rng.uniform(0.9, 1.1, len(values))
    oral_hu = float(rng.uniform(90.0, 350.0)) if rng.random() < 0.35 else 0.0
    names = [field.name for field in fields(Enhancement)][1:-1]
    return Enhancement(phase=phase, oral_hu=oral_hu, **{n: float(v) for n, v in zip(names, values, strict=True)})
