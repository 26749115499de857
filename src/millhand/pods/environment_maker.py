"""Makes a training environment of a locked requirements file.

Travels to a pod: standard library, Python >= 3.8.

::

    make SPEC     make the environment, or see that it is made; what is done is told line by line
    check SPEC    say as JSON whether it is made and runs: {"ready", "why", "python", "version"}

SPEC is JSON: ``folder`` (on the mounted volume), ``name``, ``lock`` (a file), ``uv`` (a hashed line for pip),
``interpreter`` (what uv takes for --python), ``verify`` (arguments of the new Python that must exit 0).

In FOLDER lie: NAME (the environment), NAME.json (its marker, written last: with it a restart costs one look),
uv (the tool), uv-cache and uv-python.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_LOOK_S = 60
_UV_LOCK = "uv.txt"
_SYSTEM_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


class StepError(Exception):
    """A step did not end well; its own words came before."""


class Environment:
    """The environment that a spec describes."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.folder = Path(spec["folder"])
        self.path = self.folder / spec["name"]
        self.python = self.path / "bin" / "python"
        self.marker = self.folder / f"{spec['name']}.json"
        self.uv = self.folder / "uv" / _digest(spec["uv"].encode())[:12]

    # Looking.

    def check(self) -> dict[str, Any]:
        """Whether the marker is there and the interpreter runs: another image may lack what it links to."""
        marker = _read_json(self.marker)
        answer = {"ready": False, "why": "", "python": str(self.python), "version": ""}
        if not marker:
            return {**answer, "why": "it is not made yet"}
        code, version = self._version()
        if code != 0 or version != marker.get("version"):
            return {**answer, "why": f"its Python does not run any more: {version}"}
        return {**answer, "ready": True, "version": version}

    def _version(self) -> tuple[int, str]:
        code = "import platform; print(platform.python_version())"
        try:
            done = subprocess.run(
                [str(self.python), "-I", "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_LOOK_S,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return -1, type(error).__name__
        return done.returncode, done.stdout.decode("utf-8", "replace").strip()[-200:]

    # Making.

    def make(self) -> None:
        """Do what is left to do; each step may be repeated.

        Raises:
            StepError: A step did not end well.
        """
        began = time.monotonic()
        if self.check()["ready"]:
            _say("[4/4] the environment is made")
            return
        with contextlib.suppress(FileNotFoundError):
            self.marker.unlink()
        lock = Path(self.spec["lock"]).resolve()
        self._uv()
        self._venv()
        size = sum(1 for line in lock.read_text(encoding="utf-8").splitlines() if "==" in line[:80])
        _say(f"[3/4] {size} packages of {lock.name}")
        options = ["--require-hashes", "--only-binary", ":all:", "--python", str(self.python)]
        self._run([self._uv_path(), "pip", "sync", *options, str(lock)])
        self._verify()
        self._drop_copies()
        self._mark(time.monotonic() - began)

    def _uv_path(self) -> str:
        return str(self.uv / "bin" / "uv")

    def _uv(self) -> None:
        if (self.uv / "done").exists():
            return
        _say("[1/4] uv, which installs the rest")
        shutil.rmtree(str(self.uv), ignore_errors=True)
        self.uv.mkdir(parents=True)
        (self.uv / _UV_LOCK).write_text(self.spec["uv"], encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        options = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "--target", str(self.uv)]
        self._run([*pip, *options, "-r", str(self.uv / _UV_LOCK)])
        (self.uv / "done").touch()

    def _venv(self) -> None:
        if self._version()[0] == 0:
            return
        _say(f"[2/4] an environment in {self.path}")
        options = ["--quiet", "--clear", "--no-project", "--python", self.spec["interpreter"]]
        self._run([self._uv_path(), "venv", *options, str(self.path)])

    def _verify(self) -> None:
        if self.spec["verify"]:
            _say("[4/4] starting what was installed once, to see that it does")
            self._run([str(self.python), *self.spec["verify"]])

    def _drop_copies(self) -> None:
        """A file system without hard links holds all twice: then the cache is not worth its room."""
        files = (path for path in self.path.glob("lib/*/site-packages/*/*.py") if path.is_file())
        one = next(files, None)
        if one is not None and one.stat().st_nlink == 1:
            _say("The file system cannot share files between environments: uv's cache is emptied")
            self._run([self._uv_path(), "cache", "clean", "--quiet"])

    def _mark(self, seconds: float) -> None:
        facts = {"version": self._version()[1], "seconds": round(seconds, 1), "made_s": time.time()}
        temporary = self.marker.with_name(f"{self.marker.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps(facts), encoding="utf-8")
        temporary.replace(self.marker)
        _say(f"[4/4] made in {seconds:.0f} s")

    def _run(self, argv: list[str]) -> None:
        places = {"UV_CACHE_DIR": "uv-cache", "UV_PYTHON_INSTALL_DIR": "uv-python"}
        env = {**os.environ, **{name: str(self.folder / place) for name, place in places.items()}}
        env.pop("VIRTUAL_ENV", None)
        if Path(_SYSTEM_CERTIFICATES).is_file():  # a company's own proxy is known to the system, not to uv
            env.setdefault("UV_SYSTEM_CERTS", "true")
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise StepError(f"`{' '.join(argv[:4])} ...` ended with code {done.returncode}")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        value = json.loads(path.read_text(encoding="utf-8"))
        return value if isinstance(value, dict) else {}
    return {}


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    """Run one command."""
    command, spec = sys.argv[1], json.loads(sys.argv[2])
    environment = Environment(spec)
    if command == "check":
        _say(json.dumps(environment.check()))
        return 0
    try:
        environment.make()
    except (StepError, OSError) as error:
        _say(f"failed: {error}")
        return 1
    return 0
