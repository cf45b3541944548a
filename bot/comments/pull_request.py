"""Which pull request: from the arguments, else from what a job of GitHub Actions is told.

The variables and the event are those of
https://docs.github.com/en/actions/reference/workflows-and-actions/variables
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from bot.exit_codes import BadInputError
from schema.input_file import read_bytes

_REPOSITORY = re.compile(r"[A-Za-z0-9-]{1,100}/(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,100}")
_API = "https://api.github.com"


@dataclass(frozen=True)
class SourceBranch:
    """The branch that a pull request is from. repository: owner/name, often that of a fork."""

    repository: str
    branch: str

    @property
    def label(self) -> str:
        """As GitHub names it: `owner:branch`."""
        return f"{self.repository.partition('/')[0]}:{self.branch}"


@dataclass(frozen=True)
class PullRequest:
    """A pull request: its number, or where it is from, of which GitHub knows the number.

    commit: its head as the event has it, None without an event.
    """

    repository: str
    number: int | None
    commit: str | None
    source: SourceBranch | None = None


def _event(environ: Mapping[str, str], name: str) -> Mapping[str, Any]:
    """A section of the event; empty when there is none. Raises BadInputError for no JSON."""
    path = environ.get("GITHUB_EVENT_PATH")
    if not path:
        return {}
    try:
        found = json.loads(read_bytes(Path(path)))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInputError(f"GITHUB_EVENT_PATH {path}: {error}") from None
    section = found.get(name) if isinstance(found, dict) else None
    return section if isinstance(section, dict) else {}


def head(environ: Mapping[str, str]) -> str | None:
    """The head of the event's pull request, which is not the commit that is checked out."""
    found = _event(environ, "pull_request").get("head")
    if isinstance(found, dict) and found.get("sha"):
        return str(found["sha"])
    ended = _event(environ, "workflow_run").get("head_sha")
    return str(ended) if ended else None


def of(repository: str | None, number: int | None, environ: Mapping[str, str]) -> PullRequest:
    """The pull request; raises BadInputError that says what is missing."""
    repository = repository or environ.get("GITHUB_REPOSITORY") or ""
    if not _REPOSITORY.fullmatch(repository):
        raise BadInputError(
            f"--repository {repository[:80]!r}: give it as owner/name, or set GITHUB_REPOSITORY"
        )
    known = _event(environ, "pull_request").get("number")
    if number is None and known is None and (source := _source(environ)):
        return PullRequest(repository, None, head(environ), source)
    found = known if number is None else number
    if not isinstance(found, int) or found < 1:
        raise BadInputError(
            "--pull-request: give its number; there is none in the event of this job"
        )
    # An event of another pull request tells nothing about this one.
    return PullRequest(repository, found, head(environ) if found == known else None)


def _source(environ: Mapping[str, str]) -> SourceBranch | None:
    """Where the pull request is from whose workflow has ended; of a fork's the event has no more.

    It is GitHub that says so, and not anything which that workflow has written.
    """
    ended = _event(environ, "workflow_run")
    origin = ended.get("head_repository")
    name = origin.get("full_name") if isinstance(origin, dict) else None
    branch = ended.get("head_branch")
    return SourceBranch(str(name), str(branch)) if name and branch else None


def run_url(environ: Mapping[str, str]) -> str | None:
    """Address of the log of this job, or of the workflow that it follows; None elsewhere."""
    if followed := _event(environ, "workflow_run").get("html_url"):
        return str(followed)
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environ.get(name) for name in names)
    return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else None


def addresses(environ: Mapping[str, str]) -> tuple[str, str]:
    """The REST and the GraphQL API; an enterprise server has them at `/api/v3`, `/api/graphql`."""
    rest = (environ.get("GITHUB_API_URL") or _API).rstrip("/")
    if graphql := environ.get("GITHUB_GRAPHQL_URL"):
        return rest, graphql
    parts = urlsplit(rest)
    path = f"{parts.path.removesuffix('/v3')}/graphql"
    return rest, urlunsplit(parts._replace(path=path))
