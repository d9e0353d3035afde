"""Series of one protocol: the same scanner, kernel, slice thickness, tube voltage and, within a tenth, pixel size.

Their noise has one texture, so one fit serves them all; a volume file, whose header tells none of that, is a protocol
by itself.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from n2b_ct.batch.series_task import SeriesTask
from n2b_ct.batch.trees import CTTask

FACTS = ("Manufacturer", "ManufacturerModelName", "ConvolutionKernel", "SliceThickness", "KVP")
"""What tells one protocol from another, beside the pixel size."""

_PIXEL_STEP = math.log(1.1)
_N_DIGEST_CHARACTERS = 8
_MOST_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Protocol:
    """Series, or one volume, that are fitted together.

    Attributes:
        key: Equal for equal protocols, on every machine and day.
        name: For people and folders, such as ``B30f-3mm-120kV-1a2b3c4d``.
        tasks: The series or the volume.
    """

    key: str
    name: str
    tasks: tuple[CTTask, ...]

    @property
    def n_slices(self) -> int:
        """Slices of all of them."""
        return sum(task.n_slices for task in self.tasks)


def protocols_of(tasks: Iterable[CTTask]) -> list[Protocol]:
    """Group tasks by protocol, in the order of their first ones."""
    groups: dict[tuple[str, ...], list[CTTask]] = {}
    for task in tasks:
        groups.setdefault(_marks(task), []).append(task)
    return [_protocol(marks, members) for marks, members in groups.items()]


def _marks(task: CTTask) -> tuple[str, ...]:
    if not isinstance(task, SeriesTask):
        return ("volume", str(task.path.resolve()))
    facts = [" ".join(task.series.facts.get(keyword, "").split()).casefold() for keyword in FACTS]
    spacing = task.series.pixel_spacing_mm
    step = "" if spacing is None else str(round(math.log(float(np.mean(spacing))) / _PIXEL_STEP))
    return (*facts, step)


def _protocol(marks: tuple[str, ...], tasks: list[CTTask]) -> Protocol:
    key = hashlib.sha256("\n".join(marks).encode(errors="surrogateescape")).hexdigest()
    parts = [_words(tasks[0]), key[:_N_DIGEST_CHARACTERS]]
    return Protocol(key, "-".join(part for part in parts if part), tuple(tasks))


def _words(task: CTTask) -> str:
    """Kernel, thickness and tube voltage; a volume's name may be a patient's, so it is left out."""
    if not isinstance(task, SeriesTask):
        return "volume"
    facts = task.series.facts
    named = (("ConvolutionKernel", ""), ("SliceThickness", "mm"), ("KVP", "kV"))
    words = [f"{facts[keyword]}{unit}" for keyword, unit in named if facts.get(keyword)]
    return re.sub(r"[^A-Za-z0-9.-]+", "_", "-".join(words)).strip("._-")[:_MOST_CHARACTERS]
