"""What `add`, `remove` and `update` do to a repository, and what they leave to its owner."""

import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from create_12_factor_agent import origin, source
from create_12_factor_agent import project as projects

from .conftest import Ran, Run, program, tree
from .templates import FILES, commit, git, write

LOOP = FILES["template/src/agent/engine/loop.py"]
FIXED = LOOP.replace("line_15 = 15", "line_15 = 'fixed'")
MINE = LOOP.replace("line_2 = 2", "line_2 = 'mine'")
CONFLICTING = LOOP.replace("line_15 = 15", "line_15 = 'mine'")


@pytest.fixture
def without(project: Path, run: Run) -> Path:
    """Give a project without the part."""
    assert change(run, "remove", "openai").code == 0
    commit(project, {})
    return project


def change(run: Run, *arguments: str) -> Ran:
    return run(*arguments, "--no-install")


def files(project: Path) -> dict[str, bytes]:
    return {name: held for name, held in tree(project).items() if not name.startswith(".git/")}


# -- add -------------------------------------------------------------------------------------


def test_a_part_arrives_and_edits_stay(without: Path, run: Run) -> None:
    commit(without, {"src/agent/engine/loop.py": MINE, "src/agent/mine.py": "mine"})
    ran = change(run, "add", "openai")
    assert ran.code == 0
    assert git(without, "status", "--short").splitlines() == [
        " M .copier-answers.yml",
        " M .env.example",
        " M pyproject.toml",
        "?? src/agent/engine/llms/",
    ]
    assert '"openai>=2"' in (without / "pyproject.toml").read_text()
    assert (without / "src/agent/engine/loop.py").read_text() == MINE
    assert "# OPENAI_API_KEY=" in ran.err
    *_, add, look, _check, _commit, _undo = ran.err.splitlines()
    git(without, *add.split()[1:])
    assert "src/agent/engine/llms/openai.py" in git(without, *look.split()[1:])


@pytest.mark.usefixtures("without")
def test_a_part_can_be_added_in_words_for_machines(run: Run) -> None:
    told = json.loads(change(run, "add", "openai", "--json").out)
    assert told["answers"]["llm"] == ["openai"]
    assert "src/agent/engine/llms/openai.py" in told["files"]
    assert told["conflicts"] == []


def test_the_page_of_a_trigger_is_named(project: Path, template: Path, run: Run) -> None:
    commit(template, {"template/docs/slack.md": "", "template/docs/cron.md": ""}, "v0.2.0")
    assert "Set it up" not in change(run, "update").err
    commit(project, {})
    assert "Set it up: docs/slack.md\n" in change(run, "add", "slack").err


def test_what_is_there_is_not_added_again(project: Path, run: Run) -> None:
    write(project, {"src/agent/engine/loop.py": MINE})
    before = files(project)
    ran = change(run, "add", "openai")
    assert (ran.code, files(project)) == (0, before)
    assert "Already up to date" in ran.err


def test_a_part_keeps_the_version_the_repository_has(
    without: Path, template: Path, run: Run
) -> None:
    commit(template, {"template/src/agent/engine/loop.py": FIXED}, "v0.2.0")
    assert change(run, "add", "openai").code == 0
    assert (without / "src/agent/engine/loop.py").read_text() == LOOP
    assert "_commit: v0.1.0\n" in (without / ".copier-answers.yml").read_text()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("add", "nothing"), "no part 'nothing'"),
        (("add", "anew"), "no part 'anew' in this version of the template"),
        (("remove", "nothing"), "no part 'nothing'"),
        (
            ("remove", "docker"),
            "no 'docker' here to remove.\nSee what there is: create-12-factor-agent parts",
        ),
        (("remove", "sqlite"), "needs one store"),
        (("add",), "PART"),
        (("add", "openai", "--colour"), "--colour"),
    ],
)
def test_a_part_that_cannot_be_added_or_removed_is_told(
    project: Path, template: Path, run: Run, command: tuple[str, ...], told: str
) -> None:
    newer = FILES["copier.yml"].replace(
        "choices: []\n  default: []", "choices:\n    New: anew\n  default: []"
    )
    commit(template, {"copier.yml": newer}, "v0.2.0")
    write(project, {"src/agent/engine/loop.py": MINE})
    before = files(project)
    ran = run(*command)
    assert (ran.code, files(project)) == (2, before)
    assert told in ran.err


@pytest.mark.parametrize(
    ("mended", "by"), [("store: postgres", "postgres"), ("runner: local", "local")]
)
def test_answers_that_do_not_go_together_can_be_mended(
    project: Path, run: Run, mended: str, by: str
) -> None:
    answers(project, "runner: local", "runner: procrastinate")
    before = files(project)
    ran = change(run, "add", "docker")
    assert (ran.code, files(project)) == (2, before)
    assert ran.err.endswith(
        "Error: runner: 'procrastinate' needs the store 'postgres'.\n"
        "Put one right: create-12-factor-agent add PART...\n"
    )
    assert "BAD  answers: runner: 'procrastinate' needs" in run("doctor").out
    assert change(run, "add", by).code == 0
    assert mended in (project / ".copier-answers.yml").read_text()
    assert "ok   answers" in run("doctor").out


# -- remove ----------------------------------------------------------------------------------


def test_adding_and_removing_leaves_what_was_there(project: Path, run: Run) -> None:
    before = git(project, "rev-parse", "HEAD^{tree}")
    assert change(run, "remove", "openai").code == 0
    assert not (project / "src/agent/llms").exists()
    commit(project, {})
    assert change(run, "add", "openai").code == 0
    commit(project, {})
    assert git(project, "rev-parse", "HEAD^{tree}") == before


def test_edited_files_of_a_part_go_only_when_told(project: Path, run: Run) -> None:
    commit(project, {"src/agent/engine/llms/openai.py": "# mine"})
    before = files(project)
    ran = change(run, "remove", "openai")
    assert (ran.code, files(project)) == (2, before)
    assert "You edited what would go away: src/agent/engine/llms/openai.py" in ran.err
    assert change(run, "remove", "openai", "--yes").code == 0
    assert not (project / "src/agent/engine/llms/openai.py").exists()


def test_threads_of_the_old_store_are_left_behind_only_when_told(project: Path, run: Run) -> None:
    commit(project, {".gitignore": ".env\ndata/\n"})
    assert change(run, "add", "postgres", "--dry-run").code == 0
    write(project, {"data/threads.db": "threads"})
    before = files(project)
    ran = change(run, "add", "postgres")
    assert (ran.code, files(project)) == (2, before)
    assert "The new store does not have the threads of data/threads.db" in ran.err
    assert "uv run agent export threads.jsonl" in ran.err
    assert change(run, "add", "postgres", "--yes").code == 0
    assert (project / "data/threads.db").exists()


# -- parts that include another --------------------------------------------------------------

HTTP, INBOX = "src/agent/engine/http/server.py", "src/agent/engine/inbox/routes.py"


@pytest.fixture
def served(template: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a project of a template that has something to serve, with all of that."""
    commit(template, {f"template/{name}": "" for name in (HTTP, INBOX)}, "v0.2.0")
    assert run("my-agent", "--yes", "--no-install", "--trigger", "none").code == 0
    monkeypatch.chdir(template.with_name("my-agent"))
    return template.with_name("my-agent")


def web(project: Path) -> tuple[bool, bool, str]:
    """Return whether HTTP and the inbox are there, and the answer."""
    stored = (project / ".copier-answers.yml").read_text()
    answer = stored.partition("\nweb: ")[2].partition("\n")[0]
    return (project / HTTP).exists(), (project / INBOX).exists(), answer


ALL, API, NOTHING = (True, True, "inbox"), (True, False, "http"), (False, False, "none")


def test_the_inbox_goes_without_http_and_a_trigger_comes_with_it(served: Path, run: Run) -> None:
    assert web(served) == ALL
    for command, left in [
        ("remove inbox", API),
        ("remove http", NOTHING),
        ("add inbox", ALL),
        ("remove http inbox", NOTHING),
        ("add slack http", API),
    ]:
        ran = change(run, *command.split())
        assert (ran.code, web(served)) == (0, left), ran.err
        commit(served, {})
    there = files(served)
    ran = change(run, "remove", "http")
    assert (ran.code, files(served)) == (2, there)
    assert "'slack' needs 'http'" in ran.err


def test_a_part_that_another_one_includes_is_neither_added_nor_removed(
    served: Path, run: Run
) -> None:
    there = files(served)
    ran = change(run, "add", "http")
    assert (ran.code, files(served)) == (0, there)
    assert "Already up to date" in ran.err
    ran = change(run, "remove", "http")
    assert (ran.code, files(served)) == (2, there)
    assert ran.err.endswith(
        "Error: 'inbox' needs 'http'.\nRemove both: create-12-factor-agent remove inbox http\n"
    )


# -- update ----------------------------------------------------------------------------------


def test_an_update_brings_what_is_new_and_keeps_what_is_yours(
    project: Path, template: Path, run: Run
) -> None:
    commit(project, {"src/agent/engine/loop.py": MINE, "README.md": "mine"})
    commit(template, {
        "template/src/agent/engine/loop.py": FIXED,
        "template/src/agent/deploy/tools.py": "# a better sample\n",
        "template/README.md": "# A better one\n",
        "docs/changelog.md": "# Changelog\n\n## 0.2.0\n\n- The loop\n  is fixed.\n",
    }, "v0.2.0")  # fmt: skip
    ran = change(run, "update")
    assert ran.code == 0
    assert (project / "src/agent/engine/loop.py").read_text() == MINE.replace(
        "15 = 15", "15 = 'fixed'"
    )
    assert (project / "README.md").read_text() == "mine"
    assert (project / "src/agent/deploy/tools.py").read_text() == "# a sample\n"
    assert "_commit: v0.2.0\n" in (project / ".copier-answers.yml").read_text()
    assert "  - The loop is fixed.\n" in ran.err
    commit(project, {})
    assert "Already up to date" in change(run, "update").err


def test_a_conflict_is_left_to_merge_and_told(project: Path, template: Path, run: Run) -> None:
    commit(project, {"src/agent/engine/loop.py": CONFLICTING})
    commit(template, {"template/src/agent/engine/loop.py": FIXED}, "v0.2.0")
    ran = change(run, "update")
    assert ran.code == 3
    assert "  src/agent/engine/loop.py\n" in ran.err
    assert "UU src/agent/engine/loop.py" in git(project, "status", "--short")
    merged = (project / "src/agent/engine/loop.py").read_text()
    assert "line_15 = 'mine'" in merged
    assert "line_15 = 'fixed'" in merged
    git(project, "checkout", "--theirs", "src/agent/engine/loop.py")
    assert (project / "src/agent/engine/loop.py").read_text() == FIXED
    assert "Conflict markers" not in run("doctor").out


def test_what_copier_is_silent_about_is_told(project: Path, template: Path, run: Run) -> None:
    commit(project, {"src/agent/engine/llms/openai.py": "# mine", "src/agent/engine/loop.py": None})
    commit(template, {
        "template/src/agent/engine/llms/openai.py": None,
        "template/src/agent/engine/loop.py": FIXED,
    }, "v0.2.0")  # fmt: skip
    ran = change(run, "update", "--json")
    told = json.loads(ran.out)
    assert ran.code == 3
    assert (told["lost"], told["missed"]) == (
        ["src/agent/engine/llms/openai.py"],
        ["src/agent/engine/loop.py"],
    )
    assert not (project / "src/agent/engine/loop.py").exists()
    assert git(project, "show", "HEAD:src/agent/engine/llms/openai.py") == "# mine"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("status.showUntrackedFiles", "no"),
        ("apply.whitespace", "error"),
        ("apply.whitespace", "fix"),
        ("core.attributesFile", "{}/attributes"),
        ("merge.conflictStyle", "diff3"),
        ("protocol.file.allow", "never"),
        ("safe.bareRepository", "explicit"),
    ],
)
def test_no_setting_of_git_changes_what_an_update_does(
    project: Path, template: Path, tmp_path: Path, setting: str, value: str
) -> None:
    (tmp_path / "attributes").write_text("*.py -diff\n")
    mine = {
        "src/agent/engine/loop.py": MINE.replace("line_9 = 9", "line_9 = 9  "),
        "src/agent/engine/llms/openai.py": "# mine\n",
    }
    commit(project, mine)
    commit(template, {
        "template/src/agent/engine/loop.py": FIXED,
        "template/src/agent/engine/llms/openai.py": "# theirs\n",
    }, "v0.2.0")  # fmt: skip
    settings = tmp_path / "settings"
    git(project, "config", "--file", str(settings), setting, value.format(tmp_path))
    ran = program("update", "--no-install", cwd=project, GIT_CONFIG_GLOBAL=str(settings))
    assert ran.returncode == 3, ran.stderr
    merged = (project / "src/agent/engine/loop.py").read_text()
    assert merged == mine["src/agent/engine/loop.py"].replace("15 = 15", "15 = 'fixed'")
    conflict = (project / "src/agent/engine/llms/openai.py").read_text()
    assert "# mine\n=======\n# theirs\n" in conflict
    assert not [*project.rglob("*.rej")]


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"])
def test_no_variable_of_a_hook_reaches_another_repository(
    project: Path, template: Path, tmp_path: Path, name: str
) -> None:
    commit(tmp_path / "other", {"file": "theirs"})
    other = tmp_path / "other/.git"
    places = {
        "GIT_DIR": other, "GIT_INDEX_FILE": other / "index",
        "GIT_OBJECT_DIRECTORY": other / "objects",
    }  # fmt: skip
    before = tree(other)
    commit(template, {"template/src/agent/engine/loop.py": FIXED}, "v0.2.0")
    ran = program("update", "--no-install", cwd=project, **{name: str(places[name])})
    assert ran.returncode == 0, ran.stderr
    assert (project / "src/agent/engine/loop.py").read_text() == FIXED
    assert tree(other) == before


def test_a_worktree_whose_disk_is_away_stays_known(
    project: Path, template: Path, run: Run, tmp_path: Path
) -> None:
    git(project, "worktree", "add", "--quiet", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").rename(tmp_path / "unmounted")
    commit(template, {"template/src/agent/engine/loop.py": FIXED}, "v0.2.0")
    assert change(run, "update").code == 0
    assert len(git(project, "worktree", "list").splitlines()) == 2


def test_a_change_that_did_not_arrive_is_left_to_the_owner(
    project: Path, template: Path, run: Run
) -> None:
    commit(project, {"src/agent/engine/loop.py": None})
    commit(template, {"template/src/agent/engine/loop.py": FIXED}, "v0.2.0")
    ran = change(run, "update")
    assert ran.code == 3
    assert "--since v0.1.0):\n  src/agent/engine/loop.py\n" in ran.err
    commit(project, {})
    assert "The template changed nothing" in run("diff", "src/agent/engine/loop.py").err
    shown = run("diff", "src/agent/engine/loop.py", "--since", "v0.1.0").out
    assert "-line_15 = 15\n+line_15 = 'fixed'\n" in shown


@pytest.mark.parametrize("edits", [MINE, CONFLICTING, None])
def test_plain_copier_makes_the_same(
    project: Path, template: Path, run: Run, tmp_path: Path, edits: str | None
) -> None:
    from copier import run_update

    commit(project, {"src/agent/engine/loop.py": edits})
    subprocess.run(["cp", "-r", project, tmp_path / "theirs"], check=True)
    commit(
        template, {"template/src/agent/engine/loop.py": FIXED, "template/new.txt": "new"}, "v0.2.0"
    )
    change(run, "update")
    run_update(tmp_path / "theirs", defaults=True, overwrite=True, quiet=True)
    ours, theirs = project, tmp_path / "theirs"
    for listing in (("status", "--short"), ("ls-files", "--stage")):
        assert git(ours, *listing) == git(theirs, *listing)
    assert {name: named(held) for name, held in files(ours).items()} == files(theirs)


def named(held: bytes) -> bytes:
    """Call both sides of a conflict as Copier does."""
    held = held.replace(b"<<<<<<< yours\n", b"<<<<<<< before updating\n")
    return held.replace(b">>>>>>> template\n", b">>>>>>> after updating\n")


def test_checking_tells_and_changes_nothing(project: Path, template: Path, run: Run) -> None:
    before = files(project)
    assert run("update", "--check").code == 0
    news = "# Changelog\n\n### Behaviour\n\n- `llm=openai`: New.\n- `extra=docker`: Not for us.\n"
    commit(template, {"docs/changelog.md": news, "template/new.txt": "new"}, "v0.2.0")
    ran = run("update", "--check", "--json")
    told = json.loads(ran.out)
    assert ran.code == 4
    assert (told["before"], told["after"]) == ("v0.1.0", "v0.2.0")
    assert told["news"] == {"changes": [], "behaviour": ["New."]}
    assert files(project) == before


def test_a_dry_run_shows_what_is_new_and_not_what_is_mine(
    project: Path, template: Path, run: Run
) -> None:
    commit(project, {"src/agent/engine/loop.py": CONFLICTING})
    write(project, {"not-committed": "mine"})
    commit(template, {"template/src/agent/engine/loop.py": FIXED}, "v0.2.0")
    before = files(project)
    ran = run("update", "--dry-run")
    assert (ran.code, files(project)) == (0, before)
    assert "-line_15 = 15\n+line_15 = 'fixed'\n" in ran.out
    assert "mine" not in ran.out
    assert "merge by hand" in ran.err


def test_a_repository_in_a_folder_of_another_is_changed_alone(
    template: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = tmp_path / "outer"
    commit(outer, {"other": ""})
    assert run("outer/agents/mine", "--yes", "--no-install").code == 0
    commit(outer, {"other": "one", "agents/mine/src/agent/engine/loop.py": CONFLICTING})
    write(outer, {"other": "not committed"})
    commit(
        template, {"template/src/agent/engine/loop.py": FIXED, "template/n ä.txt": "new"}, "v0.2.0"
    )
    monkeypatch.chdir(outer / "agents/mine/src")
    ran = change(run, "update")
    assert ran.code == 3
    assert git(outer, "-c", "core.quotePath=off", "status", "--short").splitlines() == [
        " M agents/mine/.copier-answers.yml",
        "UU agents/mine/src/agent/engine/loop.py",
        " M other",
        '?? "agents/mine/n ä.txt"',
    ]
    assert (outer / "other").read_text() == "not committed"


@pytest.mark.parametrize("check", [(), ("--check",)])
def test_a_program_from_another_clone_says_that_it_is_not_followed(
    project: Path, template: Path, run: Run, monkeypatch: pytest.MonkeyPatch, check: tuple[str, ...]
) -> None:
    clone = template.with_name("clone")
    git(template, "clone", "--quiet", str(template), str(clone))
    commit(clone, {"template/new.txt": "new"}, "v0.2.0")
    monkeypatch.setattr(source, "_CHECKOUT", clone)
    ran = run("update", *check)
    assert ran.code == 0
    assert (
        f"Already up to date with {template} (v0.1.0).\nThis program comes from {clone}," in ran.err
    )
    shown = json.loads(run("update", *check, "--json").out)
    assert (shown["origin"], shown["program"]) == (str(template), str(clone))
    answers(project, f"_src_path: {template}", f"_src_path: {clone}")
    assert change(run, "update").code == 0
    assert (project / "new.txt").read_text() == "new"


# -- what is refused -------------------------------------------------------------------------


def answers(project: Path, old: str, new: str) -> None:
    file = project / ".copier-answers.yml"
    commit(project, {".copier-answers.yml": file.read_text().replace(old, new)})


def no_template(template: Path) -> str:
    """Return a commit of the template's repository that has none."""
    empty = git(template, "hash-object", "-t", "tree", "-w", "/dev/null")
    return git(template, "commit-tree", "-m", "Nothing", empty, "-p", "v0.1.0^{commit}")


REFUSED: dict[str, Callable[[Path], object]] = {
    "changes that are not committed": lambda p: write(p, {"src/agent/engine/loop.py": MINE}),
    "no commit to come back to": lambda p: git(p, "update-ref", "-d", "HEAD"),
    "there is no .copier-answers.yml": lambda p: (p / ".copier-answers.yml").unlink(),
    "cannot be read": lambda p: write(p, {".copier-answers.yml": "a: [b"}),
    "holds no answers": lambda p: write(p, {".copier-answers.yml": "text"}),
    "is it of another template?": lambda p: write(
        p, {".copier-answers.yml": "_commit: v1\nname: x"}
    ),
    "no state of the template": lambda p: answers(p, "v0.1.0", "v7.7.7"),
    "--exec=x is no state of the template": lambda p: answers(p, "v0.1.0", "--exec=x"),
    "has no template": lambda p: answers(p, "v0.1.0", no_template(p.with_name("template"))),
    "is not in your last commit": lambda p: (
        git(p, "rm", "--quiet", "--cached", ".copier-answers.yml"),
        commit(p, {".gitignore": ".copier-answers.yml"}),
    ),
}


def test_what_is_advised_keeps_what_git_ignores(project: Path, run: Run) -> None:
    write(project, {".env": "KEY=secret", "src/agent/engine/loop.py": MINE, "new": ""})
    advice = run("remove", "openai").err.partition("(")[2].partition(")")[0]
    git(project, *advice.split()[1:])
    assert (project / ".env").is_file()
    assert change(run, "remove", "openai").code == 0


@pytest.mark.parametrize("told", REFUSED)
def test_what_cannot_be_changed_is_told(project: Path, template: Path, run: Run, told: str) -> None:
    commit(template, {"template/new.txt": "new"}, "v0.2.0")
    REFUSED[told](project)
    before = files(project)
    ran = run("update")
    assert (ran.code, files(project)) == (2, before)
    assert told in ran.err
    assert "Traceback" not in ran.err


def test_a_template_that_is_gone_is_told(project: Path, run: Run) -> None:
    answers(project, "_src_path: ", "_src_path: /nowhere")
    ran = run("update")
    assert ran.code == 1
    assert "cannot be had from /nowhere" in ran.err


def test_a_project_that_is_ahead_is_not_taken_back(project: Path, template: Path, run: Run) -> None:
    commit(template, {"template/new.txt": "new"}, "v0.2.0")
    assert change(run, "update").code == 0
    commit(project, {})
    git(template, "checkout", "--quiet", "v0.1.0")
    ran = run("update")
    assert ran.code == 2
    assert "v0.2.0" in ran.err


def test_a_template_may_be_at_a_long_path_with_spaces(
    template: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = template.with_name("a folder: with a name that is long and has spaces " * 3)
    template.rename(place)
    monkeypatch.setattr(source, "_CHECKOUT", place)
    monkeypatch.setenv("TMPDIR", str(place.parent))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert run("mine", "--yes", "--no-install").code == 0
    owned = projects.at(place.with_name("mine"))
    assert (owned.src_path, owned.commit) == (str(place), "v0.1.0")
    commit(place, {"template/new.txt": "new"}, "v0.2.0")
    ran = change(run, "update", "--project", "mine")
    assert ran.code == 0, ran.err
    assert projects.at(owned.path).commit == "v0.2.0"


def test_a_version_can_be_chosen(project: Path, template: Path, run: Run) -> None:
    for number in "234":
        commit(template, {"template/new.txt": number}, f"v0.{number}.0")
    assert json.loads(run("update", "--check", "--to", "v0.2.0", "--json").out)["after"] == "v0.2.0"
    assert change(run, "update", "--to", "0.3.0").code == 0
    assert (project / "new.txt").read_text() == "3"
    assert "_commit: v0.3.0\n" in (project / ".copier-answers.yml").read_text()
    commit(project, {})
    assert "Already up to date" in change(run, "update", "--to", "0.3.0").err
    for version, told in (("0.2.0", "0.2.0 is older than v0.3.0"), ("7", "7 is not a version")):
        ran = run("update", "--to", version)
        assert ran.code == 2
        assert told in ran.err


# Copier leaves a folder open when it fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_template_that_does_not_render_is_reported(
    project: Path, template: Path, run: Run
) -> None:
    before = files(project)
    commit(template, {"template/new.txt.jinja": "{{ '%d' | format('x') }}"}, "v0.2.0")
    ran = run("update")
    assert (ran.code, files(project)) == (1, before)
    assert "The template does not render: " in ran.err
    assert "Please report it" in ran.err


def test_a_file_is_compared_in_three_versions(project: Path, template: Path, run: Run) -> None:
    commit(project, {"src/agent/engine/loop.py": None, "mine.py": MINE, "README.md": "# Mine\n"})
    commit(template, {"template/src/agent/engine/loop.py": FIXED}, "v0.2.0")
    for name in ("mine.py", "src/agent/engine/loop.py"):
        ran = run("diff", name)
        assert ran.code == 0
        assert (
            ran.err == "You changed this since v0.1.0.\nThe template changed this since v0.1.0.\n"
        )
        mine, theirs = ran.out.split("--- v0.1.0/")[1:]
        assert "+++ yours/src/agent/engine/loop.py\n" in mine
        assert "-line_2 = 2\n+line_2 = 'mine'\n" in mine
        assert "-line_15 = 15\n+line_15 = 'fixed'\n" in theirs
    told = json.loads(run("diff", "mine.py", "--json").out)
    assert (told["old"], told["new"], told["mine"]) == (LOOP, FIXED, MINE)
    assert run("diff", "README.md").err.endswith("The template changed nothing since v0.1.0.\n")
    ran = run("diff", "nothing.py")
    assert ran.code == 2
    assert "nothing.py is not a file of the template" in ran.err


def test_a_new_seed_is_offered(project: Path, template: Path, run: Run) -> None:
    commit(template, {"template/src/agent/deploy/new.py": "", "template/new.txt": ""}, "v0.2.0")
    ran = change(run, "update")
    assert ran.code == 0
    assert "which is yours (" in ran.err
    assert "  src/agent/deploy/new.py\n" in ran.err
    assert not (project / "src/agent/deploy/new.py").exists()


def test_a_build_that_is_no_release_updates_to_the_last_one(
    project: Path, template: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(template, {"template/new.txt": "new"}, "v0.2.0")
    commit(template, {"template/new.txt": "newer"})
    unreleased = origin.Origin(str(template), "0.1.0.dev0")
    monkeypatch.setattr(origin, "here", lambda: unreleased)
    assert change(run, "update").code == 0
    assert (project / "new.txt").read_text() == "new"


@pytest.mark.usefixtures("project")
def test_without_git_nothing_is_changed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    ran = run("update")
    assert ran.code == 2
    assert "git is not installed" in ran.err


def test_an_ignored_file_is_not_written_over(project: Path, template: Path, run: Run) -> None:
    commit(project, {".gitignore": ".env\nlocal*\n"})
    write(project, {"local": "mine"})
    commit(template, {"template/local": "new", "template/local-2": "new"}, "v0.2.0")
    ran = run("update")
    assert ran.code == 1
    assert "local is in the way" in ran.err
    assert (project / "local").read_text() == "mine"
    assert git(project, "status", "--short") == ""
    (project / "local").unlink()
    assert change(run, "update").code == 0
    assert (project / "local-2").read_text() == "new"
