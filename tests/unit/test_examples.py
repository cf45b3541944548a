"""The examples are stack files that the program takes, and each of their steps follows the last."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.plan.mock.engine import evaluate
from tests.unit.crd_schemas import faults, is_custom
from tests.unit.example_calls import Request, lets_in
from tests.unit.stack_files import REPO, good, write

EXAMPLES = REPO / "examples"
PLAN = EXAMPLES / "rollout"
# A program of its own: tests/unit/test_standalone.py.
PROGRAM = EXAMPLES / "standalone"
DELIVERY, INGRESS = EXAMPLES / "delivery", EXAMPLES / "ingress"
EGRESS = EXAMPLES / "egress-gateway"
OTHERS = (PLAN, PROGRAM, DELIVERY, INGRESS, EGRESS)
FILES = sorted(file for file in EXAMPLES.glob("*/*.yaml") if file.parent not in OTHERS)
NAMES = [str(file.relative_to(EXAMPLES)) for file in FILES]
PREFIX = "linkerd-platform:"


def sections(file: Path) -> dict[str, Any]:
    """The sections of an example by name."""
    held = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {key.removeprefix(PREFIX): value for key, value in held.items()}


def objects(file: Path, folder: Path) -> list[dict[str, Any]]:
    """What the program makes of an example beyond a stack without it."""

    made = evaluate(write(folder, {**good(), **sections(file)}), REPO).resources
    namespace = file.parent.name
    return [
        each.inputs for each in made if namespace in (each.inputs.get("metadata") or {}).values()
    ]


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_an_example_is_a_stack_file_whose_objects_the_crds_allow(
    file: Path, tmp_path: Path
) -> None:
    """An example that is refused teaches the wrong thing."""
    found = objects(file, tmp_path)
    kinds = {each["kind"] for each in found}
    assert {"Namespace", "Server", "AuthorizationPolicy", "EgressNetwork"} <= kinds
    assert ("NetworkPolicy" in kinds) == (not file.name.startswith("1-"))
    for each in found:
        assert not is_custom(each) or faults(each) == []


def request(account: str, app: str, port: int, said: str) -> Request:
    """A request of a workload of the same namespace; said: method and path."""
    method, path = said.split()
    return Request(account, app, port, method, path)


# What the applications call, read in their sources: booksapp webapp.rb, authors.rb, books.rb,
# models/ and traffic/main.go; emojivoto web/, emojivoto-web/ and its vote bot.
_LIST_VOTE = ("/emojivoto.v1.EmojiService/ListAll", "/emojivoto.v1.VotingService/VoteDoughnut")
CALLS: dict[str, list[Request]] = {
    "booksapp": [
        request("booksapp/traffic", "webapp", 7000, "GET /"),
        request("booksapp/traffic", "webapp", 7000, "GET /reset"),
        request("booksapp/traffic", "webapp", 7000, "POST /authors"),
        request("booksapp/traffic", "webapp", 7000, "POST /books/7/edit"),
        request("booksapp/webapp", "authors", 7001, "GET /authors.json"),
        request("booksapp/webapp", "authors", 7001, "POST /authors.json"),
        request("booksapp/webapp", "authors", 7001, "DELETE /authors/7.json"),
        request("booksapp/webapp", "books", 7002, "GET /books.json"),
        request("booksapp/webapp", "books", 7002, "PUT /books/7.json"),
        request("booksapp/webapp", "books", 7002, "DELETE /books/7.json"),
        # A book is of an author who exists; an author's books go with the author.
        request("booksapp/books", "authors", 7001, "HEAD /authors/7.json"),
        request("booksapp/authors", "books", 7002, "GET /books.json"),
        request("booksapp/authors", "books", 7002, "DELETE /books/7.json"),
        # The kubelet has no identity.
        *(request("", app, port, "GET /ping") for app, port in
          (("webapp", 7000), ("authors", 7001), ("books", 7002))),
    ],
    "emojivoto": [
        request("emojivoto/default", "web-svc", 8080, "GET /api/vote"),
        request("emojivoto/web", "emoji-svc", 8080, f"POST {_LIST_VOTE[0]}"),
        request("emojivoto/web", "voting-svc", 8080, f"POST {_LIST_VOTE[1]}"),
        request("linkerd-viz/prometheus", "emoji-svc", 8801, "GET /metrics"),
        request("linkerd-viz/prometheus", "voting-svc", 8801, "GET /metrics"),
    ],
}  # fmt: skip
NOT_MADE: dict[str, list[Request]] = {
    "booksapp": [
        request("booksapp/traffic", "authors", 7001, "GET /authors.json"),
        request("booksapp/books", "authors", 7001, "DELETE /authors/7.json"),
        request("booksapp/authors", "books", 7002, "POST /books.json"),
        request("other/webapp", "books", 7002, "GET /books.json"),
        request("", "webapp", 7000, "GET /"),
    ],
    "emojivoto": [
        request("emojivoto/default", "voting-svc", 8080, f"POST {_LIST_VOTE[1]}"),
        request("emojivoto/voting", "emoji-svc", 8080, f"POST {_LIST_VOTE[0]}"),
        request("emojivoto/web", "emoji-svc", 8801, "GET /metrics"),
        request("linkerd-viz/prometheus", "emoji-svc", 8801, "GET /debug"),
        request("", "web-svc", 8080, "GET /"),
    ],
}


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_an_example_lets_in_what_the_application_calls_and_nothing_else(
    file: Path, tmp_path: Path
) -> None:
    """Else the demo breaks at `deny`: deleting an author deletes books, by the authors' account."""
    made, name = objects(file, tmp_path), file.parent.name
    assert [each for each in CALLS[name] if not lets_in(made, each)] == []
    assert [each for each in NOT_MADE[name] if lets_in(made, each)] == []


@pytest.mark.parametrize("name", ["emojivoto", "booksapp"])
def test_denying_is_the_same_rules_on_a_higher_default_policy(name: str) -> None:
    """Else what was counted before is not what is refused after."""
    before, after = (sections(EXAMPLES / name / f"{step}.yaml") for step in ("1-meshed", "2-deny"))
    rules = [each["policy"]["namespaces"][name] for each in (before, after)]
    assert rules[0]["services"] == rules[1]["services"]
    assert [each["defaultInboundPolicy"] for each in rules] == ["audit", "deny"]


@pytest.mark.parametrize("name", ["emojivoto", "booksapp"])
def test_traffic_comes_on_top_of_denying(name: str) -> None:
    """Who may call whom stays: only the rate of a port and the routes are new."""
    before, after = (sections(EXAMPLES / name / f"{step}.yaml") for step in ("2-deny", "3-traffic"))
    assert after.pop("traffic")["services"]
    for service in after["policy"]["namespaces"][name]["services"]:
        for port in service["ports"]:
            port.pop("rateLimit", None)
    assert after == before


def test_an_example_retries_no_request_that_changes_something(tmp_path: Path) -> None:
    """A vote that is made twice counts twice, an author who is created twice is two."""
    retried = set()
    for name in ("emojivoto", "booksapp"):
        (tmp_path / name).mkdir()
        for each in objects(EXAMPLES / name / "3-traffic.yaml", tmp_path / name):
            if any(key.startswith("retry.") for key in each["metadata"].get("annotations", {})):
                retried.add(each["metadata"]["name"])
    assert retried == {"authors.7001.reads", "emoji-svc.8080"}


def test_the_plan_of_several_stacks_is_one_that_each_takes(tmp_path: Path) -> None:
    """Named as from the project, so that the section can be copied as it is."""
    section = sections(PLAN / "stack.yaml")
    name = section["rollout"]["file"]
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text((REPO / name).read_text(encoding="utf-8"), encoding="utf-8")
    for cluster in ("one", "other"):
        sample = good()
        sample["cluster"]["name"] = cluster
        made = evaluate(write(tmp_path, {**sample, **section}), REPO)
        assert made.exports["rollout"] == {"emojivoto": "on", "booksapp": "opt-in"}


def delivered(name: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The objects that an application's team owns, by kind and name."""
    text = (DELIVERY / name).read_text(encoding="utf-8")
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(text)}


@pytest.mark.parametrize("name", ["argo.yaml", "flagger.yaml"])
def test_progressive_delivery_has_objects_that_its_own_crds_allow(name: str) -> None:
    """Of a group whose CRDs this machine lacks, nothing can be said."""
    custom = [each for each in delivered(name).values() if is_custom(each)]
    assert custom
    for each in custom:
        assert faults(each) == []


def test_argo_moves_the_weights_of_the_route_that_is_made(tmp_path: Path) -> None:
    """It refuses a route that is not there, or that does not have both of its Services."""
    made = evaluate(write(tmp_path, {**good(), **sections(DELIVERY / "stack.yaml")}), REPO)
    routes = [each.inputs for each in made.resources if each.inputs.get("kind") == "HTTPRoute"]
    own = delivered("argo.yaml")
    canary = own["Rollout", "cart"]["spec"]["strategy"]["canary"]
    plugin = canary["trafficRouting"]["plugins"]["argoproj-labs/gatewayAPI"]
    (route,) = (each for each in routes if each["metadata"]["name"] == plugin["httpRoute"])
    assert route["metadata"]["namespace"] == plugin["namespace"]
    refs = {ref["name"] for rule in route["spec"]["rules"] for ref in rule["backendRefs"]}
    assert refs == {canary["stableService"], canary["canaryService"]}
    parents = {ref["name"] for ref in route["spec"]["parentRefs"]}
    assert {("Service", name) for name in refs | parents} <= own.keys()
    # Flagger's are its own: none of ours is called like one that it makes.
    assert "web" not in {each["metadata"]["name"].partition(".")[0] for each in routes}


def test_flagger_makes_its_route_for_the_service_of_the_stack_file() -> None:
    """With the version that the stack file names, it sees that Linkerd has accepted the route."""
    services = sections(DELIVERY / "stack.yaml")["traffic"]["services"]
    own = delivered("flagger.yaml")
    canary = own["Canary", "web"]
    (ref,) = canary["spec"]["service"]["gatewayRefs"]
    assert services[f"{ref['namespace']}/{ref['name']}"]["port"] == ref["port"]
    # Of a Service that Flagger has made, it sets the annotations back: there would be no breaker.
    assert services["shop/web"]["breaker"] is not None
    assert own["Service", ref["name"]]["metadata"].keys() == {"name", "namespace"}


def test_the_shop_behind_the_ingress_is_closed_but_for_its_pages(tmp_path: Path) -> None:
    """An example that opens too much is copied as it is."""
    made = evaluate(write(tmp_path, {**good(), **sections(INGRESS / "stack.yaml")}), REPO)
    found = [
        each.inputs
        for each in made.resources
        if "kind" in each.inputs and "linkerd-ingress" in str(each.inputs)
    ]
    for each in found:
        assert not is_custom(each) or faults(each) == []
    kinds = {
        kind: {e["metadata"]["name"] for e in found if e.get("kind") == kind}
        for kind in ("HTTPRoute", "SecurityPolicy")
    }
    open_ = kinds["HTTPRoute"] - kinds["SecurityPolicy"]
    assert open_ == {"web", "old-cart", "http-to-https"}
    every = [each.inputs for each in made.resources if "kind" in each.inputs]
    for app in ("web", "cart", "admin"):
        assert lets_in(every, request("linkerd-ingress/ingress", app, 8080, "GET /"))
        assert not lets_in(every, request("", app, 8080, "GET /"))


def test_the_cart_alone_pays_and_holds_no_credential(tmp_path: Path) -> None:
    """An example that lets too many call, or leaves a way round, is copied as it is."""
    made = evaluate(write(tmp_path, {**good(), **sections(EGRESS / "stack.yaml")}), REPO)
    found = {
        (
            each.inputs["kind"],
            each.inputs["metadata"]["namespace"],
            each.inputs["metadata"]["name"],
        ): each.inputs
        for each in made.resources
        if "kind" in each.inputs and each.inputs["metadata"].get("namespace")
    }
    for each in found.values():
        assert not is_custom(each) or faults(each) == []
    rules = found["SecurityPolicy", "linkerd-egress-gateway", "bank"]["spec"]["authorization"]
    (rule,) = rules["rules"]
    assert rules["defaultAction"] == "Deny"
    assert rule["principal"]["headers"][0]["values"] == [
        "cart.shop.serviceaccount.identity.linkerd.cluster.local"
    ]
    assert rule["principal"]["jwt"]["scopes"] == ["bank.pay"]
    secrets = {place for kind, place, name in found if kind == "ExternalSecret"
               and name in ("bank-client", "bank-credential", "post-credential")}  # fmt: skip
    assert secrets == {"linkerd-egress-gateway"}
    packets = found["NetworkPolicy", "shop", "linkerd-platform-egress"]["spec"]["egress"]
    outside = [peer for each in packets for peer in each.get("to", ()) if "ipBlock" in peer]
    assert not [e for e in outside if e["ipBlock"]["cidr"].endswith("/0")]


def test_the_page_names_each_example() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\| \[[^]]+\]\(([^)]+)\)", page) == [
        *(
            f"{name}/{step}.yaml"
            for name in ("emojivoto", "booksapp")
            for step in ("1-meshed", "2-deny", "3-traffic")
        ),
        "rollout/plan.yaml",
        "delivery/stack.yaml",
        "ingress/stack.yaml",
        "egress-gateway/stack.yaml",
    ]
    there = {str(file.relative_to(EXAMPLES)) for file in EXAMPLES.glob("*/*.yaml")}
    assert there == set(re.findall(r"\(([^)]+\.yaml)\)", page))
