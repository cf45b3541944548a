"""The files of a chart archive, read so that no archive can fill the memory or never end."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable

from schema.input_file import size
from schema.values import printable

# The largest chart of ours unpacks to 4 MB, in 120 files.
MOST_UNPACKED = 64 << 20
_MOST_FILES = 10_000


class ArchiveError(ValueError):
    """The bytes are no archive that is safe to read; `str()` is one line."""


def files(archive: bytes, wanted: Callable[[str], object]) -> dict[str, bytes]:
    """The content of the regular files whose name is wanted; raises ArchiveError.

    The archive is read to its end. A link in it is no file: whatever it names is not followed.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(archive)) as packed:
            unpacked = packed.read(MOST_UNPACKED + 1)
        return _files(unpacked, wanted)
    except ArchiveError:
        raise
    except Exception as error:  # zlib's, gzip's, tarfile's and whatever a header makes them raise
        raise ArchiveError(printable(error, 200)) from None


def _files(unpacked: bytes, wanted: Callable[[str], object]) -> dict[str, bytes]:
    if len(unpacked) > MOST_UNPACKED:
        raise ArchiveError(f"it unpacks to over {size(MOST_UNPACKED)}, which is the limit")
    found = {}
    with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as tar:
        last = -1
        for number, member in enumerate(tar):
            # A header may give its file a size below zero, after which it is read again and again.
            if member.offset <= last or member.size < 0 or number >= _MOST_FILES:
                raise ArchiveError(f"it has an incomplete file, or over {_MOST_FILES:,} of them")
            last = member.offset
            content = tar.extractfile(member) if member.isreg() and wanted(member.name) else None
            if content is not None:
                found[member.name] = content.read()
    return found
