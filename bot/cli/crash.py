"""How a command ends when something raises that nobody expected: in one line, never a traceback.

What is known by its kind has a line of its own; all else is a fault of the program, whose traceback
goes into a log for the report.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TextIO

from bot.exit_codes import BAD_INPUT, DONE, FAILED, INTERRUPTED, MISSING_TOOL, BotError
from schema.errors import InputError

# What the machine lacks; of the others whoever named the file can say where it is to be.
_MACHINE = {
    errno.ENOSPC: "free space on that disk, then run it again",
    errno.EDQUOT: "free space within your quota, then run it again",
    errno.EIO: "the disk failed: see the system's log",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
    errno.ENFILE: "this machine has too many files open",
    errno.ENOMEM: "this machine has no memory left",
    errno.EAGAIN: "this machine cannot start more processes (`ulimit -u`)",
    errno.EFBIG: "raise the limit of a file's size (`ulimit -f`), or make it smaller",
}
_PLACE = {
    errno.EACCES: "give this user read and write access",
    errno.EPERM: "give this user read and write access",
    errno.EROFS: "name a place that is not read-only",
    errno.ENOTDIR: "a part of its path is a file: move that away",
    errno.EISDIR: "name a file, not a folder",
    errno.EEXIST: "something else exists there: move it away",
    errno.ENOENT: "create it, or name another",
    errno.ELOOP: "a part of its path is a link to itself",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EINVAL: "name a regular file",
}


def guarded(command: str, run: Callable[[], int]) -> int:
    """The exit code of `run`, whatever it raises; both streams are written out when it returns.

    command: as it is typed, for the line and the log's name. SystemExit goes through.
    """
    if (problem := _ready()) is not None:
        sys.stderr.write(f"{command}: {problem}\n")
        return FAILED
    threading.excepthook = lambda failed: _in_thread(command, failed)
    code, exit_ = FAILED, None
    try:
        code = run()
    except SystemExit as ended:
        exit_ = ended
    except BaseException as error:
        code = end(command, error)
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        # Not where it failed already: the first reason is the one to know.
        code = end(command, error) if code in (DONE, INTERRUPTED) else code
        exit_ = None
    _silence(sys.stdout)
    if exit_ is not None:
        raise exit_
    return code


def end(command: str, error: BaseException) -> int:
    """Tell the error on stderr, in one line where it was not expected; the exit code."""
    if isinstance(error, BrokenPipeError):
        _silence(sys.stdout)  # the reader (`| head`) has seen enough
        return DONE
    if isinstance(error, KeyboardInterrupt):
        _say("interrupted")
        return INTERRUPTED
    if isinstance(error, InputError | BotError):
        _say(str(error))
        return error.exit_code if isinstance(error, BotError) else BAD_INPUT
    code, line = told(command, error)
    _say(line)
    return code


def told(command: str, error: BaseException) -> tuple[int, str]:
    """The exit code for an error, and the line about it; writes its traceback into a log."""
    known = _known(error)
    if known is not None:
        return known[0], f"{command}: {known[1]}"
    code, reason = _unexpected(error)
    return code, f"{command}: {reason}{_log(command, error)}"


async def program(body: Awaitable[None]) -> None:
    """Await the Pulumi program; raises RunError, of which the engine shows the text alone.

    What an engine that goes away leaves of a call is the SDK's to judge.
    """
    import grpc
    import pulumi

    try:
        await body
    except (pulumi.RunError, grpc.RpcError):
        raise
    except (InputError, BotError) as error:
        raise pulumi.RunError(str(error)) from None
    except Exception as error:
        raise pulumi.RunError(told("the program", error)[1]) from None


def _known(error: BaseException) -> tuple[int, str] | None:
    """Code and line of an error whose reason is outside of the program."""
    if isinstance(error, ModuleNotFoundError) and error.name and not _ours(error.name):
        return MISSING_TOOL, (
            f"the Python package {error.name} is not installed: run `make venv`, and use "
            ".venv/bin/python"
        )
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop"):
        return BAD_INPUT, f"{_shown(error)}: a part of the path is a link to itself"
    if not isinstance(error, OSError) or error.errno is None:
        return None
    said = error.strerror or os.strerror(error.errno)
    if error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EBADF):
        where = "standard output, or a file"
    else:
        where = _shown(error.filename) if error.filename is not None else "a file"
    if error.errno in _MACHINE:
        return FAILED, f"{where}: {said}: {_MACHINE[error.errno]}"
    if error.errno in _PLACE and error.filename is not None:
        return BAD_INPUT, f"{where}: {said}: {_PLACE[error.errno]}"
    if error.errno == errno.EBADF:
        return FAILED, f"{where}: {said}: it was closed; name a file, or /dev/null"
    return None


def _ours(module: str) -> bool:
    return module.partition(".")[0] in (
        "bench",
        "bot",
        "components",
        "policies",
        "sandbox",
        "schema",
        "stack",
    )


def _unexpected(error: BaseException) -> tuple[int, str]:
    """Code and line of what the program should have expected."""
    if isinstance(error, RecursionError):
        return BAD_INPUT, "the input is nested too deep"
    if isinstance(error, MemoryError):
        return FAILED, "not enough memory for the input"
    if isinstance(error, UnicodeDecodeError):
        return BAD_INPUT, "an input file is not UTF-8: save it as UTF-8"
    place = _place(error.__traceback__)
    text = _shown(str(error).strip().split("\n")[0])
    kind = type(error).__name__
    return FAILED, f"unexpected {kind}{f': {text}' if text else ''}{place}: please report it"


def _log(command: str, error: BaseException) -> str:
    from bot.text import log_file

    try:
        import traceback

        text = "".join(traceback.format_exception(error, limit=-200))
        words = " ".join(map(_shown, sys.argv[1:]))
        file = log_file.write(command, f"{command} {words}\nPython {sys.version}\n\n{text}")
    except Exception:  # the line itself must come out, whatever state this process is in
        file = None
    return f"; the traceback is in {file}" if file else "; no log of it could be written"


def _place(trace: TracebackType | None) -> str:
    """The last line of ours that was running."""
    found = ""
    here = os.path.abspath(__file__)  # noqa: PTH100
    root = here.removesuffix("bot/cli/crash.py")
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file.startswith(root) and ".venv" not in file:
            found = f" ({file.removeprefix(root)}:{trace.tb_lineno})"
        trace = trace.tb_next
    return found


def _shown(text: object, limit: int = 300) -> str:
    from bot.text.markdown import one_line

    return one_line(str(text), limit)


def _say(text: str) -> None:
    from bot.text import log_file
    from bot.text.output import visible
    from schema.masking import masked

    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{log_file.first_lines('bot', visible(masked(text)))}\n")
        sys.stderr.flush()


def _in_thread(command: str, failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit):
        end(command, failed.exc_value)


def _ready() -> str | None:
    """Streams that take any text; why not, where what is printed would be lost."""
    closed = sys.stdout is None
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # Else the next file that is opened would be written to as that stream.
            with contextlib.suppress(OSError):
                handle = os.open(os.devnull, os.O_RDWR)
                if handle != number:
                    os.dup2(handle, number)
                    os.close(handle)
            setattr(sys, name, open(os.devnull, "r+" if number == 0 else "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Where the terminal has no UTF-8, and for names of files that are none.
            stream.reconfigure(errors="backslashreplace")
    return "standard output is closed: name a file, or /dev/null" if closed else None


def _silence(stream: TextIO) -> None:
    """Keep the interpreter from writing into a stream that failed when it ends."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
