"""Addresses that are secret: a password before the host, a webhook's path, a key in the query."""

from __future__ import annotations

import re
from collections.abc import Iterator

from schema.secret_forms import Span, compiled

# Addresses whose path is the credential: webhooks and heartbeats, by their host or their path.
_END = r"[^\s\"'<>`|]*"
# From the slashes on; a host without a scheme is looked for where its path is the credential.
_ADDRESSES = (
    *(("//", rf"//{_END}"), ("\\/", rf"\\+/\\+/{_END}"), ("%2F", rf"%2F%2F{_END}")),
    *(("%2f", rf"%2f%2f{_END}"), ("hooks.slack.com", rf"\bhooks\.slack\.com\\*/{_END}")),
    *((".com/api/webhooks", rf"\bdiscord(?:app)?\.com/api/webhooks/{_END}"),),
    *(
        ("alert.victorops.com", rf"\balert\.victorops\.com\\*/{_END}"),
        ("hc-ping.com", rf"\bhc-ping\.com/{_END}"),
    ),
    *(
        ("nosnch.in", rf"\bnosnch\.in/{_END}"),
        ("pagerduty.com", rf"\bevents\.(?:eu\.)?pagerduty\.com/{_END}"),
    ),
)
_HOOKS = (
    r"(?i)(?:hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)|"
    r"discord(?:app)?\.com/api/(?:v\d+/)?webhooks|"
    r"[\w.-]{1,80}webhook\.office\.com/webhookb?2?|outlook\.office(?:365)?\.com/webhookb?2?|"
    r"logic\.azure\.com[^/]{0,9}/workflows|powerplatform\.com[^/]{0,9}/\S{0,200}?/workflows|"
    r"victorops\.com/integrations/[\w-]{1,40}(?:/\d+)?/alert|splunk\.com/integrations/\S{1,80}?/alert|"
    r"pagerduty\.com/(?:integration|x-ere)|api\.telegram\.org/bot|hc-ping\.com|hchk\.io|"
    r"healthchecks\.[\w.-]{1,60}/ping|nosnch\.in|cronitor\.(?:link|io)/p|heartbeat\.uptimerobot\.com|"
    r"betterstack\.com/api/v1/(?:heartbeat|incoming-webhook)|betteruptime\.com/api/v1/heartbeat|"
    r"hooks\.zapier\.com/hooks/catch|maker\.ifttt\.com/trigger/[\w-]{1,80}/with/key|"
    r"(?:webexapis|ciscospark)\.com/v1/webhooks/incoming|open\.(?:feishu\.cn|larksuite\.com)/open-apis/bot/v2/hook|"
    r"loggly\.com/inputs|sumologic\.com/receiver/v1/http|opsgenie\.com/v1/[\w-]{1,40}/key|"
    r"squadcast\.com/(?:v2/)?incidents/(?:api|prometheus)|deadmanssnitch\.com/v1/snitches|"
    r"ping\.ohdear\.app|push\.statuscake\.com|chime\.aws/incomingwebhooks|"
    r"/integrations/v1/[\w-]{1,40}|/hooks|/incoming_?webhooks?|/api/(?:push|v1/heartbeat))"
    r"(?=/|[0-9])/?([^?#\s]*)"
)
_ALERT = r"/(?:alert|alerts|heartbeats?|ping|integrations?|webhooks?|hooks?|push)/([^?#\s]+)"
_PLACEHOLDER = re.compile(r"[.…<\[{$*].*|(?:(?:[A-Z_]+|[xX.]+|key|token)(?:/|\Z))+")
_QUERY = (
    r"(?i)(?:[?&;]|%3F|%26|&amp;|\\u0026)(?:api[_-]?|access[_-]?|app[_-]?|auth[_-]?|private[_-]?|routing[_-]?|"
    r"integration[_-]?|service[_-]?|dd-api-|shared[_-]?access[_-]?)?"
    r"(?:key|sig|signature|code|token|secret|auth|hmac|sas|jwt|sid|session|"
    r"x-(?:amz|goog|oss|ms)-(?:signature|security-token|credential))(?:=|%3D)"
    r"((?![$<{\[*.])[^\s\"'&<>#;`]+)"
)


def found(text: str) -> Iterator[Span]:
    """What of the text is secret in an address."""
    for mark, pattern in _ADDRESSES:
        if mark in text:
            for match in compiled(pattern).finditer(text):
                yield from _in_address(match[0], match.start())
    if "=" in text or "%3" in text:
        yield from (match.span(1) for match in compiled(_QUERY).finditer(text))


def _in_address(address: str, at: int) -> Iterator[Span]:
    yield from _login(address, at)
    plain = address.replace("\\/", "/") if "\\" in address else address
    moved = plain is not address
    for pattern in (_HOOKS, _ALERT):
        match = compiled(pattern).search(plain)
        if match and match[1].strip("/") and not _PLACEHOLDER.fullmatch(match[1].lstrip("/")):
            if pattern == _ALERT and not _keyed(match[1]):
                continue
            # With escaped slashes the places are others: all of its path goes.
            yield (at if moved else at + match.start(1)), at + len(address)
            return


def _keyed(path: str) -> bool:
    """Whether a part of the path may be a key: it has a digit and is long, or is a UUID."""
    return any(
        len(part) >= 10 and any(c.isdigit() for c in part) and not part.startswith("v1")
        for part in path.split("/")
    )


_SCHEME = re.compile(r"(?:^|:)(?:\\*/){2}|(?:^|%3[aA])%2[fF]%2[fF]")
_PORT = re.compile(r"\d{1,5}(?:[\\/?#]|\Z)")
_LONE = re.compile(r"[A-Za-z0-9_.~%+-]{16,}")
_COLON = re.compile(r":|%3[aA]")


def _login(address: str, at: int) -> Iterator[Span]:
    """The password before the host; or the user, where it is long enough to be a token.

    An address may stand within another, as its query.
    """
    begins = [match.end() for match in _SCHEME.finditer(address)]
    for start, limit in zip(begins, [*begins[1:], len(address)], strict=False):
        stop = max(address.rfind("@", start, limit), address.rfind("%40", start, limit))
        if stop < 0:
            continue
        colon, slash = _COLON.search(address, start, stop), address.find("/", start, stop)
        if colon is None:
            user = address[start:stop]
            if _LONE.fullmatch(user) and any(c.isdigit() for c in user):
                yield at + start, at + stop
        # Else the colon is of a path, or before a port.
        elif (
            not 0 <= slash < colon.start()
            and not _PORT.match(address, colon.end(), stop)
            and stop > colon.end()
        ):
            yield at + start, at + stop
