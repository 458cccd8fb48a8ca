"""What the commands that only look tell, of a repository and of where it came from."""

import json
import os
from pathlib import Path

import pytest

from create_12_factor_agent import source

from .conftest import Run, program
from .templates import commit, git, write


def test_status_tells_of_each_file_what_became_of_it(project: Path, run: Run) -> None:
    write(project, {
        "src/agent/engine/loop.py": "mine", "src/agent/engine/llms/openai.py": None,
        "README.md": "mine", "src/agent/deploy/tools.py": None,
        "src/agent/mine.py": "not a file of the template",
    })  # fmt: skip
    ran = run("status")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "yours    README.md",
        "deleted  src/agent/deploy/tools.py",
        "deleted  src/agent/engine/llms/openai.py",
        "edited   src/agent/engine/loop.py",
    ]
    assert ran.err == "3 pristine, 1 edited, 2 deleted, 1 yours\n"
    told = json.loads(run("status", "--json").out)
    assert told["commit"] == "v0.1.0"
    assert told["files"]["pyproject.toml"] == "pristine"


def test_status_compares_with_what_it_was_made_from(
    project: Path, template: Path, run: Run
) -> None:
    commit(template, {"template/src/agent/engine/loop.py": "newer"}, "v0.2.0")
    assert "edited" not in run("status").out
    assert git(project, "status", "--short") == ""


def test_the_parts_are_listed_with_those_that_are_there(project: Path, run: Run) -> None:
    lines = run("parts").out.splitlines()
    assert "* openai         llm      OpenAI, and every compatible endpoint" in lines
    assert "  docker         extra    Dockerfile and compose.yaml" in lines
    told = json.loads(run("parts", "--json", "--project", str(project)).out)
    assert {part["name"]: part["chosen"] for part in told["parts"]}["docker"] is False


def test_the_parts_are_listed_outside_of_a_repository(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run("parts")
    assert ran.code == 0
    assert all(line.startswith("  ") for line in ran.out.splitlines())


def findings(run: Run, code: int) -> dict[str, tuple[str, str]]:
    ran = run("doctor", "--json")
    assert ran.code == code, ran.out
    told = json.loads(ran.out)["findings"]
    return {finding["what"]: (finding["state"], finding["detail"]) for finding in told}


def test_the_doctor_finds_nothing_bad(project: Path, run: Run) -> None:
    found = findings(run, 0)
    assert {state for state, _ in found.values()} <= {"good", "note"}
    assert found["variables"] == ("note", "Not set: OPENAI_API_KEY.")
    write(project, {".env": "OPENAI_API_KEY=secret\n"})
    assert "variables" not in findings(run, 0)


def test_the_doctor_finds_what_is_wrong(
    project: Path, template: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(template, {"template/new.txt": "new"}, "v0.2.0")
    commit(
        project, {"src/agent/engine/loop.py": "<<<<<<< before updating\n=======\n>>>>>>> after\n"}
    )
    write(project, {"new": ""})
    tools = project.parent / "tools"
    tools.mkdir()
    (tools / "git").symlink_to("/usr/bin/git")
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.delenv("UV", raising=False)
    found = findings(run, 1)
    assert found["uv"] == ("bad", "not installed")
    assert found["merges"] == ("bad", "Conflict markers in src/agent/engine/loop.py.")
    assert found["commits"][0] == "note"
    assert found["version"] == ("note", "v0.2.0 is newer.")
    assert "update" in run("doctor").out


def test_the_doctor_outside_of_a_repository_says_so(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert findings(run, 1)["repository"][0] == "bad"


@pytest.mark.parametrize("command", ["add", "remove", "update", "status", "parts", "doctor"])
def test_every_command_has_help(run: Run, command: str) -> None:
    ran = run(command, "--help")
    assert ran.code == 0
    assert "--project" in ran.out
    assert command in run("--help").out


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("bash", {"COMP_WORDS": f"{source.NAME} add op", "COMP_CWORD": "2"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": f"{source.NAME} add op"}),
    ],
)
def test_a_shell_completes_parts(tmp_path: Path, shell: str, words: dict[str, str]) -> None:
    ran = program(cwd=tmp_path, _CREATE_12_FACTOR_AGENT_COMPLETE=f"complete_{shell}", **words)
    assert "openai" in ran.stdout


def test_a_folder_may_be_called_like_a_command(run: Run, tmp_path: Path) -> None:
    assert run("./add", "--yes", "--no-install", "--no-git").code == 0
    assert (tmp_path / "add/pyproject.toml").is_file()
    assert not os.path.lexists(tmp_path / "status")
