"""Denoising with a model of its own for each protocol: the tasks of a tree, each with the model that was fitted.

Fits are kept in the output, under its hidden folder, by protocol and base; beside it where it is a series itself, which
is replaced whole::

    OUT/.n2b-ct/fits/<digest>/        a run folder; or only result.json, where no fit was better or none possible

A resumed job takes them from there, so that nothing is fitted twice and the derived UIDs stay what they were; series
of a protocol that came later are denoised with the model that is there. Another base or time limit is another digest.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from n2b_ct.batch.existing_output import ExistingOutput
from n2b_ct.batch.outcomes import Outcome
from n2b_ct.batch.run_context import RunContext
from n2b_ct.batch.trees import CTTask
from n2b_ct.errors import DataError, ModelError, OutputError, explain
from n2b_ct.fitting.fit import FitResult
from n2b_ct.fitting.protocols import Protocol, protocols_of
from n2b_ct.inference.model import MODEL_FILE, Model, load_model
from n2b_ct.inference.slices import device_of
from n2b_ct.io.atomic import RECORDS_DIR, write_text_atomically
from n2b_ct.io.json_files import read_json

FITS_DIR = Path(RECORDS_DIR) / "fits"
RESULT_FILE = "result.json"
PROBLEM = "not_fitted"
"""Code of a series whose protocol could not be fitted."""

_N_DIGEST_CHARACTERS = 16

Fit = Callable[[Protocol, Path], FitResult]
"""Fits a model to a protocol, into a folder."""


@dataclass(frozen=True, slots=True)
class AdaptedTask:
    """A task, done with the model of its protocol.

    Attributes:
        task: The series or volume.
        model: Its protocol's model, or the base.
        result: What became of the fit.
    """

    task: CTTask
    model: Model
    result: FitResult

    @property
    def n_slices(self) -> int:
        """How many slices there are to do."""
        return self.task.n_slices

    def output_paths(self, context: RunContext) -> list[Path]:
        """Return the paths of all its outputs."""
        return self.task.output_paths(self._own(context))

    def existing(self, context: RunContext) -> ExistingOutput:
        """Return what exists of its outputs."""
        return self.task.existing(self._own(context))

    def run(self, context: RunContext) -> list[Outcome]:
        """Denoise; the outcomes say what became of the fit."""
        return [self._with_result(outcome) for outcome in self.task.run(self._own(context))]

    def _own(self, context: RunContext) -> RunContext:
        return replace(context, model=self.model)

    def _with_result(self, outcome: Outcome) -> Outcome:
        if outcome.status == "failed":
            return outcome
        problems = (*outcome.problems, PROBLEM) if self.result.status == "refused" else outcome.problems
        return replace(outcome, problems=problems, fit=self.result.why, fitted=self.result.status == "fitted")


def adapted_tasks(
    tasks: Sequence[CTTask], output: Path, base: Model, limit_s: float, fit: Fit, *, anew: bool
) -> list[AdaptedTask]:
    """Fit a model to each protocol of the tasks, or take the one that an earlier run fitted.

    Args:
        tasks: Of the tree.
        output: Of the run.
        base: The model to begin with.
        limit_s: Seconds for each protocol.
        fit: Fits one.
        anew: Fit again where a fit is there.

    Raises:
        OutputError: The output cannot be written.
    """
    home = output.absolute().parent if any(task.target == output for task in tasks) else output
    by_task: dict[int, tuple[Model, FitResult]] = {}
    for protocol in protocols_of(tasks):
        place = home / FITS_DIR / _digest(protocol, base, limit_s, output)
        result = None if anew else _kept_result(place)
        if result is None:
            result = _new_result(protocol, place, fit)
        model = base if result.status != "fitted" else load_model(place, device_of(base))
        by_task |= {id(task): (model, result) for task in protocol.tasks}
    return [AdaptedTask(task, *by_task[id(task)]) for task in tasks]


def _digest(protocol: Protocol, base: Model, limit_s: float, output: Path) -> str:
    text = f"{protocol.key}|{base.digest}|{limit_s:g}|{output.name}"
    return hashlib.sha256(text.encode()).hexdigest()[:_N_DIGEST_CHARACTERS]


def _kept_result(place: Path) -> FitResult | None:
    """Return what an earlier run found; None where it did not end, or its model is gone."""
    try:
        values = read_json(place / RESULT_FILE)
        result = FitResult(**{**values, "run_dir": place})
        if result.status == "fitted":
            load_model(place)
    except (DataError, ModelError, TypeError):
        return None
    return result


def _new_result(protocol: Protocol, place: Path, fit: Fit) -> FitResult:
    """Fit, and record the result last, so that a killed run fits again."""
    try:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
    except OSError as error:
        remedy = "choose another place"
        raise OutputError(explain(f"output {place}", "must be writable", error.strerror, remedy)) from error
    result = fit(protocol, place)
    values = {key: value for key, value in result.plain.items() if key != "run_dir"}
    if result.status != "fitted":
        (place / MODEL_FILE).unlink(missing_ok=True)
    write_text_atomically(place / RESULT_FILE, json.dumps(values) + "\n")
    return result
