"""One program out of a release archive, and onto the disk."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
import zlib
from contextlib import closing
from pathlib import Path
from typing import IO

from sandbox.hosts import HostError

PROGRAM_BYTES = 2 << 30
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)


def unpacked(archive: Path, member: str, target: Path) -> str:
    """Write a member of a tar or zip archive to `target`; return its digest.

    Raises SourceError where there is none.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as files, files.open(member) as content:
                return write(content, target, member)
        with tarfile.open(archive) as tar:
            for entry in tar:
                name = entry.name.removeprefix("./")
                content_of: IO[bytes] | None = tar.extractfile(entry) if name == member else None
                if content_of:
                    with closing(content_of):
                        return write(content_of, target, member)
    except KeyError:
        pass  # Said below.
    except _BROKEN as error:
        raise HostError(f"it is no archive that can be read: {error}") from None
    raise HostError(f"the archive has no file {member}")


def write(content: IO[bytes], target: Path, name: str) -> str:
    """Write an executable and return its digest; raises SourceError where it is too large."""
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        while chunk := content.read(1 << 20):
            size += len(chunk)
            if size > PROGRAM_BYTES:
                raise HostError(f"{name} is larger than {PROGRAM_BYTES >> 30} GiB")
            digest.update(chunk)
            file.write(chunk)
    target.chmod(0o755)
    return f"sha256:{digest.hexdigest()}"
