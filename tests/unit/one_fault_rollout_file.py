"""Files of a rollout plan with one fault each, and stack files that name one as they must not."""

from __future__ import annotations

from typing import Any

PLAN = "rollout/plan.yaml"
_WAVE = "waves:\n  - name: first\n    namespaces: [shop]\n"
_ALIAS = f"{_WAVE}  - name: b\n    labels: &team {{team: web}}\n  - name: c\n    labels: *team\n"

# name -> content of the file, line and key that are told, part of the message
IN_THE_FILE: dict[str, tuple[str, int, str, str]] = {
    "misspelt": ("wavs: []\n", 1, "wavs", "unknown key; did you mean 'waves'?"),
    "nothing-near": ("clusters: []\n", 1, "clusters", "valid here: waves, never, gates"),
    "deeper": (f"{_WAVE}    sok: 1h\n", 4, "waves[0].sok", "did you mean 'soak'?"),
    "section-at-the-top": (
        f"linkerd-platform:rollout:\n  {_WAVE.replace(chr(10), chr(10) + '  ')}\n",
        1,
        "linkerd-platform:rollout",
        "has the keys of the section at its top: waves, never, gates",
    ),
    "names-another": ("file: other.yaml\n", 1, "file", "a plan file names no other"),
    "twice": (f"{_WAVE}waves: []\n", 4, "waves", "is a duplicate (first in line 1)"),
    "alias": (
        _ALIAS,
        7,
        "waves[2].labels",
        "is an alias (`*name`): write the value out",
    ),
    "tag": ("never: !!set {a}\n", 1, "never", "has the tag !!set: remove it"),
    "bare-on": (f"{_WAVE}    state: on\n", 4, "waves[0].state", "or quote it"),
    "type": ("waves: first\n", 1, "waves", "should be a list, but it is 'first'"),
    "missing": ("waves:\n  - rest: true\n", 2, "waves[0].name", "missing: Name of the wave"),
    "rule": (
        "waves:\n  - name: first\n    namespaces:\n      - shop\n      - kube-system\n",
        5,
        "waves[0].namespaces[1]",
        "'kube-system' is never meshed",
    ),
    "rule-of-the-gates": ("gates:\n  window: 1m\n", 2, "gates.window", "write at least 2m"),
    "secret": ("never:\n  - secure: AAA\n", 2, "never[0]", "should be text"),
}
# name -> content of the file, part of the message: what is wrong with it as a whole
WHOLE: dict[str, tuple[str, str]] = {
    "empty": ("", "holds no plan: write its keys at the top: waves, never, gates"),
    "list": ("- shop\n", "holds no plan"),
    "text": ("shop\n", "holds no plan"),
}
# name -> section of the stack file, part of the message, which is of its key `rollout.file`
IN_THE_STACK_FILE: dict[str, tuple[dict[str, Any], str]] = {
    "not-there": ({"file": "rollout/none.yaml"}, "rollout/none.yaml: is not there: write the plan"),
    "a-folder": ({"file": "rollout"}, "rollout: is no file"),
    "no-yaml": ({"file": "rollout/broken.yaml"}, "rollout/broken.yaml: is no YAML: while parsing"),
    "no-text": ({"file": "rollout/binary.yaml"}, "rollout/binary.yaml: is not UTF-8"),
    "absolute": ({"file": "/etc/plan.yaml"}, "is not a path inside the project: write it"),
    "outside": ({"file": "../plan.yaml"}, "is not a path inside the project: write it"),
    "round-about": ({"file": "rollout/../../plan.yaml"}, "is not a path inside the project"),
    "other-slashes": ({"file": "rollout\\plan.yaml"}, "is not a path inside the project"),
    "two-ways": ({"file": "./rollout/plan.yaml"}, "write 'rollout/plan.yaml'"),
    "nothing": ({"file": ""}, "is not a path inside the project"),
    "number": ({"file": 7}, "should be text"),
    "link-out": ({"file": "rollout/out.yaml"}, "rollout/out.yaml: is a link that leads out of"),
    "folder-out": ({"file": "away/plan.yaml"}, "away/plan.yaml: is a link that leads out of"),
    "link-to-itself": ({"file": "rollout/loop.yaml"}, "is a link that leads to itself"),
    "with-waves": ({"file": PLAN, "waves": []}, "stands alone, and 'waves' beside it: write that"),
    "with-gates": ({"file": PLAN, "gates": {}, "never": []}, "and 'gates', 'never' beside it"),
    "with-unknown": ({"file": PLAN, "wavs": []}, "stands alone, and 'wavs' beside it"),
}
