"""UIDs that follow from their inputs, so that the same work twice gives the same instance.

A UID is ``2.25.`` and a 128-bit integer (PS3.5 B.2), here the first half of SHA-256.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from n2b_ct import __version__

INSTANCE_CREATOR_UID = "2.25.10063981242935414837056655532256019933"
SIMULATION_CREATOR_UID = "2.25.221822179985796949389929163432076023759"
IMPLEMENTATION_CLASS_UID = "2.25.116589803404176308915602277147556061739"
IMPLEMENTATION_VERSION_NAME = f"N2B_CT_{__version__}"[:16]  # SH, at most 16 characters (PS3.10 7.1)


def stable_uid(*parts: str | bytes) -> str:
    """Hash the parts into a UID of at most 44 characters.

    Every part is preceded by its length, so ``("ab", "c")`` and ``("a", "bc")`` differ.
    """
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return f"2.25.{int.from_bytes(digest.digest()[:16], 'big')}"


def content_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
