"""Both ends of a DICOM network that nobody else sees: Orthanc, and an application that stores, asks and reads back.

Run in a network namespace of its own, for Orthanc binds every interface::

    unshare -n python -m tests.integration.orthanc_driver ORTHANC WORK_DIR FOLDER...

Stores the files of every folder, each folder twice, and prints what happened as JSON; what comes back from Orthanc
lies in ``WORK_DIR/first`` and ``WORK_DIR/second``, one file an instance, named after its SOPInstanceUID.
"""

from __future__ import annotations

import fcntl
import json
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext, build_context, build_role
from pynetdicom.sop_class import (
    CTImageStorage,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    Verification,
)

ORTHANC, OURS = "ORTHANC", "N2BCT"
ORTHANC_PORT, OUR_PORT = 14242, 11113
LIMIT_S, START_LIMIT_S, REPORT_LIMIT_S = 90, 20, 20
MADE_UP_UID = "1.2.826.0.1.3680043.8.498.404"

_UP = 0x1
_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914


def main(orthanc: str, work_dir: str, *folders: str) -> None:
    """Run everything and print the JSON."""
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(LIMIT_S)
    _raise_loopback()
    work, paths = Path(work_dir), [path for folder in folders for path in sorted(Path(folder).iterdir())]
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    with _running_orthanc(orthanc, work), _associated(_contexts(headers)) as association:
        told: dict[str, Any] = {"echo": association.send_c_echo().Status}
        for turn in ("first", "second"):
            told[turn] = {
                "stored": _store(association, paths),
                "series": _count(association, headers),
                "fetched": _fetch(headers, work / turn),
            }
        instances = [(str(one.SOPClassUID), str(one.SOPInstanceUID)) for one in headers]
        told["committed"] = _commit(instances)
        told["made_up_uid"] = MADE_UP_UID
        told["committed_with_a_made_up_one"] = _commit([*instances, (str(CTImageStorage), MADE_UP_UID)])
    print(json.dumps(told))  # noqa: T201


def _give_up(*_: object) -> None:
    raise TimeoutError(f"no end after {LIMIT_S} s")


def _raise_loopback() -> None:
    """A new namespace's loopback is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14s", b"lo", 0, bytes(14))
        (flags,) = struct.unpack_from("h", fcntl.ioctl(any_socket, _GET_FLAGS, request), 16)
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14s", b"lo", flags | _UP, bytes(14)))


@contextmanager
def _running_orthanc(program: str, work: Path) -> Iterator[None]:
    config = {
        "StorageDirectory": str(work / "storage"),
        "IndexDirectory": str(work / "storage"),
        "HttpServerEnabled": False,
        "DicomAet": ORTHANC,
        "DicomPort": ORTHANC_PORT,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowStore": False,
        "DicomModalities": {"ours": {"AET": OURS, "Host": "127.0.0.1", "Port": OUR_PORT}},
        "DicomModalitiesInMemory": True,
        "OverwriteInstances": False,
        "SaveJobs": False,
    }
    (work / "orthanc.json").write_text(json.dumps(config), encoding="utf-8")
    with (work / "orthanc.log").open("wb") as log:
        server = subprocess.Popen([program, str(work / "orthanc.json")], stdout=log, stderr=log)
        try:
            _wait_for_port(server)
            yield
        finally:
            server.kill()  # what it stored goes with the test's folder
            server.wait()


def _wait_for_port(server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", ORTHANC_PORT), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("Orthanc did not open its DICOM port")


@contextmanager
def _associated(
    contexts: list[PresentationContext],
    roles: Iterable[SCP_SCU_RoleSelectionNegotiation] = (),
    handlers: Iterable[Any] = (),
) -> Iterator[Association]:
    association = AE(OURS).associate(
        "127.0.0.1",
        ORTHANC_PORT,
        contexts=contexts,
        ae_title=ORTHANC,
        ext_neg=list(roles),
        evt_handlers=[(evt.EVT_CONN_OPEN, _send_at_once), *handlers],
    )
    if not association.is_established:
        raise ConnectionError("Orthanc refused the association")
    try:
        yield association
    finally:
        association.release()


def _send_at_once(event: evt.Event) -> None:
    """Small messages would otherwise wait 40 ms for each other's acknowledgement."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _contexts(headers: list[Dataset]) -> list[PresentationContext]:
    """A context for every transfer syntax, so that nothing is encoded anew on the way."""
    syntaxes = sorted({str(header.file_meta.TransferSyntaxUID) for header in headers})
    others = (Verification, StudyRootQueryRetrieveInformationModelFind)
    return [*map(build_context, others), *(build_context(CTImageStorage, one) for one in syntaxes)]


def _store(association: Association, paths: list[Path]) -> dict[str, int]:
    """C-STORE; how many files met which status."""
    return dict(Counter(f"0x{association.send_c_store(path).Status:04X}" for path in paths))


def _count(association: Association, headers: list[Dataset]) -> dict[str, dict[str, int]]:
    """C-FIND: instances by series, by study."""
    found: dict[str, dict[str, int]] = {}
    for study in sorted({str(header.StudyInstanceUID) for header in headers}):
        wanted = Dataset()
        wanted.QueryRetrieveLevel, wanted.StudyInstanceUID = "SERIES", study
        wanted.SeriesInstanceUID, wanted.NumberOfSeriesRelatedInstances = "", ""
        answers = association.send_c_find(wanted, StudyRootQueryRetrieveInformationModelFind)
        found[study] = {
            str(answer.SeriesInstanceUID): int(answer.NumberOfSeriesRelatedInstances) for _, answer in answers if answer
        }
    return found


def _fetch(headers: list[Dataset], folder: Path) -> int:
    """C-GET every study into files; returns how many instances came."""
    folder.mkdir()

    def keep(event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        (folder / uid).write_bytes(event.encoded_dataset(include_meta=True))
        return 0x0000

    storage = [one for one in _contexts(headers) if one.abstract_syntax == CTImageStorage]
    contexts = [build_context(StudyRootQueryRetrieveInformationModelGet), *storage]
    role = build_role(CTImageStorage, scp_role=True)
    with _associated(contexts, [role], [(evt.EVT_C_STORE, keep)]) as association:
        for study in sorted({str(header.StudyInstanceUID) for header in headers}):
            wanted = Dataset()
            wanted.QueryRetrieveLevel, wanted.StudyInstanceUID = "STUDY", study
            for _ in association.send_c_get(wanted, StudyRootQueryRetrieveInformationModelGet):
                pass
    return len(list(folder.iterdir()))


def _commit(instances: list[tuple[str, str]]) -> dict[str, Any]:
    """Ask for storage commitment and wait for the report, which comes on an association of Orthanc's own."""
    reports: Queue[dict[str, Any]] = Queue()

    def receive(event: evt.Event) -> tuple[int, None]:
        told = event.event_information
        reports.put(
            {
                "event": event.event_type,
                "committed": sorted(one.ReferencedSOPInstanceUID for one in told.get("ReferencedSOPSequence", [])),
                "failed": sorted(one.ReferencedSOPInstanceUID for one in told.get("FailedSOPSequence", [])),
            }
        )
        return 0x0000, None

    listener = AE(OURS)
    listener.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
    handlers = [(evt.EVT_N_EVENT_REPORT, receive)]
    server = listener.start_server(("127.0.0.1", OUR_PORT), block=False, evt_handlers=handlers)
    try:
        with _associated([build_context(StorageCommitmentPushModel)]) as association:
            status, _ = association.send_n_action(
                _commitment_request(instances), 1, StorageCommitmentPushModel, UID(StorageCommitmentPushModelInstance)
            )
        return {"action": status.Status, **reports.get(timeout=REPORT_LIMIT_S)}
    finally:
        server.shutdown()


def _commitment_request(instances: list[tuple[str, str]]) -> Dataset:
    request = Dataset()
    request.TransactionUID = pydicom.uid.generate_uid()
    request.ReferencedSOPSequence = []
    for sop_class_uid, sop_instance_uid in instances:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
        request.ReferencedSOPSequence.append(item)
    return request


if __name__ == "__main__":
    main(*sys.argv[1:])
