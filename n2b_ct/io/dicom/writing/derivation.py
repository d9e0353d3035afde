"""What was done to a series: the part of provenance that is the same for all of its slices.

Everything here except ``created`` and the compression decides the UIDs, because a receiver that knows a UID keeps
the copy it has: whatever can change a pixel or a word of the header must change the UID.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from n2b_ct import __version__
from n2b_ct.io.dicom.elements import ADDITION, SMOOTHING
from n2b_ct.io.dicom.reading.parts import identity
from n2b_ct.io.dicom.uids import INSTANCE_CREATOR_UID, SIMULATION_CREATOR_UID, stable_uid
from n2b_ct.io.dicom.writing.options import WriteOptions
from n2b_ct.io.series import SeriesRef

_N_DIGEST_SHOWN = 12
_N_ST_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class Operation:
    """What kind of step a derivation is.

    Attributes:
        code: CodeValue and CodeMeaning of the step, CID 7203.
        creator_uid: InstanceCreatorUID; the scan knows by it which series were denoised already.
        is_synthetic: Part of the content was made up, so SyntheticData says YES (PS3.3 C.12.1).
    """

    code: tuple[str, str]
    creator_uid: str
    is_synthetic: bool = False


NOISE_REDUCTION = Operation(SMOOTHING, INSTANCE_CREATOR_UID)
DOSE_SIMULATION = Operation(ADDITION, SIMULATION_CREATOR_UID, is_synthetic=True)


@dataclass(frozen=True, slots=True)
class Derivation:
    """One way of making a derived series.

    Attributes:
        model_name: Name of the model or filter.
        model_version: Its version.
        model_digest: SHA-256 of the weights, hexadecimal; empty for a filter without any.
        parameters: All that influences the pixels; JSON values only.
        learned: The model was trained, so the derivation is marked as artificial intelligence.
        suffix: ASCII text appended to SeriesDescription.
        created: Time of the run, one for the whole series; not part of any UID.
        description: What was done, the first words of DerivationDescription.
        options: How to write where the Standard leaves a choice.
        operation: What kind of step it is.
    """

    model_name: str
    model_version: str
    model_digest: str
    parameters: dict[str, Any]
    learned: bool
    suffix: str
    created: datetime
    description: str = "Noise reduction"
    options: WriteOptions = field(default_factory=WriteOptions)
    operation: Operation = NOISE_REDUCTION

    @property
    def text(self) -> str:
        """DerivationDescription, ASCII, at most 1024 characters."""
        name = f"{self.model_name} {self.model_version}".strip()
        parts = [f"{self.description}: {name}", self.model_digest[:_N_DIGEST_SHOWN], self.parameters_text]
        return ascii_text("; ".join(part for part in parts if part), _N_ST_CHARACTERS)

    @property
    def parameters_text(self) -> str:
        """The parameters as canonical JSON: equal parameters give equal text."""
        return json.dumps(self.parameters, sort_keys=True, separators=(",", ":"), allow_nan=False)

    def uid(self, kind: str, *source_uids: str) -> str:
        """Name what this derivation makes of some sources."""
        own = (
            self.model_name,
            self.model_version,
            self.model_digest,
            self.parameters_text,
            str(self.learned),
            self.suffix,
            self.description,
            self.options.identity,
            self.operation.creator_uid,
            __version__,
        )
        return stable_uid(kind, *own, *source_uids)


@dataclass(frozen=True, slots=True)
class SeriesContext:
    """What one slice must know of its series to become part of the derived one.

    Attributes:
        study_instance_uid, series_instance_uid: The source's.
        derived_series_uid: SeriesInstanceUID of all derived slices.
        has_repaired_uids: The source lacked UIDs, so it cannot be referred to.
        instance_uids: SOPInstanceUID by file, for slices whose data set lacks it.
        instance_marks: What decides the UIDs of derived images beside the sources', where other series repeat those.
    """

    study_instance_uid: str
    series_instance_uid: str
    derived_series_uid: str
    has_repaired_uids: bool = False
    instance_uids: dict[str, str] = field(default_factory=dict)
    instance_marks: tuple[str, ...] = ()

    @classmethod
    def of(cls, series: SeriesRef, derivation: Derivation) -> SeriesContext:
        """Make the context of a scanned series.

        What shares UIDs with another series by mistake gets derived UIDs of its own; nobody else's change.
        """
        marks = identity(series)
        is_repeated = "sop_uid_repeated" in series.problems
        return cls(
            study_instance_uid=series.study_instance_uid,
            series_instance_uid=series.series_instance_uid,
            derived_series_uid=derivation.uid("series", series.series_instance_uid, *marks),
            has_repaired_uids="repaired_uids" in series.problems,
            instance_uids={str(one.path): one.sop_instance_uid for one in series.instances},
            instance_marks=(series.study_instance_uid, series.series_instance_uid, *marks) if is_repeated else (),
        )


def ascii_text(content: str, n_characters: int) -> str:
    """Make text that every character set can hold, no longer than asked."""
    return content.encode("ascii", "replace").decode("ascii")[:n_characters]
