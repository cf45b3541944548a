"""The hidden lines by which a comment is found again, and the run that wrote it.

They are the first two lines of a comment and are looked for nowhere else, so that no value which
is shown further down can pass for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.exit_codes import BadInputError

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_URL = re.compile(r"https?://[\w.:/?&=%#~+@,-]{1,500}", re.ASCII)
_MARKER = re.compile(
    r"<!-- linkerd-platform:(?P<stack>[A-Za-z0-9_.-]{1,100}):(?P<part>[0-9]{1,4}) -->\r?\n"
    r"<!-- run commit=(?P<commit>[0-9a-f]{7,64}|none) time=(?P<time>[0-9TZ:-]{20}) -->(?:\r?\n|\Z)"
)


@dataclass(frozen=True)
class CommentRun:
    """The run that a comment tells of.

    commit: full hash of the head of the pull request, None when it is not known. time: when the
    comment was made, with a zone. url: of the job's log, None without one.
    """

    commit: str | None
    time: datetime
    url: str | None = None

    def __post_init__(self) -> None:
        if self.commit is not None and not _COMMIT.fullmatch(self.commit):
            raise BadInputError(
                f"commit {self.commit[:80]!r}: must be the hash of a commit in lower case"
            )
        if self.url is not None and not _URL.fullmatch(self.url):
            raise BadInputError(f"run URL {self.url[:80]!r}: must be a plain http or https address")


@dataclass(frozen=True)
class Marker:
    """What the hidden lines of a comment say. part: from 1."""

    stack: str
    part: int
    commit: str | None
    time: datetime

    def __str__(self) -> str:
        time = self.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return (
            f"<!-- linkerd-platform:{self.stack}:{self.part} -->\n"
            f"<!-- run commit={self.commit or 'none'} time={time} -->\n"
        )


def read(body: str) -> Marker | None:
    """The marker at the beginning of a comment; None when there is none."""
    found = _MARKER.match(body)
    if found is None:
        return None
    try:
        time = datetime.strptime(found["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    commit = None if found["commit"] == "none" else found["commit"]
    return Marker(found["stack"], int(found["part"]), commit, time)
