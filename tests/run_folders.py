"""Folders as ``n2b-ct benchmark`` leaves them, without a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from n2b_ct.config import Pipeline
from n2b_ct.training.run_dir import write_pipeline

DATA = {
    "kind": "natural_images",
    "noisy": {"folder": "a"},
    "clean": {"folder": "b"},
    "noise": {"kind": "gaussian", "sigma": 25},
}
EXPERIMENT = """
name: tiny
data: {kind: natural_images, noisy: {folder: a}, clean: {folder: b}, noise: {kind: gaussian, sigma: 25}}
training: {iterations: 20}
tests:
  - {name: t, folder: test, noise: {kind: gaussian, sigma: 25}}
rows:
  - {name: N2B, method: {name: noise2blur, initial_fraction: 0.5}}
  - {name: N2B_v, method: {name: noise2blur, initial_fraction: 0.5, gradient_interruption: false}}
  - {name: unfinished, method: {name: noise2blur}}
  - {name: U-Net, method: {name: supervised}}
  - {name: TV, baseline: {name: tv}}
"""


def write_table_folder(folder: Path) -> None:
    """An experiment whose rows have no runs."""
    (folder / "experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")


def write_run(folder: Path, slug: str, method: str = "noise2blur", **keys: Any) -> Path:
    """The run of a row, with its pipeline alone."""
    run = folder / "runs" / slug
    run.mkdir(parents=True)
    own = {"initial_fraction": 0.5} if method == "noise2blur" else {}
    values = {"name": slug, "data": DATA, "method": {"name": method, **own, **keys}, "training": {"iterations": 20}}
    write_pipeline(Pipeline.model_validate(values), run)
    return run
