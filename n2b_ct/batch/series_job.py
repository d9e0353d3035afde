"""One DICOM series: read slice by slice, denoised, written as a derived series, whole or not at all.

Reading runs ahead of the network and writing behind it, a few slices each: a series of any length takes little memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from n2b_ct.batch.outcomes import Outcome
from n2b_ct.batch.places import remove_if_empty
from n2b_ct.batch.presence import Presence, series_presence, together, unreadable_rest
from n2b_ct.batch.work import Spread, Work, failure, finished, present
from n2b_ct.errors import N2BError, SeriesError, explain
from n2b_ct.inference.model import Model
from n2b_ct.inference.slices import noise_hu
from n2b_ct.io.atomic import require_free_space
from n2b_ct.io.dicom.ct_reader import read_slices
from n2b_ct.io.dicom.derived_series import DerivedSeriesWriter, WriteStats
from n2b_ct.io.prefetch import prefetch, write_behind
from n2b_ct.io.refusals import require_whole
from n2b_ct.io.series import CTSlice, FileRecord, InstanceRef, SeriesRef

_N_SLICES_BETWEEN = 2
"""Slices that wait between two stages: enough to even out their pace, and 3 MB each at 512x512."""


@dataclass(frozen=True, slots=True)
class _NoisySlice:
    """A slice and the noise that the network finds in it, float32 ``[rows, cols]``."""

    ct_slice: CTSlice
    noise_hu: np.ndarray


class SeriesJob:
    """Denoises one series.

    Args:
        series: As a scan found it.
        target: Where the derived series goes.
        work: The run it belongs to.
        refused: Records of its slices that the scan refused.

    Attributes:
        refused: Records of all its slices that could not be used; reading may add to them.
    """

    def __init__(self, series: SeriesRef, target: Path, work: Work[Model], refused: Sequence[FileRecord] = ()) -> None:
        self._series, self._target, self._work = series, target, work
        self.refused = list(refused)
        self._spread = Spread()
        self._n_seen = self._n_written = self._n_clipped = 0
        self._dropped: set[str] = set()

    def run(self) -> Outcome:
        """Do it; what goes wrong is in the outcome."""
        series, work = self._series, self._work
        try:
            self._require_source()
            found = work.found(self.look, self._target, "series")
            if self._is_whole(found):
                return present(series, self._target, n_slices=found.n_slices, n_refused=len(self.refused))
            for place in work.places(self._target):
                remove_if_empty(place)
            self._write(work.may_replace(found))
            return found.note(self._done())
        except (N2BError, OSError) as error:
            return failure(series.directory, self._target, error, series.public_uid, series.problems)
        finally:
            self._advance(len(series) - self._n_seen)

    def look(self) -> Presence:
        """Find out what lies in the series' places."""
        work, outputs = self._work, self._work.outputs(self._target)
        return together(
            [
                series_presence(place, self._series, work.derivation(residual=is_residual))
                for place, is_residual in outputs
            ]
        )

    def _is_whole(self, found: Presence) -> bool:
        """Whether nothing is left to do; slices that reading refuses are not waited for where they may be left out."""
        if found.lacks and self._work.options.skip_bad_slices:
            unreadable = unreadable_rest(found, self._series)
            self.refused += unreadable
            return bool(unreadable)
        return found.state == "present"

    def _require_source(self) -> None:
        """Half a series misleads, and noise that was removed once must not be removed twice, unless asked for."""
        options = self._work.options
        require_whole(self._series, self.refused, skip_bad_slices=options.skip_bad_slices)
        if "own_output" in self._series.problems and not options.allow_own_output:
            remedy = "denoise its source, or pass --force"
            message = explain(f"series {self._series.short_uid}", "must not be n2b-ct's own", "its output", remedy)
            raise SeriesError("own_output", message)

    def _write(self, may_replace: bool) -> None:
        writers = [
            DerivedSeriesWriter(self._series, place, self._work.derivation(residual=is_residual), may_replace)
            for place, is_residual in self._work.outputs(self._target)
        ]
        require_free_space(self._target, sum(writer.n_bytes_expected for writer in writers))
        with ExitStack() as stack:
            for writer in writers:
                stack.enter_context(writer)
            found = stack.enter_context(prefetch(read_slices(self._series.instances), _N_SLICES_BETWEEN))
            written = write_behind(map(self._with_noise, found), partial(self._put, writers), _N_SLICES_BETWEEN)
            for instance, one in zip(self._series.instances, stack.enter_context(written), strict=True):
                self._note(instance, one)
            if not self._n_written:
                raise SeriesError(self.refused[-1].reason, self.refused[-1].detail)

    def _with_noise(self, found: CTSlice | SeriesError) -> _NoisySlice | SeriesError:
        """The network's part, in the thread that runs the job."""
        if isinstance(found, SeriesError):
            return found
        return _NoisySlice(found, noise_hu(self._work.model, found.hu, found.is_padding))

    def _put(self, writers: Sequence[DerivedSeriesWriter], one: _NoisySlice | SeriesError) -> WriteStats | SeriesError:
        """Write one slice, and the noise that was removed from it where that is wanted; done behind the network."""
        if isinstance(one, SeriesError):
            return one
        ct_slice, noise = one.ct_slice, one.noise_hu
        denoised, *residual = writers
        stats = denoised.add(ct_slice, ct_slice.hu - np.float32(self._work.strength) * noise)
        for writer in residual:
            writer.add(ct_slice, noise)
        self._spread.add(noise[self._work.model.window.contains(ct_slice.hu)])
        return stats

    def _note(self, instance: InstanceRef, written: WriteStats | SeriesError) -> None:
        """Count one slice as written, or as refused."""
        if isinstance(written, SeriesError):
            self._refuse(instance, written)
        else:
            self._n_clipped += written.n_clipped
            self._dropped |= written.dropped_creators
            self._n_written += 1
        self._advance()

    def _refuse(self, instance: InstanceRef, error: SeriesError) -> None:
        self.refused.append(FileRecord.refusal(instance.path, error, self._series))
        require_whole(self._series, self.refused, skip_bad_slices=self._work.options.skip_bad_slices)

    def _advance(self, n: int = 1) -> None:
        self._n_seen += n
        self._work.steps.advance(n, self._series.description or self._series.short_uid)

    def _done(self) -> Outcome:
        return finished(
            self._series,
            self._target,
            n_written=self._n_written,
            n_clipped=self._n_clipped,
            n_refused=len(self.refused),
            dropped_creators=self._dropped,
            removed_std_hu=self._spread.std,
        )
