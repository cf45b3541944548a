"""Files that others may have written, read so that none can hang or fill the process.

A pipe or a device has no end, and opening one may wait for ever; both are refused unopened. What a
file may hold is bounded, with the bound in the error.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

# The largest stack file of ours has 20 KB.
MOST_TEXT = 1 << 20
# The largest chart archive has 600 KB, the largest manifest 3 MB.
MOST_ARCHIVE = 64 << 20
_KINDS = (
    (stat.S_ISFIFO, "is a named pipe, not a file"),
    (stat.S_ISCHR, "is a device, not a file"),
    (stat.S_ISBLK, "is a device, not a file"),
    (stat.S_ISSOCK, "is a socket, not a file"),
)


def read_bytes(file: Path, most: int = MOST_ARCHIVE) -> bytes:
    """The content of a regular file of at most `most` bytes.

    Raises OSError, whose `strerror` says what is wrong, also for another kind of file and for a
    larger one.
    """
    try:
        _check(file, file.stat().st_mode)
        # Without waiting, should it have become a pipe since.
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except ValueError:  # a NUL character in its name
        raise OSError(errno.EINVAL, "is not a file name", repr(str(file))) from None
    with os.fdopen(handle, "rb") as content:
        _check(file, os.fstat(handle).st_mode)
        # Files of /proc have a size of 0 and content without end.
        read = content.read(most + 1)
    if len(read) > most:
        raise OSError(errno.EFBIG, f"holds over {size(most)}, which is the limit", str(file))
    return read


def read_text(file: Path, most: int = MOST_TEXT) -> str:
    """The content of a UTF-8 file; raises OSError as `read_bytes`, and UnicodeDecodeError."""
    text = read_bytes(file, most).decode("utf-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def size(most: int) -> str:
    """A number of bytes for people, such as `64 MiB`."""
    if most < 1 << 10:
        return f"{most} bytes"
    return f"{most >> 20} MiB" if most >= 1 << 20 else f"{most >> 10} KiB"


def _check(file: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    for is_kind, what in _KINDS:
        if is_kind(mode):
            raise OSError(errno.EINVAL, what, str(file))
