"""What is published: the wheel works alone and offline, and agrees with the repository."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from create_12_factor_agent import source

from .conftest import ROOT, checked_in, tree
from .templates import commit, git

pytestmark = pytest.mark.slow

LOOP = "src/agent/engine/loop/advance.py"
VARIANTS: tuple[dict[str, object], ...] = (
    {},
    {"llm": [], "extra": []},
    {"llm": ["openai"], "extra": ["ci"]},
)


@dataclass(frozen=True)
class Published:
    """A repository with two releases, and a wheel of each."""

    repository: Path
    wheels: dict[str, Path]

    def run(self, version: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a release as its users do, without a network."""
        offline = ["uvx", "--quiet", "--offline", "--from", str(self.wheels[version])]
        return subprocess.run(
            [*offline, source.NAME, *arguments],
            cwd=cwd, env=os.environ | {"CI": "1"}, capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("published")
    repository = folder / "repository"
    for name in checked_in():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, repository / name)
    loop = (repository / "template" / LOOP).read_text()
    changes = {"v91.0.0": loop, "v91.1.0": loop.replace("MAX_DELIVERIES = 5", "MAX_DELIVERIES = 6")}
    wheels = {}
    for tag, text in changes.items():
        log = (repository / "docs/changelog.md").read_text()
        log = log.replace("## Unreleased\n", f"## Unreleased\n\n- What {tag} brings.\n", 1)
        commit(repository, {f"template/{LOOP}": text, "docs/changelog.md": log})
        release(repository, tag[1:])
        wheels[tag] = Path(shutil.copy(next((repository / "dist").glob("*.whl")), folder))
    return Published(repository, wheels)


def release(repository: Path, version: str) -> subprocess.CompletedProcess[str]:
    people, facts = ("AUTHOR", "COMMITTER"), ("NAME", "EMAIL")
    identity = {f"GIT_{who}_{fact}": "n" for who in people for fact in facts}
    return subprocess.run(
        [sys.executable, ROOT / ".ci/release.py", version, "--no-tests"],
        cwd=repository, env=os.environ | identity, capture_output=True, text=True, check=False,
    )  # fmt: skip


def _build(kind: str, project: Path, out: Path) -> Path:
    return _build_and_listen(kind, project, out)[0]


def _build_and_listen(kind: str, project: Path, out: Path) -> tuple[Path, str]:
    """Build, and return what was built and what the build said."""
    build = ["uv", "build", kind, "--out-dir", str(out), str(project)]
    ran = subprocess.run(build, check=True, capture_output=True, text=True)
    return next(file for file in out.iterdir() if file.suffix in (".whl", ".gz")), ran.stderr


def _clone(published: Published, path: Path, *options: str) -> Path:
    git(path.parent, "clone", "--quiet", *options, f"file://{published.repository}", str(path))
    return path


def test_a_release_makes_adds_and_updates_offline(published: Published, tmp_path: Path) -> None:
    made = published.run("v91.0.0", "p", "--yes", "--no-install", "--llm", "none", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    project = tmp_path / "p"
    answers = (project / ".copier-answers.yml").read_text()
    assert f"_commit: v91.0.0\n_src_path: {source.url()}\n" in answers
    added = published.run("v91.1.0", "add", "openai", "--no-install", cwd=project)
    assert added.returncode == 0, added.stderr
    assert "_commit: v91.0.0\n" in (project / ".copier-answers.yml").read_text()
    commit(project, {})
    assert published.run("v91.1.0", "update", "--check", cwd=project).returncode == 4
    updated = published.run("v91.1.0", "update", "--no-install", cwd=project)
    assert updated.returncode == 0, updated.stderr
    assert "MAX_DELIVERIES = 6" in (project / LOOP).read_text()
    commit(project, {})
    behind = published.run("v91.0.0", "update", cwd=project)
    assert behind.returncode == 2
    assert f"uvx {source.NAME}@latest" in behind.stderr


@pytest.mark.nightly
def test_plain_copier_updates_what_a_release_made(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from copier import run_update
    from plumbum import local

    published.run("v91.0.0", "p", "--yes", "--no-install", cwd=tmp_path)
    shutil.copytree(tmp_path / "p", tmp_path / "theirs")
    published.run("v91.1.0", "update", "--no-install", cwd=tmp_path / "p")
    monkeypatch.setenv("COPIER_CACHE_DIR", str(tmp_path / "cache"))
    online = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{published.repository}.insteadOf",
        "GIT_CONFIG_VALUE_0": source.url(),
    }
    with local.env(**online):
        run_update(tmp_path / "theirs", defaults=True, overwrite=True, quiet=True)
    ours, theirs = (_without_git(tmp_path / name) for name in ("p", "theirs"))
    assert ours == theirs


@pytest.mark.nightly
def test_what_came_from_a_fork_is_updated_from_the_fork(
    published: Published, tmp_path: Path
) -> None:
    fork = tmp_path / "fork"
    git(tmp_path, "clone", "--quiet", str(published.repository), str(fork))
    first = commit(fork, {"template/ours.md": "ours\n"})
    program = ["uvx", "--quiet", "--from", f"git+file://{fork}", "--refresh", source.NAME]
    subprocess.run([*program, "p", "--yes", "--no-install"], cwd=tmp_path, check=True)
    project = tmp_path / "p"
    answers = (project / ".copier-answers.yml").read_text()
    assert f"_commit: {first}\n_src_path: git+file://{fork}\n" in answers
    commit(fork, {"template/ours.md": "ours, and better\n"})
    subprocess.run([*program, "update", "--no-install"], cwd=project, check=True)
    assert (project / "ours.md").read_text() == "ours, and better\n"


@pytest.mark.parametrize("variant", VARIANTS)
def test_folder_bundle_and_tag_render_the_same(
    published: Published, tmp_path: Path, variant: dict[str, object]
) -> None:
    from copier import Settings, run_copy

    package = _unpacked(published.wheels["v91.1.0"], tmp_path)
    places = {
        "folder": (package / "_template", None),
        "bundle": (package / "_template.bundle", "v91.1.0"),
        "tag": (published.repository, "v91.1.0"),
    }
    for name, (place, ref) in places.items():
        run_copy(
            str(place), tmp_path / name, {**variant, "project_name": "p"}, vcs_ref=ref,
            defaults=True, quiet=True, settings=Settings(),
        )  # fmt: skip
        (tmp_path / name / ".copier-answers.yml").unlink()
    assert tree(tmp_path / "folder") == tree(tmp_path / "bundle") == tree(tmp_path / "tag")
    assert "MAX_DELIVERIES = 6" in (tmp_path / "tag" / LOOP).read_text()


def test_an_sdist_builds_the_same_wheel_without_git(published: Published, tmp_path: Path) -> None:
    sdist = _build("--sdist", published.repository, tmp_path / "sdist")
    shutil.unpack_archive(sdist, tmp_path / "source", filter="data")
    wheel = _build("--wheel", next((tmp_path / "source").iterdir()), tmp_path / "wheel")
    ours = _unpacked(wheel, tmp_path / "a")
    assert "v91.0.0" in git(ours, "bundle", "list-heads", "_template.bundle")
    assert tree(ours) == tree(_unpacked(published.wheels["v91.1.0"], tmp_path / "b"))


def test_a_shallow_clone_makes_a_wheel_that_names_the_release_it_lacks(
    published: Published, tmp_path: Path
) -> None:
    published.run("v91.0.0", "p", "--yes", "--no-install", cwd=tmp_path)
    shallow = _clone(published, tmp_path / "shallow", "--depth", "1")
    wheel, said = _build_and_listen("--wheel", shallow, tmp_path / "wheel")
    assert "This clone is shallow" in said
    assert "git fetch --unshallow --tags" in said
    updated = Published(shallow, {"shallow": wheel}).run("shallow", "update", cwd=tmp_path / "p")
    assert updated.returncode == 2
    assert "was built without the release v91.0.0." in updated.stderr
    assert f"uvx {source.NAME}@latest" in updated.stderr


@pytest.mark.nightly
def test_a_clone_without_tags_makes_a_wheel_that_records_its_commit(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagless = _clone(published, tmp_path / "tagless", "--no-tags")
    wheel, said = _build_and_listen("--wheel", tagless, tmp_path / "wheel")
    assert "No release tags were found" in said
    program = Published(tagless, {"tagless": wheel})
    made = program.run("tagless", "p", "--yes", "--no-install", cwd=tmp_path)
    assert "is not a release. Updates will work only if commit" in made.stderr
    settings, address = tmp_path / "settings", f"url.{published.repository}.insteadOf"
    git(tmp_path, "config", "--file", str(settings), address, source.url())
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    for version in ("tagless", "v91.1.0"):
        both = Published(tagless, {**published.wheels, **program.wheels})
        looked = both.run(version, "status", cwd=tmp_path / "p")
        assert "0 edited, 0 deleted" in looked.stderr


def test_an_archive_without_git_makes_a_wheel_of_its_release(
    published: Published, tmp_path: Path
) -> None:
    git(published.repository, "archive", "--output", str(tmp_path / "a.tar"), "v91.0.0")
    shutil.unpack_archive(tmp_path / "a.tar", tmp_path / "archive", filter="data")
    wheel, said = _build_and_listen("--wheel", tmp_path / "archive", tmp_path / "wheel")
    assert wheel.name.split("-")[1] == "91.0.0"
    assert "No release tags were found" in said


def test_a_partial_clone_makes_a_wheel_with_all_releases(
    published: Published, tmp_path: Path
) -> None:
    git(published.repository, "config", "uploadpack.allowFilter", "true")
    git(published.repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    partial = _clone(published, tmp_path / "partial", "--filter=blob:none")
    wheel, said = _build_and_listen("--wheel", partial, tmp_path / "wheel")
    assert "Warning" not in said
    heads = git(_unpacked(wheel, tmp_path / "a"), "bundle", "list-heads", "_template.bundle")
    ours = _unpacked(published.wheels["v91.1.0"], tmp_path / "b")
    assert heads == git(ours, "bundle", "list-heads", "_template.bundle")


def _without_git(folder: Path) -> dict[str, bytes]:
    return {name: held for name, held in tree(folder).items() if not name.startswith(".git/")}


def _unpacked(wheel: Path, folder: Path) -> Path:
    shutil.unpack_archive(wheel, folder, "zip")
    return folder / "create_12_factor_agent"


@pytest.mark.parametrize(
    ("version", "told"),
    [("1.2", "no version"), ("91.0.0", "is there already"), ("92.0.0", "nothing under")],
)
def test_a_release_that_cannot_be_made_is_told(
    published: Published, version: str, told: str
) -> None:
    ran = release(published.repository, version)
    assert ran.returncode == 1
    assert told in ran.stderr
    assert f"v{version}" not in git(published.repository, "tag").replace("v91.0.0", "").split()


def test_a_release_that_fails_is_taken_back(published: Published, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    git(tmp_path, "clone", "--quiet", str(published.repository), str(repository))
    broken = (repository / "pyproject.toml").read_text().replace("hatchling.build", "nothing.build")
    log = (repository / "docs/changelog.md").read_text()
    log = log.replace("## Unreleased\n", "## Unreleased\n\n- More.\n", 1)
    before = commit(repository, {"pyproject.toml": broken, "docs/changelog.md": log})
    assert release(repository, "92.0.0").returncode != 0
    assert git(repository, "rev-parse", "HEAD") == before
    assert git(repository, "status", "--short") == ""
    assert "v92.0.0" not in git(repository, "tag")


def test_a_release_whose_wheel_lacks_an_older_one_is_taken_back(
    published: Published, tmp_path: Path
) -> None:
    repository = _clone(published, tmp_path / "repository")
    hook = (repository / ".ci/bundle.py").read_text()
    hook = hook.replace('_git(checkout, "tag").split()', '_git(checkout, "tag").split()[1:]', 1)
    log = (repository / "docs/changelog.md").read_text()
    log = log.replace("## Unreleased\n", "## Unreleased\n\n- More.\n", 1)
    before = commit(repository, {".ci/bundle.py": hook, "docs/changelog.md": log})
    ran = release(repository, "92.0.0")
    assert (ran.returncode, ran.stderr) == (1, "The wheel lacks the release v91.0.0.\n")
    assert git(repository, "rev-parse", "HEAD") == before
    assert "v92.0.0" not in git(repository, "tag")


def _check(clone: Path, wheel: Path) -> subprocess.CompletedProcess[str]:
    (clone / "dist").mkdir()
    shutil.copy(wheel, clone / "dist")
    check = [sys.executable, str(ROOT / ".ci/check_wheel.py")]
    return subprocess.run(check, cwd=clone, capture_output=True, text=True, check=False)


def test_a_wheel_with_all_releases_passes_the_check(published: Published, tmp_path: Path) -> None:
    ran = _check(_clone(published, tmp_path / "clone"), published.wheels["v91.1.0"])
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_wheel_with_another_template_under_a_tag_fails_the_check(
    published: Published, tmp_path: Path
) -> None:
    clone = _clone(published, tmp_path / "clone")
    git(clone, "tag", "--force", "v91.0.0", "v91.1.0")
    git(clone, "tag", "v90.0.0", "v91.1.0")
    ran = _check(clone, published.wheels["v91.1.0"])
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        "The wheel lacks the release v90.0.0.",
        "The wheel has another template than v91.0.0 under that name.",
    ]


def test_a_wheel_that_renders_another_template_than_its_tag_fails_the_check(
    published: Published, tmp_path: Path
) -> None:
    package = _unpacked(published.wheels["v91.1.0"], tmp_path / "changed")
    (package / "_template/template" / LOOP).write_text("# not what was released\n")
    changed = shutil.make_archive(str(tmp_path / "changed"), "zip", package.parent)
    wheel = Path(changed).rename(tmp_path / published.wheels["v91.1.0"].name)
    ran = _check(_clone(published, tmp_path / "clone"), wheel)
    assert ran.returncode == 1
    assert "renders another template than v91.1.0 has" in ran.stderr


def test_nothing_is_released_from_a_shallow_clone(published: Published, tmp_path: Path) -> None:
    shallow = _clone(published, tmp_path / "shallow", "--depth", "1")
    for ran in (release(shallow, "92.0.0"), _check(shallow, published.wheels["v91.1.0"])):
        assert ran.returncode == 1
        assert "This clone is shallow" in ran.stderr
