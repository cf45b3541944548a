"""Values that are secret because of the name beside them: `password: x`, `--token x`, `?key=x`.

A name tells by its last words: `db_password` does, `passwordFile` and `tokenTTL` do not. What stands
behind it is read as each language writes it: YAML, JSON, Python, TOML, shells, flags, headers, XML,
tables, Go.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from stack.secret_forms import Span
from stack.secret_words import is_random

SECRET = "[secret]"  # noqa: S105
# What stands for a value: whoever sees it must not take it for one.
_MASKED = "[secret"

# How sure a name makes: of anything; of what is no name of an object; of what looks random.
_SURE, _LIKELY, _MAYBE = 3, 2, 1
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
        return _SURE
    if whole.endswith(_ENDS_LIKELY):
        return _LIKELY
    return _MAYBE if words[-1] in _ENDS_MAYBE else 0


def is_secret(name: str, value: str) -> bool:
    """Whether the value of a property of this name is secret."""
    sure = sureness(name)
    return bool(sure) and _is_secret(sure, value.strip(), name)


# Values that say something about a secret, or nothing.
_SAYS = frozenset(
    """true false null none nil yes no on off string text str bytes int integer bool boolean object
    array required optional missing unset set empty unknown invalid redacted hidden masked expired
    denied revoked ok valid rotated unchanged default n/a sensitive secret password token key
    changed error failed username user name value any write read never always auto generate generated absent
    present undefined number secretstr type description optional[str] opaque encrypted secure
    """.split()
)
_BLANK = re.compile(r"[*•.…_-]{0,40}|[xX#?]{3,40}")
_REFERS = re.compile(
    r"<[^<>]*>|@[\w/-]+\.[a-z]{2,5}|[a-z]+://|\$?\{\{.*?\}\}|\$\{[^{}]*\}|\$\([^()]*\)|\$[A-Z_][A-Z0-9_]*\b|\$env:\w+|\{[\w.]{1,60}\}|%\w+%|%[sdvr]|"
    r"!(?:Ref|Sub|GetAtt|secret|vault|env|ENV|include)\b.*|ENC\[.*|(?:ref\+|vault:|env:|file:|op://|arn:|projects/).*|"
    r"(?:var|local|data|module|os\.environ|process\.env|secrets|self|config|args|settings|env|inputs|"
    r"options|values|Values|cfg|ctx)[.\[].*|"
    r"\$\(.*|[A-Za-z_]\w*(?:\.\w+)+[\[(].*|[a-z_]{2,30}\(.*"
)
_ROOTS = (
    *("/var/", "/etc/", "/run/", "/tmp/", "/home/", "/usr/", "/opt/", "/secrets/", "/vault/"),
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
    """tls cert certs certificate issuer token secret secrets credentials creds ca key keys config
    roots anchor anchors webhook auth bundle identity account password crt pem yaml json trust apikey
    """.split()
)
_PATH = re.compile(r"[/~.\w@:{}$-]+")


def _is_secret(sure: int, value: str, name: str) -> bool:
    bare = value.strip("\"'`,;")
    lowered = bare.lower()
    if (
        not any(map(str.isalnum, bare))
        or _MASKED in value
        or lowered in _SAYS
        or _BLANK.fullmatch(bare)
    ):
        return False
    if bare.startswith(("[known after", "(known after", "(sensitive")) or _REFERS.fullmatch(bare):
        return False
    if _TIME.fullmatch(bare):
        return False
    if bare.startswith(_ROOTS) and _PATH.fullmatch(bare) and not is_random(bare, 16):
        return False
    if sure == _SURE:
        return True
    if sure == _LIKELY:
        return " " not in bare and not _names_an_object(bare, name)
    return _is_odd(bare)


def _names_an_object(value: str, name: str) -> bool:
    if not _NAME_LIKE.fullmatch(value) or is_random(value, 12):
        return False
    parts = re.split(r"[-./:_]", value)
    if name.lower().endswith("secret"):
        return len(parts) > 1 and (parts[-1] in _NAMES or parts[0] in ("linkerd", "cert", "kube"))
    return len(parts) > 1 or not any(c.isdigit() for c in value)


def _is_odd(value: str) -> bool:
    """Whether it is no word of a language, no name and no number: chance, or a login in base64."""
    value = value[:80]
    if " " in value or len(value) < 12:
        return False
    return is_random(value, 14, hexadecimal=True) and not _NAME_LIKE.fullmatch(value)


# ---- in a text

# Names that tell have one of these; the short ones only at the end of a word.
_STEMS = (
    *("passw", "passphrase", "passcode", "pswd", "pwd", "secret", "token", "credential", "creds"),
    *("authori", "cookie", "webhook", "connection", "slack_api_url", "slackapiurl", "bearer"),
    *("session", "heartbeat", "nonce"),
)
_SHORT_STEMS = (
    *("pass", "pw", "key", "keys", "auth", "jwt", "dsn", "sig", "signature", "salt", "seed", "pin"),
    *("otp", "sid", "hook"),
)
_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz")
_ASCII_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_NAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./")
_NAME_REST = re.compile(r"[\w-]{0,60}")
_LONGEST_NAME = 80
_QUOTE = r"(?:\\*[\"'`]|&quot;|&\#34;|&\#x27;|&\#39;|&apos;)"
_SEPARATOR = re.compile(
    rf"(?P<close>{_QUOTE}|\*\*|</(?:b|code|td|th|dt|strong)>)?(?P<list>\]|\))?"
    rf"(?:\s{{0,20}}(?P<sep>:=|=>|={{1,2}}(?!=)|:(?!:|//))(?P<space>[ \t]{{0,40}})"
    rf"|(?P<table>[ \t]{{0,40}}\|[ \t]{{0,40}}(?!\|)|(?:</code>)?</t[dh]>\s{{0,20}}<td>(?:<code>)?|</dt>\s{{0,20}}<dd>(?:<code>)?)"
    rf"|(?P<tag>>)"
    rf"|(?P<pair>[\s,]{{1,40}}(?:(?:-|\\n)\s{{0,40}})?{_QUOTE}?(?i:value|content|val|data|default){_QUOTE}?\s{{0,20}}[:=]\s{{0,20}})"
    rf"|(?P<flag>[ \t]{{1,8}}))"
)
_OPEN = re.compile(_QUOTE)
_LISTED = re.compile(r"\[\s{0,40}|\(\s{0,10}")
_BLOCK = re.compile(
    r"(?:![\w!/.-]{1,40}[ \t]+)?[|>][+-]?\d?[+-]?[ \t]*(?:#[^\n]*)?(?=\n|\\n|\r|\Z)"
)
_INDENTED = re.compile(r"(?:\r?\n[ \t]*(?=\r?\n))*\r?\n([ \t]+)(\S[^\n]*)")
_ESCAPED = re.compile(r"\\+n([ \t]+)([^\\\"\n]+)")
_WORD = re.compile(r"[^\s\"'`<>]+")
_CUT = re.compile(
    r"[&;,](?=\s|\Z|[\w.-]{1,60}[=:])|&amp;|\\+[\"nrt]|&quot;|&#\w{2,4};|[)\]}]*[,;.:)\]}]*\Z|\|"
)
_LINE = re.compile(r"[^\r\n]*")
_READ = 300  # characters after a name by which it is judged: a text may be one long line of names
_FUNCTION_WORDS = frozenset(
    """the a an it its to is are was be been must may can should of for in and or not no from with that
    this on by at as has have had if when which who what where how set see use needs need than so do
    does did will would could denied missing invalid required expired wrong unknown failed found
    permission after before only every each any all you your we our they them but into per via
    """.split()
)


def found(text: str) -> Iterator[Span]:
    """What of the text is secret by the name before it."""
    done = 0
    for at, after in _stems(text):
        if at < done:
            continue
        rest = _NAME_REST.match(text, after)
        start, end = at, rest.end() if rest else after
        least = max(done, start - _LONGEST_NAME)
        while start > least and text[start - 1] in _NAME_CHARS:
            start -= 1
        name = text[start:end]
        if name == SECRET[1:-1] and text[start - 1 : end + 1] == SECRET:
            done = end
            continue  # what was masked before
        sure = sureness(name)
        span = _value(text, start, end, sure, name) if sure else None
        if span:
            yield span
        done = span[1] if span else end


def _stems(text: str) -> list[Span]:
    """Where a name may tell: found in C, for that is most of the work of the whole masking."""
    lowered = text.lower()
    if len(lowered) != len(text):  # places must stay the same
        lowered = text.translate(_ASCII_LOWER)
    places = []
    for stem in _STEMS:
        at = lowered.find(stem)
        while at >= 0:
            places.append((at, at + len(stem)))
            at = lowered.find(stem, at + len(stem))
    for stem in _SHORT_STEMS:
        at = lowered.find(stem)
        while at >= 0:
            after = at + len(stem)
            if text[after : after + 1] not in _LOWER:
                places.append((at, after))
            at = lowered.find(stem, after)
    places.sort()
    return places


def _value(text: str, start: int, end: int, sure: int, name: str) -> Span | None:
    match = _SEPARATOR.match(text, end)
    if match is None:
        return None
    at = match.end()
    if match["tag"]:
        return _in_tag(text, start, at, sure, name)
    if match["table"]:
        return _in_table(text, start, at, sure, name)
    if match["pair"]:
        return _written(text, start, at, sure, name)
    if match["flag"]:
        return _after_flag(text, start, at, sure, name)
    in_yaml = match["sep"] == ":" and not match["close"]
    if in_yaml and (block := _BLOCK.match(text, at)):
        return _block(text, start, block.end()) if sure > _MAYBE else None
    if in_yaml and (at >= len(text) or text[at] in "\r\n"):
        return _next_line(text, start, at, sure, name)
    if in_yaml and not match["space"] and not _may_have_no_gap(text, start, at, sure):
        return None
    if listed := _LISTED.match(text, at):
        return _list(text, listed.end(), sure, name)
    return _written(text, start, at, sure, name)


_TAG = re.compile(
    r"(?:!!\w{1,40}[ \t]+|(?:![\w/.-]{0,40}|&\w{1,40})[ \t]+(?=[\"'])|[rbuf]{1,2}(?=[\"'])|\$(?=[\"']))?"
)


def _written(text: str, start: int, at: int, sure: int, name: str) -> Span | None:
    """A value in quotes or without."""
    tag = _TAG.match(text, at)
    at = tag.end() if tag else at
    if opening := _OPEN.match(text, at):
        return _quoted(text, opening, sure, name)
    return _plain(text, start, at, sure, name)


def _quoted(text: str, opening: re.Match[str], sure: int, name: str) -> Span | None:
    """A value in quotes, which may be escaped, as in JSON within JSON."""
    quote, begin = opening[0], opening.end()
    if quote in ('"', "'") and text.startswith(quote * 2, begin):
        stop = text.find(quote * 3, begin + 2)
        begin, stop = (begin + 2, stop) if stop > 0 else (begin, begin)
    elif len(quote) == 1:
        stop = _closing(text, begin, quote)
    else:
        stop = text.find(quote, begin)
    if stop < 0:
        stop = _ends(text, begin)
    value = text[begin:stop]
    return (begin, stop) if value.strip() and _is_secret(sure, value, name) else None


_CLOSING = {
    '"': re.compile(r"[^\"\\]*(?:\\.[^\"\\]*)*", re.DOTALL),
    "'": re.compile(r"[^'\\]*(?:(?:\\.|'')[^'\\]*)*", re.DOTALL),
    "`": re.compile(r"[^`]*"),
}


def _closing(text: str, begin: int, quote: str) -> int:
    match = _CLOSING[quote].match(text, begin)
    stop = match.end() if match else begin
    return stop if stop < len(text) else -1


def _ends(text: str, begin: int) -> int:
    """Where the line ends, or what is read of it."""
    line = _LINE.match(text, begin, begin + _READ)
    return line.end() if line else begin


def _plain(text: str, start: int, at: int, sure: int, name: str) -> Span | None:
    """A value without quotes: a word, or for a password the words up to the line's end."""
    line = text[at : _ends(text, at)]
    phrase = line.strip()
    if " " in phrase and sure == _SURE and _begins_line(text, start) and "pass" in name.lower():
        words = re.split(r"[\s,.;:]+", re.sub(r"\s#.*", "", phrase).lower())
        if (
            1 < len(words) <= 8
            and _FUNCTION_WORDS.isdisjoint(words)
            and not re.search(r"[=|:{\[(]", phrase)
        ):
            return at, at + len(line.rstrip())
    word = _WORD.match(text, at, at + _READ)
    if word is None:
        return None
    value = word[0]
    if value[0] in "{([":
        return None  # values of their own
    if (reference := _REFERS.match(line)) and line[reference.end() :][:1] in ("", *" ,;.)&\"'}]\r"):
        return None
    if cut := _CUT.search(value, 1):
        value = value[: cut.start()]
    after = line[len(word[0]) :]
    after = after.strip() if after[:1] == " " else ""
    if after and sure < _SURE and not _is_odd(value):
        return None  # words about it
    if after and value.lower() in _FUNCTION_WORDS:
        return None
    if after and text[at - 1] == " " and value.isalpha() and _is_sentence(after):
        return None
    if not value or not _is_secret(sure, value, name):
        return None
    if len(value) == _READ and (whole := _WORD.match(text, at)):
        return whole.span()
    return at, at + len(value)


def _is_sentence(after: str) -> bool:
    """Whether the rest of a line is words, not a comment or the next of several values."""
    if re.match(r"[-\w.]{1,60}[=:]|[#|},;&)\]]|-{1,2}\w", after):
        return False
    return bool(re.search(r"[a-z]", after[:200].lower()))


def _begins_line(text: str, start: int) -> bool:
    before = text[max(0, start - 80) : start].rpartition("\n")[2]
    return not before.strip(" \t-+|>#*\"'`{[(,") or before.strip() in ("export", "set", "$env:")


def _may_have_no_gap(text: str, start: int, at: int, sure: int) -> bool:
    """`{Password:x}` of Go, `X-Api-Key:x`; no type `kubernetes:core/v1:Secret::x`, no `a:token:b`."""
    before = text[start - 1] if start else "\n"
    if before not in "{[( \t\n,\"'&?;<>" or sure < _LIKELY:
        return False
    if _OPEN.match(text, at):
        return True
    word = _WORD.match(text, at, at + _READ)
    return word is not None and "::" not in word[0] and "/" not in text[start:at]


def _list(text: str, at: int, sure: int, name: str) -> Span | None:
    stop = min((p for p in (text.find("]", at), text.find(")", at)) if p > 0), default=-1)
    if stop < 0 or stop - at > 4000:
        return None
    value = text[at:stop]
    if sure < _SURE or not value.strip() or _MASKED.strip("[") in value:
        return None
    words = [w.strip("\"' \\") for w in value.split(",")]
    return (
        (at, stop)
        if any(_is_secret(sure, w, name) and _is_odd_or_quoted(w, value) for w in words if w)
        else None
    )


def _is_odd_or_quoted(word: str, whole: str) -> bool:
    return _is_odd(word) or any(c.isdigit() or not (c.isalnum() or c in "-_.") for c in word)


def _after_flag(text: str, start: int, at: int, sure: int, name: str) -> Span | None:
    """`--password x`; `PASSWORD` behind it stands for any."""
    if not name.startswith("-") or sure < _LIKELY:
        return None
    if opening := _OPEN.match(text, at):
        return _quoted(text, opening, sure, name)
    word = _WORD.match(text, at, at + _READ)
    if word is None or word[0].startswith(("-", "[")):
        return None
    value = word[0].rstrip(",.;:)]")
    if re.fullmatch(r"[A-Z][A-Z_]*", value) or value.lower() in _FUNCTION_WORDS:
        return None
    after = text[word.end() : _ends(text, word.end())].strip()
    if value.isalpha() and value.islower() and _is_sentence(after):
        return None
    return (at, at + len(value)) if _is_secret(sure, value, name) else None


def _in_tag(text: str, start: int, at: int, sure: int, name: str) -> Span | None:
    """`<password>x</password>`."""
    before = text[start - 1] if start else ""
    if before not in "<:" or name.startswith("/"):
        return None
    stop = text.find("<", at)
    if text.startswith("<![CDATA[", at):
        at += 9
        stop = text.find("]]>", at)
    if stop < 0:
        return None
    value = text[at:stop]
    return (at, stop) if value.strip() and _is_secret(sure, value, name) else None


def _in_table(text: str, start: int, at: int, sure: int, name: str) -> Span | None:
    """The next cell of a row, where it is one word that is none of a language."""
    before = text[max(0, start - 12) : start].rpartition("\n")[2].strip(" *`\"'+-")
    if before not in ("", "|", ">") and not before.endswith((">", "||")):
        return None
    stop = min(
        (p for p in (text.find(mark, at) for mark in ("|", "\n", "<")) if p >= 0), default=len(text)
    )
    cell = text[at:stop].strip()
    value = cell.strip("`*\"'")
    if not value or " " in value:
        return None
    if sure < _SURE and not _is_odd(value):
        return None
    place = text.find(value, at)
    return (place, place + len(value)) if _is_secret(sure, value, name) else None


def _block(text: str, start: int, at: int) -> Span | None:
    """The lines below `password: |`, which are indented more than the key."""
    indent = _indent(text, start)
    begin = None
    lines = _ESCAPED if text.startswith("\\", at) else _INDENTED
    while line := lines.match(text, at):
        if len(line[1]) <= indent:
            break
        begin = line.start(2) if begin is None else begin
        at = line.end()
    if begin is None or _MASKED in text[begin:at]:
        return None
    return begin, at


def _next_line(text: str, start: int, at: int, sure: int, name: str) -> Span | None:
    """A scalar on the line below its key; a mapping or a list is none."""
    line = _INDENTED.match(text, at)
    if line is None or len(line[1]) <= _indent(text, start) or sure < _LIKELY:
        return None
    content = line[2].strip()
    if content.startswith("- "):
        place, content = line.start(2) + 2, content[2:]
    else:
        place = line.start(2)
    if re.match(r"[\w./\"'-]{1,100}:(?:\s|\Z)|#", content) or " " in content:
        return None
    return (
        (place, line.start(2) + len(line[2].rstrip())) if _is_secret(sure, content, name) else None
    )


def _indent(text: str, start: int) -> int:
    before = (
        text[:start].rpartition("\n")[2]
        if start < 400
        else text[start - 400 : start].rpartition("\n")[2]
    )
    return len(before) - len(before.lstrip(" \t")) if before.strip(" \t-\"'") == "" else 0
