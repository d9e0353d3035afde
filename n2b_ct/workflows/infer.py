"""Denoising as a MONAI workflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine
from monai.engines import Evaluator
from monai.inferers import SimpleInferer

from n2b_ct import api
from n2b_ct.api.inputs import StrPath
from n2b_ct.batch.outcomes import TreeResult
from n2b_ct.errors import ConfigError, explain
from n2b_ct.inference.model import load_model
from n2b_ct.inference.shipped import model_path
from n2b_ct.inference.slices import denoise_hu
from n2b_ct.inference.strength import required_goal
from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.series import Refusals, require_whole
from n2b_ct.training.devices import choose_device
from n2b_ct.workflows.properties import PropertyWorkflow


class DenoiseWorkflow(PropertyWorkflow):
    """Denoise a folder through MONAI's workflow interface.

    ``dataset`` lists the DICOM slices below ``dataset_dir``, ``evaluator`` is a MONAI Evaluator that denoises them in
    memory (``output["pred"]`` is HU ``[rows, cols]``); ``run`` writes derived series like ``n2b-ct denoise``.

    Args:
        model: ``base``, the shipped model; or a run folder or a model file.
        dataset_dir: What to denoise.
        output_dir: Output folder, outside ``dataset_dir``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        options: Further keyword arguments of :func:`n2b_ct.denoise`, such as ``strength``.
    """

    def __init__(
        self,
        model: StrPath,
        dataset_dir: StrPath,
        output_dir: StrPath,
        device: str = "auto",
        **options: Any,
    ) -> None:
        place = model_path(model)
        super().__init__(
            "infer",
            {
                "bundle_root": lambda: str(place),
                "dataset_dir": lambda: str(self._source),
                "device": lambda: choose_device(self._device_name),
                "dataset": self._slices,
                "evaluator": self._evaluator,
                "network_def": lambda: self._model.denoiser,
                "inferer": SimpleInferer,
            },
        )
        self._source, self._output = Path(dataset_dir), Path(output_dir)
        self._model = load_model(place, choose_device(device))
        self._device_name, self._options = device, options

    def run(self) -> TreeResult:
        """Denoise and write; returns the outcome of every series."""
        self.require_initialized()
        return api.denoise(self._source, self._output, model=self._model, **self._options)

    def _slices(self) -> list[Path]:
        found = scan(self._source)
        refusals = Refusals(found.records)
        for series in found.series:
            require_whole(series, refusals.of(series), skip_bad_slices=self._options.get("skip_bad_slices", False))
        return [instance.path for series in found.series for instance in series.instances]

    def _evaluator(self) -> Evaluator:
        if required_goal(*(self._options.get(name) for name in ("strength", "reduce", "target_noise_hu"))) is not None:
            requirement, got = "denoises slices one by one, all at one strength", "a strength that each series decides"
            raise ConfigError(explain("evaluator", requirement, got, "call run(), or give strength=…"))
        paths = self._slices()
        return Evaluator(
            device=choose_device(self._device_name),
            val_data_loader=paths,
            epoch_length=len(paths),
            iteration_update=self._denoise_one,
            decollate=False,
        )

    def _denoise_one(self, engine: Engine, path: Path) -> dict[str, Any]:  # noqa: ARG002 (ignite's signature)
        ct_slice = read_slice(path)
        denoised: np.ndarray = denoise_hu(self._model, ct_slice.hu, ct_slice.is_padding, self._options.get("strength"))
        return {"image": ct_slice.hu, "pred": denoised}
