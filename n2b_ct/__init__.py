"""n2b-ct: Noise2Blur for low-dose CT, from DICOM folders to dose-level reports. Not a medical device.

``import n2b_ct as n2b`` provides these; heavy modules are imported on first use:

* :func:`load` a trained model, whose ``denoise(hu)`` and ``noise(hu)`` take NumPy arrays and tensors in HU;
* :func:`denoise` files and folders, :func:`fit` a model to noisy series alone, :func:`train` one, also from arrays;
* :func:`report` on models by dose, :func:`evaluate` folders that exist, :func:`phantom_report` on a phantom's scans;
* :func:`simulate` lower doses, :func:`read_series` as an array in HU;
* :mod:`errors`: all errors raised on purpose are ``errors.N2BError``, with one line that includes a remedy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from n2b_ct.version import __version__ as __version__

if TYPE_CHECKING:
    from n2b_ct import errors
    from n2b_ct.api.denoising import denoise, load
    from n2b_ct.api.fitting import fit
    from n2b_ct.api.reports import report
    from n2b_ct.api.simulation import simulate
    from n2b_ct.api.training import train
    from n2b_ct.evaluation.folder_report import evaluate
    from n2b_ct.evaluation.quality_phantom.report import phantom_report
    from n2b_ct.io.one_series import read_series

__all__ = [
    "denoise",
    "errors",
    "evaluate",
    "fit",
    "load",
    "phantom_report",
    "read_series",
    "report",
    "simulate",
    "train",
]

_HOMES = {
    "denoise": "n2b_ct.api.denoising",
    "evaluate": "n2b_ct.evaluation.folder_report",
    "fit": "n2b_ct.api.fitting",
    "load": "n2b_ct.api.denoising",
    "phantom_report": "n2b_ct.evaluation.quality_phantom.report",
    "read_series": "n2b_ct.io.one_series",
    "report": "n2b_ct.api.reports",
    "simulate": "n2b_ct.api.simulation",
    "train": "n2b_ct.api.training",
}


def __getattr__(name: str) -> Any:
    """Import public names on first use (PEP 562)."""
    if name == "errors":
        return import_module("n2b_ct.errors")
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    """List the public names, loaded or not, and nothing that this module only uses."""
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
