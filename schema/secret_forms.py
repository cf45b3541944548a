"""What secrets look like by themselves: keys, tokens with a telling beginning, addresses.

No pattern takes more than linear time on a text that somebody made to be slow: repetitions are
bounded, or cannot overlap, and each pattern is tried only where one of its marks stands.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

Span = tuple[int, int]

# A line break, also as JSON writes it, once or several times over.
BREAK = r"(?:\s|\\+[nrt])"
# What stands before the lines of a key in a table, a quotation, a comment, a diff or a list.
_MARGIN = r"(?:[ \t|>#*+\-\"',:]|\\+[nrt\"]|\r?\n|&quot;)"
_WORD = r"[A-Za-z0-9+/_=-]"
_B64 = r"[A-Za-z0-9+/=]"
_KEY = r"[A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,40}"
_KEY_BEGIN = re.compile(rf"-----BEGIN {_KEY}-----|-----BEGIN [A-Z0-9 ]{{0,40}}PRIVATE KEY")
_KEY_END = re.compile(rf"-----END {_KEY}-----")
# No key is longer: RSA of 16,384 bits in base64, with margins.
_LONGEST_KEY = 40_000
_KEY_LINES = re.compile(rf"(?:{_MARGIN}{{0,12}}{_B64}{{8,}}(?![a-z]* [a-z]))*")
_RUN = re.compile(rf"{_B64}+")
_GAP = re.compile(rf"{_MARGIN}{{0,12}}")

# What is public, however random it looks.
PUBLIC = (
    (
        "-----BEGIN ",
        (
            r"-----BEGIN (?:TRUSTED |X509 |NEW |RSA |EC |PGP )?(?:CERTIFICATE(?: REQUEST)?|CRL|"
            r"PUBLIC KEY|SIGNATURE|X509 CRL)-----"
            rf"(?:{_MARGIN}|{_B64}){{0,40000}}(?:-----END [A-Z0-9 ]{{1,40}}-----)?"
        ),
    ),
    # Signatures and ciphertexts of Vault's transit engine.
    ("vault:v", r"\bvault:v\d{1,4}:[A-Za-z0-9+/=_-]{20,}"),
    ("AAAA", (r"\bAAAA[BCE][123][NV][zhj][A-Za-z0-9+/=]{20,}")),  # public keys of SSH
    ("sha", (r"\bsha(?:1|256|384|512)[-:=][\"']?[A-Za-z0-9+/=_-]{27,}")),
    ("SHA", (r"\bSHA(?:1|256|384|512)[-:=][A-Za-z0-9+/=_-]{27,}")),
    ("h1:", (r"\bh1:[A-Za-z0-9+/]{43}=")),
    (";base64,", (r"\bdata:(?:image|font)/[\w.+-]{1,40};base64,[A-Za-z0-9+/=]*")),
)

# Marks, of which one must stand in the text, and the pattern; a group is what is masked of it.
# They are compiled when they are needed first: few texts have any of the marks.
_FORMS: tuple[tuple[tuple[str, ...], str], ...] = (
    # A key in DER as base64 without armour: a SEQUENCE that begins with the INTEGER 0 or 1
    # (RFC 5208, RFC 5915, RFC 8017), its length in one, two or three bytes. No certificate
    # does. The last two are OpenSSH's own form, and PKCS12's.
    (
        ("CAQ", "AgE", "IBA", "b3BlbnNza"),
        (
            r"\b(?:M[A-H][AEIMQUYcgkosw048]CAQ[A-H]|MI[GH][A-Za-z0-9+/_-]AgE[AB]|"
            r"MII[A-Za-z0-9+/_-]{2}[AQgw]IBA[A-Z]|MI[IG][A-Za-z0-9+/]{1,3}AgEDM|b3BlbnNzaC1rZXktdjE)"
            rf"(?:{_WORD}{{8,}}|{BREAK}{{1,9}}(?={_WORD}{{16}})|(?<={_WORD}{{8}}){BREAK}{{1,9}}"
            rf"(?={_WORD}{{1,76}}(?:[\\\"']|\s|\Z))|{_WORD})*"
        ),
    ),
    # PKCS8 with a passphrase: its algorithm, PBES2 or one of PKCS12's, comes first (RFC 8018).
    (
        ("hkiG9w0BB", "GSqGSIb3DQE"),
        (
            rf"\bM[A-Za-z0-9+/]{{3,14}}(?:BgkqhkiG9w0BB[QR]|BgoqhkiG9w0BDA|YJKoZIhvcNAQU|"
            rf"GCSqGSIb3DQEFD|GCiqGSIb3DQEMA)(?:{_WORD}|{BREAK}{{1,9}}(?={_WORD}{{16}}))*"
        ),
    ),
    # DER in hexadecimal.
    (
        ("0201", "0609", "060a", "060A"),
        (
            r"(?i)\b(?:0x)?30(?:[0-7][0-9a-f]|81[0-9a-f]{2}|82[0-9a-f]{4})"
            r"(?:02010[013]|30[0-9a-f]{2}060[9a]2a864886f70d01(?:05|0c))[0-9a-f]{40,}"
        ),
    ),
    (("eyJ",), r"\beyJ[A-Za-z0-9_-]{8,4000}\.(?:eyJ)?[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,3}"),
    (("hv",), r"\bhv[sbr]\.[A-Za-z0-9_-]{8,}"),
    (("s.", "b.", "r."), r"\.(?:(?<=[^\w.-][sbr]\.)|(?<=\A[sbr]\.))[A-Za-z0-9]{24,}(?![\w.-])"),
    (
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        r"(?:\b|_)(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,})",
    ),
    (
        tuple(
            f"gl{kind}-"
            for kind in (
                "pat",
                "dt",
                "rt",
                "ptt",
                "soat",
                "cbt",
                "imt",
                "ft",
                "agent",
                "oas",
                "ffct",
            )
        ),
        r"\bgl(?:pat|dt|rt|ptt|soat|cbt|imt|ft|agent|oas|ffct)-[\w.-]{16,}",
    ),
    (("GR1348941",), r"\bGR1348941[\w-]{16,}"),
    (("pul-",), r"\bpul-[0-9a-f]{40}"),
    (("xox", "xapp-"), r"\bxox[abceoprs](?:\.xox[a-z])?-[\w.-]{8,}|\bxapp-[\w-]{10,}"),
    (("AGE-SECRET-KEY-", "AGE-PLUGIN-"), r"AGE-(?:SECRET-KEY-1|PLUGIN-)\w{10,}"),
    (
        ("AKIA", "ASIA", "ABIA", "ACCA", "AROA", "AIDA"),
        r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])",
    ),
    (("AIza",), r"\bAIza[\w-]{30,}"),
    (("ya29.", "GOCSPX-", "1//0"), r"\bya29\.[\w-]{16,}|\bGOCSPX-[\w-]{20,}|\b1//0[\w-]{20,}"),
    # Tokens by their first letters.
    (("sk-",), r"\b(?:sk|rk)-[A-Za-z0-9_-]{16,}"),
    (("_live_",), r"\b(?:sk|rk|pk)_live_\w{10,}"),
    (("_test_",), r"\b(?:sk|rk|pk)_test_\w{10,}"),
    (("whsec_",), r"\bwhsec_[\w+/=-]{10,}"),
    (("_v1_",), r"\bdo[opr]_v1_[0-9a-f]{32,}"),
    (("npm_",), r"\bnpm_[A-Za-z0-9]{20,}"),
    (("pypi-",), r"\bpypi-[\w-]{20,}"),
    (("rubygems_",), r"\brubygems_[0-9a-f]{32,}"),
    (("dckr_",), r"\bdckr_(?:pat|oat)_[\w-]{16,}"),
    (("hf_",), r"\bhf_[A-Za-z0-9]{20,}"),
    (("dapi",), r"\bdapi[0-9a-f]{32}"),
    (("shp",), r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    (("SG.",), r"\bSG\.[\w-]{10,}\.[\w-]{10,}"),
    (("key-",), r"\bkey-[0-9a-f]{32}\b"),
    (("NR",), r"\bNR(?:AK|JS|II)-[\w-]{16,}"),
    (("lin_",), r"\blin_(?:api|oauth)_\w{20,}"),
    (("glc_",), r"\bglc_[\w+/=-]{16,}"),
    (("glsa_",), r"\bglsa_\w{16,}"),
    (("sntry",), r"\bsntry[su]_[\w+/=-]{16,}"),
    (("phc_",), r"\bphc_\w{20,}"),
    (("phx_",), r"\bphx_\w{20,}"),
    (("TT3",), r"\bAT[AC]TT3[\w=-]{16,}"),
    (("PMAK-",), r"\bPMAK-[0-9a-f-]{30,}"),
    ((".atlasv1.",), r"\b\w{14}\.atlasv1\.[\w-]{20,}"),
    (("CCIP",), r"\bCCIP(?:AT|RJ)_\w{16,}"),
    (("bkua_",), r"\bbkua_[0-9a-f]{30,}"),
    (("ntn_",), r"\bntn_\w{30,}"),
    (("xkeysib-",), r"\bxkeysib-[\w-]{30,}"),
    (("dt0",), r"\bdt0[a-z]\d\d\.[A-Z0-9]{20,}(?:\.[A-Z0-9]{20,})?"),
    (("EAAA",), r"\bEAAA[\w-]{40,}"),
    (("sq0",), r"\bsq0(?:atp|csp|idp)-[\w-]{20,}"),
    (("tskey-",), r"\btskey-[a-z]{2,12}-[\w-]{10,}"),
    (("figd_",), r"\bfigd_[\w-]{20,}"),
    (("dp.",), r"\bdp\.(?:pt|st|ct|sa|audit)\.[\w.]{20,}"),
    (("nvapi-",), r"\bnvapi-[\w-]{20,}"),
    (("gsk_",), r"\bgsk_\w{20,}"),
    (("pplx-",), r"\bpplx-\w{20,}"),
    # Telegram's bots, Discord's.
    ((":AA",), r"\b\d{8,12}:AA[\w-]{30,}"),
    # Azure: a storage key, a client's secret, a signature of Storage.
    (("==",), r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==(?![A-Za-z0-9+/=])"),
    (("8Q~", "7Q~", "6Q~"), r"(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{31,34}(?![\w~.-])"),
    (("sig=",), r"(?<=[?&;]sig=)[^\s\"'&<>;]{8,}"),
    # Passwords as hashes, which can be tried at home: crypt, htpasswd, LDAP, MySQL, argon2.
    (("$",), r"\$(?:2[abxy]?|apr1|[1567y]|argon2(?:id|i|d)|pbkdf2[\w-]*|scrypt)\$[^\s\"'<>]{16,}"),
    (("{S", "{s"), r"\{(?i:S?SHA(?:256|512)?)\}[A-Za-z0-9+/=]{20,}"),
    # A bootstrap token of Kubernetes.
    (
        (".",),
        r"\.(?:(?<=[^\w.-][a-z0-9]{6}\.)|(?<=\A[a-z0-9]{6}\.))((?=[a-z]*\d)[a-z0-9]{16})(?![\w.-])",
    ),
    # Headers, in HTTP, curl and code: what comes after the scheme.
    (
        ("earer", "EARER"),
        r"(?:[Bb]earer|BEARER)(?: |%20|\+)[\"']?((?=[^\s]*\d)[\w+/=.~-]{6,}|[\w+/=.~-]{20,})",
    ),
    (
        ("uthorization", "UTHORIZATION"),
        (
            r"(?i)authorization\\*[\"']?\s{0,4}[:=,]{1,2}\s{0,4}(?:\\*[\"'])?(?:basic|bearer|token|digest|"
            r"apikey|api-key|key|negotiate|ntlm|hawk|genie[_-]?key|splunk|aws4-hmac-sha256)"
            r"[ =]\s{0,4}(?![<$\[{*.])([^\s\"'\\][^\n\"'\\]*)"
        ),
    ),
    (
        ("asic", "ASIC"),
        (
            r"(?:[Bb]asic|BASIC) ((?=[A-Za-z0-9+/]*(?:\d|[a-z][A-Z]|=))[A-Za-z0-9+/]{8,}={0,2})"
            r"(?![\w.])"
        ),
    ),
    (
        ("ookie", "OOKIE"),
        (
            r"(?i)\b(?:set-)?cookie2?\\*[\"']?\s{0,4}[:=]\s{0,4}(?:\\*[\"'])?([\w.-]{1,80}=[^\s\"'\\<>]"
            r"[^\n\"'\\<>]*)"
        ),
    ),
    (("Signature=", "ignature="), r"(?i)(?<=signature=)[\w%+/=-]{12,}"),
    (("igest ",), r"\b[Dd]igest ((?:username|realm|nonce|qop)=[^\n]{1,2000})"),
    # .netrc, and the addresses of MySQL's drivers.
    (("login ",), r"login \S{1,200} password (\S+)"),
    (("@tcp(", "@unix(", "@("), r"(?<![\w:/])[\w.-]{1,80}:([^\s\"']{1,200})@(?:tcp|unix)?\("),
    (
        (" -u ", "--user", "--proxy-user"),
        r"(?:\s-u|--user|--proxy-user)[ =]{0,2}[\"']?[\w.@+-]{1,80}:([^\s\"']{1,200})",
    ),
)

_MARKS = tuple((mark, pattern) for marks, pattern in _FORMS for mark in marks)


def found(text: str) -> Iterator[Span]:
    """What of the text is a secret by its look."""
    if "PRIVATE KEY" in text:
        yield from _keys(text)
    # Flat, for most texts have none of the marks, and a generator for each form costs more.
    patterns = [pattern for mark, pattern in _MARKS if mark in text]
    for pattern in dict.fromkeys(patterns):
        form = compiled(pattern)
        yield from (match.span(form.groups) for match in form.finditer(text))


@functools.cache
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, compiled when it is needed first."""
    return re.compile(pattern)


def public(text: str) -> list[Span]:
    """What of the text is public, however random it looks: certificates, digests, public keys."""
    return [
        match.span()
        for mark, pattern in PUBLIC
        if mark in text
        for match in compiled(pattern).finditer(text)
    ]


def _keys(text: str) -> Iterator[Span]:
    """Keys in armour; the end may be missing, or the beginning, where somebody has cut the text."""
    done = 0
    while begin := _KEY_BEGIN.search(text, done):
        end = _KEY_END.search(text, begin.end(), begin.end() + _LONGEST_KEY)
        if end:
            done = end.end()
        else:
            lines = _KEY_LINES.match(text, begin.end())
            done = lines.end() if lines else begin.end()
            if done == begin.end():
                continue  # prose that names the header
        yield begin.start(), done
    done = 0
    for end in _KEY_END.finditer(text):
        start, least = end.start(), 1
        window = text[max(done, start - _LONGEST_KEY) : start]
        done = end.end()
        for run in reversed(list(_RUN.finditer(window))):
            gap = window[run.end() : start - end.start() + len(window)]
            if len(run[0]) < least or not _GAP.fullmatch(gap):
                break
            start, least = end.start() - len(window) + run.start(), 8
        yield start, end.end()
