"""Check the wheel in dist/ against the releases of the clone: `python .ci/check_wheel.py`.

A wheel carries every release, as the release's tag has it: a repository that was made from one that
is missing cannot be updated. Knows nothing of how the wheel was built.
"""

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

RENDERED = ("copier.yml", "template")
FILES = (*RENDERED, "docs/changelog.md")


def main() -> None:
    """Check the one wheel in dist/, and fail with a line for each problem."""
    clone = Path.cwd()
    if is_shallow(clone):
        sys.exit("This clone is shallow, so it lacks releases: git fetch --unshallow --tags")
    wheel = next(Path("dist").glob("*.whl"))
    if found := problems(clone, wheel):
        sys.exit("\n".join(found))


def is_shallow(clone: Path) -> bool:
    """Return whether the clone lacks history, and perhaps the tags of older releases."""
    return _git(clone, "rev-parse", "--is-shallow-repository") == "true"


def problems(clone: Path, wheel: Path) -> list[str]:
    """Return what is wrong with the releases in a wheel, one sentence each."""
    tags = [tag for tag in _git(clone, "tag").split() if re.fullmatch(r"v\d+\.\d+\.\d+", tag)]
    with TemporaryDirectory() as folder:
        zipfile.ZipFile(wheel).extractall(folder)
        package = Path(folder, "create_12_factor_agent")
        bundled = Path(folder, "bundled")
        _git(clone, "init", "--quiet", "--bare", str(bundled))
        if (bundle := package / "_template.bundle").is_file():
            _git(bundled, "fetch", "--quiet", str(bundle), "refs/tags/*:refs/tags/*")
        found = [*_compare(clone, bundled, tags)]
        own = f"v{wheel.name.split('-')[1]}"
        if own in tags and not found and not _renders(package / "_template", bundled, own):
            found.append(f"{wheel.name} renders another template than {own} has.")
    return found


def _compare(clone: Path, bundled: Path, tags: list[str]) -> Iterator[str]:
    for tag in tags:
        ours, theirs = ([_entry(place, tag, name) for name in FILES] for place in (clone, bundled))
        if not any(theirs):
            yield f"The wheel lacks the release {tag}."
        elif ours != theirs:
            yield f"The wheel has another template than {tag} under that name."


def _renders(template: Path, bundled: Path, tag: str) -> bool:
    """Return whether the folder that a wheel renders is the template of a release."""
    release = bundled.with_name("release")
    release.mkdir()
    _git(bundled, f"--work-tree={release}", "checkout", "--quiet", tag, "--", *RENDERED)
    compare = ("git", "diff", "--no-index", "--quiet")
    sides = [(release / name, template / name) for name in RENDERED]
    return not any(subprocess.run([*compare, *pair], check=False).returncode for pair in sides)


def _entry(place: Path, tag: str, name: str) -> str:
    """Return the id of a file or a folder of a release; ids are equal where contents are."""
    wanted = ["git", "rev-parse", "--quiet", "--verify", f"refs/tags/{tag}:{name}"]
    return subprocess.run(wanted, cwd=place, capture_output=True, text=True, check=False).stdout


def _git(folder: Path, *arguments: str) -> str:
    ran = subprocess.run(
        ["git", *arguments], cwd=folder, stdout=subprocess.PIPE, text=True, check=True
    )
    return ran.stdout.strip()


if __name__ == "__main__":
    main()
