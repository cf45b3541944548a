"""Whether tokens of the cluster carry the audience by which Vault has them reviewed.

It is told by no document: on managed clusters the issuer in `/.well-known/openid-configuration` is
another. So one token is made, of an account that may do nothing, read, and thrown away.
https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
"""

from __future__ import annotations

import base64
import json
from typing import Any

from bot.changes.model import Change, ChangeSet, Op, Violation
from bot.clients.connect import cluster
from bot.clients.https import Client
from bot.clients.target import Target
from bot.exit_codes import BotError

POLICY = "cluster-api-audience"
TOKEN = "/api/v1/namespaces/default/serviceaccounts/default/token"  # noqa: S105
_REQUEST = {
    "apiVersion": "authentication.k8s.io/v1",
    "kind": "TokenRequest",
    "spec": {"expirationSeconds": 600},
}
# What logs in, or says how.
_LOGINS = ("AuthBackendRole", "ClusterSecretStore", "SecretStore", "ClusterIssuer")


def judged(target: Target, changes: ChangeSet) -> ChangeSet:
    """The changes with a violation where the first of the logins would be refused.

    A warning where the cluster gives no token: it may be no one's to make, or there is none yet.
    """
    login = next((each for each in changes.changes if _logs_in(each)), None)
    wanted = target.config.cluster and target.config.cluster.api_audience
    if login is None or wanted is None:
        return changes
    try:
        with cluster(target) as api:
            found = audiences(api)
    except BotError as error:
        told = f"cluster.apiAudience was not compared with a token: {error}"
        return changes.model_copy(update={"warnings": (*changes.warnings, told)})
    if wanted in found:
        return changes
    message = (
        f"cluster.apiAudience is {wanted}, and tokens of this API server are for "
        f"{', '.join(found) or 'nobody'}: it would refuse to review those for Vault; write that"
    )
    violation = Violation(policy=POLICY, level="mandatory", urn=login.urn, message=message)
    return changes.model_copy(update={"violations": (*changes.violations, violation)})


def audiences(api: Client) -> list[str]:
    """Whom a token is for that is asked for nobody in particular; raises BotError without one."""
    answer = api.request("POST", TOKEN, _REQUEST)
    if not answer.ok:
        raise BotError(f"{TOKEN}: {answer.why}")
    try:
        payload = str(answer.body["status"]["token"]).split(".")[1]
        claims: Any = json.loads(base64.urlsafe_b64decode(f"{payload}{'=' * (-len(payload) % 4)}"))
        found = claims["aud"]
    except (KeyError, IndexError, TypeError, ValueError):
        raise BotError(f"{TOKEN}: the token is not a JWT with an audience") from None
    return [str(each) for each in found] if isinstance(found, list) else [str(found)]


def _logs_in(change: Change) -> bool:
    return change.op is not Op.DELETE and change.kind in _LOGINS
