"""What owners do to their files and what arrives later do not meet: nothing is left to merge."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
import yaml

from create_12_factor_agent import catalog, change, engine, project, publish
from create_12_factor_agent import changelog as news
from create_12_factor_agent.history import History
from create_12_factor_agent.state import State

from . import variants
from .conftest import ROOT, checked_in, tree
from .menu import Answers
from .templates import commit, git, quick

Files = dict[str, str]
Edit = Callable[[list[str], list[str], str], list[str]]
"""The lines of a list, the items among them that stay, and the owner's own item in; lines out."""

LOOP = "src/agent/engine/loop/advance.py"
SAMPLE = catalog.seeds((ROOT / "copier.yml").read_text("utf-8"))
"""What owners replace, and no update touches."""

AROUND = {"the smallest": variants.SMALLEST, "a full one": variants.FULL}


@dataclass(frozen=True)
class Listing:
    """A list that both owners and parts write to. Lines are told by patterns."""

    file: str
    before: str
    """The line before it; empty where it begins with the file."""
    after: str
    """The line after it; without one it goes on to the end of the file."""
    item: str
    mine: str
    """What an owner adds."""

    def within(self, files: Files) -> bool:
        found = re.search(f"^{self.before}", files.get(self.file, ""), re.MULTILINE)
        return self.file in files and found is not None

    def edited(self, text: str, edits: Iterable[Edit], staying: list[str]) -> str:
        before, lines, after = self._split(text)
        for edit in edits:
            lines = edit(lines, staying, self.mine)
        return "\n".join([*before, *lines, *after, ""])

    def staying(self, one: str, other: str) -> list[str]:
        """Return the items that both texts have."""
        items, others = (self._split(text)[1] for text in (one, other))
        return [line for line in items if re.match(self.item, line) and line in others]

    def _split(self, text: str) -> tuple[list[str], list[str], list[str]]:
        lines = text.splitlines()
        start = self._find(self.before, lines, 0) + 1 if self.before else 0
        end = self._find(self.after, lines, start)
        while not lines[end - 1]:
            end -= 1
        return lines[:start], lines[start:end], lines[end:]

    @staticmethod
    def _find(pattern: str, lines: list[str], start: int) -> int:
        found = (at for at in range(start, len(lines)) if re.match(pattern, lines[at]))
        return next(found, len(lines))


END = "(?!)"

LISTS = {
    "dependencies": Listing("pyproject.toml", r"dependencies = \[", "]", '    "', '    "m>=1",'),
    "tools for checks": Listing("pyproject.toml", r"dev = \[", "]", '    "', '    "m>=1",'),
    "variables": Listing(".env.example", "", END, r"# [A-Z_]+=", "# MINE="),
    "ignored files": Listing(".gitignore", "", END, r"[^#]", "/mine/"),
    "settings of all services": Listing("compose.yaml", "x-agent:", r"\S", r"  \w+:", "  mine: 1"),
    "settings of the service": Listing(
        "compose.yaml", "  agent:", r" {0,2}\S", r"    \w+:", "    mine: 1"
    ),
    "services": Listing("compose.yaml", "services:", r"\S", r"  \w+:", "  mine: {image: mine}"),
    "manifests": Listing(
        "kubernetes/base/kustomization.yaml", "resources:", END, r"  - ", "  - mine.yaml"
    ),
    "volumes": Listing("compose.yaml", "volumes:", r"\S", r"  \w+:", "  mine:"),
}


def at(place: float, change: Callable[[str, str], tuple[str, ...]]) -> Edit:
    """Replace the item at a place, 0 the first and 1 the last, by what is made of it."""

    def edit(lines: list[str], staying: list[str], mine: str) -> list[str]:
        chosen = staying[int(place * (len(staying) - 1))] if staying else None
        return [new for old in lines for new in (change(old, mine) if old == chosen else (old,))]

    return edit


def in_order(lines: list[str], staying: list[str], mine: str) -> list[str]:
    greater = (lines.index(item) for item in staying if item in lines and item > mine)
    place = next(greater, len(lines))
    return [*lines[:place], mine, *lines[place:]]


EDITS: dict[str, Edit] = {
    "append": lambda lines, _, mine: [*lines, mine],
    "prepend": lambda lines, _, mine: [mine, *lines],
    "insert in order": in_order,
    "remove one": at(0.4, lambda _item, _mine: ()),
    "bump the first": at(0, lambda item, _: (f"{item} # mine",)),
    "bump the middle one": at(0.5, lambda item, _: (f"{item} # mine",)),
    "bump the last": at(1, lambda item, _: (f"{item} # mine",)),
}


def edited(files: Files, other: Files) -> Files:
    """Do all edits to all lists, at items that the other state has too."""
    files = dict(files)
    for listing in LISTS.values():
        if listing.within(files) and listing.within(other):
            staying = listing.staying(files[listing.file], other[listing.file])
            files[listing.file] = listing.edited(files[listing.file], EDITS.values(), staying)
    return files


def merged(base: str, mine: str, theirs: str, folder: Path) -> str | None:
    """Return what git makes of three versions of a file; None for a conflict.

    Copier asks git for it wherever a change does not apply as it is.
    """
    files = [folder / name for name in ("mine", "base", "theirs")]
    for file, text in zip(files, (mine, base, theirs), strict=True):
        file.write_text(text, "utf-8")
    done = subprocess.run(
        ["git", "merge-file", "--stdout", *files], capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else None


# -- templates and repositories --------------------------------------------------------------


@pytest.fixture(scope="module")
def small(newest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as far as it tells agents apart: quicker, and no less.

    Of files that are the same wherever they are, and always come together, the first is enough.
    """
    agents = []
    for one in variants.few():
        path = tmp_path_factory.mktemp("agent")
        engine.render(newest, path, one)
        agents.append(tree(path))
    folder = tmp_path_factory.mktemp("small")
    shutil.copytree(newest, folder, dirs_exist_ok=True)
    questions = folder / "copier.yml"
    questions.write_text(quick(questions.read_text("utf-8")), "utf-8")
    together = {(True,) * len(agents)}
    for name in sorted(set().union(*agents) - {listing.file for listing in LISTS.values()}):
        there = tuple(name in agent for agent in agents)
        if len({agent[name] for agent in agents if name in agent}) == 1:
            if there in together:
                shipped(folder, name).unlink()
            together.add(there)
    return folder


def shipped(template: Path, name: str) -> Path:
    """Return the file of a template that a file of an agent is made from."""
    plain = template / "template" / name
    return plain if plain.exists() else plain.with_name(f"{plain.name}.jinja")


Render = Callable[[Answers], Files]


@pytest.fixture(scope="module")
def rendered(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Render:
    folder = tmp_path_factory.mktemp("rendered")

    def render(answers: Answers) -> Files:
        path = folder / "-".join(variants.chosen(answers))
        if not path.exists():
            engine.render(small, path, answers | {"project_name": "mine"})
        files = tree(path).items()
        return {name: text.decode() for name, text in files if name != project.ANSWERS}

    return render


@pytest.fixture(scope="module")
def today(small: Path, tmp_path_factory: pytest.TempPathFactory) -> History:
    """The newest state alone, which `add` and `remove` keep to."""
    return history(tmp_path_factory.mktemp("today") / "history", small)


def before_there_was(part: str, files: Iterable[str], template: Path, folder: Path) -> Path:
    """Copy a template as it was before it had a part, to which these files belong."""
    shutil.copytree(template, folder)
    for name in files:
        shipped(folder, name).unlink()
    entries = yaml.safe_load((folder / "copier.yml").read_text("utf-8"))
    question = entries[variants.PARTS[part].name]
    kept = [
        (label, one) for label, one in question["choices"].items() if catalog.value(one) != part
    ]
    question["choices"] = dict(kept)
    default = question["default"]
    if isinstance(default, list):
        question["default"] = [one for one in default if one != part]
    elif default == part:
        question["default"] = catalog.value(kept[0][1])
    entries["_exclude"] = [entry for entry in entries["_exclude"] if f"'{part}'" not in entry]
    (folder / "copier.yml").write_text(yaml.safe_dump(entries, sort_keys=False), "utf-8")
    return folder


def history(path: Path, first: Path, newer: Path | None = None) -> History:
    """Make the template's repository, with one or two states."""
    shutil.copytree(first, path)
    old = commit(path, {}, "v1")
    if newer:
        shutil.rmtree(path / "template")
        shutil.copytree(newer, path, dirs_exist_ok=True)
    new = commit(path, {}, "v2")
    return History(
        State(path, old, is_strict=False), State(path, new), "v1", "v2" if newer else "v1"
    )


def owned(past: History, answers: Answers, path: Path) -> Path:
    """Make a repository from the old template, as its owner has it on the first day."""
    with past.old.folder() as template:
        engine.render(template, path, answers | {"project_name": "mine"})
    engine.stamp(path, "https://example.org/template.git", "v1")
    commit(path, {})
    return path


def read(path: Path) -> Files:
    """Return the files of a repository, but for the answers."""
    names = set(git(path, "ls-files").splitlines()) - {project.ANSWERS}
    return {name: (path / name).read_text("utf-8") for name in names}


def replaced(files: Files) -> Files:
    return {name: text for name, text in files.items() if name.startswith(SAMPLE)}


def changed(past: History, path: Path, answers: Answers) -> change.Change:
    """Bring a repository to the new template and to other answers, and commit that."""
    with change.drafted(project.find(path), past, answers) as draft:
        publish.publish(path, draft)
    commit(path, {})
    return draft.change


# -- lists -----------------------------------------------------------------------------------


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("part", variants.optional())
def test_an_edited_list_takes_the_lines_of_a_part_and_gives_them_back(
    rendered: Render, tmp_path: Path, part: str, around: str
) -> None:
    without, having = map(rendered, variants.step(part, AROUND[around]))
    failed = []
    for (name, listing), (edit, how) in product(LISTS.items(), EDITS.items()):
        if not listing.within(without) or not listing.within(having):
            continue
        one, other = without[listing.file], having[listing.file]
        staying = listing.staying(one, other)
        for way, base, theirs in (("add", one, other), ("remove", other, one)):
            mine, both = (listing.edited(text, [how], staying) for text in (base, theirs))
            if merged(base, mine, theirs, tmp_path) != both:
                failed.append(f"{way} {part}, after: {edit} of the {name}")
    assert failed == []


@pytest.mark.slow
@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("part", variants.optional())
def test_a_part_that_is_added_and_removed_leaves_what_was_there(
    rendered: Render, today: History, tmp_path: Path, part: str, around: str
) -> None:
    """Byte by byte, answers included, though every list was edited."""
    without, having = variants.step(part, AROUND[around])
    one, other = rendered(without), rendered(having)
    path = owned(today, without, tmp_path / "mine")
    at_first = commit(path, edited(one, other))
    done = changed(today, path, having)
    assert (done.conflicts, done.lost, done.missed) == ((), (), ())
    assert read(path) == edited(other, one) | replaced(one)
    changed(today, path, without)
    assert git(path, "diff", at_first) == ""


@pytest.mark.slow
@pytest.mark.parametrize("part", variants.optional())
def test_an_update_brings_a_new_part_where_every_list_was_edited(
    rendered: Render, small: Path, tmp_path: Path, part: str
) -> None:
    without, having = variants.step(part, variants.FULL)
    one, other = rendered(without), rendered(having)
    first = before_there_was(part, other.keys() - one, small, tmp_path / "first")
    past = history(tmp_path / "history", first, small)
    path = owned(past, without, tmp_path / "mine")
    commit(path, edited(one, other))
    done = changed(past, path, having)
    assert (done.conflicts, done.lost, done.missed) == ((), (), ())
    assert read(path) == edited(other, one) | replaced(one)


# -- files -----------------------------------------------------------------------------------


def test_an_owner_who_replaced_the_sample_updates_as_if_there_had_been_none(
    newest: Path, tmp_path: Path
) -> None:
    """The next version changes every file of it, drops one and has one more."""
    first, newer = tmp_path / "first", tmp_path / "newer"
    shutil.copytree(newest, first)
    files = [name.removesuffix(".jinja") for name in tree(newest / "template")]
    sample = replaced(dict.fromkeys(files, ""))
    for name in files:
        if name.startswith(("src/agent/", "tests/")) and name not in (*sample, LOOP):
            shipped(first, name).unlink()  # it is quicker without them
    shutil.copytree(first, newer)
    for name in (*sample, LOOP):
        with shipped(newer, name).open("a", encoding="utf-8") as file:
            file.write("# newer\n")
    shipped(newer, "src/agent/deploy/tools.py").unlink()
    (newer / "template/src/agent/deploy/rollback.py").write_text('"""Go back."""\n', "utf-8")
    past = history(tmp_path / "history", first, newer)
    path = owned(past, variants.DEFAULT, tmp_path / "mine")
    git(path, "rm", "--quiet", "-r", *replaced(read(path)))
    mine = ("README.md", "src/agent/app.py", "src/agent/invoices/tools.py",
            "src/agent/invoices/prompts/system.md", "tests/invoices/test_tools.py")  # fmt: skip
    commit(path, dict.fromkeys(mine, "mine\n"))
    before = read(path)
    done = changed(past, path, {})
    assert (done.conflicts, done.lost, done.missed) == ((), (), ())
    assert read(path) == before | {LOOP: before[LOOP] + "# newer\n"}


def gone(released: Iterable[str], template: Iterable[str], changelog: str) -> list[str]:
    """Return the paths that are no more, and that the changelog calls neither removed nor moved."""
    told = "".join(re.findall(r"^### Removed\n(.*?)(?=^#|\Z)", changelog, re.DOTALL | re.MULTILINE))
    moves = news.moves("", changelog)
    now, then = (
        {path.removeprefix("template/").removesuffix(".jinja") for path in paths}
        for paths in (template, released)
    )
    left = {path for path in then - now if f"`{path}`" not in told}
    return sorted(path for path in left if not any(is_moved(path, move) for move in moves))


def is_moved(path: str, move: str) -> bool:
    return path == move or (move.endswith("/") and path.startswith(move))


def test_nothing_that_was_released_goes_away_or_is_renamed_without_a_word() -> None:
    """An owner's edits would go with the file."""
    tags = git(ROOT, "tag", "--list", "v*", "--sort=-version:refname").split()
    if not tags:
        pytest.skip("nothing was released yet")
    listing = git(ROOT, "ls-tree", "-r", "--name-only", tags[0], "template/")
    here = [name for name in checked_in() if name.startswith("template/")]
    changelog = (ROOT / "docs/changelog.md").read_text("utf-8")
    assert gone(listing.splitlines(), here, changelog) == []


@pytest.mark.parametrize(
    ("changelog", "missing"),
    [
        ("", ["compose.yaml", "src/agent/old.py"]),
        ("### Removed\n\n- `src/agent/old.py`: it is `new.py` now.\n", ["compose.yaml"]),
        ("### Removed\n\n- `compose.yaml`\n\n## v1\n\n- `src/agent/old.py`\n",
         ["src/agent/old.py"]),
        ("## 2\n\n- moved: `src/agent/old.py` → `new.py`\n", ["compose.yaml"]),
        ("## 2\n\n- moved: `src/agent/` → `src/`\n", ["compose.yaml"]),
    ],
)  # fmt: skip
def test_a_path_is_gone_until_the_changelog_names_it(changelog: str, missing: list[str]) -> None:
    released = ["template/compose.yaml", "template/src/agent/old.py", "template/Makefile"]
    assert gone(released, ["template/Makefile.jinja", "template/new.py"], changelog) == missing


@pytest.mark.parametrize("part", variants.optional())
def test_a_part_changes_no_code_but_the_list_of_parts(
    part: str, newest: Path, tmp_path: Path
) -> None:
    without, with_it = (
        _python(newest, answers, tmp_path / str(place))
        for place, answers in enumerate(variants.step(part, variants.DEFAULT))
    )
    common = without.keys() & with_it.keys()
    assert {name for name in common if without[name] != with_it[name]} <= {
        "src/agent/engine/parts.py"
    }
    assert "src/agent/engine/build.py" in common


def _python(template: Path, answers: Answers, folder: Path) -> dict[str, bytes]:
    engine.render(template, folder, answers | {"project_name": "my-agent"})
    return {name: held for name, held in tree(folder).items() if name.endswith(".py")}
