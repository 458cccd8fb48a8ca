"""Where owners keep their projects, and what their git and their machine are set to.

`{room}` in a value is the owner's room.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tests.footprints import Room
from tests.plain_git import git

NO_FILES: Mapping[str, str] = MappingProxyType({})

Layout = Callable[[Path, Path], tuple[Path, Path]]
"""Copy a project into a room; return it, and the folder of its repository."""


def ordinary(made: Path, room: Path) -> tuple[Path, Path]:
    project = _copy(made, room / "my-agent")
    return project, project


def odd_path(made: Path, room: Path) -> tuple[Path, Path]:
    project = _copy(made, room / "Mein Käse 'n' $HOME \"x\"/my-agent")
    return project, project


def monorepo(made: Path, room: Path) -> tuple[Path, Path]:
    top = room / "outer"
    project = _copy(made, top / "agents/my-agent")
    _copy(made, top / "agents/neighbour")
    for folder in top.glob("agents/*"):
        shutil.rmtree(folder / ".git")
    for name in ("changed", "staged", "both", "deleted", "removed"):
        (top / name).write_text("first\n")
    _commit(top)
    return project, top


def linked_worktree(made: Path, room: Path) -> tuple[Path, Path]:
    main = _copy(made, room / "main")
    git(main, "worktree", "add", "--quiet", "../my-agent", "-b", "work")
    git(main, "worktree", "add", "--quiet", "--detach", "../third")
    return room / "my-agent", room / "my-agent"


def submodule(made: Path, room: Path) -> tuple[Path, Path]:
    top = room / "outer"
    top.mkdir()
    git(top, "init", "--quiet", "--initial-branch=main")
    allowed = ("-c", "protocol.file.allow=always")
    git(top, *allowed, "submodule", "--quiet", "add", str(made), "my-agent")
    git(top, "commit", "--quiet", "--message", "Submodule")
    return top / "my-agent", top / "my-agent"


def sha256(made: Path, room: Path) -> tuple[Path, Path]:
    project = _copy(made, room / "my-agent")
    shutil.rmtree(project / ".git")
    _commit(project, "--object-format=sha256")
    return project, project


def shallow(made: Path, room: Path) -> tuple[Path, Path]:
    git(room, "clone", "--quiet", "--depth=1", made.as_uri(), "my-agent")
    return room / "my-agent", room / "my-agent"


def behind_a_link(made: Path, room: Path) -> tuple[Path, Path]:
    project, _ = ordinary(made, room / "real")
    (room / "linked").symlink_to("real")
    return project, project


def _copy(made: Path, project: Path) -> Path:
    project.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copytree(made, project, symlinks=True))


def _commit(top: Path, *options: str) -> None:
    git(top, "init", "--quiet", "--initial-branch=main", *options)
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message", "First")


# -- done at last ----------------------------------------------------------------------------


def failing_hooks(room: Room) -> None:
    hooks = room.git_folder / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in HOOKS:
        (hooks / name).write_text(f"#!/bin/sh\ntouch '{room.path}/{name}-ran'\nexit 1\n")
        (hooks / name).chmod(0o755)


HOOKS = ("applypatch-msg", "commit-msg", "fsmonitor-watchman", "post-applypatch", "post-checkout",
         "post-commit", "post-index-change", "post-merge", "post-rewrite", "pre-applypatch",
         "pre-auto-gc", "pre-commit", "pre-merge-commit", "pre-push", "pre-rebase",
         "prepare-commit-msg", "reference-transaction", "sendemail-validate")  # fmt: skip


def work_elsewhere(room: Room) -> None:
    """Stage, change and delete files of the outer repository."""
    (room.top / "staged").write_text("second\n")
    (room.top / "both").write_text("second\n")
    room.git("add", "staged", "both")
    room.git("rm", "--quiet", "removed")
    for name in ("both", "changed", "not-known"):
        (room.top / name).write_text("third\n")
    (room.top / "deleted").unlink()
    neighbour = room.top / "agents/neighbour"
    (neighbour / "Makefile").write_text("mine\n")
    (neighbour / "new").write_text("mine\n")


def stash(room: Room) -> None:
    (room.project / "README.md").write_bytes(b"stashed\n")
    room.git("stash", "push", "--quiet")


def detach(room: Room) -> None:
    room.git("checkout", "--quiet", "--detach")


def attributes_at_home(room: Room) -> None:
    folder = room.home / ".config/git"
    folder.mkdir(parents=True)
    (folder / "attributes").write_text("*.py -diff -merge\n*.md merge=union\n* export-ignore\n")
    (folder / "ignore").write_text("retry.*\n*.toml\n")


def attributes_of_the_clone(room: Room) -> None:
    (room.git_folder / "info/attributes").write_text("*.py -merge\n*.md merge=union\n")
    (room.git_folder / "info/exclude").write_text("metrics/\n")


def hide(option: str) -> Callable[[Room], None]:
    """Have work that git does not list: it was told to take files for unchanged."""

    def finish(room: Room) -> None:
        for path in (room.project / "Makefile", room.project / "docs/guide.md"):
            if path.is_file() and not path.is_symlink() and path.parent.resolve() == path.parent:
                room.git("update-index", option, str(path))
                path.write_bytes(path.read_bytes() + b"# not committed\n")

    return finish


@dataclass(frozen=True)
class Surroundings:
    layout: Layout = ordinary
    folder: str = "."
    """Where the owner is, in the project."""
    settings: tuple[tuple[str, str], ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """What stands in the room; all can be executed."""
    finishing: tuple[Callable[[Room], None], ...] = ()
    """What is done when the project is committed."""
    converts: bool = False
    """The owner's git changes line endings on their way in and out."""


def join(one: Surroundings, other: Surroundings) -> Surroundings:
    """Return what both are at once; only one of them has a layout."""
    named = one if one.layout is not ordinary or one.folder != "." else other
    return Surroundings(
        named.layout,
        named.folder,
        one.settings + other.settings,
        {**one.variables, **other.variables},
        {**one.files, **other.files},
        one.finishing + other.finishing,
        converts=one.converts or other.converts,
    )


def _set(
    *settings: str, converts: bool = False, files: Mapping[str, str] = NO_FILES
) -> tuple[str, Surroundings]:
    pairs = tuple((name, value) for name, _, value in (one.partition("=") for one in settings))
    return ", ".join(settings), Surroundings(settings=pairs, files=files, converts=converts)


def _variable(name: str, value: str) -> tuple[str, Surroundings]:
    return name, Surroundings(variables={name: value})


ATTRIBUTES = "*.md -diff\n*.py binary\n* merge=union\n"
FAIL = "#!/bin/sh\nexit 1\n"
FAILING = {"fail": FAIL}

PLACES: Mapping[str, Surroundings] = {
    "an ordinary repository": Surroundings(),
    "a subfolder": Surroundings(folder="src"),
    "a monorepo": Surroundings(monorepo, finishing=(work_elsewhere,)),
    "a subfolder of a monorepo": Surroundings(monorepo, folder="src", finishing=(work_elsewhere,)),
    "a linked worktree": Surroundings(linked_worktree),
    "a submodule": Surroundings(submodule),
    "a shallow clone": Surroundings(shallow),
    "a SHA-256 repository": Surroundings(sha256),
    "a path with odd letters": Surroundings(odd_path),
    "a folder behind a link": Surroundings(behind_a_link, folder="../../linked/my-agent"),
    "failing hooks": Surroundings(finishing=(failing_hooks,)),
    "work behind --skip-worktree": Surroundings(finishing=(hide("--skip-worktree"),)),
    "work behind --assume-unchanged": Surroundings(finishing=(hide("--assume-unchanged"),)),
    "a stash": Surroundings(finishing=(stash,)),
    "a detached HEAD": Surroundings(finishing=(detach,)),
    "attributes at home": Surroundings(finishing=(attributes_at_home,)),
    "attributes of the clone": Surroundings(finishing=(attributes_of_the_clone,)),
}

SETTINGS: Mapping[str, Surroundings] = dict(
    [
        _set("status.showUntrackedFiles=no"),
        _set("apply.whitespace=error"),
        _set("apply.whitespace=fix"),
        _set("core.autocrlf=true", converts=True),
        _set("core.autocrlf=true", "core.safecrlf=true", converts=True),
        _set("core.autocrlf=input", converts=True),
        _set("core.eol=crlf"),
        _set("core.attributesFile={room}/attributes", files={"attributes": ATTRIBUTES}),
        _set("core.excludesFile={room}/ignore", files={"ignore": "retry.*\n*.py\n"}),
        _set("merge.conflictStyle=diff3"),
        _set("merge.conflictStyle=zdiff3"),
        _set("merge.renames=false"),
        _set("merge.renameLimit=1", "diff.renameLimit=1"),
        _set("merge.directoryRenames=false"),
        _set("merge.directoryRenames=true"),
        _set("merge.renormalize=true"),
        _set("merge.default=union"),
        _set("merge.verbosity=5"),
        _set("diff.renames=false"),
        _set("diff.renames=copies"),
        _set("diff.algorithm=patience"),
        _set("core.quotePath=false"),
        _set("core.safecrlf=true"),
        _set("diff.noprefix=true"),
        _set("diff.mnemonicPrefix=true"),
        _set("diff.external={room}/fail", files=FAILING),
        _set("diff.ignoreSubmodules=all"),
        _set("diff.orderFile={room}/order", files={"order": "*.md\n*.py\n"}),
        _set("merge.ff=only"),
        _set(
            "commit.gpgSign=true",
            "gpg.program={room}/fail",
            "tag.gpgSign=true",
            files=FAILING,
        ),
        _set("core.fsmonitor={room}/fail", files=FAILING),
        _set("core.precomposeUnicode=true"),
        _set("core.ignoreCase=true"),
        _set("core.symlinks=true"),
        _set("core.hooksPath={room}/hooks", files={f"hooks/{name}": FAIL for name in HOOKS}),
        _set("safe.bareRepository=explicit"),
        _set("protocol.file.allow=never"),
        _set("protocol.allow=never"),
        _set("init.defaultObjectFormat=sha256"),
        _set("init.templateDir={room}/nowhere"),
        _set("status.relativePaths=false", "status.short=true", "status.branch=true"),
        _set("status.renames=copies"),
        _set("i18n.commitEncoding=latin1", "i18n.logOutputEncoding=latin1"),
        _set("core.pager={room}/fail", "pager.status=true", files=FAILING),
        _set("color.ui=always"),
        _set("column.ui=always"),
        _set("alias.status=!false", "alias.merge-tree=!false"),
        _set("submodule.recurse=true"),
        _set("core.untrackedCache=true", "index.version=4"),
        _set("core.splitIndex=true"),
        _set("feature.manyFiles=true"),
        _set("core.commentChar=;"),
        _set("core.logAllRefUpdates=always"),
        _set("core.bigFileThreshold=1"),
        _set("core.compression=0", "gc.auto=1", "gc.autoDetach=false"),
        _set("core.sharedRepository=0600"),
        _set("extensions.worktreeConfig=true"),
        _set("user.useConfigOnly=true"),
        _set("log.showSignature=true"),
        _set("rerere.enabled=true", "rerere.autoUpdate=true"),
        _set("fetch.fsckObjects=true", "transfer.fsckObjects=true"),
        _set("clone.defaultRemoteName=elsewhere", "checkout.defaultRemote=elsewhere"),
        _set("core.abbrev=4"),
        _set("core.whitespace=trailing-space,cr-at-eol"),
        _set("blame.ignoreRevsFile={room}/nowhere"),
    ]
)

VARIABLES: Mapping[str, Surroundings] = dict(
    [
        _variable("GIT_DIR", "{room}/other/.git"),
        _variable("GIT_INDEX_FILE", "{room}/other/.git/index"),
        _variable("GIT_WORK_TREE", "{room}/other"),
        _variable("GIT_OBJECT_DIRECTORY", "{room}/other/.git/objects"),
        _variable("GIT_ALTERNATE_OBJECT_DIRECTORIES", "{room}/nowhere"),
        _variable("GIT_COMMON_DIR", "{room}/other/.git"),
        _variable("GIT_NAMESPACE", "other"),
        _variable("GIT_PREFIX", "src/"),
        _variable("GIT_QUARANTINE_PATH", "{room}/other"),
        _variable("GIT_CEILING_DIRECTORIES", "{room}"),
        _variable("GIT_CONFIG_PARAMETERS", "'core.bare=true'"),
        _variable("GIT_DEFAULT_HASH", "sha256"),
        _variable("GIT_DEFAULT_REF_FORMAT", "reftable"),
        _variable("GIT_ATTR_SOURCE", "HEAD"),
        _variable("GIT_DIFF_OPTS", "--unified=0"),
        _variable("GIT_EXTERNAL_DIFF", "false"),
        _variable("GIT_LITERAL_PATHSPECS", "1"),
        _variable("GIT_ICASE_PATHSPECS", "1"),
        _variable("GIT_NOGLOB_PATHSPECS", "1"),
        _variable("GIT_MERGE_VERBOSITY", "5"),
        _variable("GIT_TRACE", "1"),
        _variable("GIT_REPLACE_REF_BASE", "refs/other/"),
        _variable("GIT_OPTIONAL_LOCKS", "0"),
        _variable("GIT_ALLOW_PROTOCOL", "https"),
        _variable("GIT_AUTHOR_DATE", "never"),
        _variable("GIT_TEMPLATE_DIR", "{room}/nowhere"),
        _variable("GIT_EDITOR", "false"),
        _variable("LANG", "C"),
        _variable("LC_ALL", "de_DE"),
        _variable("PYTHONUTF8", "0"),
        _variable("PYTHONWARNINGS", "error"),
        _variable("HOME", "/dev/null/home"),
        _variable("TMPDIR", "{room}/Temporary files, in a folder with a long name"),
        _variable("COPIER_SETTINGS_PATH", "{room}/nowhere.yml"),
        _variable("TZ", "Pacific/Kiritimati"),
        _variable("COLUMNS", "20"),
        _variable("POSIXLY_CORRECT", "1"),
    ]
)

SURROUNDINGS: Mapping[str, Surroundings] = {**PLACES, **SETTINGS, **VARIABLES}
