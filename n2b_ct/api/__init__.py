"""What notebooks and the command line share: load, denoise, fit, train, report, evaluate, phantom_report, simulate.

Every function takes paths as ``str`` or ``os.PathLike``, raises :class:`n2b_ct.errors.N2BError` with one clear line,
prints nothing, and reports its progress to a callback ``(done, all, what)``.
"""

from n2b_ct.api.denoising import denoise, load
from n2b_ct.api.fitting import fit
from n2b_ct.api.inputs import images_of, roles_of
from n2b_ct.api.reports import report
from n2b_ct.api.simulation import simulate
from n2b_ct.api.training import Check, check, train
from n2b_ct.evaluation.folder_report import evaluate
from n2b_ct.evaluation.quality_phantom.report import phantom_report

__all__ = [
    "Check",
    "check",
    "denoise",
    "evaluate",
    "fit",
    "images_of",
    "load",
    "phantom_report",
    "report",
    "roles_of",
    "simulate",
    "train",
]
