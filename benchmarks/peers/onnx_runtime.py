"""ONNX Runtime on the default network's U-Net."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from exported import write_onnx
from timing import measure


def prepare(slices: np.ndarray) -> Callable[[], object]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        write_onnx(Path(folder) / "network.onnx", slices[0])
        session = onnxruntime.InferenceSession(Path(folder) / "network.onnx", options)
    name = session.get_inputs()[0].name
    return lambda: [session.run(None, {name: image[None, None]})[0] for image in slices]


measure(prepare)
