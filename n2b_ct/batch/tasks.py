"""What a run over a tree has to do, as values that can be sent elsewhere: one task a series, one a volume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from n2b_ct.batch.outcomes import Outcome
from n2b_ct.batch.presence import Presence
from n2b_ct.batch.series_job import SeriesJob
from n2b_ct.batch.volume_job import VolumeJob
from n2b_ct.batch.work import Work, failure
from n2b_ct.inference.model import Model
from n2b_ct.io.series import FileRecord, SeriesRef


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one task: its outcome, and records of all its slices that could not be used."""

    outcome: Outcome
    refused: tuple[FileRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class SeriesTask:
    """One series to denoise.

    Attributes:
        series: As a scan found it.
        target: Where the derived series goes.
        refused: Records of its slices that the scan refused.
    """

    series: SeriesRef
    target: Path
    refused: tuple[FileRecord, ...] = ()

    @property
    def n_slices(self) -> int:
        """How much there is to do."""
        return len(self.series)

    @property
    def subject(self) -> str:
        """Its name in a message."""
        return f"series {self.series.short_uid}"

    @property
    def path(self) -> Path:
        """A file that whoever carries it out must see."""
        return self.series.instances[0].path

    @property
    def neighbourhood(self) -> Path:
        """The folder that it shares with the other series of its study, as archives are laid out."""
        return self.series.directory.parent

    def look(self, work: Work[Model]) -> Presence:
        """Find out what lies in its places."""
        return SeriesJob(self.series, self.target, work, self.refused).look()

    def run(self, work: Work[Model]) -> Done:
        """Do it; what goes wrong is in the outcome."""
        job = SeriesJob(self.series, self.target, work, self.refused)
        return Done(job.run(), tuple(job.refused))

    def failed(self, error: Exception) -> Done:
        """Say that it came to nothing where it was to be done."""
        series = self.series
        return Done(failure(series.directory, self.target, error, series.public_uid, series.problems), self.refused)


@dataclass(frozen=True, slots=True)
class VolumeTask:
    """One volume to denoise.

    Attributes:
        path: The file with its header.
        target: Where the denoised volume goes.
        n_slices: How much there is to do.
    """

    path: Path
    target: Path
    n_slices: int

    @property
    def subject(self) -> str:
        """Its name in a message."""
        return f"volume {self.path.name}"

    @property
    def neighbourhood(self) -> Path:
        """The folder that it shares with other volumes."""
        return self.path.parent

    def look(self, work: Work[Model]) -> Presence:
        """Find out what lies in its places."""
        return VolumeJob(self.path, self.target, work).look()

    def run(self, work: Work[Model]) -> Done:
        """Do it; what goes wrong is in the outcome."""
        return Done(VolumeJob(self.path, self.target, work).run())

    def failed(self, error: Exception) -> Done:
        """Say that it came to nothing where it was to be done."""
        return Done(failure(self.path, self.target, error))


Task = SeriesTask | VolumeTask

Executor = Callable[[Sequence[Task], Work[Model]], list[Done]]
"""Where tasks are done: gives one :class:`Done` for each, in their order, and tells ``work.steps`` of every slice."""


def one_by_one(tasks: Sequence[Task], work: Work[Model]) -> list[Done]:
    """Do all tasks here, one after the other."""
    return [task.run(work) for task in tasks]
