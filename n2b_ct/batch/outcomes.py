"""What a run over a tree is asked for, and what becomes of each series."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from n2b_ct.errors import explain
from n2b_ct.io.dicom.writing.derivation import WriteOptions
from n2b_ct.io.refusals import left_out
from n2b_ct.io.series import FileRecord

Status = Literal["done", "present", "failed"]
IfPresent = Literal["refuse", "skip", "replace"]

CLIPPED_SHARE_MAX = 1e-4
"""Share of clipped pixels above which a series is warned of."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one series, volume or image.

    Attributes:
        source: Its folder or file.
        output: Its mirrored place.
        status: ``done``; ``present``: was there already; ``failed``: nothing was written.
        series: Series UID as it may be shown: joins with that of the file records; empty for a volume or image file.
        reason, detail: Stable code and one line, when it failed; the line also when it was made again, and why.
        problems: Codes of what is worth knowing, those of the source and of the output.
        n_slices: Slices in the output, written now or found there whole.
        n_pixels, n_clipped_pixels: What was written; pixels that met the limits of BitsStored.
        n_skipped_slices: Slices of the source that could not be used and are missing.
        dropped_private: Private creators whose elements were left out; ``unknown`` for those that nobody registered.
        removed_std_hu: Standard deviation of what was removed, inside the window.
        removed_std_grey: The same for an image, in 8-bit grey levels.
    """

    source: Path
    output: Path
    status: Status
    series: str = ""
    reason: str = ""
    detail: str = ""
    problems: tuple[str, ...] = ()
    n_slices: int = 0
    n_pixels: int = 0
    n_clipped_pixels: int = 0
    n_skipped_slices: int = 0
    dropped_private: tuple[str, ...] = ()
    removed_std_hu: float | None = None
    removed_std_grey: float | None = None

    @property
    def warnings(self) -> list[str]:
        """One line for everything that a person should look at although the series is done."""
        if self.status == "failed":
            return []
        found = []
        if "clipped_pixels" in self.problems:
            share = f"{self.n_clipped_pixels / self.n_pixels:.2%}"
            requirement = f"should clip at most {CLIPPED_SHARE_MAX:.2%} of its pixels"
            remedy = "look at it, or pass --widen-bits" if self.series else "look at it: its type holds no more"
            found.append(explain(str(self.output), requirement, share, remedy))
        if self.n_skipped_slices:
            found.append(left_out(str(self.output), self.n_skipped_slices))
        if "maybe_not_hu" in self.problems:
            got = "values that do not look it, vouched for by --assume-hu"
            found.append(explain(str(self.source), "should hold HU", got, "look at it"))
        if "already_derived" in self.problems:
            requirement = "should be original images"
            found.append(explain(str(self.source), requirement, "derived ones", "denoise the originals if they exist"))
        return found


@dataclass(frozen=True, slots=True)
class TreeResult:
    """What became of a whole tree: its series and volumes, and every file that was not used."""

    outcomes: tuple[Outcome, ...]
    records: tuple[FileRecord, ...]

    @property
    def failed(self) -> bool:
        """Whether something could not be done."""
        return any(o.status == "failed" for o in self.outcomes) or any(r.action == "error" for r in self.records)


@dataclass(frozen=True, slots=True)
class DenoiseOptions:
    """How to denoise.

    Attributes:
        strength: Share of the noise found that is removed, 0 to 1; None: the model's own.
        residual: Write the removed noise too, as series beside the denoised ones.
        if_present: What to do where something is there already: ``refuse`` everything; ``skip`` what is what this run
            would make, make again what is not; ``replace`` it.
        repair_uids: Take files with blank UIDs too; their output has no source references.
        assume_hu: Vouch that values are HU where a file does not say so.
        skip_bad_slices: Leave out slices that cannot be used; by default their series fails whole.
        allow_own_output: Denoise series that n2b-ct itself derived.
        volume_offset_hu: What must be added to the values of volumes to get HU.
        select: Regular expression on SeriesDescription; None: every series.
        created: The one time of every output; None: now.
        write: How derived instances are written.
        per_channel: Let a model of gray images denoise the channels of RGB images one by one.
    """

    strength: float | None = None
    residual: bool = False
    if_present: IfPresent = "refuse"
    repair_uids: bool = False
    assume_hu: bool = False
    skip_bad_slices: bool = False
    allow_own_output: bool = False
    volume_offset_hu: float = 0.0
    select: str | None = None
    created: datetime | None = field(default=None)
    write: WriteOptions = field(default_factory=WriteOptions)
    per_channel: bool = False
