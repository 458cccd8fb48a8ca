"""A change reaches the working tree whole or not at all, also when it is stopped or killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from create_12_factor_agent import journal, temporary

from .conftest import Ran, Run, tree
from .templates import FILES, commit, git, write

LOOP = FILES["template/src/agent/engine/loop.py"]
FIXED = LOOP.replace("line_15 = 15", "line_15 = 'fixed'")
CONFLICTING = LOOP.replace("line_15 = 15", "line_15 = 'mine'")

NEWER = {
    "template/src/agent/engine/loop.py": FIXED,
    "template/src/agent/engine/llms/openai.py": None,
    "template/docs/new.md": "new",
}
"""One file in conflict, one that goes, one that comes."""


@pytest.fixture
def behind(project: Path, template: Path) -> Path:
    """Give a project with an edit, and a newer template in conflict with it."""
    commit(project, {"src/agent/engine/loop.py": CONFLICTING})
    commit(template, NEWER, "v0.2.0")
    return project


def change(run: Run, *arguments: str) -> Ran:
    return run("update", *arguments, *(() if "--continue" in arguments else ("--no-install",)))


def looks(project: Path) -> tuple[dict[str, bytes], str, str]:
    """Return all that an owner can see: files, their status, and the index."""
    files = {name: held for name, held in tree(project).items() if not name.startswith(".git/")}
    return files, git(project, "status", "--short"), git(project, "ls-files", "--stage")


def leftovers(folder: Path) -> list[Path]:
    return [*folder.glob("*create-12-factor-agent-*")]


# -- stopped ---------------------------------------------------------------------------------

STARTED = """
import os, signal, sys, time
from pathlib import Path
from create_12_factor_agent import history, merge, publish, source
source._CHECKOUT = Path(sys.argv.pop(1))
def wait():
    print('waiting', flush=True)
    time.sleep(60)
def kill():
    os.kill(os.getpid(), signal.SIGKILL)
def before(module, name, act, calls=0):
    real = getattr(module, name)
    counted = []
    def wrapper(*given, **options):
        counted.append(name)
        if len(counted) > calls:
            act()
        return real(*given, **options)
    setattr(module, name, wrapper)
{patch}
from create_12_factor_agent.__main__ import main
main()
"""

MOMENTS = {
    "while the template is fetched": "before(history, '_find', wait)",
    "while git merges": "before(merge, '_merge_trees', wait)",
    "just before it is published": "before(publish, '_check_free', wait)",
}


def started(project: Path, template: Path, patch: str) -> subprocess.Popen[str]:
    code = STARTED.replace("{patch}", patch)
    return subprocess.Popen(
        [sys.executable, "-c", code, template, "update", "--no-install"],
        cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"TMPDIR": str(template.parent)},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_leaves_everything_as_it_was(
    behind: Path, template: Path, number: signal.Signals, moment: str
) -> None:
    before = looks(behind)
    with started(behind, template, MOMENTS[moment]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert err.endswith("Error: Stopped.\nNothing was changed.\n")
    assert looks(behind) == before
    assert not leftovers(template.parent)


# -- failed ----------------------------------------------------------------------------------


@pytest.fixture
def outer(template: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a repository with a project in a folder, a newer template, and work elsewhere in it."""
    outer = tmp_path / "outer"
    commit(outer, {"other": "", "staged": "", "gone": ""})
    assert run("outer/agents/mine", "--yes", "--no-install").code == 0
    commit(outer, {"agents/mine/src/agent/engine/loop.py": CONFLICTING})
    commit(template, NEWER, "v0.2.0")
    write(outer, {"other": "not committed", "staged": "staged", "new": "new", "gone": None})
    git(outer, "add", "staged", "gone")
    monkeypatch.chdir(outer / "agents/mine")
    return outer


def test_a_failure_leaves_the_work_of_neighbours(
    outer: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = looks(outer)
    ready = journal.Journal.write

    def lock(change: journal.Journal) -> None:
        ready(change)
        (outer / ".git/index.lock").touch()

    with monkeypatch.context() as patched:
        patched.setattr(journal.Journal, "write", lock)
        ran = change(run)
    assert ran.code == 1
    assert "index.lock" in ran.err
    (outer / ".git/index.lock").unlink()
    assert looks(outer) == before
    assert change(run).code == 3


def test_a_success_leaves_the_work_of_neighbours(outer: Path, run: Run) -> None:
    elsewhere = (":/", ":!agents")
    before = [git(outer, "status", "--short", *elsewhere), git(outer, "diff", *elsewhere)]
    assert change(run).code == 3
    assert [git(outer, "status", "--short", *elsewhere), git(outer, "diff", *elsewhere)] == before
    assert "M  staged" in before[0]
    assert git(outer, "diff", "--cached", "--name-only", "--diff-filter=d").splitlines() == [
        "agents/mine/src/agent/engine/loop.py",
        "staged",
    ]


def test_a_file_that_git_was_told_to_ignore_is_not_overwritten(behind: Path, run: Run) -> None:
    git(behind, "update-index", "--assume-unchanged", "src/agent/engine/loop.py")
    write(behind, {"src/agent/engine/loop.py": "not committed"})
    before = looks(behind)
    ran = change(run)
    assert ran.code == 1
    assert "src/agent/engine/loop.py is not as in your last commit" in ran.err
    assert looks(behind) == before


def test_a_file_outside_of_a_sparse_checkout_is_named(behind: Path, run: Run) -> None:
    git(behind, "sparse-checkout", "set", "docs")
    before = looks(behind)
    ran = change(run)
    assert (ran.code, looks(behind)) == (1, before)
    assert "src/agent/engine/llms/openai.py is outside of your sparse checkout" in ran.err


def test_a_new_file_that_git_ignores_is_named(behind: Path, run: Run) -> None:
    commit(behind, {".gitignore": "docs/\n"})
    assert "Note: git ignores docs/new.md: add it with git add --force." in change(run).err


def test_two_changes_do_not_run_at_once(behind: Path, run: Run) -> None:
    before = looks(behind)
    with journal.held(behind):
        ran = change(run)
    assert (ran.code, looks(behind)) == (1, before)
    assert "Another change of this repository is running" in ran.err


# -- killed ----------------------------------------------------------------------------------

STEPS = [
    "before(publish, '_remove', kill)",
    *(f"before(publish, '_move', kill, {number})" for number in range(3)),
    "before(publish, '_write_index', kill)",
    "publish.replace = lambda *_, **__: kill()",
]
"""Every moment between two steps of a change."""


def killed(project: Path, template: Path, patch: str) -> None:
    with started(project, template, patch) as process:
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_change_that_was_killed_is_finished_or_undone(
    behind: Path, template: Path, run: Run, step: str
) -> None:
    before = looks(behind)
    assert change(run).code == 3
    finished = looks(behind)
    assert run("update", "--abort").code == 0
    assert looks(behind) == before
    killed(behind, template, step)
    assert run("update", "--abort").code == 0
    assert looks(behind) == before
    killed(behind, template, step)
    assert run("update", "--continue").code == 3
    assert looks(behind) == finished
    assert not (behind / ".git/index.lock").exists()


def test_a_change_that_was_killed_is_found_by_every_command(
    behind: Path, template: Path, run: Run
) -> None:
    killed(behind, template, "before(publish, '_move', kill, 1)")
    for command in ("update", "update --check", "update --dry-run", "add docker", "status"):
        ran = run(*command.split())
        assert ran.code == 2, command
        assert ran.err.endswith(
            "Error: A change (v0.1.0 to v0.2.0) was stopped halfway.\n"
            "Finish it: create-12-factor-agent update --continue\n"
            "Undo it: create-12-factor-agent update --abort\n"
        )
    assert "BAD  changes: A change (v0.1.0 to v0.2.0)" in run("doctor").out
    assert run("update", "--abort").code == 0
    assert "ok   changes" in run("doctor").out


def test_a_change_that_was_killed_is_not_stamped(behind: Path, template: Path) -> None:
    killed(behind, template, "before(publish, '_write_index', kill)")
    assert "_commit: v0.1.0\n" in (behind / ".copier-answers.yml").read_text()


def test_an_edit_made_after_a_kill_is_not_lost(behind: Path, template: Path, run: Run) -> None:
    killed(behind, template, "before(publish, '_remove', kill)")
    write(behind, {"docs/new.md": "mine", "src/agent/engine/loop.py": "mine"})
    for command, hint in (("--continue", "--abort"), ("--abort", "--abort --yes")):
        ran = run("update", command)
        assert ran.code in (1, 2)
        assert "docs/new.md" in ran.err
        assert ran.err.endswith(f"create-12-factor-agent update {hint}\n")
        assert (behind / "docs/new.md").read_text() == "mine"
    assert run("update", "--abort", "--yes").code == 0
    assert git(behind, "status", "--short") == ""


def test_what_a_kill_left_is_removed_by_the_next_command(
    behind: Path, template: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(behind, template, "before(merge, '_merge_trees', kill)")
    assert leftovers(template.parent)
    monkeypatch.setattr(temporary, "gettempdir", lambda: str(template.parent))
    with temporary.folder() as used:
        assert run("status").code == 0
        assert [path for path in leftovers(template.parent) if path.is_dir()] == [used]
    assert not leftovers(template.parent)


# -- undone ----------------------------------------------------------------------------------


def test_a_change_is_undone_until_it_is_committed(behind: Path, run: Run) -> None:
    before = looks(behind)
    write(behind, {"src/agent/mine.py": "mine"})
    commit(behind, {})
    before = looks(behind)
    ran = change(run)
    assert ran.err.endswith("create-12-factor-agent update --abort\n")
    write(behind, {"src/agent/engine/loop.py": "half merged"})
    git(behind, "add", "--all")
    undone = run("update", "--abort", "--json")
    assert undone.code == 0
    assert json.loads(undone.out)["files"] == [
        ".copier-answers.yml",
        "docs/new.md",
        "src/agent/engine/llms/openai.py",
        "src/agent/engine/loop.py",
    ]
    assert looks(behind) == before
    assert change(run).code == 3
    commit(behind, {})
    ran = run("update", "--abort")
    assert ran.code == 2
    assert "There is no change to undo" in ran.err


def test_neighbours_neither_commit_nor_undo_a_change(outer: Path, run: Run) -> None:
    assert run("../yours", "--yes", "--no-install").code == 0
    git(outer, "commit", "--quiet", "--message", "Elsewhere")
    before = looks(outer)
    assert change(run).code == 3
    ran = run("update", "--abort", "--project", "../yours")
    assert ran.code == 2
    assert "There is no change to undo" in ran.err
    again = git(outer, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Elsewhere again")
    git(outer, "update-ref", "HEAD", again)
    assert run("update", "--abort").code == 0
    assert looks(outer) == before


def test_a_file_may_be_called_head(behind: Path, run: Run) -> None:
    commit(behind, {"HEAD": "mine"})
    before = looks(behind)
    assert change(run).code == 3
    assert run("update", "--abort").code == 0
    assert looks(behind) == before


def test_edits_made_since_are_undone_only_on_request(behind: Path, run: Run) -> None:
    assert change(run).code == 3
    write(behind, {"docs/new.md": "mine"})
    ran = run("update", "--abort")
    assert ran.code == 2
    assert "You edited since: docs/new.md" in ran.err
    assert run("update", "--abort", "--yes").code == 0
    assert git(behind, "status", "--short") == ""


@pytest.mark.usefixtures("project")
def test_nothing_is_finished_where_nothing_was_stopped(run: Run) -> None:
    ran = run("update", "--continue")
    assert ran.code == 2
    assert "No change was stopped halfway" in ran.err


@pytest.mark.parametrize(
    "flags", ["--continue --abort", "--check --dry-run", "--abort --dry-run", "--to v0.2.0 --abort"]
)
def test_flags_that_contradict_each_other_are_refused(flags: str, run: Run, behind: Path) -> None:
    before = tree(behind)
    ran = run("update", *flags.split())
    assert ran.code == 2
    assert "do not go together. Use one of them." in " ".join(ran.err.split())
    assert tree(behind) == before
