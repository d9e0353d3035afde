"""Standard output and standard error that may fail: a full disk, a closed stream, a reader that has gone.

What a command has done stays done when nobody can be told of it: from the first failure on a stream swallows what is
written, and the end of the command says so once.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any, TextIO

from n2b_ct.errors import explain

_PRINTING_IS_ALL = ("inspect",)
_ASKS = ("--help", "-h", "--version")
_STANDARD_DESCRIPTORS = (0, 1, 2)


class Stream:
    """Passes text on until that fails; keeps the failure, and what follows goes nowhere.

    Args:
        stream: Where the text goes; None where it was closed before the program began.
        descriptor: Its number.
    """

    def __init__(self, stream: TextIO | None, descriptor: int) -> None:
        self._descriptor, self._was_closed = descriptor, stream is None
        self.failure: OSError | None = None
        self._stream = stream or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
        if isinstance(self._stream, TextIOWrapper):
            self._stream.reconfigure(errors="backslashreplace")  # a name that is no text must not end the work

    def write(self, content: str) -> int:
        """Write, or swallow."""
        if self._was_closed and content:
            self.failure = OSError(errno.EBADF, os.strerror(errno.EBADF))
        try:
            return self._stream.write(content)
        except OSError as error:
            self._fail(error)
            return len(content)

    def flush(self) -> None:
        """Send on what is held back."""
        try:
            self._stream.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        """Lead the stream nowhere: Python would try once more at its end to write what is held back."""
        self.failure = error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._descriptor)
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def occupy_closed_descriptors() -> None:
    """Take the numbers of standard streams that were closed.

    Else the next file that is opened would get one, and what some library prints would go into that file.
    """
    for descriptor in _STANDARD_DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def exit_code(code: int, arguments: Sequence[str], output: Stream, errors: Stream) -> int:
    """Say what could not be printed, and give the exit code: that of the work.

    Where printing was all there was to do, nothing could be done. A reader that has gone, as ``head`` does, has all it
    wanted.
    """
    output.flush()
    failure = output.failure
    if failure is not None and not isinstance(failure, BrokenPipeError):
        is_all = not arguments or arguments[0] in _PRINTING_IS_ALL or not {*_ASKS}.isdisjoint(arguments)
        remedy = "nothing was told" if is_all else "the work was done, only the lines about it are lost"
        errors.write(f"error: {explain('standard output', 'must be writable', failure.strerror, remedy)}\n")
        code = 2 if is_all else code
    errors.flush()
    return code
