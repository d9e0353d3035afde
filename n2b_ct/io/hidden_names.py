"""Names in a folder that are neither input nor output: n2b-ct's own hidden ones, and what operating systems leave."""

from __future__ import annotations

from n2b_ct.io.atomic import PARTIAL_PREFIX, REPLACED_PREFIX

RECORDS_DIR = ".n2b-ct"
"""Beside outputs that cannot carry a UID: what each of them was made of (:mod:`n2b_ct.io.output_records`)."""

_OF_SYSTEMS = frozenset([".ds_store", "thumbs.db", "desktop.ini", ".directory"])
_OF_SYSTEMS_BEGIN = ("._", ".nfs")  # AppleDouble; a file that an NFS client still holds open


def is_ours(name: str) -> bool:
    """Say whether a file or folder is one that n2b-ct hides beside its outputs."""
    return name == RECORDS_DIR or name.startswith((PARTIAL_PREFIX, REPLACED_PREFIX))


def is_of_system(name: str) -> bool:
    """Say whether an operating system or file manager made a file; nobody misses it."""
    return name.lower() in _OF_SYSTEMS or name.startswith(_OF_SYSTEMS_BEGIN)
