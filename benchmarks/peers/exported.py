"""The default network's U-Net, written plainly, as ONNX: for runtimes that people would try instead of torch."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch

from benchmarks.plain_network import plain_network
from n2b_ct.networks.unet import SimpleUNet

OPSET = 17


def write_onnx(path: Path, image: np.ndarray) -> None:
    """Export it for images of this size, ``[rows, cols]``."""
    network = plain_network(SimpleUNet()).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package calls itself old
        torch.onnx.export(network, (torch.from_numpy(image)[None, None],), path, dynamo=False, opset_version=OPSET)
