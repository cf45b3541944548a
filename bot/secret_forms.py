"""What secrets look like in a text: keys, tokens, and values that stand behind a telling name.

No pattern takes more than linear time on a text that somebody made to be slow: repetitions are
bounded, or cannot overlap.
"""

from __future__ import annotations

import re

# A line break, also as JSON writes it, once or several times over.
BREAK = r"(?:\s|\\+[nrt])"
_WORD = r"[A-Za-z0-9+/_=-]"
_KEY_LINE = r"[A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,40}-----"

FORMS = (
    # The end may be missing, or the beginning, where somebody has cut the text.
    re.compile(
        rf"-----BEGIN [A-Z0-9 ]{{0,40}}PRIVATE KEY.*?(?:-----END {_KEY_LINE}|\Z)", re.DOTALL
    ),
    re.compile(rf"\A.*-----END {_KEY_LINE}", re.DOTALL),
    # A key in DER as base64 without armour: a SEQUENCE that begins with the INTEGER 0 or 1
    # (RFC 5208, RFC 5915, RFC 8017), its length in one, two or three bytes. No certificate does.
    # The last is OpenSSH's own form.
    re.compile(
        r"\b(?:M[A-H][AEIMQUYcgkosw048]CAQ[A-H]|MI[GH][A-Za-z0-9+/_-]AgE[AB]|"
        r"MII[A-Za-z0-9+/_-]{2}[AQgw]IBA[A-Z]|b3BlbnNzaC1rZXktdjE)"
        rf"(?:{_WORD}|{BREAK})*"
    ),
    # The same in hexadecimal.
    re.compile(r"(?i)\b30(?:[0-7][0-9a-f]|81[0-9a-f]{2}|82[0-9a-f]{4})02010[01][0-9a-f]{40,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*"),
    re.compile(r"\bhv[sbr]\.[A-Za-z0-9_-]{8,}|\bs\.[A-Za-z0-9]{24}\b"),
    re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{20,}"),
    re.compile(r"\bpul-[0-9a-f]{40}|\bxox[abeprs]-[\w-]{10,}|AGE-SECRET-KEY-1\w+"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]{1,1000}(?=@)"),
    re.compile(r"(?<=earer |EARER )[\w+/=.~-]{20,}"),
    re.compile(r"(?<=asic |ASIC )[A-Za-z0-9+/=]{20,}"),
    re.compile(r"(?i)(?<=authorization: token )\S+"),
)

# The end of a name that stands before a password, a token or a key.
_NAME = (
    r"(?:(?i:pass(?:wd|word|phrase)|secret[_-]?id|(?:client|app|shared)[_-]?secret|"
    r"(?:api|access|account)[_-]?key)|(?<![A-Za-z])(?i:token)|(?<=[a-z])Token)"
)
# Neither a word of YAML, a short number, a path, a reference nor what is masked already.
_VALUE = r"(?!(?:true|false|null|none|nil|yes|no)\b|\d{1,5}\b|[\[{<$&*!|>/])"
NAMED = (
    # password=..., --token=..., ?access_token=...
    re.compile(rf"({_NAME}=){_VALUE}(\"[^\"\n]+\"|'[^'\n]+'|[^\s\"'&;,)\]}}]{{3,}})"),
    # "password": "...", also within a JSON text that is itself a value.
    re.compile(rf'({_NAME}"\s{{0,20}}:\s{{0,20}}"){_VALUE}((?:[^"\\]|\\.)+)'),
    re.compile(rf'({_NAME}\\+"\s{{0,20}}:\s{{0,20}}\\+"){_VALUE}([^"\\]+)'),
    # A line of YAML, or a header.
    re.compile(
        rf"(^[ \t]{{0,200}}(?:- )?[\"']?[\w.-]{{0,100}}?{_NAME}[\"']?[ \t]?:[ \t]{{1,20}})"
        rf"{_VALUE}([^\s\"']{{3,}}|\"[^\"\n]+\"|'[^'\n]+')[ \t]*$",
        re.MULTILINE,
    ),
    re.compile(r"((?i:x-vault-token|x-api-key|private-token)[\"']?[:=] ?[\"']?)([^\s\"',]{3,})"),
)
# A name of an environment variable or of a property whose value is secret, whatever it holds.
SECRET_KEY = re.compile(
    rf"\A(?:(?i:(?:private|secret|secret[_-]?access)[_-]?key)|[\w.-]{{0,200}}?{_NAME})\Z"
)
# Without any of these there is nothing to look for among the FORMS, or in base64.
HINT = re.compile(
    r"PRIVATE|[Bb](?:earer|asic)|B(?:EARER|ASIC)|://|eyJ|hv[sbr]\.|\bs\.|gh[pousr]_|github_pat_|"
    r"glpat-|pul-|xox|AGE-SECRET|AKIA|ASIA|[A-Za-z0-9+/_-]{40}|(?i:authorization: token)"
)
_NAMES = ("passw", "passphrase", "token", "secret", "key")
# Words of base64, together with those in the lines after: tools break them at 64 or 76.
CODED = re.compile(
    rf"[A-Za-z0-9+/_-]{{40,}}(?:{BREAK}{{1,9}}[A-Za-z0-9+/_-]{{40,}})*"
    rf"(?:{BREAK}{{1,9}}[A-Za-z0-9+/_-]{{1,39}}(?![A-Za-z0-9+/_-]))?={{0,2}}"
)
BREAKS = re.compile(BREAK)


def named(text: str) -> bool:
    """Whether there may be anything for NAMED: a search in C, where those take their time."""
    if "=" not in text and ":" not in text:
        return False
    lowered = text.lower()
    return any(name in lowered for name in _NAMES)
