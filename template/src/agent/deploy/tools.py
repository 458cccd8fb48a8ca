"""The sample: the deploy agent of the 12-factor guide, playing with files in `sample/`.

`list_git_tags` reads `sample/git_tags.json`; `deploy_backend` writes
`sample/deployed/<environment>.json`. Nothing is really deployed.
"""

import json
from pathlib import Path
from typing import Any, Literal

from ..actions import Step
from ..errors import ToolError

SAMPLE = Path("sample")


class ListGitTags(Step):
    """List the released versions of the backend, newest first."""

    intent: Literal["list_git_tags"]


class DeployBackend(Step):
    """Deploy one released version of the backend. Deploy to staging before production."""

    intent: Literal["deploy_backend"]
    tag: str
    environment: Literal["staging", "production"]


def list_git_tags(step: ListGitTags | None = None, key: str = "") -> list[dict[str, Any]]:
    try:
        tags: list[dict[str, Any]] = json.loads((SAMPLE / "git_tags.json").read_text("utf-8"))
    except FileNotFoundError as error:
        raise ToolError(f"{error.filename} is missing; run this in the project's folder") from None
    return tags


def deploy_backend(step: DeployBackend, key: str) -> dict[str, Any]:
    """Idempotent: a deployment that carries the key of the last one is that one."""
    if step.tag not in {tag["name"] for tag in list_git_tags()}:
        raise ToolError(f"there is no tag {step.tag!r}")
    deployed = SAMPLE / "deployed" / f"{step.environment}.json"
    last = json.loads(deployed.read_text("utf-8")) if deployed.exists() else {}
    if last.get("key") != key:
        deployed.parent.mkdir(parents=True, exist_ok=True)
        written = deployed.with_suffix(".tmp")
        written.write_text(json.dumps({"tag": step.tag, "key": key}), "utf-8")
        written.replace(deployed)
    return {"deployed": step.tag, "environment": step.environment}
