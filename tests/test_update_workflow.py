"""The workflow that makes pull requests of updates, with a real remote and a fake GitHub."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import ROOT
from .templates import commit, git

WORKFLOWS = ROOT / "template/.github/workflows"
TEXT = (WORKFLOWS / "update.yml").read_text("utf-8")
FLOW = yaml.safe_load(TEXT)
(JOB,) = FLOW["jobs"].values()
STEPS: list[dict[str, Any]] = JOB["steps"]

BRANCH = "create-12-factor-agent/update"
PAGE = "body.md"

FAKE = r'''#!{python}
"""Stand in for uvx, uv, pip and gh: record each call, and act on the files of the test."""

import json, os, subprocess, sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

place, name, arguments = Path("{place}"), Path(sys.argv[0]).name, sys.argv[1:]
with (place / "calls").open("a") as calls:
    calls.write(json.dumps([name, *arguments, os.environ.get("GH_TOKEN", "")]) + "\n")
plan = json.loads((place / "plan.json").read_text())


def conflict(file):
    """Leave a file as git does that could not merge it."""
    blob = subprocess.check_output(["git", "hash-object", "-w", file], text=True).strip()
    prefix = subprocess.check_output(["git", "rev-parse", "--show-prefix"], text=True).strip()
    entries = [f"0 {{'0' * 40}}\t{{prefix}}{{file}}"]
    entries += [f"100644 {{blob}} {{stage}}\t{{prefix}}{{file}}" for stage in (1, 2, 3)]
    feed = "".join(f"{{entry}}\0" for entry in entries)
    subprocess.run(["git", "update-index", "-z", "--index-info"], input=feed, text=True, check=True)


def option(flag):
    return arguments[arguments.index(flag) + 1]


def github(pulls):
    match arguments:
        case ["auth", "setup-git"]:
            return
        case ["api", address, "--jq", ".[0].number // empty"]:
            asked = {{key: value[0] for key, value in parse_qs(urlsplit(address).query).items()}}
            assert urlsplit(address).path == "repos/ana/my-agent/pulls"
            found = [one for one in pulls if asked.items() <= one.items()]
            print(*[one["number"] for one in found[:1]], sep="\n")
        case ["api", "--silent", "--method", "PATCH", address, *_]:
            (pull,) = [one for one in pulls if address.endswith(f"agent/pulls/{{one['number']}}")]
            pull["title"] = option("--raw-field").removeprefix("title=")
            pull["body"] = Path(option("--field").removeprefix("body=@")).read_text("utf-8")
        case ["pr", "ready", *flags, number]:
            if flags and not plan["drafts"]:
                sys.exit("no permission to convert to draft")
            (pull,) = [one for one in pulls if one["number"] == int(number)]
            pull["draft"] = flags == ["--undo"]
        case ["pr", "create", *_]:
            if "--draft" in arguments and not plan["drafts"]:
                sys.exit("Draft pull requests are not supported in this repository.")
            pulls.append({{
                "number": len(pulls) + 1, "state": "open", "head": f"ana:{{option('--head')}}",
                "base": option("--base"), "title": option("--title"),
                "body": Path(option("--body-file")).read_text("utf-8"),
                "draft": "--draft" in arguments,
            }})
        case _:
            sys.exit(f"unknown: {{arguments}}")


match name:
    case "uvx":
        for file, text in plan["writes"].items():
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            Path(file).write_text(text, "utf-8")
        for file in plan["update"].get("conflicts", []):
            conflict(file)
        print(json.dumps(plan["update"]))
        print(plan["says"], file=sys.stderr)
        sys.exit(plan["code"])
    case "uv":
        Path("uv.lock").write_text("locked\n") if plan["locks"] else sys.exit("unsatisfiable")
    case "gh":
        pulls = json.loads((place / "pulls.json").read_text())
        github(pulls)
        (place / "pulls.json").write_text(json.dumps(pulls))
'''


@dataclass(frozen=True)
class Job:
    """What a run of the workflow left in its log, and how it ended."""

    code: int
    log: str
    ran: list[str]
    """The names of the steps that were not skipped."""


@dataclass
class GitHub:
    """A repository with a bare remote, and runners that start from a fresh clone of it."""

    place: Path
    secrets: dict[str, str] = field(default_factory=dict)
    folder: str = "."

    @property
    def remote(self) -> Path:
        return self.place / "remote.git"

    @property
    def pulls(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.place / "pulls.json").read_text())
        return found

    def calls(self, program: str) -> list[list[str]]:
        """Return the arguments of each call, with the token it could see at the end."""
        lines = (self.place / "calls").read_text().splitlines()
        return [rest for name, *rest in map(json.loads, lines) if name == program]

    def tip(self, branch: str = BRANCH) -> str:
        return git(self.remote, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")

    def read(self, file: str) -> str:
        return git(self.remote, "show", f"{BRANCH}:{file}")

    def push(self, branch: str, files: Mapping[str, str], *, onto: str = "main") -> str:
        """Commit files as the owner does, and push them."""
        clone = self._clone(f"owner-{len(list(self.place.iterdir()))}", onto)
        made = commit(clone, files)
        git(clone, "push", "--quiet", "origin", f"HEAD:{branch}")
        return made

    def run(
        self, update: Mapping[str, Any], *, code: int = 0, says: str = "", locks: bool = True,
        drafts: bool = True, writes: Mapping[str, str] | None = None,
    ) -> Job:  # fmt: skip
        """Run the workflow where `update --json` prints `update` and ends with `code`."""
        files = writes or {name: f"new {name}\n" for name in update.get("files", [])}
        plan = {"update": update, "code": code, "says": says, "locks": locks, "drafts": drafts}
        (self.place / "plan.json").write_text(json.dumps(plan | {"writes": files}))
        (self.place / "calls").write_text("")
        clone = self._clone(f"runner-{len(list(self.place.iterdir()))}", "main")
        temp = clone.with_name(f"{clone.name}-temp")
        temp.mkdir()
        return self._steps(clone / self.folder, temp)

    def _clone(self, name: str, branch: str) -> Path:
        address = f"file://{self.remote}"
        git(self.place, "clone", "--quiet", "--depth=1", "--branch", branch, address, name)
        return self.place / name

    def _steps(self, folder: Path, temp: Path) -> Job:
        outputs: dict[str, str] = {}
        ran: list[str] = []
        log = ""
        for step in STEPS:
            if "run" not in step or ("if" in step and not _holds(step["if"], outputs)):
                continue
            output = temp / "output"
            output.write_text("")
            given = {key: self._value(text, outputs) for key, text in step.get("env", {}).items()}
            done = _shell(step, folder, self._environment(temp, output) | given)
            ran, log = [*ran, step.get("name", step["run"])], log + done.stdout
            if done.returncode:
                return Job(done.returncode, log, ran)
            pairs = [line.split("=", 1) for line in output.read_text().splitlines()]
            outputs |= {f"steps.{step.get('id')}.outputs.{key}": value for key, value in pairs}
        return Job(0, log, ran)

    def _environment(self, temp: Path, output: Path) -> dict[str, str]:
        return {
            "PATH": f"{self.place / 'bin'}:{os.environ['PATH']}", "HOME": str(self.place),
            "RUNNER_TEMP": str(temp), "GITHUB_OUTPUT": str(output), "GITHUB_REF_NAME": "main",
            "GITHUB_REPOSITORY": "ana/my-agent", "GITHUB_REPOSITORY_OWNER": "ana",
        }  # fmt: skip

    def _value(self, text: str, outputs: Mapping[str, str]) -> str:
        """Evaluate an expression of alternatives, as GitHub does."""
        known = {"github.token": "default", **self.secrets, **outputs}
        (expression,) = re.findall(r"^\${{ (.+) }}$", text)
        return next((known[one] for one in expression.split(" || ") if known.get(one)), "")


def _holds(condition: str, outputs: Mapping[str, str]) -> bool:
    name, value = condition.split(" == ")
    return outputs.get(name, "") == value.strip("'")


def _shell(
    step: Mapping[str, Any], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a step with the shell that GitHub would take."""
    script = Path(environment["RUNNER_TEMP"], "script")
    script.write_text(step["run"])
    command = {"": ["bash", "-e"], "python": [sys.executable]}[step.get("shell", "")]
    return subprocess.run(
        [*command, script], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.fixture
def github(tmp_path: Path) -> GitHub:
    (tmp_path / "bin").mkdir()
    for name in ("uvx", "uv", "pip", "gh"):
        fake = tmp_path / "bin" / name
        fake.write_text(FAKE.format(python=sys.executable, place=tmp_path))
        fake.chmod(0o755)
    (tmp_path / "pulls.json").write_text("[]")
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
    commit(tmp_path / "first", {"pyproject.toml": "old\n", "src/loop.py": "old\n"})
    git(tmp_path / "first", "push", "--quiet", str(tmp_path / "remote.git"), "main")
    return GitHub(tmp_path)


NOTHING = {"before": "v0.2.0", "after": "v0.2.0", "files": []}
CLEAN = {
    "before": "v0.1.0", "after": "v0.2.0", "files": [".copier-answers.yml", "src/loop.py"],
    "conflicts": [], "lost": [], "missed": [],
    "news": {"changes": ["A faster loop."], "behaviour": ["`WAIT_S=5` is as before."]},
    "needs": ["# WAIT_S=60"], "notes": [],
}  # fmt: skip
LEFT = CLEAN | {
    "conflicts": ["src/loop.py"], "lost": ["src/lost.py"], "missed": ["src/missed.py"],
    "followed": {"src/old.py": "src/mine.py"}, "offered": ["sample/new.json"],
    "notes": ["Look at the loop."],
}  # fmt: skip
MARKED = {"src/loop.py": "<<<<<<< yours\nold\n=======\nnew\n>>>>>>> theirs\n"}


# -- what it may do --------------------------------------------------------------------------


def test_it_uses_the_actions_of_the_other_workflow_and_no_others() -> None:
    pins = re.findall(r"uses: (.*)", TEXT)
    assert pins == re.findall(r"uses: (.*)", (WORKFLOWS / "check.yml").read_text("utf-8"))
    assert len(pins) == 2
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", pin) for pin in pins)


def test_it_may_push_a_branch_and_open_a_pull_request_and_nothing_else() -> None:
    assert FLOW["permissions"] == {"contents": "write", "pull-requests": "write"}
    assert "permissions" not in JOB


def test_two_runs_never_overlap() -> None:
    assert FLOW["concurrency"]["group"]


def test_it_runs_by_schedule_and_by_hand() -> None:
    assert FLOW[True].keys() == {"schedule", "workflow_dispatch"}  # YAML 1.1 reads `on` so


def test_no_expression_becomes_part_of_a_script() -> None:
    assert [step for step in STEPS if "${{" in step.get("run", "")] == []


def test_only_the_last_step_has_a_token() -> None:
    *others, last = STEPS
    assert last["env"]["GH_TOKEN"] == "${{ secrets.UPDATE_TOKEN || github.token }}"  # noqa: S105
    assert not re.search("token|secrets", str(others).lower())
    assert others[0]["with"] == {"persist-credentials": False}


def test_the_app_token_of_its_page_is_pinned_and_may_push_workflows_too() -> None:
    page = (ROOT / "template/docs/ci.md").read_text("utf-8")
    step, token, _ = [
        yaml.safe_load(one) for one in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    ]
    assert re.search(r"uses: [\w/-]+@[0-9a-f]{40} # v[\d.]+\n", page)
    may = {key.removeprefix("permission-"): value for key, value in step[0]["with"].items()}
    assert may.items() >= (FLOW["permissions"] | {"workflows": "write"}).items()
    assert token == {"GH_TOKEN": "${{ steps.%s.outputs.token }}" % step[0]["id"]}  # noqa: UP031


# -- what it does ----------------------------------------------------------------------------


def test_nothing_newer_ends_quietly_and_leaves_an_open_pull_request_alone(github: GitHub) -> None:
    assert github.run(CLEAN).code == 0
    pulls, tip = github.pulls, github.tip()
    job = github.run(NOTHING)
    assert job.code == 0
    assert job.ran[-1] == "Lock, and describe what changed"
    assert (github.pulls, github.tip()) == (pulls, tip)
    assert github.calls("gh") == github.calls("uv") == []


def test_it_asks_for_the_newest_version_as_json_and_installs_nothing(github: GitHub) -> None:
    github.run(NOTHING)
    command = ["create-12-factor-agent@latest", "update", "--json", "--no-install"]
    assert [call[:-1] for call in github.calls("uvx")] == [command]


def test_an_update_becomes_a_pull_request_with_its_news(github: GitHub) -> None:
    assert github.run(CLEAN).code == 0
    (pull,) = github.pulls
    assert (pull["title"], pull["base"]) == ("Update the template to v0.2.0", "main")
    assert pull["draft"] is False
    assert "changed 2 files (v0.1.0 to v0.2.0)" in pull["body"]
    assert "**What changed**\n\n- A faster loop.\n" in pull["body"]
    assert "**What behaves differently**\n\n- `WAIT_S=5` is as before." in pull["body"]
    assert "**New settings in `.env.example`**\n\n    # WAIT_S=60" in pull["body"]
    assert "Merge these" not in pull["body"]


def test_the_branch_is_one_commit_with_everything_and_the_lock_file(github: GitHub) -> None:
    github.run(CLEAN)
    assert github.read("src/loop.py") == "new src/loop.py"
    assert github.read("uv.lock") == "locked"
    assert git(github.remote, "rev-parse", f"{BRANCH}~1") == github.tip("main")
    assert git(github.remote, "log", "-1", "--format=%s %cn", BRANCH) == (
        "Update the template to v0.2.0 github-actions[bot]"
    )


def test_what_is_left_to_the_owner_makes_a_draft_that_lists_it(github: GitHub) -> None:
    assert github.run(LEFT, code=3, writes=MARKED).code == 0
    (pull,) = github.pulls
    assert pull["draft"] is True
    sections = re.findall(r"^\*\*(.*?)\*\*.*\n\n(.*)", pull["body"], re.MULTILINE)
    assert {heading: line.strip() for heading, line in sections} == {
        "Merge these by hand.": "src/loop.py",
        "Deleted, with your edits.": "src/lost.py",
        "Not updated.": "src/missed.py",
        "What changed": "- A faster loop.",
        "What behaves differently": "- `WAIT_S=5` is as before.",
        "New settings in `.env.example`": "# WAIT_S=60",
        "Updated under the names you gave them": "src/old.py -> src/mine.py",
        "New sample files, not added": "sample/new.json",
        "Notes": "- Look at the loop.",
    }
    assert github.read("src/loop.py") == MARKED["src/loop.py"].rstrip("\n")


def test_a_repository_without_drafts_gets_a_plain_pull_request(github: GitHub) -> None:
    for _ in range(2):  # opened, then refreshed
        assert github.run(LEFT, code=3, writes=MARKED, drafts=False).code == 0
        assert [pull["draft"] for pull in github.pulls] == [False]


def test_a_project_file_with_conflicts_is_not_locked(github: GitHub) -> None:
    update = CLEAN | {"conflicts": ["pyproject.toml"]}
    assert github.run(update, code=3, writes={"pyproject.toml": "<<<\n"}).code == 0
    assert github.calls("uv") == []
    assert "run `uv lock` when `pyproject.toml` is merged" in github.pulls[0]["body"]


def test_a_lock_that_fails_is_a_note(github: GitHub) -> None:
    job = github.run(CLEAN, locks=False)
    assert (job.code, "unsatisfiable" in job.log) == (0, True)
    assert "- `uv lock` failed" in github.pulls[0]["body"]


def test_a_newer_version_refreshes_the_same_pull_request(github: GitHub) -> None:
    github.run(LEFT, code=3, writes=MARKED)
    main = github.push("main", {"README.md": "mine\n"})
    assert github.run(CLEAN | {"after": "v0.3.0"}).code == 0
    (pull,) = github.pulls
    assert (pull["title"], pull["draft"]) == ("Update the template to v0.3.0", False)
    assert "Merge these" not in pull["body"]
    assert git(github.remote, "rev-parse", f"{BRANCH}~1") == main
    github.run(LEFT, code=3, writes=MARKED)
    assert [pull["draft"] for pull in github.pulls] == [True]


def test_the_same_update_is_not_pushed_again(github: GitHub) -> None:
    github.run(CLEAN)
    tip = github.tip()
    assert github.run(CLEAN).code == 0
    assert github.tip() == tip


def test_a_branch_with_commits_of_the_owner_is_left_alone(github: GitHub) -> None:
    github.run(LEFT, code=3, writes=MARKED)
    mine = github.push(BRANCH, {"src/loop.py": "merged\n"}, onto=BRANCH)
    before = github.pulls
    job = github.run(CLEAN | {"after": "v0.3.0"})
    assert (job.code, "::notice::Pull request #1 has commits of yours" in job.log) == (0, True)
    assert (github.tip(), github.pulls) == (mine, before)


def test_a_branch_left_from_a_closed_pull_request_is_replaced(github: GitHub) -> None:
    github.run(CLEAN)
    github.push(BRANCH, {"src/loop.py": "merged\n"}, onto=BRANCH)
    closed = [pull | {"state": "closed"} for pull in github.pulls]
    (github.place / "pulls.json").write_text(json.dumps(closed))
    assert github.run(CLEAN | {"after": "v0.3.0"}).code == 0
    assert [pull["state"] for pull in github.pulls] == ["closed", "open"]
    assert git(github.remote, "rev-parse", f"{BRANCH}~1") == github.tip("main")


def test_a_pull_request_of_a_fork_is_never_taken_for_ours(github: GitHub) -> None:
    theirs = {"number": 1, "state": "open", "head": f"eve:{BRANCH}", "title": "Fix", "body": ""}
    (github.place / "pulls.json").write_text(json.dumps([theirs]))
    assert github.run(CLEAN).code == 0
    assert github.pulls[0] == theirs
    assert github.pulls[1]["head"] == f"ana:{BRANCH}"


@pytest.mark.parametrize("code", [1, 2, 130])
def test_an_update_that_fails_fails_the_job_with_its_message(github: GitHub, code: int) -> None:
    job = github.run(CLEAN, code=code, says="Error: no such version.")
    assert job.code == code
    assert "Error: no such version." in job.log
    assert job.ran[-1] == "Update"
    assert (github.tip(), github.pulls) == ("", [])


def test_a_refused_push_says_which_page_helps(github: GitHub) -> None:
    hook = github.remote / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho no workflows permission >&2\nexit 1\n")
    hook.chmod(0o755)
    job = github.run(CLEAN)
    assert (job.code, "::error::The push was refused. docs/ci.md" in job.log) == (1, True)
    assert github.pulls == []


def test_the_secret_is_used_where_there_is_one(github: GitHub) -> None:
    github.run(CLEAN)
    assert {call[-1] for call in github.calls("gh")} == {"default"}
    github.secrets["secrets.UPDATE_TOKEN"] = "of an app"  # noqa: S105
    github.run(CLEAN)
    assert {call[-1] for call in github.calls("gh")} == {"of an app"}
    assert {call[-1] for name in ("uvx", "uv") for call in github.calls(name)} == {""}


def test_a_project_in_a_subfolder_is_updated_from_there(github: GitHub) -> None:
    github.push("main", {"agents/mine/pyproject.toml": "old\n", "agents/mine/loop.py": "old\n"})
    github.folder = "agents/mine"
    update = LEFT | {"conflicts": ["loop.py"]}
    assert github.run(update, code=3, writes={"loop.py": "<\n"}).code == 0
    assert github.read("agents/mine/loop.py") == "<"
    assert github.read("agents/mine/uv.lock") == "locked"


HOSTILE = "`$(touch pwned)` ${{ x }}; \"'$(touch pwned)\n::error::x"
NAMES = ['a "b".py', "c'd.py", "$(touch pwned).py", "`touch pwned`.py", "-e.py", "e\nf.py", "é.py"]


def test_hostile_news_and_file_names_arrive_as_text(github: GitHub) -> None:
    update = LEFT | {
        "after": HOSTILE, "news": {"changes": [HOSTILE], "behaviour": []}, "missed": NAMES,
        "notes": [HOSTILE], "needs": [HOSTILE], "files": NAMES, "conflicts": [],
    }  # fmt: skip
    job = github.run(update, code=3)
    assert job.code == 0
    (pull,) = github.pulls
    one_line = " ".join(HOSTILE.split())
    assert pull["title"] == f"Update the template to {one_line}"
    assert pull["body"].count(f"\n- {one_line}") == 2
    for name in NAMES:
        assert f"\n    {name if name.isprintable() else json.dumps(name)}\n" in pull["body"]
    assert "::error::" not in [line[:9] for line in job.log.splitlines()]
    assert list(github.place.rglob("pwned")) == []
    stored = git(github.remote, "ls-tree", "--name-only", "-z", BRANCH).split("\0")
    assert {*NAMES} <= {*stored}


def test_a_body_that_is_too_long_for_github_is_cut(github: GitHub) -> None:
    news = {"changes": ["long " * 1000] * 20, "behaviour": []}
    assert github.run(LEFT | {"news": news}, code=3, writes=MARKED).code == 0
    body = github.pulls[0]["body"]
    assert (len(body), "src/missed.py" in body) == (65_000, True)
