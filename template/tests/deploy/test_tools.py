"""The sample's tools. Yours, with the sample: replace it when you replace the tools."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent.deploy.tools import (
    DEPLOYED,
    TAGS,
    DeployBackend,
    ListGitTags,
    deploy_backend,
    list_git_tags,
    read_tags,
)
from agent.engine import Call, Thread, ToolError

CALL = Call(key="key", approved_by="", thread=Thread("t"))


@pytest.fixture(autouse=True)
def _work_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of its own that has two tags."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample/deploy").mkdir(parents=True)
    TAGS.write_text('[{"name": "v2"}, {"name": "v1"}]', "utf-8")


def deploy(tag: str) -> DeployBackend:
    return DeployBackend(intent="deploy_backend", tag=tag, environment="staging")


def test_the_tags_are_listed() -> None:
    step = ListGitTags(intent="list_git_tags")
    assert list_git_tags(step, CALL) == [{"name": "v2"}, {"name": "v1"}]


def test_a_tag_is_deployed_to_one_environment() -> None:
    assert deploy_backend(deploy("v1"), CALL) == {"deployed": "v1", "environment": "staging"}
    assert json.loads((DEPLOYED / "staging.json").read_text("utf-8"))["tag"] == "v1"
    assert not (DEPLOYED / "production.json").exists()


def test_deploying_again_with_the_same_key_changes_nothing() -> None:
    deployed = DEPLOYED / "staging.json"
    deploy_backend(deploy("v1"), CALL)
    before = deployed.stat().st_mtime_ns
    assert deploy_backend(deploy("v1"), CALL) == {"deployed": "v1", "environment": "staging"}
    assert deployed.stat().st_mtime_ns == before
    deploy_backend(deploy("v2"), replace(CALL, key="another key"))
    assert json.loads(deployed.read_text("utf-8"))["tag"] == "v2"


@pytest.mark.parametrize("tag", ["v3", "", "v", "../v1", "V1"])
def test_what_does_not_exist_is_not_deployed(tag: str) -> None:
    with pytest.raises(ToolError, match="there is no tag"):
        deploy_backend(deploy(tag), CALL)
    assert not DEPLOYED.exists()


def test_without_its_files_the_sample_says_where_to_run_it() -> None:
    TAGS.unlink()
    with pytest.raises(ToolError, match="run this in the project's folder"):
        read_tags()
