"""The run folder: its files, its preparation for a new run, and its summary.json."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from n2b_ct.config.sections import Pipeline
from n2b_ct.config.yaml_files import as_yaml, read_yaml
from n2b_ct.data.image_source import ImageSource
from n2b_ct.errors import ConfigError, OutputError, explain
from n2b_ct.inference.model import MODEL_FILE
from n2b_ct.io.atomic import PARTIAL_PREFIX, write_text_atomically
from n2b_ct.io.json_files import read_json
from n2b_ct.training.devices import device_name
from n2b_ct.training.distribution import barrier, is_rank_zero
from n2b_ct.training.initial_weights import initial_weights_digest
from n2b_ct.version import __version__

PIPELINE_FILE = "pipeline.yaml"
HISTORY_FILE = "history.csv"
PLOT_FILE = "losses.png"
SUMMARY_FILE = "summary.json"
CHECKPOINT_DIR = "checkpoints"
TENSORBOARD_DIR = "tensorboard"
TEACHER_DIR = "teacher"
_WITHOUT_EFFECT = ("name", "description", "data.root", "training.cache")
"""Keys of a pipeline that do not influence the weights."""


def make_run_dir(run_dir: Path, *, keep: bool) -> None:
    """Create the folder; unless ``keep``, remove the files of an earlier run and no others.

    Hidden partial files of a killed run are always removed. Of several processes the first does it, after all have
    checked the folder.

    Raises:
        OutputError: The folder cannot be made or cleared.
    """
    barrier()
    if is_rank_zero():
        _make_run_dir(run_dir, keep=keep)
    barrier()


def _make_run_dir(run_dir: Path, *, keep: bool) -> None:
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        for folder in (run_dir, run_dir / CHECKPOINT_DIR):
            for partial in folder.glob(f"{PARTIAL_PREFIX}*"):
                partial.unlink()
        if keep:
            return
        for name in (MODEL_FILE, SUMMARY_FILE, HISTORY_FILE, PLOT_FILE):
            (run_dir / name).unlink(missing_ok=True)
        for name in (CHECKPOINT_DIR, TENSORBOARD_DIR):
            if (run_dir / name).is_dir():
                shutil.rmtree(run_dir / name)
        (run_dir / PIPELINE_FILE).unlink(missing_ok=True)  # last: --overwrite knows a run by it, also after a kill
    except OSError as error:
        raise OutputError(explain(f"run folder {run_dir}", "must be writable", error.strerror, "pass out=…")) from error


def write_pipeline(pipeline: Pipeline, run_dir: Path) -> None:
    """Write ``pipeline.yaml``, resolved, into the run folder.

    Raises:
        OutputError: The folder cannot be written.
    """
    if is_rank_zero():
        write_text_atomically(run_dir / PIPELINE_FILE, as_yaml(pipeline.plain()))


def require_free_run_dir(pipeline: Pipeline, run_dir: Path, *, resume: bool = False, overwrite: bool = False) -> None:
    """Refuse a run folder that must not be overwritten.

    Raises:
        OutputError: It holds an earlier run, or something else.
        ConfigError: It holds a run of another pipeline, which cannot be resumed.
    """
    is_run = (run_dir / PIPELINE_FILE).is_file()
    if is_run and resume:
        require_same_pipeline(pipeline, run_dir)
    elif not (is_run and overwrite) and run_dir.exists() and (not run_dir.is_dir() or any(run_dir.iterdir())):
        got = "an earlier run" if is_run else "something else"
        raise OutputError(
            explain(
                f"run folder {run_dir}",
                "must be new or empty",
                got,
                "pass out=…, resume=True or overwrite=True" if is_run else "pass out=…",
            )
        )


def recorded_data_root(run_dirs: Iterable[Path]) -> Path | None:
    """Return the data root recorded in the first run folder that has one, or None."""
    for run_dir in run_dirs:
        if (run_dir / PIPELINE_FILE).is_file():
            root = read_yaml(run_dir / PIPELINE_FILE).get("data", {}).get("root")
            if root:
                return Path(root)
    return None


def require_same_pipeline(pipeline: Pipeline, run_dir: Path) -> None:
    """Refuse to resume a run of another pipeline; its name and data folder may differ.

    Raises:
        ConfigError: Names the keys that differ.
    """
    then, now = _flat(_with_defaults(read_yaml(run_dir / PIPELINE_FILE))), _flat(pipeline.plain())
    differing = sorted(key for key in {*then, *now} if then.get(key) != now.get(key) and key not in _WITHOUT_EFFECT)
    if differing:
        raise ConfigError(
            explain(
                f"run folder {run_dir}",
                "must hold a run of the same pipeline",
                f"other {', '.join(differing)}",
                "pass another out=…, or overwrite=True",
            )
        )


def _with_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """Add keys that an older version did not have, with defaults that reproduce its behaviour."""
    try:
        return Pipeline.model_validate(values).plain()
    except ValidationError:
        return values


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def training_summary(
    pipeline: Pipeline,
    images: ImageSource,
    *,
    device: torch.device,
    autocast: torch.dtype | None,
    n_parameters: int,
    seconds: float,
    last_row: Mapping[str, float],
    data_digest: str,
) -> dict[str, Any]:
    """Return the summary of a finished training, plain values."""
    return {
        "pipeline": pipeline.name,
        "method": pipeline.method.name,
        "iterations": pipeline.training.iterations,
        "seed": pipeline.training.seed,
        "n_images": {role: images.n_images[role] for role in ("noisy", "clean")},
        "data_digest": data_digest,
        "initial_weights": initial_weights_digest(pipeline),
        "n_parameters": n_parameters,
        "seconds": round(seconds, 1),
        "last": dict(last_row),
        "device": str(device),
        "processor": device_name(device),
        "precision": "bf16" if autocast is not None else "fp32",
        "threads": torch.get_num_threads(),
        "versions": {
            "n2b_ct": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def write_summary(summary: Mapping[str, Any], path: Path) -> None:
    """Write the summary atomically."""
    write_text_atomically(path, json.dumps(summary, indent=2) + "\n")


def read_summary(path: Path) -> dict[str, Any]:
    """Read the summary of a finished run.

    Raises:
        DataError: It is damaged.
    """
    return read_json(path)
