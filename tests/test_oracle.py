"""The oracle accepts what is right, and complains of each thing that can be wrong."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from .merging import Merged, merges, resolve
from .oracle import Update, at_new_places, violations
from .trees import FILE, LINK, SCRIPT, Entry, Tree


def lines(*numbers: int, **changed: str) -> bytes:
    """Write one numbered line each; `l3="text"` writes another."""
    return "".join(f"{changed.get(f'l{number}', number)}\n" for number in numbers).encode()


def files(**held: bytes) -> dict[str, Entry]:
    return {name: Entry(FILE, content) for name, content in held.items()}


ALL = range(20)
BINARY = b"\0old"
OLD = files(
    edited=lines(*ALL), both=lines(*ALL), windows=lines(*ALL), away=lines(*ALL, l0="away"),
    renamed=lines(*ALL, l0="renamed"), dropped=b"drop\n", gone=b"gone\n", same=b"same\n",
    binary=BINARY, image=BINARY, seed=b"seed\n", script=b"run\n",
)  # fmt: skip
NEW = {name: entry for name, entry in OLD.items() if name not in ("dropped", "gone")} | files(
    edited=lines(*ALL, l15="theirs"), both=lines(*ALL, l3="theirs"),
    windows=lines(*ALL, l15="theirs"), away=b"theirs\n",
    renamed=lines(*ALL, l0="renamed", l15="theirs"), binary=b"\0new", image=b"\0new",
    seed=b"better\n", added=b"added\n",
) | {"script": Entry(SCRIPT, b"run\n")}  # fmt: skip
BEFORE = {name: entry for name, entry in OLD.items() if name not in ("away", "renamed")} | files(
    edited=lines(*ALL, l2="edit"), both=lines(*ALL, l3="ours"),
    windows=lines(*ALL, l2="mine").replace(b"\n", b"\r\n"),
    moved=lines(*ALL, l0="renamed", l2="mine"), dropped=b"mine\n", image=b"\0mine",
    own=b"mine\n",
)  # fmt: skip
CONFLICT = lines(0, 1, 2) + b"<<<<<<< a\nours\n=======\ntheirs\n>>>>>>> b\n" + lines(*range(4, 20))
AFTER = {name: entry for name, entry in BEFORE.items() if name not in ("dropped", "gone")} | files(
    edited=lines(*ALL, l2="edit", l15="theirs"), both=CONFLICT,
    windows=lines(*ALL, l2="mine", l15="theirs").replace(b"\n", b"\r\n"),
    moved=lines(*ALL, l0="renamed", l2="mine", l15="theirs"), binary=b"\0new", added=b"added\n",
) | {"script": Entry(SCRIPT, b"run\n")}  # fmt: skip
TOLD: Mapping[str, Any] = {
    "conflicts": ["both", "image"],
    "lost": ["dropped"],
    "missed": ["away"],
    "followed": {"renamed": "moved"},
}
RIGHT = Update(OLD, NEW, BEFORE, AFTER, ("seed",), told=TOLD)


def after(**held: bytes | Entry | None) -> Update:
    """Return what is right, but for some files; None is one that is gone."""
    given = {
        name: Entry(FILE, content) if isinstance(content, bytes) else content
        for name, content in held.items()
    }
    tree: Tree = {name: entry for name, entry in {**AFTER, **given}.items() if entry}
    return replace(RIGHT, after=tree)


def told(**names: object) -> Update:
    return replace(RIGHT, told={**TOLD, **names})


def test_what_is_right_has_no_violations() -> None:
    assert violations(RIGHT) == []


@pytest.mark.parametrize(
    ("update", "problem"),
    [
        (after(edited=lines(*ALL, l15="theirs")), "'edited': the owner's line b'edit' is gone"),
        (after(edited=lines(*ALL, l2="edit")), "'edited' is not what git merges"),
        (after(edited=lines(*ALL, l2="edit", l7="other", l15="theirs")), "not what git merges"),
        (after(edited=Entry(SCRIPT, AFTER["edited"].held)), "'edited' is a script now"),
        (after(edited=None), "'edited' is no longer a file"),
        (after(both=lines(*ALL, l3="ours")), "'both' is not what git merges"),
        (after(both=lines(*ALL, l3="theirs")), "'both': the owner's line b'ours' is gone"),
        (after(both=CONFLICT.replace(b"=======", b"||||||| c\n3\n=======")), "'both' is not what"),
        (after(both=CONFLICT.replace(b"19", b"20")), "'both' is not what git merges"),
        (after(windows=AFTER["edited"].held), "'windows' is not what git merges"),
        (after(windows=b"\r" + AFTER["windows"].held), "'windows' is not what git merges"),
        (after(windows=AFTER["windows"].held[:-2] + b"\n"), "with and without a carriage return"),
        (after(moved=BEFORE["moved"].held), "'moved' is not what git merges"),
        (after(renamed=NEW["renamed"].held), "'renamed' came back"),
        (after(away=b"theirs\n"), "'away' came back"),
        (after(binary=BINARY), "'binary' is not what git merges"),
        (after(image=b"\0new"), "'image' is not what git merges, with conflicts named"),
        (after(dropped=b"mine\n"), "'dropped' is no longer of the template, and still there"),
        (after(gone=b"gone\n"), "'gone' is no longer of the template, and still there"),
        (after(same=b"other\n"), "'same' is different, and the template did not change it"),
        (after(own=None), "'own' is gone, and the template did not change it"),
        (after(own=Entry(SCRIPT, b"mine\n")), "'own' is different"),
        (after(rest=b""), "'rest' is new, and the template did not change it"),
        (after(seed=b"better\n"), "'seed' is different, and the template did not change it"),
        (after(script=BEFORE["script"]), "'script' is a file now"),
        (after(added=None), "'added': the template's change is neither there nor named"),
        (after(added=b"add\n"), "'added' is new in the template, and did not arrive"),
        (told(conflicts=["image"]), "'both' is not what git merges, with no conflicts named"),
        (told(conflicts=["both"]), "'image' is not what git merges, with no conflicts named"),
        (told(conflicts=["both", "image", "same"]), "'same' is among the conflicts"),
        (told(conflicts=["both", "image", "edited"]), "'edited' is not what git merges"),
        (told(missed=[]), "'away' did not arrive, and is not named"),
        (told(missed=["away", "edited"]), "'edited' is called missed, and is not"),
        (told(lost=[]), "'dropped' was edited and is gone, and is not named"),
        (told(lost=["dropped", "gone"]), "'gone' is called lost, and is not"),
        (told(followed={}), "'renamed' did not arrive, and is not named"),
        (told(followed={"renamed": "own"}), "'own' is not what git merges"),
    ],
)
def test_what_is_wrong_is_found(update: Update, problem: str) -> None:
    found = violations(update)
    assert any(problem in one for one in found), found


def test_what_was_only_renamed_has_to_be_followed() -> None:
    before = {**BEFORE, "moved": OLD["renamed"]}
    names = {**TOLD, "followed": {}, "missed": ["away", "renamed"]}
    update = replace(RIGHT, before=before, after={**AFTER, "moved": OLD["renamed"]}, told=names)
    found = violations(update)
    assert found == ["'renamed' was only renamed, and its change was not merged there"]


@pytest.mark.parametrize("there", [Entry(LINK, b"elsewhere"), Entry(FILE, b"mine\n")])
def test_what_is_in_the_way_of_a_new_file_stays_and_is_named(there: Entry) -> None:
    own = "added" if there.kind == LINK else "folder"
    new = {**NEW, "folder/added": Entry(FILE, b"added\n")} if own == "folder" else NEW
    before, after = {**BEFORE, own: there}, {**AFTER, own: there}
    if own == "folder":
        after["added"] = NEW["added"]
    missed = [*TOLD["missed"], "folder/added" if own == "folder" else "added"]
    named = {**TOLD, "missed": missed}
    update = replace(RIGHT, new=new, before=before, after=after, told=named)
    assert violations(update) == []
    assert violations(replace(update, told=TOLD))
    assert violations(replace(update, after=AFTER))


def test_a_new_seed_has_to_be_offered() -> None:
    update = replace(RIGHT, new={**NEW, "seed/more": Entry(FILE)})
    assert violations(update) == ["'seed/more' is a new seed, and was not offered"]
    assert violations(replace(update, told={**TOLD, "offered": ["seed/more"]})) == []


def test_where_git_converts_line_endings_they_do_not_count() -> None:
    windows = {name: Entry(one.kind, one.held.replace(b"\n", b"\r\n"))
               for name, one in AFTER.items() if name in ("edited", "both", "added")}  # fmt: skip
    update = replace(RIGHT, after={**AFTER, **windows})
    assert violations(update)
    assert violations(replace(update, converts=True)) == []
    wrong = {**AFTER, **windows, "edited": Entry(FILE, b"theirs\r\n")}
    assert violations(replace(update, converts=True, after=wrong))


def test_an_edit_goes_along_where_the_template_moves_a_file() -> None:
    old, new = files(here=lines(*ALL)), files(there=lines(*ALL, l15="theirs"))
    before = files(here=lines(*ALL, l2="mine"))
    right = Update(old, new, before, files(there=lines(*ALL, l2="mine", l15="theirs")))
    moves = {"here": "there"}
    assert violations(at_new_places(right, moves)) == []
    assert violations(right)
    for wrong in (new, before, {**right.after, **before}):
        assert violations(at_new_places(replace(right, after=wrong), moves))


def test_a_merge_is_what_git_makes_of_it() -> None:
    expected = Merged(lines(*ALL, l2="mine", l15="theirs"), conflicts=False)
    three = (lines(*ALL, l2="mine"), lines(*ALL), lines(*ALL, l15="theirs"))
    assert [*merges(*three, same_ends=True)] == [expected, expected]
    for merged in merges(b"1\nmine\n", b"1\n2\n", b"1\ntheirs\n", same_ends=True):
        assert merged.conflicts
        assert resolve(merged.held) == (b"1\nmine\n", b"1\ntheirs\n")
