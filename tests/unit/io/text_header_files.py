"""Small volumes whose text headers say what a test wants them to say."""

from __future__ import annotations

from pathlib import Path

import numpy as np

WORDS = (np.arange(60, dtype="<i2") - 30).reshape(3, 4, 5)

METAIMAGE = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "DimSize": "5 4 3",
    "ElementSpacing": "0.5 0.75 2",
    "ElementType": "MET_SHORT",
    "ElementDataFile": "LOCAL",
}
NRRD = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "5 4 3",
    "space directions": "(0.5,0,0) (0,0.75,0) (0,0,2)",
    "endian": "little",
    "encoding": "raw",
}


def metaimage(path: Path, data: bytes | None = None, **changes: str | None) -> Path:
    fields = {key: value for key, value in {**METAIMAGE, **changes}.items() if value is not None}
    name = fields.pop("ElementDataFile", None)  # it must come last
    lines = [f"{key} = {value}\n" for key, value in fields.items()]
    lines += [] if name is None else [f"ElementDataFile = {name}\n"]
    path.write_bytes("".join(lines).encode() + (WORDS.tobytes() if data is None else data))
    return path


def nrrd(path: Path, data: bytes | None = None, extra: str = "", **changes: str | None) -> Path:
    changed = {key.replace("_", " "): value for key, value in changes.items()}
    fields = {key: value for key, value in {**NRRD, **changed}.items() if value is not None}
    header = "NRRD0004\n" + "".join(f"{key}: {value}\n" for key, value in fields.items()) + extra + "\n"
    path.write_bytes(header.encode() + (WORDS.tobytes() if data is None else data))
    return path
