"""ldct-benchmark's RED-CNN, as published: the time of its network on whole slices; weights do not matter for that."""

from collections.abc import Callable

import numpy as np
import torch
from ldctbench.methods.redcnn.network import Model
from timing import measure


def prepare(slices: np.ndarray) -> Callable[[], object]:
    network = Model(None).eval()
    images = torch.from_numpy(slices)[:, None, None] / 1000.0

    def run() -> list[torch.Tensor]:
        with torch.inference_mode():
            return [network(image) for image in images]

    return run


measure(prepare)
