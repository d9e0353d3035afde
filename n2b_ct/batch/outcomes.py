"""Outcomes of a run over a tree: of each series, volume or image, and of each file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from n2b_ct.errors import SeriesError, explain
from n2b_ct.inference.strength import UsedStrength
from n2b_ct.io.series import FileRecord, skipped_slices_warning

Status = Literal["done", "present", "failed"]

CLIPPED_SHARE_MAX = 1e-4
"""Share of clipped pixels above which a series is warned of."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of one series, volume or image.

    Attributes:
        source: Its folder or file.
        output: Its mirrored path.
        status: ``done``; ``present``, up to date before the run; ``failed``, nothing was written.
        series: Series UID as it may be shown: joins with that of the file records; empty for a volume or image file.
        reason, detail: Stable code and one line, when it failed; the line also when it was made again, and why.
        problems: Codes of what is worth knowing, those of the source and of the output.
        n_slices: Slices in the output, written now or found there whole.
        n_pixels, n_clipped_pixels: What was written; pixels that met the limits of BitsStored.
        n_skipped_slices: Slices of the source that could not be used and are missing.
        dropped_private: Private creators whose elements were left out; ``unknown`` for those that nobody registered.
        removed_std_hu: Standard deviation of what was removed, inside the window.
        removed_std_grey: The same for an image, in 8-bit grey levels.
        strength: Share of what was found that was removed.
        noise_hu, noise_after_hu: σ in flat tissue before and afterwards, HU, where it was measured.
        n_noise_regions: How many flat regions that is from.
        fit: Where a model was to be fitted to its protocol: which one was used, and why, in words.
        fitted: Whether that is a fitted one.
        starved_share: Of a simulated dose, the share of the rays through the body that run out of photons.
        refused: Records of all slices that could not be used.
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
    strength: float | None = None
    noise_hu: float | None = None
    noise_after_hu: float | None = None
    n_noise_regions: int = 0
    fit: str = ""
    fitted: bool = False
    starved_share: float | None = None
    refused: tuple[FileRecord, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """One line for each problem of a done series that a person should look at."""
        if self.status == "failed":
            return []
        found = []
        if "clipped_pixels" in self.problems:
            share = f"{self.n_clipped_pixels / self.n_pixels:.2%}"
            requirement = f"should clip at most {CLIPPED_SHARE_MAX:.2%} of its pixels"
            remedy = "look at it, or pass widen_bits=True" if self.series else "look at it: its type holds no more"
            found.append(explain(str(self.output), requirement, share, remedy))
        if self.n_skipped_slices:
            found.append(skipped_slices_warning(str(self.output), self.n_skipped_slices))
        if "noise_unmeasured" in self.problems:
            requirement = "should have flat soft tissue to measure noise in"
            got = f"{self.n_noise_regions} regions; the model's own strength of {self.strength:g} was used"
            found.append(explain(str(self.source), requirement, got, "look at it, or give strength=…"))
        if "noise_target_missed" in self.problems:
            requirement = "should have no more noise in flat tissue than was asked for"
            got = f"{self.noise_after_hu:.1f} HU of {self.noise_hu:.1f} HU at the best strength, {self.strength:g}"
            found.append(
                explain(str(self.output), requirement, got, "ask for a smaller reduction, or take another model")
            )
        if "not_fitted" in self.problems:
            found.append(f"{self.source}: the model was used as it is: {self.fit}")
        found += self._starved()
        if "maybe_not_hu" in self.problems:
            requirement, got = "should hold HU, as assume_hu=True says", "values that do not look it"
            found.append(explain(str(self.source), requirement, got, "look at it"))
        if "already_derived" in self.problems:
            requirement = "should be original images"
            found.append(explain(str(self.source), requirement, "derived ones", "denoise the originals if they exist"))
        return found

    def _starved(self) -> list[str]:
        """Warn where a simulated dose leaves too few photons for noise of mean zero."""
        got = f"{self.starved_share or 0.0:.1%}"
        if "rays_starved" in self.problems:
            requirement = "should leave photons on every ray: the inserted noise has mean zero, a scan's has not"
            return [explain(str(self.output), requirement, f"{got} starved rays", "pass realistic_bias=True")]
        if "rays_biased" in self.problems:
            requirement, remedy = "should leave photons on every ray", "take its HU and streaks for a model's"
            return [explain(str(self.output), requirement, f"{got} starved rays", remedy)]
        return []

    @property
    def plain(self) -> dict[str, Any]:
        """JSON values; the refused slices have records of their own."""
        values = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}
        del values["refused"]
        return {**values, "warnings": self.warnings}


@dataclass(frozen=True, slots=True)
class TreeResult:
    """Outcomes of a whole tree: one per series, volume or image, and a record of every file."""

    outcomes: tuple[Outcome, ...]
    records: tuple[FileRecord, ...]

    @property
    def failed(self) -> bool:
        """Whether any output or file failed."""
        return any(o.status == "failed" for o in self.outcomes) or any(r.action == "error" for r in self.records)


def failure(source: Path, target: Path, error: Exception) -> Outcome:
    """Return the outcome of a file that failed."""
    return Outcome(source, target, "failed", reason=reason_of(error), detail=str(error))


def reason_of(error: Exception) -> str:
    """Return the stable code of an error."""
    return error.reason if isinstance(error, SeriesError) else type(error).__name__


def clipping_problems(n_clipped: int, n_pixels: int) -> tuple[str, ...]:
    """Return ``clipped_pixels`` where more than a trace of the pixels met the limits of their type."""
    return ("clipped_pixels",) if n_clipped > CLIPPED_SHARE_MAX * n_pixels else ()


def strength_problems(used: UsedStrength | None) -> tuple[str, ...]:
    """Return the problem of a strength that follows from the noise, if it has one."""
    return (used.problem,) if used is not None and used.problem else ()


def strength_entries(used: UsedStrength | None) -> dict[str, Any]:
    """Return what an outcome says of the strength."""
    if used is None:
        return {}
    return {
        "strength": used.share,
        "noise_hu": used.noise_hu,
        "noise_after_hu": used.noise_after_hu,
        "n_noise_regions": used.n_regions,
    }


def with_refusals(records: Iterable[FileRecord], outcomes: Iterable[Outcome]) -> tuple[FileRecord, ...]:
    """Return one record for every file: a refusal in an outcome replaces the scan's record."""
    refused = {record.path: record for outcome in outcomes for record in outcome.refused}
    return tuple(refused.get(record.path, record) for record in records)
