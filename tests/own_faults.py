"""Deliberate faults of this program, and the test of its own that each turns red.

The old text stands exactly once in its file.
"""

from typing import NamedTuple


class OwnFault(NamedTuple):
    name: str
    file: str
    """Under `src/create_12_factor_agent`."""
    old: str
    new: str
    red: str
    """Under `tests`."""


FAULTS = [
    # -- the merge --
    OwnFault(
        "a link is overwritten by the file of the template",
        "sides.py",
        "        if name in above or (name in names and not entry.is_file)\n",
        "        if False\n",
        "test_merge.py::test_what_stands_in_the_way_stays_and_is_named",
    ),
    OwnFault(
        "the template keeps its line endings",
        "sides.py",
        '    return re.sub(rb"\\r?\\n", ending, held)\n',
        "    return held\n",
        "test_merge.py::test_a_text_is_merged_byte_by_byte",
    ),
    OwnFault(
        "an adapter that goes is taken for one that comes",
        "sides.py",
        "        theirs={**dropped, **theirs},\n",
        "        theirs=theirs,\n",
        "test_merge.py::test_a_part_that_goes_is_not_taken_for_one_that_comes",
    ),
    OwnFault(
        "a move of the template takes no edits along",
        "changelog.py",
        "    return {move[1]: move[2] for move in found if move}\n",
        "    return {}\n",
        "test_merge.py::test_edits_go_along_where_the_template_moves_a_file",
    ),
    OwnFault(
        "a folder that was renamed gets nothing new",
        "merge.py",
        '"merge.directoryRenames=true"',
        '"merge.directoryRenames=false"',
        "test_merge.py::test_a_change_follows_a_folder_that_its_owner_moved",
    ),
    OwnFault(
        "a file that was deleted comes back",
        "merge.py",
        '    deleted = {name for name, numbers in stages.items() if numbers == {"1", "3"}}\n',
        "    deleted: set[str] = set()\n",
        "test_change.py::test_what_copier_is_silent_about_is_told",
    ),
    OwnFault(
        "a file that was edited and dropped is not named",
        "merge.py",
        "if sides.mine[name] != sides.base[name])",
        "if False)",
        "test_change.py::test_what_copier_is_silent_about_is_told",
    ),
    OwnFault(
        "the owner's attributes decide a merge",
        "store.py",
        " !eol !filter !ident !merge !text",
        " ",
        "test_merge.py::test_a_git_before_2_38_merges_alike",
    ),
    OwnFault(
        "the owner's settings decide a merge",
        "git.py",
        '"GIT_CONFIG_GLOBAL": os.devnull,',
        "",
        "test_change.py::test_no_setting_of_git_changes_what_an_update_does",
    ),
    OwnFault(
        "hooks run",
        "git.py",
        '    "core.hooksPath": os.devnull,\n',
        "",
        "test_merge.py::test_no_hook_runs_and_nothing_is_signed",
    ),
    OwnFault(
        "a hook's variables point elsewhere",
        "git.py",
        "for name, value in os.environ.items() if not _is_stray(name)",
        "for name, value in os.environ.items()",
        "test_change.py::test_no_variable_of_a_hook_reaches_another_repository",
    ),
    # -- the working tree --
    OwnFault(
        "work that git was told to ignore is overwritten",
        "publish.py",
        "    for name in sorted({*change.was} - change.matching(change.was)):\n",
        "    for name in ():\n",
        "test_publish.py::test_a_file_that_git_was_told_to_ignore_is_not_overwritten",
    ),
    OwnFault(
        "an ignored file is overwritten",
        "publish.py",
        "            if os.path.lexists(path) and not fits:\n",
        "            if False:\n",
        "test_change.py::test_an_ignored_file_is_not_written_over",
    ),
    OwnFault(
        "a failure leaves what was moved",
        "publish.py",
        "                _undo(change)\n                raise\n",
        "                raise\n",
        "test_publish.py::test_a_failure_leaves_the_work_of_neighbours",
    ),
    OwnFault(
        "undoing leaves the index in conflict",
        "publish.py",
        "    _write_index(change, [*_taken_back(change)])\n",
        "",
        "test_publish.py::test_a_change_is_undone_until_it_is_committed",
    ),
    OwnFault(
        "undoing loses edits that were made since",
        "publish.py",
        "        if edited and not discard:\n",
        "        if False:\n",
        "test_publish.py::test_edits_made_since_are_undone_only_on_request",
    ),
    OwnFault(
        "the stamp comes first",
        "publish.py",
        "    for name in {*change.becomes} - {change.stamp}:\n",
        "    for name in sorted(change.becomes):\n",
        "test_publish.py::test_a_change_that_was_killed_is_not_stamped",
    ),
    OwnFault(
        "a change that was killed is not noticed",
        "publish.py",
        "    if change and not change.is_done:\n",
        "    if False:\n",
        "test_publish.py::test_a_change_that_was_killed_is_found_by_every_command",
    ),
    OwnFault(
        "two changes run at once",
        "journal.py",
        "        with temporary.locked(folder.with_name(folder.name + temporary.LOCK)):\n",
        "        if True:\n",
        "test_publish.py::test_two_changes_do_not_run_at_once",
    ),
    OwnFault(
        "what a kill left stays",
        "temporary.py",
        "    sweep(place, prefix)\n",
        "",
        "test_publish.py::test_what_a_kill_left_is_removed_by_the_next_command",
    ),
    # -- a project that was there before --
    OwnFault(
        "a file of the project is overwritten",
        "obstacles.py",
        '    return name if name in committed or os.path.lexists(folder / name) else ""\n',
        '    return ""\n',
        "test_adopt.py::test_a_page_and_a_data_file_of_the_project_stay_for_ever",
    ),
    OwnFault(
        "something is written through a link",
        "obstacles.py",
        "        if path.is_symlink() or (path.exists() and not path.is_dir()):\n",
        "        if path.exists() and not path.is_dir():\n",
        "test_adopt.py::test_nothing_is_written_through_a_link",
    ),
    OwnFault(
        "a package of the project is overwritten",
        "obstacles.py",
        "    problems |= dict(_packages(host)) | dict(_tests(host, names))\n",
        "",
        "test_adopt.py::test_code_in_the_way_is_refused",
    ),
    OwnFault(
        "an update brings a file of the project",
        "../../copier.yml",
        "    {% if adopted is defined and adopted %}\n    /.dockerignore\n",
        "    {% if _copier_operation == 'copy' %}\n    /.dockerignore\n",
        "test_adopt.py::test_plain_copier_brings_nothing_of_the_project_s",
    ),
    OwnFault(
        "an update brings what was left out",
        "../../copier.yml",
        "    /{{ file }}\n",
        "",
        "test_adopt.py::test_an_update_brings_changes_and_lines_and_nothing_of_the_project_s",
    ),
    OwnFault(
        "an update merges a new page into one of the project",
        "handing.py",
        "os.path.lexists(path / name)",
        "False",
        "test_adopt.py::test_an_update_brings_changes_and_lines_and_nothing_of_the_project_s",
    ),
    OwnFault(
        "the agent's tests are in the project's own run",
        "../../template/tests/deploy/conftest.py",
        "    return True if has_other_settings(config) else None\n",
        "    return None\n",
        "test_adopt.py::test_the_project_s_own_run_is_what_it_was",
    ),
    OwnFault(
        "the agent's tests replace the project's conftest",
        "../../copier.yml",
        "    /pyproject.toml\n    /tests/__init__.py\n",
        "    /pyproject.toml\n    /tests/*/__init__.py\n",
        "test_adopt.py::test_the_project_s_own_run_is_what_it_was",
    ),
    OwnFault(
        "an update installs with a tool that the project does not use",
        "upkeep.py",
        "    install = wanted.install and not done.handover",
        "    install = wanted.install",
        "test_adopt.py::test_nothing_is_installed_by_an_update",
    ),
    # -- versions --
    OwnFault(
        "an update goes back",
        "history.py",
        '"--is-ancestor", new, old).returncode == 0:',
        '"--is-ancestor", new, old).returncode == 9:',
        "test_change.py::test_a_version_can_be_chosen",
    ),
]
