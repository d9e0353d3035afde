"""OpenVINO on the default network's U-Net, in float32."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino
from exported import write_onnx
from timing import measure


def prepare(slices: np.ndarray) -> Callable[[], object]:
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": int(sys.argv[2])}
    with tempfile.TemporaryDirectory() as folder:
        write_onnx(Path(folder) / "network.onnx", slices[0])
        network = openvino.Core().compile_model(Path(folder) / "network.onnx", "CPU", settings)
    return lambda: [network(image[None, None])[0] for image in slices]


measure(prepare)
