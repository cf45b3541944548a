"""Documents in files: read with the key that is wrong, written whole or not at all."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from bot.exit_codes import BadInputError
from bot.text.output import write_text
from schema.input_file import read_bytes

_Document = TypeVar("_Document", bound=BaseModel)
# A preview of 2,000 resources is a tenth of that. What a stranger's job has written is read too.
MOST_BYTES = 64 << 20


def read(file: Path, kind: type[_Document], made_by: str) -> _Document:
    """A closed document from its file.

    made_by: the command that writes such. Raises BadInputError that names it, the file and the key.
    """
    try:
        return kind.model_validate_json(read_bytes(file, MOST_BYTES))
    except OSError as error:
        raise BadInputError(f"{file}: {error.strerror or error}; `{made_by}` writes it") from None
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        first = min(faults, key=lambda fault: fault["loc"] != ("format",))
        if first["loc"] == ("format",):
            # What comes of it are faults of other keys, which would lead nobody anywhere.
            raise BadInputError(f"{file}: has another format: run `{made_by}` again") from None
        # A key that is not ours may hold anything.
        key = ".".join(map(str, first["loc"])) or "document"
        shown = key if key.isprintable() and len(key) <= 200 else f"{key[:200]!r}"
        raise BadInputError(f"{file}: {shown}: {first['msg']}; run `{made_by}` again") from None


def write(file: Path, text: str, option: str = "--out") -> None:
    """Write a file whole or not at all, so that nobody reads half of one.

    Raises BadInputError that names the option and the file.
    """
    if not file.name:
        raise BadInputError(f"{option} {file}: name a file, not a folder")
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        _refuse_device(file)
        write_text(part, text)
        part.replace(file)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise BadInputError(
            f"{option} {file}: {error.strerror or error}: name a file in an existing folder"
        ) from None


def _refuse_device(file: Path) -> None:
    # It would be replaced by a file, and be gone for everybody.
    if os.path.lexists(file) and not (file.is_symlink() or file.is_file() or file.is_dir()):
        raise OSError(errno.EINVAL, "is a device or a pipe")
