"""What may lie in an output folder after a kill: whole series, hidden beginnings, nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel
import pydicom

from n2b_ct.io.atomic import PARTIAL_PREFIX, RECORDS_DIR, REPLACED_PREFIX

Tree = Mapping[str, str]
"""Digest by path, relative to the top."""


def tree_of(folder: Path) -> Tree:
    """Digest every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.exists() else []
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def visible(tree: Tree) -> Tree:
    """Leave out what hides: beginnings, what is about to be replaced, and the records of outputs."""
    return {path: digest for path, digest in tree.items() if not _is_hidden(path)}


def n_hidden(folder: Path, prefix: str) -> int:
    """Count hidden files and folders of one kind."""
    return sum(1 for path in folder.rglob(f"{prefix}*")) if folder.exists() else 0


def faults_after_kill(folder: Path, wholes: Sequence[Tree], *, replaces: bool = False) -> list[str]:
    """Name what must not be: half a series, other bytes, stray files; and where outputs are replaced, a lost one.

    Args:
        folder: The output.
        wholes: What whole outputs may look like: the undisturbed run's, and the replaced one's.
        replaces: Each output was there before, so one of the two must be left, under its name or kept aside.
    """
    everything, wholes = tree_of(folder), [visible(whole) for whole in wholes]
    found = visible(everything)
    places = {_place(path) for whole in wholes for path in whole}
    faults = [f"stray file {path}" for path in found if _place(path) not in places]
    for place in sorted(places):
        own = _below(found, place)
        if own and not any(own == _below(whole, place) for whole in wholes):
            faults.append(f"{place} is not whole: {len(own)} files")
        if not own and replaces and not any(_is_kept_aside(everything, _below(whole, place)) for whole in wholes):
            faults.append(f"{place} is lost")
    return faults


def faults_at_end(folder: Path, whole: Tree) -> list[str]:
    """Name how a finished output differs from the undisturbed run's, leftovers included."""
    everything = tree_of(folder)
    differing = sorted({path for path, _ in set(everything.items()) ^ set(whole.items())})
    leftovers = n_hidden(folder, PARTIAL_PREFIX) + n_hidden(folder, REPLACED_PREFIX)
    return [f"{path} differs" for path in differing] + ([f"{leftovers} leftovers"] if leftovers else [])


def unreadable_files(folder: Path) -> list[str]:
    """Name the files of a folder that another reader cannot parse: DICOM by pydicom, volumes by nibabel."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and RECORDS_DIR not in path.parts]
    return [f"{path.name} cannot be read" for path in files if not _reads(path)]


def miscounted(told: Path) -> list[str]:
    """Name the outputs of a run's JSON that do not hold as many slices as it says, or that it calls failed."""
    listed = json.loads(told.read_text(encoding="utf-8"))["series"]
    there = [(Path(one["output"]), one["n_slices"]) for one in listed]
    faults = [f"{one['output']} failed: {one['detail']}" for one in listed if one["status"] == "failed"]
    return faults + [f"{output.name}: {n} slices told" for output, n in there if n != _n_slices(output)]


def _reads(path: Path) -> bool:
    try:
        if path.name.endswith((".nii", ".nii.gz")):
            return bool(nibabel.load(path).get_fdata().size)
        return bool(pydicom.dcmread(path).pixel_array.size)
    except Exception:
        return False


def _n_slices(output: Path) -> int:
    if output.is_dir():
        return sum(1 for path in output.rglob("*.dcm"))
    return int(nibabel.load(output).shape[2])


def _is_hidden(path: str) -> bool:
    return _starts(path, PARTIAL_PREFIX) or _starts(path, REPLACED_PREFIX) or RECORDS_DIR in Path(path).parts


def _starts(path: str, prefix: str) -> bool:
    return any(part.startswith(prefix) for part in Path(path).parts)


def _place(path: str) -> str:
    """The output that a file belongs to: a series' folder, or a volume's file."""
    return path if path.endswith((".nii", ".nii.gz")) else str(Path(path).parent)


def _below(tree: Tree, place: str) -> Tree:
    return {path: digest for path, digest in tree.items() if _place(path) == place}


def _is_kept_aside(everything: Tree, output: Tree) -> bool:
    """Say whether all files of an output lie in a place for what is about to be replaced."""
    aside = {digest for path, digest in everything.items() if _starts(path, REPLACED_PREFIX)}
    return set(output.values()) <= aside
