"""CAREamics' Noise2Void with its default network: the time of ``predict`` on whole slices, after a step of training."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from careamics import CAREamist
from careamics.config.factories import create_n2v_config
from timing import measure


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
