"""The image of an agent, built and run as its `compose.yaml` says; see docs/containers.md."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

from create_12_factor_agent import answers, generate

from .conftest import owner_s_environment
from .containers.images import ALONE, PROGRAMS, Images
from .containers.service import PATIENCE_S, Container, Fleet, postgres
from .serving import TOKENS

MISSING = [name for name in PROGRAMS if not shutil.which(name)]
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        bool(MISSING), reason=f"no {', '.join(MISSING)}: .ci/containers brings them"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a container here"),
]

TASK = "deploy the latest backend to production"
ANA = TOKENS["ana"]
GIVEN = {"API_TOKENS": f"ana:{ANA}", "MODEL": "scripted:sample/deploy/demo.jsonl"}
FEW: dict[str, object] = {"llm": [], "extra": ["docker"]}
VARIANTS = {
    "sqlite": FEW,
    "postgres": FEW | {"store": "postgres"},
    "workers": FEW | {"store": "postgres", "runner": "procrastinate"},
}
SLOW_S = 4
GRACE_S = 20
"""What compose.yaml gives."""

SIGNATURE = "def deploy_backend(step: DeployBackend, call: Call) -> dict[str, Any]:\n"
SLOW = f"    import time\n\n    time.sleep({SLOW_S})\n"


@pytest.fixture(scope="module")
def images() -> Iterator[Images]:
    """Not in a folder of pytest's: PostgreSQL is another user, and paths of sockets are short."""
    folder = Path(tempfile.mkdtemp(prefix="containers-"))
    folder.chmod(0o755)
    yield Images(folder)
    # The storage of images is mounted on itself.
    subprocess.run(["umount", folder / "images/overlay"], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module", params=VARIANTS)
def fleet(request: pytest.FixtureRequest, images: Images) -> Iterator[Fleet]:
    """Build the image of an agent whose tool is slow, and start the database that it needs."""
    project = images.folder / request.param
    generate.new(project, answers.check(VARIANTS[request.param]), ask=False)
    tools = project / "src/agent/deploy/tools.py"
    tools.write_text(tools.read_text("utf-8").replace(SIGNATURE, SIGNATURE + SLOW), "utf-8")
    (project / ".env").write_text("SECRET=1\n", "utf-8")
    lock = ["uv", "lock", "--quiet"]
    subprocess.run(lock, cwd=project, env=owner_s_environment(), check=True)
    if not images.run("podman", "images", "--quiet"):
        images.get_base((project / "Dockerfile").read_text("utf-8"))
    images.build(project, request.param)
    composed = yaml.safe_load((project / "compose.yaml").read_text("utf-8"))
    fleet = Fleet(images, request.param, composed["services"], GIVEN)
    if "postgres" not in composed["services"]:
        yield fleet
        return
    with postgres(images.folder / f"{request.param}-database") as sockets:
        fleet.mounts = (f"{sockets}:/run/database",)
        fleet.variables = GIVEN | {"DATABASE_URL": "postgresql://agent@/agent?host=/run/database"}
        yield fleet


@contextmanager
def running(fleet: Fleet) -> Iterator[tuple[Container, Container]]:
    """Start all services; give what serves, and what runs the threads."""
    with ExitStack() as stack:
        if "migrate" in fleet.services:
            migrate = stack.enter_context(fleet.start("migrate"))
            assert migrate.podman("wait", migrate.name) == "0", migrate.log()
        agent = stack.enter_context(fleet.start("agent"))
        runner = agent
        if "worker" in fleet.services:
            runner = stack.enter_context(fleet.start("worker"))
        for container in {agent, runner}:
            container.until_healthy()
        yield agent, runner


def test_the_process_can_change_nothing_but_its_data(fleet: Fleet) -> None:
    """Whoever runs the image: this container is not read-only."""
    ways = "find / -xdev -writable ! -type l -not -path '/proc/*' -not -path '/dev/*'"
    look = f"id -u; {ways} 2>&-; ls -A /app; command -v uv || echo no uv"
    shell = ("sh", "-c", look)
    ran = fleet.images.run("podman", "run", "--rm", *ALONE, fleet.image, *shell)
    user, *lines = ran.splitlines()
    assert user == "10001"
    writable = {one for one in lines if one.startswith("/")}
    assert writable == {"/tmp", "/var/tmp", "/run/lock", "/app/data"}  # noqa: S108
    assert {".venv", "src", "people.toml", "data"} <= {*lines}
    assert not {".env", ".git", "tests", "docs", "evals"} & {*lines}
    assert lines[-1] == "no uv"


def test_a_stop_waits_for_the_step_and_the_next_container_goes_on_to_what_a_person_approves(
    fleet: Fleet,
) -> None:
    with running(fleet) as (agent, runner):
        path = agent.person("begin", ANA, TASK)
        deadline = time.monotonic() + PATIENCE_S
        while "tool_started" not in agent.person("read", ANA, path):
            assert time.monotonic() < deadline, runner.log()
        code, took = runner.stop()
        assert (code, took < GRACE_S) == (0, True), runner.log()
    with running(fleet) as (agent, _):
        assert "v1.2.3" in agent.person("approve", ANA, path)
        events = agent.person("read", ANA, path).split()
    assert events.count("tool_started") == events.count("tool_finished") == 2


def test_a_process_that_hangs_is_unhealthy(fleet: Fleet) -> None:
    with running(fleet) as (agent, runner):
        for container in {agent, runner}:
            container.hang()
            if container is not agent:  # nobody touches the file: no need to wait for a minute
                container.run("touch", "-d", "2 minutes ago", "/tmp/heartbeat")  # noqa: S108
            assert not container.is_healthy()
