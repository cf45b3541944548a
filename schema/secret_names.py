"""Values that are secret because of the name beside them: `password: x`, `--token x`, `?key=x`.

A name tells by its last words: `db_password` does, `passwordFile` and `tokenTTL` do not.
"""

from __future__ import annotations

import functools
import re

from schema.secret_words import is_random

SECRET = "[secret]"  # noqa: S105
# What stands for a value: whoever sees it must not take it for one.
MASKED = "[secret"

# How sure a name makes: of anything; of what is no name of an object; of what looks random.
SURE, LIKELY, MAYBE = 3, 2, 1
_ENDS_SURE = (
    *("password", "passwd", "passphrase", "passcode", "pwd", "token", "apikey", "accesskey"),
    *("accountkey", "privatekey", "signingkey", "encryptionkey", "encryptionsecret", "masterkey"),
    *("sharedkey", "clientsecret", "sharedsecret", "appsecret", "secretid", "secretaccesskey"),
    *("connectionstring", "webhookurl", "unsealkey", "recoverykey", "integrationkey", "licensekey"),
    *("storagekey", "hmackey", "deploykey", "clientkeydata", "consumersecret", "signingsecret"),
    *("webhooksecret", "tokensecret", "apisecret", "secretstring", "accesskeysecret", "authkey"),
    *("jwtsecret", "sessionsecret", "cookiesecret", "rootsecret", "slackapiurl", "ingestkey"),
    *("keypassword", "secretvalue", "passwords", "applicationkey", "appkey", "sessionkey"),
)
_ENDS_LIKELY = (
    "secret",
    "secretkey",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "creds",
)
_ENDS_MAYBE = (
    *("key", "auth", "webhook", "signature", "sig", "salt", "seed", "dsn", "jwt", "bearer", "pin"),
    *(
        "session",
        "sessionid",
        "hook",
        "keys",
        "secrets",
        "tokens",
        "nonce",
        "otp",
        "sid",
        "heartbeat",
    ),
)
_WORDS_SURE = frozenset({"pass", "pw", "passwort", "pswd"})
# With one of these it is about a secret: `checksum/secret`, `existingSecret`, `publicKey`.
_ABOUT = frozenset(
    {
        "checksum",
        "checksums",
        "digest",
        "hash",
        "sha",
        "sha256",
        "md5",
        "fingerprint",
        "existing",
        "pull",
        "public",
        "external",
        "push",
        "sealed",
        "cluster",
    }
)
_TRAILING = frozenset(
    {
        "prod",
        "production",
        "staging",
        "stage",
        "dev",
        "test",
        "old",
        "new",
        "current",
        "previous",
        "primary",
        "secondary",
        "main",
        "default",
        "backup",
        "value",
        "plain",
        "base",
    }
)
_SPLIT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@functools.lru_cache(maxsize=1 << 12)
def sureness(name: str) -> int:
    """How sure a name makes that its value is secret; 0 where it tells nothing."""
    if len(name) > 200:
        name = name[-200:]
    words = [word.lower() for word in _SPLIT.findall(name)]
    for _ in range(3):
        if words and (words[-1].isdigit() or (len(words) > 1 and words[-1] in _TRAILING)):
            words.pop()
    if not words or not _ABOUT.isdisjoint(words):
        return 0
    whole = "".join(words)
    if words[-1] in _WORDS_SURE or whole.endswith(_ENDS_SURE):
        return SURE
    if whole.endswith(_ENDS_LIKELY):
        return LIKELY
    return MAYBE if words[-1] in _ENDS_MAYBE else 0


def is_secret(name: str, value: str) -> bool:
    """Whether the value of a property of this name is secret."""
    sure = sureness(name)
    return bool(sure) and judged(sure, value.strip(), name)


# Values that say something about a secret, or nothing.
_SAYS = frozenset(
    [
        "true",
        "false",
        "null",
        "none",
        "nil",
        "yes",
        "no",
        "on",
        "off",
        "string",
        "text",
        "str",
        "bytes",
        "int",
        "integer",
        "bool",
        "boolean",
        "object",
        "array",
        "required",
        "optional",
        "missing",
        "unset",
        "set",
        "empty",
        "unknown",
        "invalid",
        "redacted",
        "hidden",
        "masked",
        "expired",
        "denied",
        "revoked",
        "ok",
        "valid",
        "rotated",
        "unchanged",
        "default",
        "n/a",
        "sensitive",
        "secret",
        "password",
        "token",
        "key",
        "changed",
        "error",
        "failed",
        "username",
        "user",
        "name",
        "value",
        "any",
        "write",
        "read",
        "never",
        "always",
        "auto",
        "generate",
        "generated",
        "absent",
        "present",
        "undefined",
        "number",
        "secretstr",
        "type",
        "description",
        "optional[str]",
        "opaque",
        "encrypted",
        "secure",
    ]
)
_BLANK = re.compile(r"[*•.…_-]{0,40}|[xX#?]{3,40}")
REFERS = re.compile(
    r"<[^<>]*>|@[\w/-]+\.[a-z]{2,5}|[a-z]+://|\$?\{\{.*?\}\}|\$\{[^{}]*\}|\$\([^()]*\)|\$[A-Z_][A-Z0-9_]*\b|\$env:\w+|\{[\w.]{1,60}\}|%\w+%|%[sdvr]|"
    r"!(?:Ref|Sub|GetAtt|secret|vault|env|ENV|include)\b.*|ENC\[.*|(?:ref\+|vault:|env:|file:|op://|arn:|projects/).*|"
    r"(?:var|local|data|module|os\.environ|process\.env|secrets|self|config|args|settings|env|inputs|"
    r"options|values|Values|cfg|ctx)[.\[].*|"
    r"\$\(.*|[A-Za-z_]\w*(?:\.\w+)+[\[(].*|[a-z_]{2,30}\(.*"
)
_ROOTS = (
    *("/var/", "/etc/", "/run/", "/tmp/", "/home/", "/usr/", "/opt/", "/secrets/", "/vault/"),  # noqa: S108
    *("/mnt/", "/root/", "/proc/", "/dev/", "/auth/", "/v1/", "/data/", "/path/", "/app/", "/srv/"),
    *("./", "../", "~/", "secret/", "kv/", "auth/", "transit/"),
)
_TIME = re.compile(
    r"\d+(?:\.\d+)?(?:ms|us|ns|s|m|h|d|w|y)(?:\d+(?:s|m|h))*|\d{1,3}|[\d.]+ ?(?:%|[KMG]i?B?)"
)
_NAME_LIKE = re.compile(
    r"(?:[a-zA-Z]+\d{0,2}|v\d\w*|\d{1,4})(?:[-./:_](?:[a-zA-Z]+\d{0,2}|v\d\w*|\d{1,4}))*"
)
# The last word of names of objects that hold secrets.
_NAMES = frozenset(
    [
        "tls",
        "cert",
        "certs",
        "certificate",
        "issuer",
        "token",
        "secret",
        "secrets",
        "credentials",
        "creds",
        "ca",
        "key",
        "keys",
        "config",
        "roots",
        "anchor",
        "anchors",
        "webhook",
        "auth",
        "bundle",
        "identity",
        "account",
        "password",
        "crt",
        "pem",
        "yaml",
        "json",
        "trust",
        "apikey",
    ]
)
_PATH = re.compile(r"[/~.\w@:{}$-]+")


def judged(sure: int, value: str, name: str) -> bool:
    """Whether a value is secret, by how sure its name makes; references and words are none."""
    bare = value.strip("\"'`,;")
    lowered = bare.lower()
    if (
        not any(map(str.isalnum, bare))
        or MASKED in value
        or lowered in _SAYS
        or _BLANK.fullmatch(bare)
    ):
        return False
    if bare.startswith(("[known after", "(known after", "(sensitive")) or REFERS.fullmatch(bare):
        return False
    if _TIME.fullmatch(bare):
        return False
    if bare.startswith(_ROOTS) and _PATH.fullmatch(bare) and not is_random(bare, 16):
        return False
    if sure == SURE:
        return True
    if sure == LIKELY:
        return " " not in bare and not _names_an_object(bare, name)
    return is_odd(bare)


def _names_an_object(value: str, name: str) -> bool:
    if not _NAME_LIKE.fullmatch(value) or is_random(value, 12):
        return False
    parts = re.split(r"[-./:_]", value)
    if name.lower().endswith("secret"):
        return len(parts) > 1 and (parts[-1] in _NAMES or parts[0] in ("linkerd", "cert", "kube"))
    return len(parts) > 1 or not any(c.isdigit() for c in value)


def is_odd(value: str) -> bool:
    """Whether it is no word of a language, no name and no number: chance, or a login in base64."""
    value = value[:80]
    if " " in value or len(value) < 12:
        return False
    return is_random(value, 14, hexadecimal=True) and not _NAME_LIKE.fullmatch(value)
