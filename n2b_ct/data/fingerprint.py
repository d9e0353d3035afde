"""Digests of a training's images, so that a resumed run can verify that they are the same.

Digests are of the values as read, before window, noise and label, which follow from them and from plain settings: those
values are the same on every processor, and the bytes of a file may change (another encoding, a corrected header) where
no value does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_N_DIGITS = 16
_N_SHOWN = 5


@dataclass(frozen=True, slots=True)
class DataFingerprint:
    """The images of a training, and the settings of their preprocessing.

    Attributes:
        images: Role to the digests of its images, in order.
        seen_as: Plain settings: window, noise, label.
    """

    images: Mapping[str, Sequence[str]]
    seen_as: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 over images, order, split and window."""
        content = {"images": {role: list(found) for role, found in self.images.items()}, "seen_as": self.seen_as}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def state_dict(self) -> dict[str, Any]:
        """Return the content for a checkpoint, from which changes are found."""
        images = {role: list(found) for role, found in self.images.items()}
        return {"digest": self.digest, "images": images, "seen_as": dict(self.seen_as)}

    def changes_since(self, earlier: Mapping[str, Any]) -> str:
        """Describe what changed; empty where nothing did.

        Args:
            earlier: What :meth:`state_dict` gave, or its ``digest`` alone.
        """
        if earlier.get("digest") == self.digest:
            return ""
        if "images" not in earlier:
            return "other images" if earlier.get("digest") else "no record of them"
        before, how = earlier["images"], earlier["seen_as"]
        roles = dict.fromkeys((*before, *self.images))
        changes = [_change(role, before.get(role, ()), self.images.get(role, ())) for role in roles]
        changes += [f"other {key}" for key, value in self.seen_as.items() if how.get(key) != value]
        return ", ".join(filter(None, changes))


def image_digest(values: np.ndarray) -> str:
    """Digest one image, whatever its memory's layout: its size and its values."""
    plain = np.ascontiguousarray(values, dtype="<f4")
    return short_digest("x".join(map(str, plain.shape)).encode(), plain.data)


def short_digest(*parts: bytes | memoryview) -> str:
    """Return a short digest of bytes, in one part or several."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part)
    return sha.hexdigest()[:_N_DIGITS]


def _change(role: str, before: Sequence[str], now: Sequence[str]) -> str:
    if list(before) == list(now):
        return ""
    if len(before) != len(now):
        return f"{len(now)} {role} images for {len(before)}"
    if sorted(before) == sorted(now):
        return f"{role} images in another order"
    numbers = [k + 1 for k, (one, other) in enumerate(zip(before, now, strict=True)) if one != other]
    shown = ", ".join(map(str, numbers[:_N_SHOWN])) + (" …" if len(numbers) > _N_SHOWN else "")
    return f"{len(numbers)} of {len(now)} {role} images changed (number {shown})"
