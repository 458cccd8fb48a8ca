"""Print what an update from the oldest release does to repositories that their owners edited.

From the repository: `uv run python -m tests.benchmarks.drill`.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from create_12_factor_agent import change, generate, history, project, source
from tests import drill, releases
from tests.templates import commit, git


def main() -> None:
    with TemporaryDirectory() as folder:
        template = Path(folder, "template")
        tags = releases.build(template)
        source._CHECKOUT = template
        print(f"{tags[0]} to {tags[-1]}\n")
        print("| the owner | files edited | changed by the template | to merge by hand | told of |")
        print("|---|--:|--:|--:|--:|")
        for kind, edit in drill.EDITS.items():
            git(template, "checkout", "--quiet", "--force", tags[0])
            made = generate.new(
                Path(folder, kind), {"extra": drill.extras(template)}, ask=False
            ).path
            commit(made, {})
            git(template, "checkout", "--quiet", "--force", tags[-1])
            drill.edit(made, kind)
            edited = len(git(made, "diff", "--name-only", "HEAD~1").splitlines())
            done = _update(made)
            changed = done.diff.count("\n--- ") + done.diff.startswith("--- ")
            left = len(done.lost) + len(done.missed)
            what = (edit.__doc__ or "Nothing.").strip()
            print(f"| {what} | {edited} | {changed} | {len(done.conflicts)} | {left} |")


def _update(made: Path) -> change.Change:
    owned = project.find(made)
    with (
        history.since(owned.src_path, owned.commit, newest=True) as past,
        change.drafted(owned, past, {}) as draft,
    ):
        return draft.change


main()
