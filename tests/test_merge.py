"""Owners' repositories that a merge has to get right, or name what it leaves out."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from create_12_factor_agent import git as ours

from .conftest import Run, program
from .templates import FILES, commit, git, write

ENGINE = "src/agent/engine"
LOOP, OPENAI = f"{ENGINE}/loop.py", f"{ENGINE}/llms/openai.py"
TEXT = FILES[f"template/{LOOP}"]
FIXED = TEXT.replace("line_15 = 15", "line_15 = 'fixed'")
MINE = TEXT.replace("line_2 = 2", "line_2 = 'mine'")
BOTH = FIXED.replace("line_2 = 2", "line_2 = 'mine'")


def update(run: Run) -> tuple[int, dict[str, Any]]:
    ran = run("update", "--no-install", "--json")
    return ran.code, json.loads(ran.out)


def left(done: dict[str, Any]) -> dict[str, list[str]]:
    """Return what is left to the owner."""
    return {kind: done[kind] for kind in ("conflicts", "lost", "missed") if done[kind]}


def write_bytes(project: Path, name: str, held: bytes) -> None:
    (project / name).write_bytes(held)
    commit(project, {})


# -- content ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"# caf\xe9", "# café".encode(), b"# no newline follows"])
def test_a_text_is_merged_byte_by_byte(
    project: Path, template: Path, run: Run, mark: bytes, ending: bytes
) -> None:
    mine = MINE.encode().replace(b"\n", ending) + mark
    write_bytes(project, LOOP, mine)
    commit(template, {f"template/{LOOP}": FIXED}, "v0.2.0")
    assert update(run)[0] == 0
    assert (project / LOOP).read_bytes() == BOTH.encode().replace(b"\n", ending) + mark


@pytest.mark.parametrize("held", [MINE.encode("utf-16"), b"\0" + MINE.encode()])
def test_what_is_not_text_stays_as_it_is_and_is_named(
    project: Path, template: Path, run: Run, held: bytes
) -> None:
    write_bytes(project, LOOP, held)
    commit(template, {"template/new.txt": ""}, "v0.2.0")
    assert update(run)[0] == 0
    assert (project / LOOP).read_bytes() == held
    commit(project, {})
    commit(template, {f"template/{LOOP}": FIXED}, "v0.3.0")
    code, done = update(run)
    assert (code, left(done)) == (3, {"conflicts": [LOOP]})
    assert LOOP not in done["files"]
    assert (project / LOOP).read_bytes() == held
    assert f"UU {LOOP}" in git(project, "status", "--short")
    git(project, "checkout", "--theirs", LOOP)
    assert (project / LOOP).read_text() == FIXED


@pytest.mark.parametrize(
    "attributes", ["*.py binary", "*.py merge=union", "*.py -diff", "* text eol=crlf", "* ident"]
)
def test_attributes_of_the_owner_do_not_change_a_merge(
    project: Path, template: Path, run: Run, attributes: str
) -> None:
    commit(project, {".gitattributes": f"{attributes}\n", LOOP: MINE, OPENAI: "# mine\n"})
    commit(template, {f"template/{LOOP}": FIXED, f"template/{OPENAI}": "# theirs\n"}, "v0.2.0")
    code, done = update(run)
    assert (code, left(done)) == (3, {"conflicts": [OPENAI]})
    assert (project / LOOP).read_text() == BOTH
    assert "# mine\n=======\n# theirs\n" in (project / OPENAI).read_text()


def test_a_file_becomes_executable(project: Path, template: Path, run: Run) -> None:
    (template / f"template/{LOOP}").chmod(0o755)
    commit(template, {}, "v0.2.0")
    commit(project, {LOOP: MINE})
    assert update(run)[0] == 0
    assert (project / LOOP).stat().st_mode & 0o111
    assert (project / LOOP).read_text() == MINE


# -- places ----------------------------------------------------------------------------------


def test_a_change_follows_a_file_that_its_owner_renamed(
    project: Path, template: Path, run: Run
) -> None:
    commit(project, {LOOP: None, "src/agent/mine/turns.py": MINE})
    commit(template, {f"template/{LOOP}": FIXED}, "v0.2.0")
    code, done = update(run)
    assert (code, left(done)) == (0, {})
    assert done["followed"] == {LOOP: "src/agent/mine/turns.py"}
    assert (project / "src/agent/mine/turns.py").read_text() == BOTH
    assert not (project / LOOP).exists()


@pytest.mark.parametrize("link", [False, True])
def test_a_change_follows_a_folder_that_its_owner_moved(
    project: Path, template: Path, run: Run, link: bool
) -> None:
    git(project, "mv", ENGINE, "src/core")
    if link:
        (project / ENGINE).symlink_to("../core")
    commit(project, {"src/core/loop.py": MINE})
    new = f"template/{ENGINE}/new.py"
    commit(template, {f"template/{LOOP}": FIXED, new: "new = True\n"}, "v0.2.0")
    code, done = update(run)
    assert (code, left(done)) == (0, {})
    assert done["followed"] == {LOOP: "src/core/loop.py", f"{ENGINE}/new.py": "src/core/new.py"}
    assert (project / "src/core/loop.py").read_text() == BOTH
    assert (project / "src/core/new.py").read_text() == "new = True\n"
    assert (project / ENGINE).is_symlink() is link


def test_what_stands_in_the_way_stays_and_is_named(project: Path, template: Path, run: Run) -> None:
    (project / LOOP).unlink()
    (project / LOOP).symlink_to("/nowhere")
    (project / "docs").symlink_to("src")
    commit(project, {"new.py/mine": "mine", "folder": "mine"})
    commit(template, {
        f"template/{LOOP}": FIXED, "template/docs/page.md": "new", "template/new.py": "new",
        "template/folder/file": "new",
    }, "v0.2.0")  # fmt: skip
    code, done = update(run)
    assert (code, left(done)) == (3, {"missed": ["docs/page.md", "folder/file", "new.py", LOOP]})
    assert git(project, "status", "--short").splitlines() == [" M .copier-answers.yml"]


def test_what_the_template_drops_goes_where_it_was_not_renamed(
    project: Path, template: Path, run: Run
) -> None:
    commit(template, {f"template/{ENGINE}/{name}.py": name for name in "abcd"}, "v0.2.0")
    update(run)
    commit(project, {
        f"{ENGINE}/b.py": "mine", f"{ENGINE}/c.py": None, f"{ENGINE}/d.py": None, "mine.py": "d",
    })  # fmt: skip
    dropped = {f"template/{ENGINE}/{name}.py": None for name in "abcd"}
    commit(template, dropped, "v0.3.0")
    code, done = update(run)
    assert code == 3
    assert left(done) == {"lost": [f"{ENGINE}/b.py"], "missed": [f"{ENGINE}/d.py"]}
    assert not (project / f"{ENGINE}/a.py").exists()
    assert not (project / f"{ENGINE}/b.py").exists()
    assert (project / "mine.py").read_text() == "d"


def test_a_part_that_goes_is_not_taken_for_one_that_comes(
    project: Path, template: Path, run: Run
) -> None:
    adapters = f"template/{ENGINE}/llms"
    commit(template, {f"{adapters}/openai.py": TEXT}, "v0.2.0")
    assert update(run)[0] == 0
    commit(project, {OPENAI: MINE})
    commit(template, {f"{adapters}/openai.py": None, f"{adapters}/alike.py": TEXT}, "v0.3.0")
    code, done = update(run)
    assert (code, left(done)) == (3, {"lost": [OPENAI]})
    assert (project / f"{ENGINE}/llms/alike.py").read_text() == TEXT


def moved(template: Path, *moves: tuple[str, str]) -> None:
    """Move files of the template, with a line in the changelog for each."""
    for old, new in moves:
        (template / "template" / new).parent.mkdir(parents=True, exist_ok=True)
        git(template, "mv", f"template/{old}", f"template/{new}")
    items = "\n".join(f"- moved: `{old}` → `{new}`" for old, new in reversed(moves))
    write(template, {"docs/changelog.md": f"# Changelog\n\n{items}\n"})


def test_edits_go_along_where_the_template_moves_a_file(
    project: Path, template: Path, run: Run
) -> None:
    commit(project, {LOOP: MINE, OPENAI: "# mine\n"})
    adapters, turns = f"{ENGINE}/adapters/openai.py", f"{ENGINE}/turns/advance.py"
    moved(template, (LOOP, f"{ENGINE}/turns.py"), (OPENAI, adapters))
    moved(template, (f"{ENGINE}/turns.py", turns))
    news = f"- moved: `{OPENAI}` → `{adapters}`\n- moved: `{LOOP}` → `{ENGINE}/turns.py`\n"
    with (template / "docs/changelog.md").open("a") as file:
        file.write(news)
    commit(template, {f"template/{turns}": FIXED}, "v0.2.0")
    code, done = update(run)
    assert (code, left(done)) == (0, {})
    assert (project / turns).read_text() == BOTH
    assert (project / adapters).read_text() == "# mine\n"
    assert not (project / LOOP).exists()
    assert not (project / OPENAI).exists()


@pytest.mark.parametrize("taken", [f"{ENGINE}/turns.py/mine", f"{ENGINE}/turns.py"])
def test_an_edit_is_named_where_the_template_moves_a_file_to_a_place_that_is_taken(
    project: Path, template: Path, run: Run, taken: str
) -> None:
    commit(project, {LOOP: MINE, taken: "mine"})
    moved(template, (LOOP, f"{ENGINE}/turns.py"))
    commit(template, {f"template/{ENGINE}/turns.py": FIXED}, "v0.2.0")
    code, done = update(run)
    assert code == 3
    assert done["lost"] == [LOOP]
    assert [*done["missed"], *done["conflicts"]] == [f"{ENGINE}/turns.py"]


def test_a_moved_file_that_its_owner_renamed_stays_there(
    project: Path, template: Path, run: Run
) -> None:
    commit(project, {LOOP: None, "mine.py": MINE})
    moved(template, (LOOP, f"{ENGINE}/turns.py"))
    commit(template, {f"template/{ENGINE}/turns.py": FIXED}, "v0.2.0")
    code, done = update(run)
    assert (code, left(done)) == (0, {})
    assert done["followed"] == {f"{ENGINE}/turns.py": "mine.py"}
    assert (project / "mine.py").read_text() == BOTH


# -- repositories ----------------------------------------------------------------------------


def test_a_name_that_is_not_utf_8_is_in_nobody_s_way(
    project: Path, template: Path, run: Run
) -> None:
    name = os.fsdecode(b"caf\xe9\nau lait.py")
    commit(project, {LOOP: None, name: MINE})
    commit(template, {f"template/{LOOP}": FIXED}, "v0.2.0")
    code, done = update(run)
    assert (code, left(done)) == (0, {})
    assert done["followed"] == {LOOP: name}
    assert (project / name).read_text() == BOTH


def test_a_repository_may_use_sha_256(project: Path, template: Path, run: Run) -> None:
    subprocess.run(["rm", "-rf", ".git"], cwd=project, check=True)
    git(project, "init", "--quiet", "--object-format=sha256")
    commit(project, {LOOP: MINE, OPENAI: "# mine\n"})
    commit(template, {f"template/{LOOP}": FIXED, f"template/{OPENAI}": "# theirs\n"}, "v0.2.0")
    assert update(run)[0] == 3
    assert (project / LOOP).read_text() == BOTH
    assert f"UU {OPENAI}" in git(project, "status", "--short")


def test_no_hook_runs_and_nothing_is_signed(project: Path, template: Path, tmp_path: Path) -> None:
    commit(project, {LOOP: MINE, OPENAI: "# mine\n"})
    for name in ("post-index-change", "pre-merge-commit", "post-checkout", "pre-commit"):
        hook = project / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
        hook.chmod(0o755)
    settings = tmp_path / "settings"
    for name, value in (("commit.gpgSign", "true"), ("gpg.program", "false")):
        git(project, "config", "--file", str(settings), name, value)
    commit(template, {f"template/{LOOP}": FIXED, f"template/{OPENAI}": "# theirs\n"}, "v0.2.0")
    ran = program("update", "--no-install", cwd=project, GIT_CONFIG_GLOBAL=str(settings))
    assert ran.returncode == 3, ran.stderr
    assert (project / LOOP).read_text() == BOTH
    assert not (tmp_path / "ran").exists()


def test_a_linked_worktree_is_updated_alone(
    project: Path, template: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(project, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    commit(template, {f"template/{LOOP}": FIXED}, "v0.2.0")
    monkeypatch.chdir(tmp_path / "linked")
    assert update(run)[0] == 0
    assert (tmp_path / "linked" / LOOP).read_text() == FIXED
    assert (project / LOOP).read_text() == TEXT
    assert git(project, "status", "--short") == ""


def test_a_git_before_2_38_merges_alike(
    project: Path, template: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {f"{ENGINE}/{name}.py": TEXT.replace("line", name) for name in "abcd"}
    commit(template, {f"template/{name}": text for name, text in more.items()}, "v0.2.0")
    update(run)
    edited = {name: text.replace("2 = 2", "2 = 'mine'") for name, text in more.items()}
    commit(project, edited | {f"{ENGINE}/c.py": None, ".gitattributes": "*.py binary\n"})
    git(project, "mv", f"{ENGINE}/d.py", "mine.py")
    write_bytes(project, LOOP, b"\0")
    commit(project, {OPENAI: "# mine\n"})
    changed = {f"template/{name}": text.replace("15 = 15", "15 = 0") for name, text in more.items()}
    changed |= {f"template/{LOOP}": FIXED, f"template/{OPENAI}": "# theirs\n"}
    commit(template, changed, "v0.3.0")
    once = update(run), git(project, "status", "--short"), git(project, "ls-files", "--stage")
    texts = [(project / name).read_bytes() for name in once[0][1]["files"]]
    assert run("update", "--abort").code == 0
    real = ours.run

    def old(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        if "merge-tree" in arguments:
            return subprocess.CompletedProcess([], 129, b"", b"usage: git merge-tree")
        return real(folder, *arguments, **options)

    monkeypatch.setattr(ours, "run", old)
    again = update(run), git(project, "status", "--short"), git(project, "ls-files", "--stage")
    assert again == once
    assert [
        (project / name).read_bytes().replace(b"<<<<<<< HEAD\n", b"<<<<<<< yours\n")
        for name in again[0][1]["files"]
    ] == texts
