"""Where a repository is updated from: what is recorded, and that it can be had again."""

import json
from pathlib import Path

import pytest

from create_12_factor_agent import origin, source
from create_12_factor_agent.origin import Followed, Origin

from .conftest import Installed, Run, tree
from .templates import FILES, commit, git, write


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    commit(tmp_path / "checkout", FILES)
    monkeypatch.setattr(source, "_CHECKOUT", tmp_path / "checkout")
    return tmp_path / "checkout"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretend to be a wheel; its template is a plain folder."""
    monkeypatch.setattr(source, "_WHEEL", write(tmp_path / "_template", FILES))
    return tmp_path / "_template"


@pytest.mark.usefixtures("wheel")
@pytest.mark.parametrize(
    ("version", "direct_url", "recorded"),
    [
        ("1.2.3", None, Origin(source.url(), "v1.2.3")),
        ("1.2.3", '{"url": "file:///a.whl", "archive_info": {}}', Origin(source.url(), "v1.2.3")),
        (
            "1.2.4.dev3+g0a1b2c3d4",
            '{"url": "https://host/fork", "vcs_info": {"vcs": "git", "commit_id": "0a1b"}}',
            Origin("git+https://host/fork", "0a1b"),
        ),
        (
            "1.2.3",
            '{"url": "https://host/fork.git", "vcs_info": {"vcs": "git", "commit_id": "0a1b"}}',
            Origin("https://host/fork.git", "0a1b"),
        ),
    ],
)
def test_an_installation_records_where_it_came_from(
    installed: Installed, version: str, direct_url: str | None, recorded: Origin
) -> None:
    installed(version, direct_url)
    assert origin.here() == recorded


@pytest.mark.usefixtures("wheel")
@pytest.mark.parametrize(
    ("version", "ref", "said"),
    [
        ("0.1.0.dev0", "0.1.0.dev0", "so this repository cannot be updated"),
        ("1.2.4.dev3+g0a1b2c3d4", "0a1b2c3d4", "only if commit 0a1b2c3d4 is at https://"),
        (
            "1.2.4.dev3+g0a1b2c3d4.d20260801",
            "1.2.4.dev3+g0a1b2c3d4.d20260801",
            "so this repository cannot be updated",
        ),
    ],
)
def test_a_build_that_is_not_a_release_records_its_commit_and_warns(
    installed: Installed, version: str, ref: str, said: str
) -> None:
    installed(version)
    here = origin.here()
    assert (here.url, here.ref) == (source.url(), ref)
    assert here.note.startswith(f"{source.NAME} {version} is not a release")
    assert said in here.note
    assert f"uvx {source.NAME}@latest" in here.note


def test_a_checkout_without_git_does_not_record_the_commit_it_was_installed_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: Installed
) -> None:
    monkeypatch.setattr(source, "_CHECKOUT", write(tmp_path / "plain", FILES))
    installed("1.2.4.dev3+g0a1b2c3d4")
    assert origin.here().ref == "1.2.4.dev3+g0a1b2c3d4"


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.usefixtures("wheel")
def test_a_new_repository_warns_about_a_build_that_is_not_a_release(
    run: Run, installed: Installed, *, as_json: bool
) -> None:
    installed("0.1.0.dev0")
    ran = run("p", "--yes", "--no-install", "--no-git", *(["--json"] if as_json else []))
    note = origin.here().note
    assert json.loads(ran.out)["notes"] == [note] if as_json else f"Note: {note}\n" in ran.err


def test_a_new_repository_that_can_be_updated_has_no_warning(run: Run, checkout: Path) -> None:
    assert "Note:" not in run("p", "--yes", "--no-install").err
    assert f"_src_path: {checkout}\n" in Path("p/.copier-answers.yml").read_text()


@pytest.mark.parametrize(
    "src_path", ["{}", "{}/", "file://{}", "git+file://{}", "{}/../checkout", "~/checkout"]
)
def test_a_checkout_is_the_same_place_however_it_is_written(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, src_path: str
) -> None:
    monkeypatch.setenv("HOME", str(checkout.parent))
    src_path = src_path.format(checkout)
    assert origin.followed(src_path) == Followed(src_path, src_path, bundled=False)


def test_a_program_from_elsewhere_is_seen_without_a_snapshot(checkout: Path) -> None:
    write(checkout, {"template/new.py": "new"})
    address = "https://host/fork.git"
    assert origin.followed(address) == Followed(address, str(checkout), bundled=False)
    assert git(checkout, "for-each-ref", f"refs/{source.NAME}") == ""


@pytest.mark.parametrize("src_path", ["gh:me/fork", "git+https://github.com/me/fork"])
def test_an_address_is_the_same_place_however_it_is_written(src_path: str) -> None:
    assert origin.is_same(src_path, "https://github.com/me/fork.git")
    assert not origin.is_same(src_path, "https://github.com/you/fork.git")


def test_a_checkout_records_itself_as_it_stands(checkout: Path) -> None:
    first = git(checkout, "rev-parse", "--short", "HEAD")
    assert origin.here() == Origin(str(checkout), first, checkout)
    commit(checkout, {}, "v9.9.9")
    assert origin.here().ref == "v9.9.9"
    commit(checkout, {})
    assert origin.here().ref.startswith("v9.9.9-1-g")


def test_an_installation_from_a_checkout_reads_the_checkout(
    wheel: Path, checkout: Path, installed: Installed
) -> None:
    installed("0.1.0", f'{{"url": "file://{checkout}", "dir_info": {{}}}}')
    commit(checkout, {"template/new.py": ""})
    with origin.template(origin.here()) as folder:
        assert (folder / "template/new.py").is_file()
    assert not (wheel / "template/new.py").exists()


def test_a_checkout_without_git_is_a_plain_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: Installed
) -> None:
    git(tmp_path, "init", "--quiet")
    place = write(tmp_path / "inner", FILES)
    monkeypatch.setattr(source, "_CHECKOUT", place)
    installed("0.1.0.dev0")
    assert (origin.here().url, origin.here().ref) == (source.url(), "0.1.0.dev0")
    with origin.template(origin.here()) as folder:
        assert folder == place


def test_a_changed_checkout_is_recorded_as_a_snapshot(checkout: Path, tmp_path: Path) -> None:
    write(
        checkout, {"copier.yml": "# changed", "template/new.py": "new", "template/README.md": None}
    )
    before = tree(checkout / "template"), git(checkout, "status", "--short"), git(checkout, "log")
    here = origin.here()
    assert origin.here() == here
    assert before == (
        tree(checkout / "template"), git(checkout, "status", "--short"), git(checkout, "log"),
    )  # fmt: skip
    with origin.template(here) as folder:
        assert tree(folder / "template") == tree(checkout / "template")
        assert not (folder / ".git").exists()
    git(tmp_path, "clone", "--quiet", str(checkout), "clone")
    assert git(tmp_path / "clone", "show", f"{here.ref}:copier.yml") == "# changed"


@pytest.mark.parametrize(
    ("src_path", "cloned"),
    [
        ("https://host/fork.git", "https://host/fork.git"),
        ("git+https://host/fork", "https://host/fork"),
        ("git@host:me/fork.git", "git@host:me/fork.git"),
        ("gh:me/fork", "https://github.com/me/fork.git"),
        ("gl:me/fork.git", "https://gitlab.com/me/fork.git"),
        ("/a folder/fork", "/a folder/fork"),
        ("~/fork", str(Path.home() / "fork")),
    ],
)
def test_what_an_answers_file_says_can_be_cloned(src_path: str, cloned: str) -> None:
    assert origin.repository(src_path) == cloned


def test_releases_that_came_with_the_wheel_are_used(wheel: Path) -> None:
    assert origin.repository(source.url()) == source.url()
    wheel.with_suffix(".bundle").touch()
    assert origin.repository(source.url()) == str(wheel.with_suffix(".bundle"))
    assert origin.repository("https://host/fork.git") == "https://host/fork.git"
    assert origin.followed(source.url()).bundled
