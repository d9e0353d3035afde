"""Training as a MONAI workflow: ``initialize``, ``run``, ``finalize``, and the properties MONAI's tools ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai.inferers import SimpleInferer

from n2b_ct import api
from n2b_ct.config import load_pipeline
from n2b_ct.config.yaml_files import shipped_dir
from n2b_ct.training.devices import choose_device
from n2b_ct.training.run import Assembled, assemble
from n2b_ct.workflows.properties import PropertyWorkflow


class TrainWorkflow(PropertyWorkflow):
    """Train a pipeline through MONAI's workflow interface.

    ``trainer`` is a MONAI Trainer that can be inspected, given more handlers and run by hand; ``run`` trains like
    ``n2b-ct train`` and fills the run folder.

    Args:
        pipeline: A path, or the name of a shipped pipeline.
        dataset_dir: Where the data lies.
        run_dir: The run folder.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        overrides: ``section.key=value`` texts.

    Raises:
        ConfigError: The pipeline is wrong.
    """

    def __init__(
        self,
        pipeline: str | Path,
        dataset_dir: str | Path,
        run_dir: str | Path,
        device: str = "auto",
        overrides: Sequence[str] = (),
    ) -> None:
        super().__init__(
            "train",
            {
                "bundle_root": lambda: str(shipped_dir("pipelines").parent),
                "dataset_dir": lambda: str(self._data_root),
                "device": lambda: choose_device(self._device_name),
                "max_epochs": lambda: 1,
                "trainer": lambda: self._assembled().trainer,
                "train_dataset": lambda: self._assembled().batches,
                "train_inferer": SimpleInferer,
                "network_def": lambda: self._assembled().method.networks["denoiser"],
            },
        )
        self._pipeline = load_pipeline(pipeline, overrides)
        self._data_root, self._run_dir, self._device_name = Path(dataset_dir), Path(run_dir), device
        self._kept: Assembled | None = None

    def run(self) -> dict[str, Any]:
        """Train; returns the summary of the run folder."""
        self.require_initialized()
        return api.train(self._pipeline, data_root=self._data_root, out=self._run_dir, device=self._device_name)

    def _assembled(self) -> Assembled:
        if self._kept is None:
            roles = api.roles_of(self._pipeline, self._data_root)
            self._run_dir.mkdir(parents=True, exist_ok=True)
            self._kept = assemble(self._pipeline, roles, self._run_dir, choose_device(self._device_name))
        return self._kept
