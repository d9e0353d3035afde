"""Before, after, removed, NLM beside, for people to look at: a lung, an abdomen and a head.

    python -m benchmarks.arrival.pictures DIR
    python -m benchmarks.arrival.pictures DIR --data-root DATA --model RUN_DIR

Of digital patients, with their truth, for everybody; of real data for whoever has it, which is not to be passed on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.arrival.phantoms import FIRST_SEED, SIZE_PX, THICKNESS_MM, Subject, scanned
from benchmarks.arrival.truth_scores import Grid
from n2b_ct import api
from n2b_ct.errors import SeriesError
from n2b_ct.evaluation.flat_regions import estimate_noise_std_hu
from n2b_ct.hu import WINDOWS, Window
from n2b_ct.inference.denoiser import Denoiser
from n2b_ct.io.dicom.ct_reader import read_slices
from n2b_ct.io.dicom.scan import scan
from n2b_ct.phantom.patients import draw_patient

NLM = Grid("nlm", (0.8,))
REMOVED_HU = 60.0
PHANTOMS_NAME = "base_phantoms.png"
INCH = 2.6


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


@dataclass(frozen=True)
class PhantomPicture:
    """A scan of a digital patient: part of the body, place in it (0 to 1), pixel size, kernel, dose and window."""

    region: str
    share: float
    pixel_mm: float
    kernel: str
    dose: float
    window: Window


PHANTOM_PICTURES = (
    PhantomPicture("thorax", 0.45, 0.72, "edge-enhancing", 0.5, WINDOWS["lung"]),
    PhantomPicture("abdomen", 0.55, 0.76, "smooth", 0.25, WINDOWS["abdomen"]),
    PhantomPicture("head", 0.6, 0.45, "smooth", 0.5, WINDOWS["brain"]),
)


Panel = tuple[str, np.ndarray, Window]
"""Title, image in HU, and its window."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="a folder")
    parser.add_argument("--data-root", type=Path, help="draw real data too")
    parser.add_argument("--model", default="base")
    arguments = parser.parse_args()
    model = api.load(arguments.model)
    draw_phantoms(model, arguments.out)
    if arguments.data_root is not None:
        draw(arguments.data_root, model, arguments.out)


def draw(data_root: Path, model: Denoiser, out: Path) -> None:
    """Write ``arrival_NAME.png`` of real data for every picture."""
    for one in PICTURES:
        row = _row(_slice_hu(data_root / one.folder, one.share), model, one.window)
        _save([row], out / f"arrival_{one.name}.png")


def draw_phantoms(model: Denoiser, out: Path) -> None:
    """Write one figure of digital patients, the truth in its last column."""
    rows = []
    for picture in PHANTOM_PICTURES:
        noisy_hu, truth_hu = _scan(picture)
        row = _row(noisy_hu, model, picture.window)
        rows.append([*row, ("truth", truth_hu, picture.window)])
    _save(rows, out / PHANTOMS_NAME)


def _row(hu: np.ndarray, model: Denoiser, window: Window) -> list[Panel]:
    denoised = model.denoise(hu)
    return [
        ("before", hu, window),
        ("after", denoised, window),
        (f"removed, ±{REMOVED_HU:g} HU", hu - denoised, Window(-REMOVED_HU, REMOVED_HU)),
        ("non-local means", NLM.denoise(0.8, estimate_noise_std_hu(hu), hu), window),
    ]


def _scan(picture: PhantomPicture) -> tuple[np.ndarray, np.ndarray]:
    """Scan a digital patient that no training has seen: noisy HU and the truth."""
    patient = draw_patient(FIRST_SEED, picture.region)
    first, last = patient.z_range_mm

    def sharp() -> np.ndarray:
        z_mm = first + picture.share * (last - first)
        return patient.slice_hu(z_mm, size_px=SIZE_PX, pixel_mm=picture.pixel_mm, thickness_mm=THICKNESS_MM)

    subject = Subject(picture.region, FIRST_SEED, picture.pixel_mm, sharp)
    (case,) = scanned(subject, [(picture.kernel, picture.dose)])
    return case.noisy_hu, case.truth_hu


def _slice_hu(folder: Path, share: float) -> np.ndarray:
    series = max(scan(folder).series, key=lambda one: len(one.instances))
    instance = series.instances[int(share * (len(series.instances) - 1))]
    (found,) = read_slices([instance])
    if isinstance(found, SeriesError):
        raise found
    return found.hu


def _save(rows: Sequence[Sequence[Panel]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    n_cols = len(rows[0])
    size = (INCH * n_cols, INCH * len(rows) + 0.3)
    figure, axes = plt.subplots(len(rows), n_cols, figsize=size, squeeze=False, layout="constrained")
    for number, (row, own) in enumerate(zip(rows, axes, strict=True)):
        for axis, (title, image, window) in zip(own, row, strict=True):
            axis.imshow(image, cmap="gray", vmin=window.lower_hu, vmax=window.upper_hu)
            axis.set_axis_off()
            if number == 0:
                axis.set_title(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    with Image.open(path) as colours:
        grey = colours.convert("L")
    grey.save(path, optimize=True)


if __name__ == "__main__":
    main()
