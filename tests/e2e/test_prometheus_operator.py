"""What prometheus-operator itself makes of our objects, and that it refuses none of them."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.alert_routing.component import FILE, HEARTBEAT_KEY
from components.alerts.groups.sources import WATCHDOG
from components.names import ALERT_ROUTING
from tests.charts import operator_config
from tests.e2e import operated, real_alertmanager
from tests.e2e.mesh_objects import Manifest
from tests.e2e.operated import NAMESPACE, Operated
from tests.e2e.pod_monitor import scrape_config
from tests.programs import ran

pytestmark = pytest.mark.e2e
ELSEWHERE = "elsewhere"
# Of each: its namespace, and what it does with the namespace of a config.
ALERTMANAGERS = {
    "taken": (NAMESPACE, "None"),
    "own": (NAMESPACE, "OnNamespaceExceptForAlertmanagerNamespace"),
    "default": (NAMESPACE, None),
    "other": (ELSEWHERE, "OnNamespaceExceptForAlertmanagerNamespace"),
    operated.NEWEST: (NAMESPACE, "None"),
}
PREFIX = f"{NAMESPACE}/{ALERT_ROUTING}/"
# What its log calls an object of a kind that it leaves out.
SKIPPED = {
    "PodMonitor": "object",
    "PrometheusRule": "prometheusrule",
    "AlertmanagerConfig": "alertmanagerconfig",
}
IN_NAMESPACE = f'namespace="{NAMESPACE}"'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """The operator, with our objects of each kind and with who selects them."""
    with operated.running(tmp_path_factory.mktemp("operated")) as here:
        here.objects.apply(operated.namespace(ELSEWHERE))
        for name, (namespace, strategy) in ALERTMANAGERS.items():
            here.objects.apply(operated.alertmanager(name, namespace, strategy))
        here.objects.apply(*map(operated.prometheus, operated.PROMETHEUSES))
        yield here


def config(made: Operated, name: str) -> Any:
    """What an Alertmanager is given."""
    # Each receiver is there twice: with who it is, and in the route that tells it.
    count = 2 * len(made.routing["spec"]["receivers"])
    return made.operator.secret(
        ALERTMANAGERS[name][0],
        f"alertmanager-{name}-generated",
        "alertmanager.yaml.gz",
        PREFIX,
        count,
    )


@pytest.mark.parametrize("name", ALERTMANAGERS)
def test_every_alertmanager_gets_routes_inhibitions_and_receivers(
    made: Operated, name: str
) -> None:
    """The same as our own tests take for it, with a namespace where the page says that one comes.

    Its config is read by amtool too: an Alertmanager keeps the old one where it is refused.
    """
    strategy = "OnNamespace" if name in ("default", "other") else "None"
    given = config(made, name)
    expected = operator_config.generated(made.routing, operated.CREDENTIALS, strategy)
    assert given["route"]["routes"] == expected["route"]["routes"]
    assert given["inhibit_rules"] == expected["inhibit_rules"]
    receivers = {each["name"]: each for each in given["receivers"]}
    assert receivers == {each["name"]: each for each in expected["receivers"]}
    top = given["route"]["routes"][0]["matchers"]
    assert (IN_NAMESPACE in top) is (strategy == "OnNamespace")
    assert {IN_NAMESPACE in each["source_matchers"] for each in given["inhibit_rules"]} == {
        strategy == "OnNamespace"
    }
    assert len(given["inhibit_rules"]) == 9
    done = amtool("check-config", str(written(made.folder, given)))
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_forms_route_every_alert_alike(made: Operated) -> None:
    """One stack file, two Alertmanagers: nobody may be told by one of them alone."""
    as_object = written(made.folder, config(made, "taken"))
    as_file = made.folder / "file.yaml"
    as_file.write_text(operated.routing("file")["data"][FILE], encoding="utf-8")
    seen = set()
    for labels in samples():
        found = [taken_by(each, labels) for each in (as_object, as_file)]
        bare = found[0].removeprefix(PREFIX)
        # What is not ours goes to the Alertmanager's own route, or to that of the file.
        expected = "nobody" if bare == operator_config.ROOT else bare
        assert found[1] == expected, labels
        seen.add(found[1])
    assert seen == {"nobody", "critical", "critical:staging", "warning"}


def samples() -> list[dict[str, str]]:
    """Alerts of ours and of others, of each severity in several places."""
    ours = ("linkerd-platform", "other")
    severities = ("critical", "warning", "info")
    places = ("production", "staging", "sandbox")
    namespaces = ("linkerd", NAMESPACE)
    return [
        {"part_of": part, "severity": severity, "environment": place, "namespace": namespace}
        for part, severity, place, namespace in itertools.product(
            ours, severities, places, namespaces
        )
    ]


def test_a_heartbeat_reaches_the_alertmanager(made: Operated) -> None:
    """Its address comes out of the Secret, and its route is above those by severity."""
    given = config(made, "taken")
    (beat,) = [each for each in given["receivers"] if each["name"] == f"{PREFIX}heartbeat"]
    (hook,) = beat["webhook_configs"]
    assert hook["url"] == operated.CREDENTIALS[HEARTBEAT_KEY]
    labels = {"part_of": "linkerd-platform", "alertname": WATCHDOG, "severity": "info"}
    assert taken_by(written(made.folder, given), labels) == f"{PREFIX}heartbeat"


@pytest.mark.parametrize("name", operated.PROMETHEUSES)
def test_every_prometheus_gets_our_rules(made: Operated, name: str) -> None:
    """As they are, and promtool reads what it gets."""
    files = made.operator.config_map(NAMESPACE, f"prometheus-{name}-rulefiles-0", 2)
    assert len(files) == len(made.rules)
    for each in made.rules:
        metadata = each["metadata"]
        prefix = f"{metadata['namespace']}-{metadata['name']}-"
        (text,) = [text for name, text in files.items() if name.startswith(prefix)]
        assert yaml.safe_load(text) == each["spec"]
        file = made.folder / "rules.yaml"
        file.write_text(text, encoding="utf-8")
        promtool("check", "rules", str(file))


@pytest.mark.parametrize("name", operated.PROMETHEUSES)
def test_every_prometheus_scrapes_what_our_monitors_say(made: Operated, name: str) -> None:
    """A job for each, with the relabelings that our other tests take for the operator's."""
    given = made.operator.secret(
        NAMESPACE, f"prometheus-{name}", "prometheus.yaml.gz", "podMonitor/", 7
    )
    jobs = {each["job_name"]: each for each in given["scrape_configs"]}
    assert len(jobs) == len(made.monitors)
    for monitor in made.monitors:
        expected = scrape_config(monitor, [], {})
        job = jobs[expected["job_name"]]
        assert job["honor_labels"] is expected["honor_labels"]
        endpoint = monitor["spec"]["podMetricsEndpoints"][0]
        assert job["scrape_interval"] == endpoint["interval"]
        assert job["scrape_timeout"] == endpoint["scrapeTimeout"]
        # Popped, because a promtool may be built without it, as Debian's is.
        (discovery,) = job.pop("kubernetes_sd_configs")
        assert discovery["role"] == "pod"
        names = monitor["spec"]["namespaceSelector"].get("matchNames")
        assert discovery.get("namespaces", {}).get("names") == names
        # Ours ends with the addresses of processes, which no cluster has.
        ours = expected["relabel_configs"][:-1]
        first = next(i for i, each in enumerate(job["relabel_configs"]) if each == ours[0])
        assert job["relabel_configs"][first : first + len(ours)] == ours
        rest = job["relabel_configs"][:first] + job["relabel_configs"][first + len(ours) :]
        assert all("__tmp_" in json.dumps(each) for each in rest), rest
    file = made.folder / "prometheus.yaml"
    # The rest is of the Prometheus itself, and some of it newer than a promtool may be.
    file.write_text(yaml.safe_dump({"scrape_configs": given["scrape_configs"]}), encoding="utf-8")
    promtool("check", "config", "--syntax-only", str(file))


def test_the_operator_accepts_every_object_and_says_so(made: Operated) -> None:
    """What it refuses is left out of the config, and told in an event alone."""
    accepted = {name: [("Accepted", "True")] for name in operated.PROMETHEUSES}
    for each in (*made.rules, *made.monitors):
        path = made.objects.path(each, each["metadata"]["name"])
        made.cluster.wait(path, lambda body: bindings(body) == accepted, 240)
    broken = operated.BROKEN
    assert {key: note for key, note in rejections(made).items() if key[1] != broken} == {}
    assert [line for line in skipped(made) if broken not in line] == []


def bindings(body: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """What the operator says of an object, by the Prometheus that selects it."""
    return {
        each["name"]: [(one["type"], one["status"]) for one in each["conditions"]]
        for each in body.get("status", {}).get("bindings", [])
    }


@pytest.mark.parametrize(("kind", "noun"), SKIPPED.items())
def test_a_broken_object_is_told_of(made: Operated, kind: str, noun: str) -> None:
    """The checks that none was rejected must bite."""
    broken = made.broken(kind)
    made.objects.apply(broken)
    try:
        real_alertmanager.until(
            lambda: rejections(made).get((kind, broken["metadata"]["name"])), "an event"
        )
        told = [line for line in skipped(made) if operated.BROKEN in line]
        assert any(f"skipping {noun}" in line for line in told), told
    finally:
        made.objects.delete(broken)


def skipped(made: Operated) -> list[str]:
    """Lines of the log about objects that the operator leaves out."""
    # Others are about StatefulSets, which are not there at first.
    ours = [f'msg="skipping {noun}"' for noun in SKIPPED.values()]
    lines = made.operator.log().splitlines()
    return [line for line in lines if any(each in line for each in ours)]


def rejections(made: Operated) -> dict[tuple[str, str], str]:
    """Events about objects that the operator leaves out, by kind and name."""
    found = made.cluster.get("/apis/events.k8s.io/v1/events")
    assert found is not None
    return {
        (each["regarding"]["kind"], each["regarding"]["name"]): each["note"]
        for each in found["items"]
        if each["reason"] == "InvalidConfiguration"
    }


def test_the_admission_webhook_allows_ours_and_refuses_a_broken_one(made: Operated) -> None:
    """Where it is installed it is asked before anything of ours is kept."""
    made.guard()
    for kind in ("PrometheusRule", "AlertmanagerConfig"):
        broken = made.broken(kind, missing_secret=False)
        # The API server takes note of a webhook a moment after it is there.
        real_alertmanager.until(lambda broken=broken: refused(made, broken), "a refusal")
        assert "denied the request" in made.objects.refusal(broken)
    for each in (*made.rules, made.routing):
        again = {**each, "metadata": {**each["metadata"], "name": "again"}}
        answer = made.objects.send(again)
        assert answer.ok, answer
        made.objects.delete(again)


def refused(made: Operated, broken: Manifest) -> bool:
    """Whether it is; one that was taken is gone again."""
    taken = made.objects.send(broken).ok
    if taken:
        made.objects.delete(broken)
    return not taken


def taken_by(file: Path, labels: Mapping[str, str]) -> str:
    """The receiver that an Alertmanager with this config tells."""
    given = [f"{key}={value}" for key, value in labels.items()]
    done = amtool("config", "routes", "test", f"--config.file={file}", *given)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def written(folder: Path, content: Any) -> Path:
    """A config as a file."""
    file = folder / "alertmanager.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


def amtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """amtool; skips the test where there is none."""
    return _run("amtool", "it comes with Alertmanager", *arguments)


def promtool(*arguments: str) -> None:
    """promtool, which must be content; skips the test where there is none."""
    done = _run("promtool", "it comes with Prometheus", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def _run(name: str, whence: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on PATH: {whence}")
    return ran([found, *arguments], timeout=120)
