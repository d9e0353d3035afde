"""Numbers and noises in words, for the table and the plots."""

from __future__ import annotations

from collections.abc import Mapping

from n2b_ct.experiments.results import Plain

_LEVELS = {"sigma": "σ", "variance": "v", "probability": "p"}
_NOISES = {
    "gaussian": "Gaussian noise",
    "correlated": "correlated Gaussian noise",
    "speckle": "speckle",
    "salt_and_pepper": "salt and pepper",
    "text": "text",
}


def number(value: float | int | None, n_digits: int) -> str:
    """A number with its digits and thousands apart; nothing for None."""
    return "" if value is None else f"{value:,.{n_digits}f}".replace(",", "\u202f")


def counted(n: int, what: str) -> str:
    """How many there are, such as ``1 image`` and ``68 images``."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def signed(value: float) -> str:
    """A difference in dB."""
    return f"{value:+.2f}".replace("-", "−")


def in_words(noise: Mapping[str, Plain]) -> str:
    """A column's noise, such as ``Gaussian noise, σ 25 of 255``; its own where none was laid on."""
    if "kind" not in noise:
        return "their own noise"
    parts = [_NOISES.get(str(noise["kind"]), str(noise["kind"]))]
    for key, value in noise.items():
        if key in _LEVELS:
            level = f"{value:g}" if isinstance(value, float) else str(value)
            parts.append(f"{_LEVELS[key]} {level}" + (" of 255" if key == "sigma" else ""))
        elif key != "kind":
            parts.append(f"{key} {value}")
    return ", ".join(parts)
