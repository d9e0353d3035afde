"""Make a folder of noisy photographs and one of their truth, as SIDD has them, from clean photographs.

    python -m benchmarks.camera_folder SOURCE OUT [--iso 800 1600 3200] [--exposures 64] [--seed 0] [--count N]

Every photograph of SOURCE is a scene. The camera of :mod:`n2b_ct.noises.camera` takes it once, with one ISO after the
other from scene to scene, and writes ``OUT/noisy/NAME.jpg``; then many times on a tripod: the mean of these raw images,
processed in the same way and not compressed, is ``OUT/truth/NAME.png``. ``OUT/camera.json`` says how, and how far noisy
image and truth are apart, and truth and a photograph without noise. Seed, scene's number and settings decide every
pixel. Clean photographs that are small are sharper than lenses are: they are blurred by 0.6 px (``--lens-blur``) first.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from n2b_ct.config.natural_images import ImageFolder
from n2b_ct.data.image_files import find_natural_images
from n2b_ct.errors import N2BError, OutputError, explain
from n2b_ct.evaluation.image_fidelity import measure_image
from n2b_ct.io.atomic import write_atomically, write_text_atomically
from n2b_ct.io.natural_images import NaturalImage, write_natural_image
from n2b_ct.noises.camera import ProcessingSection
from n2b_ct.noises.noise import WHITE_8_BIT
from n2b_ct.noises.sensor import SensorSection

NOISY, TRUTH, RECORD = "noisy", "truth", "camera.json"
ISOS = (800.0, 1600.0, 3200.0)
N_EXPOSURES = 64
LENS_BLUR_PX = 0.6


@dataclass(frozen=True)
class Camera:
    """How a folder is made.

    Attributes:
        isos: ISO settings, one after the other.
        n_exposures: Whose mean is the truth.
        seed: Scene k gets the noise of ``[seed, k]``.
        sensor: Where the noise arises.
        processing: What makes a photograph of raw values.
    """

    isos: tuple[float, ...] = ISOS
    n_exposures: int = N_EXPOSURES
    seed: int = 0
    sensor: SensorSection = field(default_factory=SensorSection)
    processing: ProcessingSection = field(default_factory=lambda: ProcessingSection(lens_blur_px=LENS_BLUR_PX))


@dataclass(frozen=True)
class Scene:
    """One scene as the record has it.

    Attributes:
        name: Its files', without the endings.
        iso: Its setting.
        noisy_psnr_db: The noisy photograph against the truth.
        truth_psnr_db: The truth against the same scene without noise; None: identical.
    """

    name: str
    iso: float
    noisy_psnr_db: float | None
    truth_psnr_db: float | None


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the folders, and say how noisy they are."""
    asked = _parser().parse_args(arguments)
    processing = ProcessingSection(lens_blur_px=asked.lens_blur, jpeg_quality=asked.quality or None)
    sensor = SensorSection(fixed_pattern=asked.fixed_pattern)
    camera = Camera(tuple(asked.iso), asked.exposures, asked.seed, sensor, processing)
    try:
        scenes = make_folders(asked.source, asked.out, camera, asked.count)
    except N2BError as error:
        sys.exit(str(error))
    print(table(scenes))


def make_folders(source: Path, out: Path, camera: Camera, count: int | None = None) -> list[Scene]:
    """Take every photograph of a folder, and write noisy ones, truths and the record.

    Args:
        source: Clean RGB photographs.
        out: New or empty.
        camera: How.
        count: The first so many; None: all.

    Raises:
        DataError: There is none, or one is not RGB or damaged.
        OutputError: ``out`` holds something, or cannot be written.
    """
    files = find_natural_images(ImageFolder(folder=str(source.resolve()), count=count), Path(), "rgb", "source")
    _begin(out)
    scenes = []
    for k, file in enumerate(files):
        scenes.append(_take(file.read(), file.path.stem, out, camera, k))
    record = {
        **{key: value for key, value in asdict(camera).items() if key not in ("sensor", "processing")},
        "sensor": camera.sensor.model_dump(),
        "processing": camera.processing.model_dump(),
        "source": source.resolve().name,
        "scenes": [asdict(scene) for scene in scenes],
    }
    write_text_atomically(out / RECORD, json.dumps(record, indent=1) + "\n")
    return scenes


def table(scenes: Sequence[Scene]) -> str:
    """Mean PSNR by ISO, as Markdown."""
    by_iso = defaultdict(list)
    for scene in scenes:
        by_iso[scene.iso].append(scene)
    lines = ["| ISO | scenes | noisy against truth, dB | truth against no noise, dB |", "| --- | --- | --- | --- |"]
    for iso, found in sorted(by_iso.items()):
        noisy, truth = (_mean([getattr(one, key) for one in found]) for key in ("noisy_psnr_db", "truth_psnr_db"))
        lines.append(f"| {iso:g} | {len(found)} | {noisy} | {truth} |")
    return "\n".join(lines)


def _take(image: np.ndarray, name: str, out: Path, camera: Camera, k: int) -> Scene:
    """Take one scene and write its two files."""
    processing, sensor, rng = camera.processing, camera.sensor, np.random.default_rng([camera.seed, k])
    iso, light = camera.isos[k % len(camera.isos)], processing.light(image)
    noisy = processing.developed(sensor.exposure(light, iso, rng))
    truth = processing.developed(sensor.mean_exposure(light, iso, camera.n_exposures, rng))
    _write_photograph(out / NOISY / name, noisy, processing)
    _write_png(out / TRUTH / f"{name}.png", truth)
    return Scene(name, iso, _psnr_db(truth, processing.written(noisy)), _psnr_db(processing.developed(light), truth))


def _write_photograph(path: Path, photograph: np.ndarray, processing: ProcessingSection) -> None:
    if processing.jpeg_quality is None:
        _write_png(path.with_name(f"{path.name}.png"), photograph)
    else:
        content = processing.jpeg(photograph)
        write_atomically(path.with_name(f"{path.name}.jpg"), lambda file: file.write(content))


def _write_png(path: Path, photograph: np.ndarray) -> None:
    pixels = photograph.astype(np.float32) / np.float32(WHITE_8_BIT)
    write_natural_image(path, pixels, NaturalImage(pixels))


def _psnr_db(truth: np.ndarray, image: np.ndarray) -> float | None:
    return measure_image(truth.astype(np.float32) / 255, image.astype(np.float32) / 255).psnr_db


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.2f}" if known else "identical"


def _begin(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(explain(f"out={out}", "must be new or empty", "something there", "pass another"))
    try:
        for folder in (NOISY, TRUTH):
            (out / folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(explain(f"out={out}", "must be writable", error.strerror, "pass another")) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.camera_folder", description=str(__doc__).split("\n")[0])
    parser.add_argument("source", type=Path, help="folder of clean RGB photographs")
    parser.add_argument("out", type=Path, help="new or empty folder")
    parser.add_argument("--iso", type=float, nargs="+", default=list(ISOS), help="settings, one after the other")
    parser.add_argument("--exposures", type=int, default=N_EXPOSURES, help="whose mean is the truth")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, help="the first so many photographs")
    parser.add_argument("--quality", type=int, default=95, help="of the JPEG; 0: PNG")
    parser.add_argument("--lens-blur", type=float, default=LENS_BLUR_PX, help="standard deviation, pixels")
    parser.add_argument("--fixed-pattern", type=float, default=0.0, help="relative spread of the pixels' gains")
    return parser


if __name__ == "__main__":
    main()
