"""The run folder: which files are a run's own, and how it is made ready for a new one."""

from __future__ import annotations

import shutil
from pathlib import Path

from n2b_ct.errors import OutputError, explain
from n2b_ct.inference.model import MODEL_FILE
from n2b_ct.io.atomic import PARTIAL_PREFIX
from n2b_ct.training.history import HISTORY_FILE, PLOT_FILE
from n2b_ct.training.summary import SUMMARY_FILE

PIPELINE_FILE = "pipeline.yaml"
CHECKPOINT_DIR = "checkpoints"
TENSORBOARD_DIR = "tensorboard"


def make_run_dir(run_dir: Path, *, keep: bool) -> None:
    """Make the folder; unless ``keep``, remove what an earlier run left there, and nothing that is not a run's own.

    What a kill left half-written, hidden, goes in any case.

    Raises:
        OutputError: The folder cannot be made or cleared.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        for folder in (run_dir, run_dir / CHECKPOINT_DIR):
            for partial in folder.glob(f"{PARTIAL_PREFIX}*"):
                partial.unlink()
        if keep:
            return
        for name in (MODEL_FILE, SUMMARY_FILE, PIPELINE_FILE, HISTORY_FILE, PLOT_FILE):
            (run_dir / name).unlink(missing_ok=True)
        for name in (CHECKPOINT_DIR, TENSORBOARD_DIR):
            if (run_dir / name).is_dir():
                shutil.rmtree(run_dir / name)
    except OSError as error:
        raise OutputError(explain(f"run folder {run_dir}", "must be writable", error.strerror, "pass --out")) from error
