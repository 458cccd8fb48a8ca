"""Make a release: `python .ci/release.py 1.2.3`, on a clean main, with uv.

Names the changelog's unreleased items, commits, tags, builds and checks what was built; if any
of it fails, commit and tag are taken back. Nothing is pushed: it says how.
"""

import argparse
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from check_wheel import is_shallow, problems

ROOT = Path.cwd()
CHANGELOG = ROOT / "docs/changelog.md"


def main() -> None:
    """Release the version that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", help="as in 1.2.3")
    parser.add_argument("--no-tests", action="store_true", help="they ran already")
    asked = parser.parse_args()
    tag = f"v{asked.version}"
    _check(asked.version, tag)
    if not asked.no_tests:
        subprocess.run(["uv", "run", "pytest"], check=True)
    before = _git("rev-parse", "HEAD")
    try:
        _name(asked.version)
        _git("commit", "--quiet", "--all", "--message", f"Release {asked.version}")
        _git("tag", "--annotate", tag, "--message", tag)
        subprocess.run(["uv", "build", "--quiet", "--clear"], check=True)
        _check_built(tag)
    except BaseException:
        subprocess.run(["git", "tag", "--delete", tag], capture_output=True, check=False)
        _git("reset", "--quiet", "--hard", before)
        raise
    sys.stdout.write(f"Built in dist/. Publish it: git push --atomic origin main {tag}\n")


def _check(version: str, tag: str) -> None:
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        sys.exit(f"{version!r} is no version: three numbers, as in 1.2.3.")
    if is_shallow(ROOT):
        sys.exit("This clone is shallow, so it lacks releases: git fetch --unshallow --tags")
    if _git("status", "--porcelain"):
        sys.exit("There are changes that are not committed: commit them first.")
    if tag in _git("tag").split():
        sys.exit(f"{tag} is there already: a release never moves.")
    if not _unreleased():
        sys.exit(f"{CHANGELOG.name} has nothing under '## Unreleased': say what owners will see.")


def _unreleased() -> str:
    _, _, rest = CHANGELOG.read_text().partition("## Unreleased\n")
    return rest.partition("\n## ")[0].strip()


def _name(version: str) -> None:
    day = datetime.now(UTC).date()
    heading = f"## Unreleased\n\n## {version} ({day})\n"
    CHANGELOG.write_text(CHANGELOG.read_text().replace("## Unreleased\n", heading, 1))


def _check_built(tag: str) -> None:
    """Refuse a wheel that lacks a release, or has another template under the name of one."""
    wheel = next(Path("dist").glob(f"*-{tag[1:]}-*.whl"))
    if found := problems(ROOT, wheel):
        sys.exit("\n".join(found))


def _git(*arguments: str) -> str:
    ran = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    return ran.stdout.strip()


main()
