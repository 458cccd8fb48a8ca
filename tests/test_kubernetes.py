"""The manifests of an agent fit the schemas of Kubernetes, each other, the image and the code."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate as schemas  # type: ignore[import-untyped]
import pytest
import yaml

from create_12_factor_agent import engine

from . import variants
from .conftest import ROOT
from .menu import Answers

KUBECTL = shutil.which("kubectl")
SERVER: Answers = {"store": "postgres", "runner": "procrastinate"}
VARIANTS: dict[str, Answers] = {
    "sqlite": {"trigger": ["email"]},
    "sqlite, no web": {"web": "none"},
    "postgres": {"store": "postgres"},
    "workers": SERVER,
    "workers, no web": SERVER | {"web": "none"},
}
ENGINE = ROOT / "template/src/agent/engine"

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def rendered(newest: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("kubernetes")
    for name, answers in VARIANTS.items():
        chosen = variants.DEFAULT | answers | {"extra": ["docker", "kubernetes"]}
        engine.render(newest, folder / name, chosen | {"project_name": "mine"})
    return {name: folder / name for name in VARIANTS}


@pytest.fixture(params=VARIANTS)
def project(rendered: dict[str, Path], request: pytest.FixtureRequest) -> Path:
    return rendered[request.param]


@pytest.fixture
def manifests(project: Path) -> list[Manifest]:
    files = sorted(project.glob("kubernetes/*/*.yaml"))
    found = [one for file in files for one in yaml.safe_load_all(file.read_text("utf-8"))]
    return [one for one in found if one["kind"] != "Kustomization"]


@pytest.fixture
def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """The pod of each deployment and job, by name."""
    return {
        one["metadata"]["name"]: one["spec"]["template"]
        for one in manifests
        if one["kind"] in ("Deployment", "Job")
    }


def find(manifests: list[Manifest], kind: str) -> Iterator[Manifest]:
    return (one for one in manifests if one["kind"] == kind)


@pytest.mark.parametrize("version", [schemas.utils.all_versions()[0], schemas.latest_version()])
def test_each_manifest_fits_the_schemas_of_kubernetes(
    manifests: list[Manifest], version: str
) -> None:
    assert len(manifests) > 3
    for manifest in manifests:
        schemas.validate(manifest, version, strict=True)


def test_the_check_sees_a_field_that_does_not_exist(manifests: list[Manifest]) -> None:
    (deployment, *_) = find(manifests, "Deployment")
    deployment["spec"]["replica"] = 1
    with pytest.raises(schemas.ValidationError, match="replica"):
        schemas.validate(deployment, schemas.latest_version(), strict=True)


@pytest.mark.skipif(not KUBECTL, reason="needs kubectl")
def test_what_kustomize_makes_of_them_fits_too_and_every_image_has_its_version(
    project: Path, pods: dict[str, Manifest]
) -> None:
    top = project / "kubernetes/postgres"
    top = top if top.exists() else project / "kubernetes/base"
    command = [KUBECTL or "", "kustomize", str(top)]
    built = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = [*yaml.safe_load_all(built)]
    for manifest in found:
        schemas.validate(manifest, schemas.latest_version(), strict=True)
    spaces = {one["metadata"].get("namespace") for one in found if one["kind"] != "Namespace"}
    assert spaces == {"agent"}
    images = re.findall(r"\bimage: (.*)", built)
    assert images == ["registry.example.org/agent:1"] * len(pods)


def test_kustomizations_list_every_file_and_name_the_image_once(project: Path) -> None:
    texts = {
        file.parent: yaml.safe_load(file.read_text("utf-8"))
        for file in project.glob("kubernetes/*/kustomization.yaml")
    }
    for folder, text in texts.items():
        files = {file.name for file in folder.glob("*.yaml")} - {"kustomization.yaml"}
        assert {*text["resources"]} - {"../base"} == files
    assert sum("images" in text for text in texts.values()) == 1


def test_pods_fit_the_restricted_standard(
    manifests: list[Manifest], pods: dict[str, Manifest]
) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    (namespace,) = find(manifests, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in (each["spec"] for each in pods.values()):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert {*pod} & {"hostNetwork", "hostPID", "hostIPC"} == set()
        assert all({"emptyDir", "persistentVolumeClaim"} & {*volume} for volume in pod["volumes"])
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_pods_are_the_user_of_the_image_and_have_settings_by_reference(
    project: Path, pods: dict[str, Manifest]
) -> None:
    (user,) = re.findall(
        r"^USER (\d+):\d+$", (project / "Dockerfile").read_text("utf-8"), re.MULTILINE
    )
    for pod in (each["spec"] for each in pods.values()):
        assert pod["securityContext"]["runAsUser"] == int(user)
        for container in pod["containers"]:
            assert container["envFrom"] == [{"secretRef": {"name": "agent"}}]
            assert "env" not in container


def test_pods_have_longer_to_stop_than_the_code_takes(pods: dict[str, Manifest]) -> None:
    drain, grace = (
        float(
            re.findall(rf"^{name} = ([\d.]+)$", (ENGINE / file).read_text("utf-8"), re.MULTILINE)[0]
        )
        for name, file in (("DRAIN_S", "http/server.py"), ("GRACE_S", "runners/local.py"))
    )
    for name, pod in pods.items():
        if name != "migrate":
            (container,) = pod["spec"]["containers"]
            served = "serve" in container["args"]
            pause = float(container["lifecycle"]["preStop"]["exec"]["command"][1]) if served else 0
            needed = pause + (drain if served else 0) + grace
            assert pod["spec"]["terminationGracePeriodSeconds"] > needed, name


def test_what_selects_pods_selects_some(
    manifests: list[Manifest], pods: dict[str, Manifest]
) -> None:
    labels = [pod["metadata"]["labels"] for pod in pods.values()]
    for one in manifests:
        spec = one.get("spec", {})
        match one["kind"]:
            case "Service":
                selected = spec["selector"]
            case "NetworkPolicy":
                selected = spec["podSelector"]["matchLabels"]
            case "Deployment" | "PodDisruptionBudget":
                selected = spec["selector"]["matchLabels"]
            case _:
                continue
        assert any(selected.items() <= each.items() for each in labels), one["metadata"]["name"]


def test_a_file_that_sqlite_writes_has_one_pod_at_a_time(rendered: dict[str, Path]) -> None:
    text = (rendered["sqlite"] / "kubernetes/base/agent.yaml").read_text("utf-8")
    deployment, _ = yaml.safe_load_all(text)
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    volumes = {one["name"]: one for one in deployment["spec"]["template"]["spec"]["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"] == {"claimName": "data"}


# -- docs/kubernetes.md ------------------------------------------------------------------------


def test_its_page_names_its_files_and_its_manifest_fits(project: Path) -> None:
    page = (project / "docs/kubernetes.md").read_text("utf-8")
    named = re.findall(r"^\| `([\w/]+\.yaml)`", page, re.MULTILINE)
    files = {file.relative_to(project / "kubernetes").as_posix()
             for file in project.glob("kubernetes/*/*.yaml")}  # fmt: skip
    assert {*named} <= files
    assert {file for file in files if "kustomization" not in file} <= {*named}
    for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL):
        schemas.validate(yaml.safe_load(block), schemas.latest_version(), strict=True)


def test_its_command_checks_the_manifests(project: Path) -> None:
    page = (project / "docs/kubernetes.md").read_text("utf-8")
    (command,) = re.findall(r"^\$ uvx (kubernetes-validate .*)", page, re.MULTILINE)
    program = Path(sys.executable).with_name("kubernetes-validate")
    checked = subprocess.run(
        ["bash", "-c", command.replace("kubernetes-validate", str(program), 1)],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout
    assert "ERROR" not in checked.stdout


@pytest.mark.skipif(not KUBECTL, reason="needs kubectl")
def test_its_commands_are_those_of_kubectl(project: Path) -> None:
    """Without a cluster: each flag is one that its command has."""
    page = (project / "docs/kubernetes.md").read_text("utf-8")
    commands = re.findall(r"^\$ kubectl (.*)", page, re.MULTILINE)
    assert len(commands) > 3
    for command in commands:
        words = command.removeprefix("--namespace agent ").removeprefix("--namespace default ")
        verb = re.findall(r"^(create \w+(?: generic)?|rollout \w+|[\w-]+)", words)[0]
        asked = [KUBECTL or "", *verb.split(), "--help"]
        ran = subprocess.run(asked, capture_output=True, text=True, check=True)
        known = {*re.findall(r"--[\w-]+", ran.stdout), "--namespace"}
        assert {*re.findall(r"--[\w-]+", words)} <= known, command
