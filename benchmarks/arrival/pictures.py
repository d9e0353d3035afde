"""Before, after, removed, and NLM beside: a lung, an abdomen and a head, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.arrival.truth_scores import Grid
from n2b_ct.errors import SeriesError
from n2b_ct.evaluation.flat_regions import estimate_noise_std_hu
from n2b_ct.hu import WINDOWS, Window
from n2b_ct.inference.denoiser import Denoiser
from n2b_ct.io.dicom.ct_reader import read_slices
from n2b_ct.io.dicom.scan import scan

NLM = Grid("nlm", (0.8,))
REMOVED_HU = 60.0


@dataclass(frozen=True)
class Picture:
    """One figure: a folder below the data root, which of its slices (0 to 1), and the window."""

    name: str
    folder: str
    share: float
    window: Window


PICTURES = (
    Picture("lung", "ct_noisy/rider_pilot_chest_1.25mm", 0.5, WINDOWS["lung"]),
    Picture("abdomen", "ct_lowdose_pairs/mayo_L143_3mm_B30/QD", 0.6, WINDOWS["abdomen"]),
    Picture("head", "ct_head/ge_hispeed_tilt_variable_spacing", 0.6, WINDOWS["brain"]),
)


def draw(data_root: Path, model: Denoiser, out: Path) -> None:
    """Write ``arrival_NAME.png`` for every picture."""
    out.mkdir(parents=True, exist_ok=True)
    for one in PICTURES:
        _draw(one, _slice_hu(data_root / one.folder, one.share), model, out / f"arrival_{one.name}.png")


def _slice_hu(folder: Path, share: float) -> np.ndarray:
    series = max(scan(folder).series, key=lambda one: len(one.instances))
    instance = series.instances[int(share * (len(series.instances) - 1))]
    (found,) = read_slices([instance])
    if isinstance(found, SeriesError):
        raise found
    return found.hu


def _draw(picture: Picture, hu: np.ndarray, model: Denoiser, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    denoised = model.denoise(hu)
    panels = [
        ("before", hu, picture.window),
        ("after", denoised, picture.window),
        (f"removed, ±{REMOVED_HU:g} HU", hu - denoised, Window(-REMOVED_HU, REMOVED_HU)),
        ("non-local means", NLM.denoise(0.8, estimate_noise_std_hu(hu), hu), picture.window),
    ]
    figure, axes = plt.subplots(1, len(panels), figsize=(4 * len(panels), 4.3), layout="constrained")
    for axis, (title, image, window) in zip(axes, panels, strict=True):
        axis.imshow(image, cmap="gray", vmin=window.lower_hu, vmax=window.upper_hu)
        axis.set_title(title)
        axis.set_axis_off()
    figure.savefig(path, dpi=110)
    plt.close(figure)
