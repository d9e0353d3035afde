"""File number ``index`` of a fuzz run: a function of the seed, the index and the seed files, and of nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from benchmarks.fuzz import spoil_bytes, spoil_elements, spoil_files, spoil_frames, spoil_meta, spoil_nesting
from benchmarks.fuzz.anatomy import PIXEL_DATA, UNDEFINED_LENGTH, Anatomy, take_apart
from benchmarks.fuzz.seeds import synthetic_seeds
from benchmarks.fuzz.spoil_files import Mutant
from n2b_ct.io.dicom.writing.derivation import Compression, WriteOptions

Mutator = Callable[[Random, Anatomy], bytes | Mutant]

MUTATORS: dict[str, Mutator] = {
    **spoil_bytes.MUTATORS,
    **spoil_elements.MUTATORS,
    **spoil_nesting.MUTATORS,
    **spoil_frames.MUTATORS,
    **spoil_meta.MUTATORS,
    **spoil_files.MUTATORS,
}
_RARE = frozenset(["files: huge file", "files: untouched", "elements: huge count", "meta: deflate bomb"])
_OFTEN, _SELDOM = 4, 1
_REAL_SHARE = 0.15  # of the files begin as a real one, where there are some
_COMPANY_SHARE = 0.15  # of the files lie among sound slices of their series
_OPTION_SHARE = 0.2  # of the files are read or written with an option, for each of them
_COMPRESSIONS: tuple[Compression, ...] = ("jpeg-ls", "jpeg2000", "rle")


@dataclass(frozen=True, slots=True)
class Case:
    """One file of the run.

    Attributes:
        index: Its number.
        mutator: What was done.
        seed_name: To which seed file.
        mutant: The file.
        has_company: Two sound slices of the same series lie beside it.
        repairs_uids: It is scanned with repaired UIDs.
        assumes_hu: Its values are assumed to be HU.
        options: How it is written.
    """

    index: int
    mutator: str
    seed_name: str
    mutant: Mutant
    has_company: bool = False
    repairs_uids: bool = False
    assumes_hu: bool = False
    options: WriteOptions = field(default_factory=WriteOptions)


@dataclass(frozen=True, slots=True)
class SeedFiles:
    """What mutators start from: files made here and, if somebody gave a folder, real ones."""

    synthetic: tuple[Anatomy, ...]
    real: tuple[Anatomy, ...] = ()

    @property
    def digest(self) -> str:
        """Tells whether two runs start from the same files."""
        hashed = hashlib.sha256()
        for one in (*self.synthetic, *self.real):
            hashed.update(hashlib.sha256(one.content).digest())
        return hashed.hexdigest()[:16]


def load_seeds(folder: Path | None = None) -> SeedFiles:
    """Make the synthetic seeds, and take apart the DICOM files of a folder; they are read, never copied."""
    synthetic = tuple(take_apart(name, content) for name, content in synthetic_seeds().items())
    paths = sorted(path for path in folder.rglob("*") if path.is_file()) if folder is not None else []
    return SeedFiles(synthetic, tuple(one for path in paths if (one := _real(path)) is not None))


def make_case(seed: int, index: int, seeds: SeedFiles) -> Case:
    """Make one file; any number alone gives the same file as within a run."""
    draw = Random(f"{seed}/{index}")  # noqa: S311  (not for secrets)
    names = list(MUTATORS)
    (mutator,) = draw.choices(names, [_SELDOM if name in _RARE else _OFTEN for name in names])
    anatomy = _chosen(draw, mutator, seeds)
    spoiled = MUTATORS[mutator](draw, anatomy)
    mutant = spoiled if isinstance(spoiled, Mutant) else Mutant(spoiled)
    return Case(
        index,
        mutator,
        anatomy.name,
        mutant,
        has_company=draw.random() < _COMPANY_SHARE,
        repairs_uids=draw.random() < _OPTION_SHARE,
        assumes_hu=draw.random() < _OPTION_SHARE,
        options=_write_options(draw),
    )


def _write_options(draw: Random) -> WriteOptions:
    return WriteOptions(
        keep_private=draw.random() < _OPTION_SHARE,
        equipment="n2b" if draw.random() < _OPTION_SHARE else "scanner",
        widen_bits=draw.random() < _OPTION_SHARE,
        fill_type_2=draw.random() < _OPTION_SHARE,
        compression=draw.choice(_COMPRESSIONS) if draw.random() < _OPTION_SHARE else "none",
    )


def _chosen(draw: Random, mutator: str, seeds: SeedFiles) -> Anatomy:
    pool: Sequence[Anatomy] = seeds.real if seeds.real and draw.random() < _REAL_SHARE else seeds.synthetic
    if mutator.startswith("frames: "):
        pool = [one for one in pool if _is_encapsulated(one)] or [
            one for one in seeds.synthetic if _is_encapsulated(one)
        ]
    return draw.choice(pool)


def _is_encapsulated(anatomy: Anatomy) -> bool:
    place = anatomy.find(PIXEL_DATA)
    return place is not None and anatomy.elements[place].head.endswith(UNDEFINED_LENGTH.to_bytes(4, "little"))


def _real(path: Path) -> Anatomy | None:
    try:
        return take_apart(path.name, path.read_bytes())
    except (ValueError, OSError):
        return None
