"""Builds the image of an agent with buildah, and the image that it is built from.

Where no registry can be reached, the base is made by debootstrap with Debian's own Python, under
the name that the Dockerfile uses. With PULL_IMAGES=yes it is the real one.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("buildah", "podman", "runc", "debootstrap")
SETTINGS = '[containers]\ndefault_ulimits = []\n\n[engine]\nruntime = "runc"\n'
"""crun refuses machines with both versions of cgroups."""
ALONE = ("--network=none", "--ulimit=host")
"""How containers are run: nothing of the machine has to be set up, or may be raised."""
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
"""Those of this machine, which may be between the build and the package index."""
PACKAGES = "ca-certificates,python3,python3-pip,python3-venv"


@dataclass(frozen=True)
class Images:
    """Images and containers below one folder, apart from all others of this machine."""

    folder: Path

    def run(self, program: str, *arguments: str, check: bool = True) -> str:
        """Run buildah or podman, and return what it printed."""
        places: list[str | Path] = [
            *("--root", self.folder / "images"),
            *("--runroot", self.folder / "run"),
            *("--storage-opt", "overlay.mountopt=nodev"),
        ]
        settings = self.folder / "containers.conf"
        settings.write_text(SETTINGS, "utf-8")
        # Without systemd nothing could call the health checks; the tests do.
        given = {"CONTAINERS_CONF": str(settings), "DISABLE_HC_SYSTEMD": "true"}
        ran = subprocess.run(
            [program, *places, *arguments],
            env=os.environ | given, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=1_800,
        )  # fmt: skip
        assert not check or ran.returncode == 0, f"{program} {arguments}\n{ran.stdout[-6000:]}"
        return ran.stdout.strip()

    def build(self, project: Path, name: str) -> None:
        """Build the image of a project; its base has to be here."""
        isolation = ("--isolation", "chroot", "--network", "host")
        # The format of OCI has no health checks.
        flags = ("--pull-never", "--format", "docker", "--layers=false")
        self.run("buildah", "build", *isolation, *flags, "--tag", name, str(project))

    def get_base(self, dockerfile: str) -> None:
        """Pull the base of a Dockerfile, or make one of its name."""
        (name,) = re.findall(r"^ARG PYTHON=(\S+)$", dockerfile, re.MULTILINE)
        if os.environ.get("PULL_IMAGES") == "yes":
            self.run("buildah", "pull", f"docker.io/library/{name}")
        else:
            self._make_base(f"docker.io/library/{name}")

    def _make_base(self, name: str) -> None:
        root = self.folder / "base"
        suite = re.findall(r"VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text("utf-8"))
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", *suite, root],
            stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            marker.unlink()  # the official image lets pip install
        (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        if CERTIFICATES.exists():
            shutil.copy(CERTIFICATES, root / str(CERTIFICATES).lstrip("/"))
        shutil.rmtree(root / "var/cache/apt")
        container = self.run("buildah", "from", "scratch")
        self.run("buildah", "add", "--quiet", container, str(root))
        trusted = f"={CERTIFICATES}"
        for variable in ("SSL_CERT_FILE", "PIP_CERT"):
            self.run("buildah", "config", "--env", f"{variable}{trusted}", container)
        self.run("buildah", "commit", "--quiet", "--rm", container, name)
        shutil.rmtree(root)
