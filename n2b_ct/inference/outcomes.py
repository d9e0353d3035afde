"""What a run over a tree is asked for, and what becomes of each series."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from n2b_ct.io.series import FileRecord

Status = Literal["done", "present", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one series or volume.

    Attributes:
        source: Its folder or file.
        output: Its mirrored place.
        status: ``done``; ``present``: was there already; ``failed``: nothing was written.
        series: Short series UID; empty for NIfTI.
        reason, detail: Stable code and one line, when it failed.
        n_slices, n_clipped_pixels: What was written; pixels that met the limits of BitsStored.
        removed_std_hu: Standard deviation of what was removed, inside the window.
    """

    source: Path
    output: Path
    status: Status
    series: str = ""
    reason: str = ""
    detail: str = ""
    n_slices: int = 0
    n_clipped_pixels: int = 0
    removed_std_hu: float | None = None


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
        if_present: What to do where an output is there already: ``refuse`` everything, ``skip`` it, ``replace`` it.
        repair_uids: Take files with blank UIDs too; their output has no source references.
        select: Regular expression on SeriesDescription; None: every series.
        created: The one time of every output; None: now.
    """

    strength: float | None = None
    residual: bool = False
    if_present: Literal["refuse", "skip", "replace"] = "refuse"
    repair_uids: bool = False
    select: str | None = None
    created: datetime | None = field(default=None)
