"""Which worker should do which task."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit


def preferred_workers(neighbourhood: Path, workers: Iterable[str]) -> list[str]:
    """Choose the workers, all of one machine, that should do the tasks of one folder; none where there is no choice.

    The series of a study lie side by side, and so will their outputs. One machine that does them all asks the shared
    storage once for the folders above them, and is alone in making entries there; machines that took turns would each
    ask again, and wait for each other's locks on the folder.

    Every machine draws a number from its own name and the folder's, and the highest wins: the choice is the same in
    every process and every run, and where a machine comes or goes only the folders that it wins or had won move.

    Args:
        neighbourhood: The folder.
        workers: Addresses such as ``tcp://10.0.0.3:40331``.
    """
    by_machine: dict[str, list[str]] = {}
    for address in workers:
        by_machine.setdefault(urlsplit(address).hostname or address, []).append(address)
    if len(by_machine) < 2:
        return []
    return sorted(by_machine[max(by_machine, key=lambda machine: _draw(machine, neighbourhood))])


def _draw(machine: str, folder: Path) -> bytes:
    return hashlib.sha256(f"{machine}\n{folder}".encode(errors="surrogateescape")).digest()
