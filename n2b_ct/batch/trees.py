"""What every run over a tree of series does before and behind its work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from n2b_ct.batch.outcomes import IfPresent
from n2b_ct.batch.places import is_present
from n2b_ct.batch.presence import Presence
from n2b_ct.config.patterns import checked_pattern, is_found
from n2b_ct.errors import DataError, OutputError, explain
from n2b_ct.io.atomic import recover
from n2b_ct.io.series import FileRecord, SeriesRef


def require_source(source: Path, kinds: str) -> None:
    """Refuse an input that is not there.

    Raises:
        DataError: With ``kinds`` as what it may be.
    """
    if not source.exists():
        raise DataError(explain(f"input {source}", f"must be {kinds}", "nothing there", "check the path"))


def select_series(series: Sequence[SeriesRef], pattern: str | None) -> list[SeriesRef]:
    """Take the series whose description a regular expression finds; None takes all.

    Raises:
        DataError: It is no regular expression, or one that could take very long.
    """
    if pattern is None:
        return list(series)
    try:
        wanted = checked_pattern(pattern)
    except ValueError as error:
        raise DataError(explain("--select", str(error), pattern[:80], "quote it, or make it simpler")) from error
    return [one for one in series if is_found(wanted, one.description)]


def nothing_found(
    source: Path, kinds: str, records: Sequence[FileRecord], remedy: str = "check the folder and --select"
) -> DataError:
    """Say why there is no work, by the reasons of the files that are there; an error is shown in full for each."""
    reasons = ", ".join(sorted({record.reason for record in records if record.reason}))
    got = f"{len(records)} files, none usable{f' ({reasons})' if reasons else ''}"
    errors = {record.reason: record for record in reversed(records) if record.action == "error" and record.detail}
    details = [f"{one.path.parent}: {one.detail}" for one in sorted(errors.values(), key=lambda one: one.path)]
    message = explain(f"input {source}", f"must hold at least one {kinds}", got, remedy)
    return DataError("\n".join([message, *details]))


def prepare_places(places: Sequence[Path], if_present: IfPresent, found: Iterable[Presence]) -> None:
    """Clean up behind a killed run, then look for outputs that are there.

    Args:
        places: All that the run would write.
        if_present: What to do where something is there.
        found: What lies in the places, one for each input; asked only where nothing may be there and something is,
            for the advice depends on it.

    Raises:
        OutputError: Two inputs want one place, or a place is taken and must not be touched.
    """
    if len(set(places)) < len(places):
        twice = next(place for place, n in Counter(places).items() if n > 1)
        raise OutputError(explain(f"output {twice}", "must belong to one input only", "two", "denoise them one by one"))
    for place in places:
        recover(place)
    present = [place for place in places if is_present(place)]
    if present and if_present == "refuse":
        raise _taken(present, len(places), found)


def _taken(present: Sequence[Path], n_places: int, found: Iterable[Presence]) -> OutputError:
    """Advise ``--resume`` only where that does not stop at what somebody else put there."""
    requirement, foreign = "must not be there yet", next((one for one in found if one.state == "foreign"), None)
    if foreign is not None:
        got, remedy = f"{foreign.why}, which is not n2b-ct's", "move it away, or pass --overwrite"
        return OutputError(explain(f"output {foreign.place}", requirement, got, remedy))
    remedy = "pass --resume to keep what is up to date and make the rest, or --overwrite to replace all"
    return OutputError(explain(f"output {present[0]}", requirement, f"{len(present)} of {n_places} outputs", remedy))


def with_refusals(records: Iterable[FileRecord], found_out: Iterable[FileRecord]) -> tuple[FileRecord, ...]:
    """Every file keeps exactly one record: what reading found out replaces what the scan thought."""
    later = {record.path: record for record in found_out}
    return tuple(later.get(record.path, record) for record in records)
