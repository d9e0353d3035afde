"""The properties that MONAI requires of every bundle workflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import monai
import numpy as np
import torch
from monai.bundle import BundleWorkflow

from n2b_ct.errors import ConfigError, explain
from n2b_ct.version import __version__


class PropertyWorkflow(BundleWorkflow):
    """A BundleWorkflow whose properties come from a mapping of functions, called on first use and cached.

    Args:
        workflow_type: ``train`` or ``infer``, as MONAI calls them.
        makers: Property name to a function that makes its value.
    """

    def __init__(self, workflow_type: str, makers: Mapping[str, Callable[[], Any]]) -> None:
        super().__init__(workflow_type=workflow_type)  # before anything else: MONAI watches every attribute
        self._makers = {**_versions(), **makers}
        self._values: dict[str, Any] = {}
        self._initialized = False

    def initialize(self) -> None:
        """Clear cached values, keep those that were set by hand, and allow ``run``."""
        self._initialized = True

    def finalize(self) -> None:
        """Release all cached values."""
        self._values.clear()
        self._initialized = False

    def require_initialized(self) -> None:
        """Refuse to run before ``initialize``.

        Raises:
            ConfigError: It was not called.
        """
        if not self._initialized:
            raise ConfigError(
                explain("workflow", "must be initialized before it runs", "run first", "call initialize()")
            )

    def _get_property(self, name: str, property: dict[str, Any]) -> Any:  # noqa: A002, ARG002 (MONAI's signature)
        if name not in self._values:
            if name not in self._makers:
                raise AttributeError(name)
            self._values[name] = self._makers[name]()
        return self._values[name]

    def _set_property(self, name: str, property: dict[str, Any], value: Any) -> None:  # noqa: A002, ARG002
        self._values[name] = value


def _versions() -> dict[str, Callable[[], Any]]:
    return {
        "version": lambda: __version__,
        "monai_version": lambda: monai.__version__,
        "pytorch_version": lambda: torch.__version__,
        "numpy_version": lambda: np.__version__,
    }
