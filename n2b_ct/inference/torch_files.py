"""Files of tensors and plain values: nothing in them can run, and a damaged one is a clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from n2b_ct.errors import ModelError, explain


def read_tensors(path: Path) -> Any:
    """Read a file that ``torch.save`` wrote, tensors and plain values only, onto the CPU.

    Raises:
        ModelError: It is damaged, holds code, or is something else.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file makes torch's reader fail in any way: struct.error, IndexError ...
        raise ModelError(
            explain(
                f"model {path.name}",
                "must be a model file written by n2b-ct",
                "something else",
                "pass the run folder of a training",
            )
        ) from error
