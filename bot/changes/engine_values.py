"""Property values in the engine's events, as plain values without secrets.

Signatures and sentinels: pulumi sdk/go/common/resource, packages sig and plugin (rpc.go).
In an event the engine has replaced secrets already; they are replaced here whatever stands there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.text.hidden_values import SECRET, UNKNOWN

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105
_ASSET_SIGNATURE = "c44067f5952c0a294b673a41bacd8c17"
_ARCHIVE_SIGNATURE = "0def7320c3a5731c473e5ecbe6d01bc7"
_RESOURCE_SIGNATURE = "5cf8f73096256a8f31e491e813e4eb8e"
_OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
# One for each type that a value will have: bool, number, string, array, asset, archive, object.
_UNKNOWN = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
# Notes of providers to themselves among the inputs.
_INTERNAL = frozenset({"__defaults", "__inputs", "__provider", "__internal"})


def plain(value: Any) -> Any:
    """The value with `[secret]` for secrets and `[known after apply]` for what is unknown."""
    if isinstance(value, str):
        return UNKNOWN if value in _UNKNOWN else value
    if isinstance(value, Mapping):
        if _SIGNATURE in value:
            return _special(value)
        return {key: plain(item) for key, item in value.items() if key not in _INTERNAL}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def _special(value: Mapping[str, Any]) -> Any:
    match value[_SIGNATURE]:
        case signature if signature == _RESOURCE_SIGNATURE:
            return str(value.get("urn") or "")
        case signature if signature == _OUTPUT_SIGNATURE:
            if value.get("secret"):
                return SECRET
            return plain(value["value"]) if "value" in value else UNKNOWN
        case signature if signature in (_ASSET_SIGNATURE, _ARCHIVE_SIGNATURE):
            return {"hash": value.get("hash", UNKNOWN)}
        case _:
            # A secret, or something that only a newer engine knows: neither may be shown.
            return SECRET
