"""`make reviewers`: who approved this run of a workflow, by name, for `bot approve --by`.

Who is asked are the required reviewers of an environment, and GitHub keeps their answers:
https://docs.github.com/en/rest/actions/workflow-runs#get-the-review-history-for-a-workflow-run
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.comments import pull_request
from bot.exit_codes import BAD_INPUT, DONE, BadInputError, BotError, RefusedError
from bot.text.lists import listed
from schema.errors import InputError

if TYPE_CHECKING:
    from bot.comments.github_api import Api

VARIABLE = "APPROVED_BY"
_MOST = 100  # of what `bot approve --by` takes
# A person: an App, whose login ends in `[bot]`, answers for nobody.
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}", re.ASCII)
_RUN = re.compile(r"[0-9]{1,20}", re.ASCII)


def approved_by(api: Api, environ: Mapping[str, str], environment: str, *, required: bool) -> str:
    """Who approved the run for an environment, in at most 100 characters.

    Where nobody was asked it is who started the run. Raises RefusedError where somebody has to be.
    """
    repository, run = environ.get("GITHUB_REPOSITORY", ""), environ.get("GITHUB_RUN_ID", "")
    if not _RUN.fullmatch(run) or not re.fullmatch(r"[\w.-]+/[\w.-]+", repository, re.ASCII):
        raise BadInputError(
            "GITHUB_REPOSITORY, GITHUB_RUN_ID: not set, so this is not a job of GitHub Actions"
        )
    reply = api.call("GET", f"/repos/{repository}/actions/runs/{run}/approvals")
    if not reply.ok:
        raise api.refused("read who approved the run", reply)
    if not isinstance(reply.body, list):
        raise BotError("GitHub: the answer about the run is not a list of approvals")
    names = list(dict.fromkeys(filter(None, (_name(each, environment) for each in reply.body))))
    if names:
        return _shortened(names, f" (environment {environment}, run {run})")
    if required:
        raise RefusedError(
            f"no reviewer has approved run {run} for the environment {environment}, and fleet.yaml "
            "says "
            "`approval: required`: give that environment required reviewers (docs/workflows.md)"
        )
    actor = environ.get("GITHUB_TRIGGERING_ACTOR") or environ.get("GITHUB_ACTOR") or ""
    if not _LOGIN.fullmatch(actor.removesuffix("[bot]")):
        raise BadInputError("GITHUB_ACTOR: not set, so the person who started this run is unknown")
    return _shortened([actor], f" (started run {run}, without a review)")


def _name(review: Any, environment: str) -> str | None:
    """The login of who approved; None for another answer, another environment, or no person."""
    if not isinstance(review, dict) or review.get("state") != "approved":
        return None
    places = review.get("environments")
    named = [each.get("name") for each in places if isinstance(each, dict)] if places else []
    user = review.get("user")
    login = str(user.get("login") or "") if isinstance(user, dict) else ""
    person = _LOGIN.fullmatch(login) and isinstance(user, dict) and user.get("type") == "User"
    return login if environment in named and person else None


def _shortened(names: list[str], about: str) -> str:
    for count in range(len(names), 0, -1):
        text = f"{listed(names, count)}{about}"
        if len(text) <= _MOST:
            return text
    return text[:_MOST]


def main() -> int:
    """Write the variable to the file at $GITHUB_ENV, and say who it was; returns the exit code."""
    from bot.comments.github_api import Api
    from bot.deploy import gate
    from bot.stacks import PROJECT_DIR, checked, chosen

    environ = os.environ
    try:
        stack, file = checked(chosen(environ.get("STACK", ""))), environ.get("GITHUB_ENV")
        if not file:
            raise BadInputError("GITHUB_ENV: not set: this is for a job of GitHub Actions")
        api = Api(pull_request.addresses(environ)[0], environ.get("GITHUB_TOKEN", "").strip())
        required = gate.requirement_of(stack, PROJECT_DIR).approval
        found = approved_by(api, environ, f"approve-{stack}", required=required)
        with Path(file).open("a", encoding="utf-8") as handle:
            handle.write(f"{VARIABLE}={found}\n")
    except (BotError, InputError) as error:
        sys.stderr.write(f"reviewers: {error}\n")
        return error.exit_code if isinstance(error, BotError) else BAD_INPUT
    sys.stdout.write(f"approved by {found}\n")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
