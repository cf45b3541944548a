"""Documents in files: read with the key that is wrong, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from bot.exit_codes import BadInputError
from bot.output import write_text

_Document = TypeVar("_Document", bound=BaseModel)
# A preview of 2,000 resources is a tenth of that. What a stranger's job has written is read too.
MOST_BYTES = 64 << 20


def read(file: Path, kind: type[_Document], made_by: str) -> _Document:
    """A closed document from its file.

    made_by: the command that writes such. Raises BadInputError that names it, the file and the key.
    """
    try:
        with file.open("rb") as content:
            raw = content.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise BadInputError(f"{file}: over {MOST_BYTES >> 20} MiB: not what `{made_by}` writes")
        return kind.model_validate_json(raw)
    except OSError as error:
        raise BadInputError(f"{file}: {error.strerror or error}; `{made_by}` writes it") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        # A key that is not ours may hold anything.
        key = ".".join(map(str, first["loc"])) or "document"
        shown = key if key.isprintable() and len(key) <= 200 else f"{key[:200]!r}"
        raise BadInputError(
            f"{file}: {shown}: {first['msg']}; `{made_by}` writes it anew"
        ) from None


def write(file: Path, text: str, option: str = "--out") -> None:
    """Write a file whole or not at all, so that nobody reads half of one.

    Raises BadInputError that names the option and the file.
    """
    if not file.name:
        raise BadInputError(f"{option} {file}: name a file, not a folder")
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        write_text(part, text)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise BadInputError(
            f"{option} {file}: {error.strerror or error}: name a file in a folder that is there"
        ) from None
