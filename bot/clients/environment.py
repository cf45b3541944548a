"""The environment that the engine gets, made from an allow list.

What else a variable can do is beyond review: `PULUMI_OPTION_<FLAG>` is a flag of every command,
and `PULUMI_K8S_*` and `VAULT_SKIP_VERIFY` are arguments of the providers. So the program, the
engine and its plugins see what is listed here and nothing else, and what was meant for them and is
dropped is named once. https://www.pulumi.com/docs/iac/cli/environment-variables/
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass

# The process itself, and how it writes and measures.
_PROCESS = (
    "PATH HOME USER LOGNAME HOSTNAME TMPDIR TMP TEMP LANG LANGUAGE LC_[A-Z]+ TZ TERM "
    "XDG_[A-Z]+_(HOME|DIR) GOMAXPROCS GOMEMLIMIT SYSTEMROOT WSL_DISTRO_NAME"
)
# How servers are reached, and who vouches for them.
_NETWORK = "(HTTPS?|ALL|NO)_PROXY (https?|all|no)_proxy SSL_CERT_(FILE|DIR) SSH_AUTH_SOCK"
_KUBERNETES = "KUBECONFIG KUBERNETES_SERVICE_(HOST|PORT) USE_GKE_GCLOUD_AUTH_PLUGIN"
# Address, namespace and verification are the stack file's.
_VAULT = "VAULT_(TOKEN|CACERT|CACERT_BYTES|CAPATH|CLIENT_CERT|CLIENT_KEY|CLIENT_TIMEOUT)"
# Where the state is, and what decrypts it.
_PULUMI = (
    "PULUMI_(BACKEND_URL|API|ACCESS_TOKEN|HOME|CREDENTIALS_PATH|CONFIG_PASSPHRASE(_FILE)?) "
    "PULUMI_(DIY|SELF_MANAGED)_(BACKEND|STATE)_[A-Z_]+ "
    # These only forbid: to ask the network, or to take a plugin from PATH.
    "PULUMI_(SKIP_UPDATE_CHECK|DISABLE_AUTOMATIC_PLUGIN_ACQUISITION|IGNORE_AMBIENT_PLUGINS)"
)
# Credentials of clouds, for exec programs of kubeconfigs, object stores and key services.
_CLOUDS = (
    "AWS_[A-Z0-9_]+ AZURE_[A-Z0-9_]+ ARM_[A-Z0-9_]+ AAD_[A-Z0-9_]+ GOOGLE_[A-Z0-9_]+ "
    "CLOUDSDK_[A-Z0-9_]+ GCP_[A-Z0-9_]+ OCI_[A-Z0-9_]+ DIGITALOCEAN_[A-Z0-9_]+ "
    "IBMCLOUD_[A-Z0-9_]+ ALIBABA_CLOUD_[A-Z0-9_]+ SCW_[A-Z0-9_]+ HCLOUD_[A-Z0-9_]+ "
    "LINODE_[A-Z0-9_]+ CIVO_[A-Z0-9_]+ EXOSCALE_[A-Z0-9_]+ OS_[A-Z0-9_]+ TELEPORT_[A-Z0-9_]+ "
    "ACTIONS_ID_TOKEN_REQUEST_(URL|TOKEN)"
)
_ALLOWED = re.compile(
    "|".join((_PROCESS, _NETWORK, _KUBERNETES, _VAULT, _PULUMI, _CLOUDS)).replace(" ", "|")
)
# Meant for the engine, the program or a provider: whoever set it expects an effect.
_MEANT = re.compile(
    r"PULUMI_.*|PYTHON[A-Z]+|.*_OPTION_.*|VAULT_.*|TERRAFORM_VAULT_.*|HELM_.*|(LD|DYLD)_.*|GODEBUG"
)
# Named nowhere: nobody expects an effect on the result, or the stack file has it.
_EXPECTED = frozenset(
    {
        "VAULT_ADDR",
        "PULUMI_ORGANIZATION",
        "PYTHONUNBUFFERED",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONIOENCODING",
        "PYTHONUTF8",
    }
)
# Measured on the sandbox stack, an unchanged preview: 4.4 s without, 3.65 s with.
_GARBAGE_COLLECTION = "400"

PROVIDERS = ("kubernetes", "vault", "random")


@dataclass(frozen=True)
class Environment:
    """values: what the engine gets. dropped: names of what was meant for it and does not get."""

    values: Mapping[str, str]
    dropped: tuple[str, ...]


def of(brought: Mapping[str, str], given: Mapping[str, str] | None = None) -> Environment:
    """The environment for a stack, from `given` (default: our own).

    What the stack has `brought` along comes last, and is not filtered: it is the bot's own.
    """
    ours = os.environ if given is None else given
    kept = {name: value for name, value in ours.items() if _ALLOWED.fullmatch(name)}
    own = {
        **brought,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # Shows `--event-log`, which is hidden and unchanged for years.
        "PULUMI_DEBUG_COMMANDS": "true",
    }
    if plugins_on_path({**kept, **own}.get("PATH", "")):
        # Else each run asks the network for plugins that are there.
        own["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    unused = {*kept, *own, *_EXPECTED}
    dropped = tuple(sorted(n for n in ours if n not in unused and _MEANT.fullmatch(n)))
    return Environment({"GOGC": _GARBAGE_COLLECTION, **kept, **own}, dropped)


def plugins_on_path(path: str) -> bool:
    """True when every provider's program is on `path`."""
    return all(shutil.which(f"pulumi-resource-{name}", path=path) for name in PROVIDERS)


def clean(dropped: tuple[str, ...]) -> None:
    """Take what the engine does not get out of our own environment, and name it, once.

    The program runs in this process, and the SDKs read its environment:
    `PULUMI_K8S_DELETE_UNREACHABLE` would become an argument of the provider.
    """
    for name in dropped:
        os.environ.pop(name, None)
    if dropped:
        names = ", ".join(dropped)
        sys.stderr.write(f"not passed on to the engine: {names} (docs/workflows.md, Environment)\n")
