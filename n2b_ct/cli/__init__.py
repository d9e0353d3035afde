"""The command line: parse, call the api, print. Heavy modules are imported when a command runs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from n2b_ct.cli.console import guard_streams, log_handler, say_err, say_traceback
from n2b_ct.cli.options import with_options
from n2b_ct.cli.process_settings import keep_freed_memory, wait_asleep
from n2b_ct.cli.streams import exit_code
from n2b_ct.errors import N2BError

EXIT_DONE, EXIT_SOME_FAILED, EXIT_NOTHING_DONE, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``n2b-ct`` and exit: 0 done, 1 some inputs failed, 2 nothing could be done, 130 interrupted.

    A standard stream that cannot be written does not stop the work, and mostly does not change the exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    wanted = [argument for argument in given if argument != "--debug"]
    output, errors = guard_streams()
    keep_freed_memory()
    wait_asleep()
    sys.exit(exit_code(run(wanted, debug=debug), wanted, output, errors))


def run(arguments: Sequence[str], *, debug: bool = False) -> int:
    """Run one command line and return its exit code; errors become lines on stderr."""
    import typer

    from n2b_ct.cli.app import app

    usage_error: type[Exception] = typer.BadParameter.__bases__[0]  # typer may carry a click of its own
    _quiet_libraries(debug)
    try:
        code = int(app(args=list(arguments) or ["--help"], prog_name="n2b-ct", standalone_mode=False) or EXIT_DONE)
    except N2BError as error:
        return _complain(str(error), debug)
    except usage_error as error:
        return _complain(f"usage: {_sentence(error)}", debug)
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_INTERRUPTED
    except Exception as error:  # last resort: one line for the user, a traceback with --debug
        return _complain(f"internal error: {type(error).__name__}; run again with --debug and report it", debug)
    if code == EXIT_INTERRUPTED:  # typer may answer Ctrl-C with the code instead of an exception
        say_err("interrupted; nothing is half-written")
    return code if arguments else EXIT_NOTHING_DONE


def _complain(message: str, debug: bool) -> int:
    if debug:
        say_traceback()
    for line in with_options(message).splitlines():
        say_err(f"error: {line}")
    return EXIT_NOTHING_DONE


def _sentence(error: Exception) -> str:
    """Word a usage error in one line, without the full stop."""
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    return " ".join(text.split()).rstrip(".")


def _quiet_libraries(debug: bool) -> None:
    """Silence logs without --debug: Ignite logs every exception, which is printed anyway, and MONAI every loss.

    Warnings of libraries are silenced too: pydicom's quote contents of files.
    """
    logging.captureWarnings(True)
    if debug:
        logging.basicConfig(level=logging.INFO, handlers=[log_handler()])
    else:
        logging.getLogger().addHandler(logging.NullHandler())
