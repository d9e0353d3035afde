"""The exception tree; every branch has one meaning for the caller.

::

    N2BError
    ├── ConfigError        a pipeline, a manifest or an override is wrong
    ├── DataError          files are missing, empty, too small or hold impossible values
    │   └── SeriesError    one series cannot be used; the others can
    ├── ModelError         a model file is not ours or does not fit
    ├── OutputError        the output place cannot be written, or must not be
    ├── ClusterError       other machines that should do the work cannot be reached or are unsuitable
    └── TrainingError      training cannot continue
        └── CollapseError  the extracted noise collapsed: no model is written

A message is one line, ``<subject>: <requirement>, got <value>; <remedy>``, and names no patient.
"""

import unicodedata

_N_VALUE_CHARACTERS = 500
_JOINERS = "\u200c\u200d"  # Persian, Indic scripts and emoji need them


class N2BError(Exception):
    """The base class of all errors, each a message of one line."""


class ConfigError(N2BError):
    """A pipeline, a manifest or an override is wrong; ``problems`` lists all of them."""

    def __init__(self, problems: str | list[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class DataError(N2BError):
    """Input files are missing, empty, too small or hold impossible values."""


class SeriesError(DataError):
    """One series cannot be used; ``reason`` is a stable code such as ``pixel_truncated``."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class ModelError(N2BError):
    """A model file is not one of ours, is damaged or does not fit."""


class OutputError(N2BError):
    """The output place cannot be written, or must not be."""


class ClusterError(N2BError):
    """Other machines that should do the work cannot be reached, or are unsuitable."""


class TrainingError(N2BError):
    """Training cannot continue."""


class CollapseError(TrainingError):
    """The extracted noise vanished or exploded, so the denoiser would be useless."""


def explain(subject: str, requirement: str, got: object, remedy: str) -> str:
    """Return an error message of the form ``subject: requirement, got value; remedy``.

    Always one line that any terminal and any file can hold: control characters, bytes that are no text and
    everything else that cannot be printed are escaped, and a long value is cut.
    """
    value = printable(str(got))
    shown = value if len(value) <= _N_VALUE_CHARACTERS else f"{value[: _N_VALUE_CHARACTERS - 1]}…"
    return f"{printable(subject)}: {printable(requirement)}, got {shown}; {printable(remedy)}"


def printable(content: str) -> str:
    """Escape control characters, line breaks, bidirectional controls and invalid text; all else stays.

    Any alphabet stays, with its blanks and joiners. Idempotent.
    """
    if content.isprintable():
        return content
    return "".join(one if _is_shown(one) else one.encode("unicode_escape").decode() for one in content)


def _is_shown(one: str) -> bool:
    return one.isprintable() or one in _JOINERS or unicodedata.category(one) == "Zs"
