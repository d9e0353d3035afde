"""Training as a MONAI workflow: ``initialize``, ``run``, ``finalize``, and the properties MONAI's tools ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.inferers import SimpleInferer

from n2b_ct import api
from n2b_ct.api.inputs import StrPath, loaded_pipeline
from n2b_ct.config.yaml_files import Overrides, shipped_dir
from n2b_ct.data.image_source import ImageSource
from n2b_ct.training.devices import choose_device
from n2b_ct.training.run import require_ready, run_assembled, teacher_of
from n2b_ct.training.run_dir import require_free_run_dir
from n2b_ct.training.trainer import Assembled, assemble
from n2b_ct.workflows.properties import PropertyWorkflow


class TrainWorkflow(PropertyWorkflow):
    """Train a pipeline through MONAI's workflow interface.

    ``trainer`` is a MONAI Trainer that can be inspected and given more handlers; ``run`` runs it and writes the run
    folder as ``n2b-ct train`` does.

    Args:
        pipeline: A path, or the name of a shipped pipeline.
        dataset_dir: Where the data lies.
        run_dir: The run folder.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        overrides: Win over the pipeline: ``section.key=value`` texts, or ``section.key`` to its value.
        skip_bad_slices: Leave out slices that cannot be used; by default one of them fails its series.

    Raises:
        ConfigError: The pipeline is wrong.
    """

    def __init__(
        self,
        pipeline: StrPath,
        dataset_dir: StrPath,
        run_dir: StrPath,
        device: str = "auto",
        overrides: Overrides = (),
        *,
        skip_bad_slices: bool = False,
    ) -> None:
        super().__init__(
            "train",
            {
                "bundle_root": lambda: str(shipped_dir("pipelines").parent),
                "dataset_dir": lambda: str(self._data_root),
                "device": lambda: choose_device(self._device_name),
                "max_epochs": lambda: 1,
                "trainer": lambda: self._assembled()[0].trainer,
                "train_dataset": lambda: self._assembled()[0].batches,
                "train_inferer": SimpleInferer,
                "network_def": lambda: self._assembled()[0].method.networks["denoiser"],
            },
        )
        self._pipeline = loaded_pipeline(pipeline, overrides)
        self._skip_bad_slices = skip_bad_slices
        self._data_root, self._run_dir, self._device_name = Path(dataset_dir), Path(run_dir), device
        self._assembled_run: tuple[Assembled, ImageSource] | None = None

    def run(self) -> dict[str, Any]:
        """Run ``trainer`` and write the run folder; returns its summary."""
        self.require_initialized()
        assembled, images = self._assembled()
        return run_assembled(self._pipeline, images, self._run_dir, choose_device(self._device_name), assembled)

    def finalize(self) -> None:
        """Release the trainer too."""
        super().finalize()
        self._assembled_run = None

    def _assembled(self) -> tuple[Assembled, ImageSource]:
        if self._assembled_run is None:
            images = api.images_of(self._pipeline, self._data_root, skip_bad_slices=self._skip_bad_slices)
            require_ready(self._pipeline, images)
            require_free_run_dir(self._pipeline, self._run_dir)
            device = choose_device(self._device_name)
            teacher = teacher_of(self._pipeline, images, self._run_dir, device)
            self._assembled_run = assemble(self._pipeline, images, self._run_dir, device, teacher=teacher), images
        return self._assembled_run
