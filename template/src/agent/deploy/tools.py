"""Factor 1: natural language to tool calls. Yours: this sample deploys nothing but a file.

`NextStep` is everything the model may say. A tool is a shape (a `Step` with an `intent`, its
docstring written to the model) and a function; `control_flow.py` says what each one means.

The sample is the deploy agent of the 12-factor guide, and it plays with files: `list_git_tags`
reads `sample/deploy/git_tags.json`, `deploy_backend` writes `data/deployed/<environment>.json`.
"""

import json
from pathlib import Path
from typing import Any, Literal

from ..engine import Call, Step, ToolError

TAGS = Path("sample/deploy/git_tags.json")
DEPLOYED = Path("data/deployed")


class ListGitTags(Step):
    """List the released versions of the backend, newest first."""

    intent: Literal["list_git_tags"]


class DeployBackend(Step):
    """Deploy one released version of the backend. Deploy to staging before production."""

    intent: Literal["deploy_backend"]
    tag: str
    environment: Literal["staging", "production"]


class RequestMoreInformation(Step):
    """Ask a person when the request is unclear, when something keeps failing, or when only a
    person can decide. Ask one question at a time."""

    intent: Literal["request_more_information"]
    question: str
    urgency: Literal["low", "medium", "high"]
    format: Literal["free_text", "yes_no", "multiple_choice"]
    choices: list[str]
    """Only for multiple_choice, else empty."""


class DoneForNow(Step):
    """Everything asked for is done, or nothing more can be done: tell the person so."""

    intent: Literal["done_for_now"]
    message: str


NextStep = ListGitTags | DeployBackend | RequestMoreInformation | DoneForNow


def list_git_tags(step: ListGitTags, call: Call) -> list[dict[str, Any]]:
    return read_tags()


def read_tags() -> list[dict[str, Any]]:
    try:
        tags: list[dict[str, Any]] = json.loads(TAGS.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ToolError(f"{error.filename} is missing; run this in the project's folder") from None
    return tags


def deploy_backend(step: DeployBackend, call: Call) -> dict[str, Any]:
    """Idempotent: a deployment that carries the key of the last one is that one."""
    if step.tag not in {tag["name"] for tag in read_tags()}:
        raise ToolError(f"there is no tag {step.tag!r}")
    deployed = DEPLOYED / f"{step.environment}.json"
    last = json.loads(deployed.read_text("utf-8")) if deployed.exists() else {}
    if last.get("key") != call.key:
        deployed.parent.mkdir(parents=True, exist_ok=True)
        written = deployed.with_suffix(".tmp")
        written.write_text(json.dumps({"tag": step.tag, "key": call.key}), "utf-8")
        written.replace(deployed)
    return {"deployed": step.tag, "environment": step.environment}
