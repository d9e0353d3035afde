"""The messages between parent and worker: JSON and raw bytes, so that nothing is unpickled."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from n2b_ct.errors import SeriesError

_HEAD = struct.Struct("<QQ")
_N_NOTE_BYTES_MAX = 64 * 2**20
_N_PAYLOAD_BYTES_MAX = 2**34


@dataclass(frozen=True, slots=True)
class Answer:
    """What a task returns.

    Attributes:
        note: JSON values.
        payload: Raw bytes, such as pixels; ``note`` says how to read them.
    """

    note: dict[str, Any] = field(default_factory=dict)
    payload: bytes | bytearray | memoryview = b""


def send(stream: BinaryIO, note: dict[str, Any], payload: bytes | bytearray | memoryview = b"") -> None:
    """Write one message and flush it."""
    content = json.dumps(note).encode()
    view = memoryview(payload).cast("B")
    stream.write(_HEAD.pack(len(content), view.nbytes))
    stream.write(content)
    stream.write(view)
    stream.flush()


def receive(stream: BinaryIO) -> Answer | None:
    """Read one message; None where the other side has ended or the message is invalid."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    n_note, n_payload = _HEAD.unpack(head)
    if n_note > _N_NOTE_BYTES_MAX or n_payload > _N_PAYLOAD_BYTES_MAX:
        return None
    content = stream.read(n_note)
    payload = bytearray(n_payload)
    if len(content) < n_note or _read_into(stream, payload) < n_payload:
        return None
    return Answer(json.loads(content), payload)


def failure_note(error: SeriesError) -> dict[str, Any]:
    """Return an error as a message's JSON values."""
    return {"reason": error.reason, "message": str(error)}


def as_outcome(answer: Answer) -> Answer | SeriesError:
    """Return an answer as it is, or the error that it carries."""
    if "reason" in answer.note and "message" in answer.note:
        return SeriesError(str(answer.note["reason"]), str(answer.note["message"]))
    return answer


def _read_into(stream: BinaryIO, buffer: bytearray) -> int:
    """Fill a buffer; returns how many bytes came before the stream ended."""
    view, n_read = memoryview(buffer), 0
    while n_read < len(buffer):
        n_more = stream.readinto(view[n_read:])  # type: ignore[attr-defined]
        if not n_more:
            break
        n_read += n_more
    return n_read
