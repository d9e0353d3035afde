"""Standard output and standard error that may fail: a full disk, a closed stream, a closed pipe.

A command's work does not depend on them: after the first failure a stream discards what is written, and the end of the
command reports it once.
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
    """Passes text on until writing fails; then keeps the failure and discards the rest.

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
        """Write, or discard after a failure."""
        if self._was_closed and content:
            self.failure = OSError(errno.EBADF, os.strerror(errno.EBADF))
        try:
            return self._stream.write(content)
        except OSError as error:
            self._fail(error)
            return len(content)

    def flush(self) -> None:
        """Flush the stream."""
        try:
            self._stream.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        """Redirect the stream to the null device: Python would try to flush it again at exit."""
        self.failure = error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._descriptor)
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def occupy_closed_descriptors() -> None:
    """Occupy the descriptors of standard streams that were closed.

    Else the next file that is opened would get one, and a library's output would go into that file.
    """
    for descriptor in _STANDARD_DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def exit_code(code: int, arguments: Sequence[str], output: Stream, errors: Stream) -> int:
    """Report what could not be printed, and return the exit code: that of the work.

    Where printing was the only work, it is 2. A pipe closed by its reader, as by ``head``, is no failure.
    """
    output.flush()
    failure = output.failure
    if failure is not None and not isinstance(failure, BrokenPipeError):
        is_all = not arguments or arguments[0] in _PRINTING_IS_ALL or not {*_ASKS}.isdisjoint(arguments)
        remedy = "nothing was printed" if is_all else "the work is complete, only its messages are lost"
        errors.write(f"error: {explain('standard output', 'must be writable', failure.strerror, remedy)}\n")
        code = 2 if is_all else code
    errors.flush()
    return code
