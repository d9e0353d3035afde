"""``n2b-ct phantom`` beside FDA's LCD_CT on its published images, and beside the truth of an ensemble of their noise.

    python -m benchmarks.phantom_lcd --data-root DATA

*Published images*: ten realisations with and ten without inserts a dose. LCD_CT's observer (written here from its
published definition, not its code: Laguerre-Gauss channels, five, two thirds of the diameter wide, squares without
their mean, Hotelling template of the mean of the two covariances) is trained and tested on the same images, which has
no random split in it; the command's d′ of that kind must agree. As LCD_CT runs it, with halves to train and to test,
its d′ from ten images is mostly the error of training on five; it is shown.

*Ensemble*: the noise of all images of a dose at 18 places, with inserts of known contrast drawn into it. Truth is the
Hotelling d′ of that whole ensemble. Draws of two disjoint halves give what each method says of 180 images a class.

*Noise*: standard deviation and spectrum by subtraction against the ensemble's, also on the water disk.

Writes ``benchmarks/results/phantom_lcd.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results_files import write_results
from n2b_ct.config.quality_phantom import QualityPhantom, load_quality_phantom
from n2b_ct.evaluation.disks import Disk, disk_hu
from n2b_ct.evaluation.observers import cho, laguerre_gauss_channels, npw
from n2b_ct.evaluation.quality_phantom.insert_measures import CHANNEL_WIDTH_PER_DIAMETER, N_CHANNELS
from n2b_ct.evaluation.quality_phantom.measuring import PhantomSummary, measure_scans
from n2b_ct.evaluation.quality_phantom.noise_measures import measure_noise
from n2b_ct.evaluation.quality_phantom.placement import Placement
from n2b_ct.evaluation.quality_phantom.regions import Regions
from n2b_ct.evaluation.quality_phantom.scans import Repeats, Scan

COMMAND = "python -m benchmarks.phantom_lcd --data-root DATA"
DOSES = ("010", "055", "100")
OFFSET_HU = -1000.0
SIZE, N_SPLITS, N_DRAWS, CONTRAST_FACTOR, SEED = 24, 200, 24, 2.5, 0
RINGS = ((46.6, 12), (20.0, 6))
"""Radius, px, and number of the places of the ensemble."""
CENTRE_PX = 127.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True)
    write_results("phantom_lcd", document := measured(parser.parse_args().data_root), table(document))


def measured(root: Path) -> dict[str, Any]:
    """All numbers."""
    phantom = load_quality_phantom("mita-lcd")
    folder = root / "ct_sim_lcd"
    images = {dose: folder / f"dose_{dose}_signal_present" for dose in DOSES}
    summary = measure_scans(phantom, images, {}, hu_offset=OFFSET_HU)
    return {
        "command": COMMAND,
        "published": [row for dose in DOSES for row in published_rows(summary, folder, dose)],
        "ensemble": [row for dose in DOSES for row in ensemble_rows(phantom, folder, dose)],
        "noise": [*(noise_row(summary, folder, dose) for dose in DOSES), water_row(root)],
    }


def published_rows(summary: PhantomSummary, folder: Path, dose: str) -> list[dict[str, Any]]:
    """The command's d′ beside LCD_CT's, insert by insert, on the images as they are."""
    scan = summary.scan(dose)
    present, absent = (read_images(folder, dose, role) for role in ("present", "absent"))
    rows = []
    for insert in summary.phantom.inserts:
        centre = scan.placement.insert_px(insert)
        diameter_px = 2.0 * insert.radius_mm / scan.placement.pixel_mm[0]
        half = math.ceil(2.0 * max(one.radius_mm for one in summary.phantom.inserts) / scan.placement.pixel_mm[0])
        corner = [round(at) - half for at in centre]
        cut = np.s_[:, corner[0] : corner[0] + 2 * half + 1, corner[1] : corner[1] + 2 * half + 1]
        with_insert, without = (without_mean(stack[cut]) for stack in (present, absent))
        channels = lcd_channels(
            2 * half + 1, 2.0 / 3.0 * diameter_px, [at - c for at, c in zip(centre, corner, strict=True)]
        )
        rng = np.random.default_rng(SEED)
        own = scan.insert(insert.name).d_primes
        again = lcd_snr(without, with_insert, without, with_insert, channels)
        rows.append(
            {
                "dose": int(dose),
                "insert": insert.name,
                "lcd_ct_same_images": again,
                "n2b_ct_same_images": own["cho"].d_prime_resubstitution,
                "difference_percent": 100.0 * (own["cho"].d_prime_resubstitution / again - 1.0),
                "lcd_ct_halves": float(
                    np.mean([lcd_split(rng, without, with_insert, channels) for _ in range(N_SPLITS)])
                ),
                "n2b_ct": own["cho"].d_prime,
                "n2b_ct_low": own["cho"].d_prime_low,
                "n2b_ct_high": own["cho"].d_prime_high,
                "n2b_ct_npw": own["npw"].d_prime,
            }
        )
    return rows


def ensemble_rows(phantom: QualityPhantom, folder: Path, dose: str) -> list[dict[str, Any]]:
    """Both methods on large draws, beside the Hotelling d′ of the whole ensemble."""
    noise = noise_squares(folder, dose)
    pixel_mm = 200.0 / 232.7
    rows = []
    for insert in phantom.inserts:
        disk = Disk((0.5 * (SIZE - 1),) * 2, insert.radius_mm, CONTRAST_FACTOR * phantom.contrast_hu(insert))
        signal = disk_hu((SIZE, SIZE), disk, (pixel_mm, pixel_mm))
        signal -= signal.mean()
        width_px = CHANNEL_WIDTH_PER_DIAMETER * 2.0 * insert.radius_mm / pixel_mm
        channels = laguerre_gauss_channels(SIZE, width_px, N_CHANNELS)
        own = lcd_channels(SIZE, width_px, [0.5 * (SIZE - 1)] * 2)
        truth, truth_npw = hotelling(noise, signal, own), matched(noise, signal)
        rng = np.random.default_rng(SEED)
        found: dict[str, list[float]] = {"cho": [], "lcd": [], "npw": []}
        for _ in range(N_DRAWS):
            order = rng.permutation(len(noise))
            n = len(noise) // 2
            with_insert, without = noise[order[:n]] + signal, noise[order[n:]]
            found["cho"].append(cho(with_insert, without, channels).d_prime ** 2)
            found["npw"].append(npw(with_insert, without, signal).d_prime)
            found["lcd"].append(lcd_split(rng, without, with_insert, own))
        ours = math.sqrt(float(np.mean(found["cho"])))
        rows.append(
            {
                "dose": int(dose),
                "insert": insert.name,
                "truth": truth,
                "n2b_ct": ours,
                "lcd_ct": float(np.mean(found["lcd"])),
                "to_truth_percent": 100.0 * (ours / truth - 1.0),
                "to_lcd_ct_percent": 100.0 * (ours / float(np.mean(found["lcd"])) - 1.0),
                "npw_truth": truth_npw,
                "npw": float(np.mean(found["npw"])),
                "npw_to_truth_percent": 100.0 * (float(np.mean(found["npw"])) / truth_npw - 1.0),
            }
        )
    return rows


def noise_row(summary: PhantomSummary, folder: Path, dose: str) -> dict[str, Any]:
    """Noise by subtraction beside the ensemble's: the deviation of every pixel over all images."""
    scan = summary.scan(dose)
    regions = Regions(summary.phantom, scan.placement, scan.mean_hu.shape)
    variance = np.mean([read_images(folder, dose, role).var(axis=0, ddof=1) for role in ("present", "absent")], axis=0)
    return _noise(f"MITA-LCD, {int(dose)} %", scan.noise, math.sqrt(float(variance[regions.background].mean())))


def water_row(root: Path) -> dict[str, Any]:
    """The same on the published disk of water, which has no insert."""
    files = sorted((root / "ct_sim_water_phantom_noise_only").glob("*.raw"))
    images = np.stack([np.fromfile(path, dtype="<i2").reshape(256, 256) for path in files]).astype(np.float32)
    phantom = load_quality_phantom("mita-lcd")
    pixel_mm = 200.0 / 232.7
    place = Placement((CENTRE_PX, CENTRE_PX), 0.0, False, (pixel_mm, pixel_mm))
    regions = Regions(phantom, place, (256, 256))
    scan = Scan("water", Repeats(images, np.zeros(len(images), dtype=int)), None, place.pixel_mm, True)
    truth = math.sqrt(float(images.astype(np.float64).var(axis=0, ddof=1)[regions.background].mean()))
    return _noise("water disk", measure_noise(scan, regions), truth)


def _noise(name: str, noise: Any, truth_hu: float) -> dict[str, Any]:
    spectrum_hu = noise.nps.noise_std_hu
    return {
        "scan": name,
        "ensemble_hu": truth_hu,
        "noise_hu": noise.noise_hu.value,
        "to_ensemble_percent": 100.0 * (noise.noise_hu.value / truth_hu - 1.0),
        "spectrum_hu": spectrum_hu,
        "spectrum_to_ensemble_percent": 100.0 * (spectrum_hu / truth_hu - 1.0),
    }


def read_images(folder: Path, dose: str, role: str) -> np.ndarray:
    """The realisations of one dose, HU, ``[10, 256, 256]``."""
    files = sorted((folder / f"dose_{dose}_signal_{role}").glob("*.raw"))
    return np.stack([np.fromfile(path, dtype="<i2").reshape(256, 256) for path in files]) + OFFSET_HU


def noise_squares(folder: Path, dose: str) -> np.ndarray:
    """Squares of every image minus the mean of its kind, at places around the centre, without their mean."""
    noise = []
    for role in ("present", "absent"):
        images = read_images(folder, dose, role)
        noise.append((images - images.mean(axis=0)) * math.sqrt(len(images) / (len(images) - 1.0)))
    images = np.concatenate(noise)
    found = []
    for radius_px, n in RINGS:
        for angle in np.arange(n) * (2.0 * math.pi / n):
            row = round(CENTRE_PX + radius_px * math.sin(angle) - 0.5 * (SIZE - 1))
            col = round(CENTRE_PX + radius_px * math.cos(angle) - 0.5 * (SIZE - 1))
            found.append(images[:, row : row + SIZE, col : col + SIZE])
    return without_mean(np.concatenate(found))


def lcd_channels(size: int, width_px: float, centre_px: list[float], n_channels: int = 5) -> np.ndarray:
    """Laguerre-Gauss channels as LCD_CT defines them, by the recurrence of the polynomials, ``[size², channels]``."""
    row, col = (np.arange(size) - at for at in centre_px)
    square = row[:, None] ** 2 + col[None] ** 2
    x = 2.0 * np.pi * square / width_px**2
    polynomials = [np.ones_like(x), 1.0 - x]
    for j in range(1, n_channels - 1):
        polynomials.append(((2 * j + 1 - x) * polynomials[j] - j * polynomials[j - 1]) / (j + 1))
    envelope = math.sqrt(2.0) / width_px * np.exp(-np.pi * square / width_px**2)
    return np.stack([(own * envelope).ravel() for own in polynomials[:n_channels]], axis=1)


def lcd_snr(
    absent: np.ndarray, present: np.ndarray, test_absent: np.ndarray, test_present: np.ndarray, channels: np.ndarray
) -> float:
    """LCD_CT's d′: a Hotelling template in the channels, trained on two stacks and tested on two."""
    a, p, t_a, t_p = (own.reshape(len(own), -1) @ channels for own in (absent, present, test_absent, test_present))
    template = np.linalg.pinv(0.5 * (np.cov(a.T) + np.cov(p.T))) @ (p.mean(axis=0) - a.mean(axis=0))
    without, with_insert = t_a @ template, t_p @ template
    spread = math.sqrt(0.5 * (with_insert.var(ddof=1) + without.var(ddof=1)))
    return float((with_insert.mean() - without.mean()) / spread)


def lcd_split(rng: np.random.Generator, absent: np.ndarray, present: np.ndarray, channels: np.ndarray) -> float:
    """One of LCD_CT's readers: a random half of the images trains, the other is tested."""
    i, j = rng.permutation(len(absent)), rng.permutation(len(present))
    k, m = len(absent) // 2, len(present) // 2
    return lcd_snr(absent[i[:k]], present[j[:m]], absent[i[k:]], present[j[m:]], channels)


def hotelling(noise: np.ndarray, signal: np.ndarray, channels: np.ndarray) -> float:
    """√(sᵀ U K⁻¹ Uᵀ s) with the covariance of the whole ensemble."""
    covariance = np.cov((noise.reshape(len(noise), -1) @ channels).T)
    seen = signal.ravel() @ channels
    return math.sqrt(float(seen @ np.linalg.solve(covariance, seen)))


def matched(noise: np.ndarray, signal: np.ndarray) -> float:
    """sᵀs / √(sᵀ K s): the NPW observer's d′ with the covariance of the whole ensemble."""
    scores = noise.reshape(len(noise), -1) @ signal.ravel()
    return float(np.sum(signal**2) / scores.std(ddof=1))


def without_mean(squares: np.ndarray) -> np.ndarray:
    """Each square without its mean."""
    return squares - squares.mean(axis=(1, 2), keepdims=True)


def table(document: dict[str, Any]) -> str:
    """The results for people."""
    parts = [
        f"`{document['command']}`",
        "Published images, 10 with and 10 without inserts: trained and tested on the same images, LCD_CT's observer "
        "and n2b-ct's; as LCD_CT runs it (halves); and what n2b-ct reports, with its interval.",
        _published_table(document["published"]),
        f"Ensemble of their noise, inserts of {CONTRAST_FACTOR:g} times the contrast drawn in; {N_DRAWS} draws of 180 "
        "squares with and 180 without. What LCD_CT is lower by where d′ is about 1 is what training on half of the "
        "squares costs it.",
        _ensemble_table(document["ensemble"]),
        "Noise by subtraction, and the root of its spectrum's integral (in squares, which lie nearer the centre), "
        "beside the deviation of every pixel over all images.",
        _noise_table(document["noise"]),
    ]
    return "\n\n".join(parts) + "\n"


def _published_table(rows: list[dict[str, Any]]) -> str:
    heads = "dose, %|insert|LCD_CT, same images|n2b-ct, same images|difference|LCD_CT, halves|n2b-ct CHO|n2b-ct NPW"
    cells = [
        (
            f"{row['dose']}|{row['insert']}|{row['lcd_ct_same_images']:.3f}|{row['n2b_ct_same_images']:.3f}",
            f"{row['difference_percent']:+.1f} %|{row['lcd_ct_halves']:.2f}",
            f"{row['n2b_ct']:.2f} [{row['n2b_ct_low']:.2f}, {row['n2b_ct_high']:.2f}]|{row['n2b_ct_npw']:.2f}",
        )
        for row in rows
    ]
    return _grid(heads, cells)


def _ensemble_table(rows: list[dict[str, Any]]) -> str:
    heads = "dose, %|insert|truth|n2b-ct|to truth|LCD_CT, halves|n2b-ct to LCD_CT|NPW, truth|n2b-ct NPW|to truth"
    cells = [
        (
            f"{row['dose']}|{row['insert']}|{row['truth']:.3f}|{row['n2b_ct']:.3f}|{row['to_truth_percent']:+.1f} %",
            f"{row['lcd_ct']:.3f}|{row['to_lcd_ct_percent']:+.1f} %",
            f"{row['npw_truth']:.3f}|{row['npw']:.3f}|{row['npw_to_truth_percent']:+.1f} %",
        )
        for row in rows
    ]
    return _grid(heads, cells)


def _noise_table(rows: list[dict[str, Any]]) -> str:
    heads = "scan|ensemble, HU|noise, HU|to ensemble|spectrum, HU|to ensemble"
    cells = [
        (
            f"{row['scan']}|{row['ensemble_hu']:.2f}|{row['noise_hu']:.2f}|{row['to_ensemble_percent']:+.2f} %",
            f"{row['spectrum_hu']:.2f}|{row['spectrum_to_ensemble_percent']:+.1f} %",
        )
        for row in rows
    ]
    return _grid(heads, cells)


def _grid(heads: str, rows: list[tuple[str, ...]]) -> str:
    """A Markdown table of texts whose cells are parted by bars."""
    lines = [heads, "|".join(["---"] * (heads.count("|") + 1)), *("|".join(row) for row in rows)]
    return "\n".join(f"| {line.replace('|', ' | ')} |" for line in lines)


if __name__ == "__main__":
    main()
