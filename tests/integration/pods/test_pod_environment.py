"""A pod's environment, made for real from a lock of two small packages."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from millhand.errors import MillhandError
from millhand.pods.local import LocalPod
from millhand.runs.pod_environment import PodEnvironment, look, make_job, prepare, read_environment
from millhand.workspace import Workspace

LOCK = """\
iniconfig==2.3.1 \\
    --hash=sha256:67f4b9c50da0dedf52af349e7749a80a9057a5031199791b906c3bb3ae878960 \\
    --hash=sha256:9121e2c1fdb355232495be3194c8dfe87ccc2d5dee45947b78e68f499790d7a7
sortedcontainers==2.4.0 \\
    --hash=sha256:25caa5a06cc30b6b83d11423433f65d1f9d76c4c6a0c90e3379eaa43b9bfdb88 \\
    --hash=sha256:a163dcaede0f1c021485e957a39245190e74249897e2ae4b2aa38595db237ee0
"""
CODE = "import iniconfig, sortedcontainers, sys; print(sys.prefix)"


class Place:
    """A volume, and a workspace with a lock."""

    def __init__(self, workspace: Workspace, volume: Path) -> None:
        self.workspace, self.volume = workspace, volume
        self.pod = LocalPod(workspace.root)
        self.lock = workspace.root / "runpod" / "small.txt"
        self.said: list[str] = []

    def environment(self, text: str = LOCK) -> PodEnvironment:
        self.lock.parent.mkdir(exist_ok=True)
        self.lock.write_text(text)
        read = read_environment(self.workspace, self.lock, str(self.volume))
        own = {"interpreter": sys.executable, "verify": ("-c", CODE)}
        return PodEnvironment(read.folder, read.lock, read.sha256, **own)

    def prepare(self, environment: PodEnvironment) -> list[str]:
        self.said.clear()
        prepare(self.pod, environment, self.said.append, python=sys.executable)
        return self.said


@pytest.fixture
def place(workspace: Workspace, tmp_path: Path) -> Place:
    return Place(workspace, tmp_path / "mounted volume")


def test_an_environment_is_made_once_and_then_found(place: Place) -> None:
    environment = place.environment()
    said = place.prepare(environment)
    assert [line[:5] for line in said if line.startswith("[")] == [
        "[1/4]",
        "[2/4]",
        "[3/4]",
        "[4/4]",
        "[4/4]",
    ]
    ran = subprocess.run([environment.python, "-c", CODE], capture_output=True, check=True)
    assert ran.stdout.decode().strip() == environment.python.removesuffix("/bin/python")
    assert place.pod.jobs() == []
    assert place.prepare(environment) == []


def test_an_interpreter_that_is_gone_is_made_anew(place: Place) -> None:
    environment = place.environment()
    place.prepare(environment)
    python = Path(environment.python)
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert "does not run any more" in look(place.pod, environment, python=sys.executable).why
    assert next(line[:5] for line in place.prepare(environment) if line.startswith("[")) == "[2/4]"
    assert look(place.pod, environment, python=sys.executable).ready


def test_a_package_that_is_not_what_the_lock_says_is_not_installed(place: Place) -> None:
    environment = place.environment(re.sub("sha256:....", "sha256:0000", LOCK))
    with pytest.raises(MillhandError, match=r"(?s)could not be made.*[Hh]ash"):
        place.prepare(environment)
    assert not look(place.pod, environment, python=sys.executable).ready
    place.prepare(place.environment())


def test_a_maker_that_was_killed_is_gone_on_from(place: Place) -> None:
    environment = place.environment()
    handle = place.pod.start(make_job(environment, sys.executable))
    while b"[1/4]" not in handle.log():
        time.sleep(0.02)
    os.kill(handle.status().pid or 0, signal.SIGKILL)
    while handle.status().alive:
        time.sleep(0.02)
    place.prepare(environment)
    assert look(place.pod, environment, python=sys.executable).ready


@pytest.mark.skipif(os.getuid() != 0, reason="a small disk is mounted, which takes root")
def test_a_full_volume_is_told_and_with_room_it_goes_on(place: Place) -> None:
    place.volume.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(place.volume)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        environment = place.environment()
        with pytest.raises(MillhandError, match="No space left on device") as told:  # uv alone is larger
            place.prepare(environment)
        assert "room" in f"{told.value.message} {told.value.mend}"
        assert not look(place.pod, environment, python=sys.executable).ready
        subprocess.run(["mount", "-o", "remount,size=300m", str(place.volume)], check=True)
        place.prepare(environment)
        assert look(place.pod, environment, python=sys.executable).ready
    finally:
        subprocess.run(["umount", "-l", str(place.volume)], check=True)
