"""The files of `deploy/` that no test can run: they name what there is, and leave a node the time that it needs."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from balancing import DEPLOY, ROOT
from stompede.cli._listen import ListenSettings
from stompede.server.settings import Settings

KUBERNETES = {
    path.stem: yaml.safe_load(path.read_text("utf-8")) for path in (DEPLOY / "kubernetes").glob("*.yaml")
}
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
STOP_S = Settings.model_fields["shutdown_timeout_s"].default


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_variable_of_a_node_is_a_setting(path: Path) -> None:
    known = {f"STOMPEDE_{name.upper()}" for name in {**Settings.model_fields, **ListenSettings.model_fields}}
    assert set(re.findall(r"\bSTOMPEDE_[A-Z0-9_]+", path.read_text("utf-8"))) <= known


def test_kubernetes_waits_until_a_node_has_drained_and_stopped() -> None:
    pod = KUBERNETES["deployment"]["spec"]["template"]["spec"]
    (node,) = pod["containers"]
    before_s = float(node["lifecycle"]["preStop"]["exec"]["command"][1])
    drain_s = float(KUBERNETES["settings"]["data"]["STOMPEDE_DRAIN_S"])
    assert pod["terminationGracePeriodSeconds"] > before_s + drain_s + STOP_S


def test_kubernetes_asks_a_node_what_it_answers() -> None:
    (node,) = KUBERNETES["deployment"]["spec"]["template"]["spec"]["containers"]
    paths = {
        probe: node[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert paths == {
        "startupProbe": "/health/live",
        "livenessProbe": "/health/live",
        "readinessProbe": "/health/ready",
    }
    assert node["ports"] == [{"name": "http", "containerPort": ListenSettings.model_fields["port"].default}]


def test_all_of_kubernetes_means_the_same_pods_and_is_in_the_list() -> None:
    labels = KUBERNETES["deployment"]["spec"]["template"]["metadata"]["labels"]
    assert KUBERNETES["deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert KUBERNETES["service"]["spec"]["selector"] == labels
    assert KUBERNETES["disruption-budget"]["spec"]["selector"]["matchLabels"] == labels
    target = KUBERNETES["autoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", KUBERNETES["deployment"]["metadata"]["name"])
    listed = {name.removesuffix(".yaml") for name in KUBERNETES["kustomization"]["resources"]}
    assert listed == KUBERNETES.keys() - {"kustomization"}


def test_compose_names_the_nodes_to_haproxy_and_haproxy_to_the_nodes() -> None:
    services = COMPOSE["services"]
    nodes = {name for name, service in services.items() if service["image"] == "stompede"}
    haproxy = services["haproxy"]
    assert {haproxy["environment"][f"NODE_{number}"] for number in (1, 2, 3)} == {
        f"{name}:8080" for name in nodes
    }
    assert set(haproxy["depends_on"]) == nodes
    (subnet,) = COMPOSE["networks"]["default"]["ipam"]["config"]
    for name in nodes:
        node = services[name]
        assert node["environment"]["STOMPEDE_TRUSTED_PROXIES"] == subnet["subnet"]
        assert seconds(node["stop_grace_period"]) > float(node["environment"]["STOMPEDE_DRAIN_S"]) + STOP_S


def test_systemd_waits_until_a_node_has_drained_and_stopped() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[method-assign, assignment]
    unit.read(DEPLOY / "systemd" / "stompede.service")
    service = unit["Service"]
    variables = dict(entry.split("=", 1) for entry in service["Environment"].split())
    assert seconds(service["TimeoutStopSec"]) > float(variables["STOMPEDE_DRAIN_S"]) + STOP_S
    assert service["ExecStart"].split()[1:3] == ["serve", "--config"]


def test_the_image_takes_what_the_build_makes() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    (taken,) = re.findall(r"^COPY (requirements/\S+) dist/\*\.whl ", text, re.MULTILINE)
    assert (ROOT / taken).exists()
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").split()
    assert kept == ["*", "!dist/*.whl", f"!{taken}"]
    assert f"EXPOSE {ListenSettings.model_fields['port'].default}" in text


def test_haproxy_begins_with_blue() -> None:
    assert (DEPLOY / "haproxy" / "active.map").read_text("utf-8").split() == ["active", "blue"]
