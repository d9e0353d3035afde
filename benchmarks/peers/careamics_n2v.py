"""CAREamics' Noise2Void with its default network: the time of ``predict`` on whole slices, after a step of training."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from timing import measure

# The package imports torchvision for a network that is not used here. torchvision from PyPI is built for CUDA and finds
# its operators missing beside a torch without it; naming those it asks for on import is enough.
operators = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from careamics import CAREamist  # noqa: E402 (after the operator)
from careamics.config.factories import create_n2v_config  # noqa: E402 (as above)


def prepare(slices: np.ndarray) -> Callable[[], object]:
    config = create_n2v_config(
        experiment_name="speed",
        data_type="array",
        axes="SYX",
        patch_size=(64, 64),
        batch_size=4,
        num_epochs=1,
        num_steps=1,
    )
    careamist = CAREamist(config, work_dir=Path(tempfile.mkdtemp()), enable_progress_bar=False)
    careamist.train(train_data=slices)
    return lambda: careamist.predict(pred_data=slices)


measure(prepare)
