"""The type of pulumi_random that the program registers."""

from __future__ import annotations

from sandbox.providers.kinds import Field, ResourceKind

_STRING = ResourceKind(
    "random:index/randomString:RandomString",
    "{result}",
    (
        Field("length", replaces=True),
        *(
            Field(name, absent=True, replaces=True)
            for name in ("special", "upper", "lower", "numeric", "number")
        ),
        Field("keepers", replaces=True),
        *(
            Field(name, absent=0, given=False)
            for name in ("minLower", "minNumeric", "minSpecial", "minUpper")
        ),
        Field("result", given=False),
    ),
    returned=True,
    version=2,
    marks_defaults=False,
)
KINDS = {_STRING.token: _STRING}
