"""What breaks between a client and its pod, with a real sshd: nothing is lost and nothing is done twice."""

from __future__ import annotations

import http.server
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from millhand.pods.base import Job
from millhand.pods.ssh.pod import SshPod
from millhand.workspace import Workspace
from tests.chaos_proxy import ChaosProxy
from tests.integration.pods.ssh_line import (
    COUNTED,
    Opener,
    answer_of,
    folder,
    in_thread,
    line,
    opened,
    pod,
    python,
    sshd,
    told,
)
from tests.patience import wait_until
from tests.sshd import Sshd

__all__ = ["folder", "line", "opened", "pod", "sshd", "told"]

# Cuts.


def test_a_command_goes_on_through_a_cut_and_runs_once(pod: SshPod, sshd: Sshd, folder: Path) -> None:
    running = in_thread(lambda: pod.run(python(COUNTED.format(2))))
    wait_until((folder / "runs").exists)
    assert sshd.cut() > 0
    assert answer_of(running).check().stdout == "done\n"
    assert (folder / "runs").read_text() == "x"


def test_a_command_whose_answer_is_lost_is_answered_and_runs_once(
    pod: SshPod, line: ChaosProxy, folder: Path
) -> None:
    assert pod.folder
    line.freeze(only_answers=True)
    running = in_thread(lambda: pod.run(python(COUNTED.format(0))))
    wait_until((folder / "runs").exists)
    time.sleep(0.3)
    line.cut()
    line.thaw()
    assert answer_of(running).check().stdout == "done\n"
    assert (folder / "runs").read_text() == "x"


def test_a_job_whose_start_is_not_answered_is_started_once(
    pod: SshPod, line: ChaosProxy, folder: Path
) -> None:
    assert pod.folder
    line.freeze(only_answers=True)
    starting = in_thread(lambda: pod.start(Job("j", python(COUNTED.format(60)))))
    wait_until((folder / "runs").exists)
    line.cut()
    line.thaw()
    handle = answer_of(starting)
    assert handle.status().phase == "running"
    handle.stop(0)
    assert (folder / "runs").read_text() == "x"


def test_a_job_is_followed_through_many_cuts(pod: SshPod, line: ChaosProxy, folder: Path) -> None:
    code = "import time\nfor n in range(60):\n    print(n, flush=True)\n    time.sleep(0.05)"
    handle = pod.start(Job("j", python(code)))
    heard, status, cuts = b"", None, 0
    while status is None or status.alive:
        status, _, said = handle.watch("none", 0, len(heard), status)
        heard += said
        if len(heard) // 30 > cuts:
            cuts += line.cut()
    assert heard == handle.log() == b"".join(b"%d\n" % n for n in range(60))
    assert cuts >= 3


def test_reading_a_large_file_survives_cuts_in_the_middle(
    pod: SshPod, line: ChaosProxy, folder: Path
) -> None:
    data = os.urandom(30_000_000)
    folder.mkdir()
    (folder / "large").write_bytes(data)
    line.cut_after(12_000_000)
    assert pod.attach("any").read("large") == data
    assert line.connections == 2


def test_a_job_untouched_by_the_end_of_everything_between(
    pod: SshPod, sshd: Sshd, folder: Path, opened: Opener
) -> None:
    handle = pod.start(Job("j", python(COUNTED.format(60))))
    wait_until((folder / "runs").exists)
    pod.close()
    sshd.restart()
    handle = opened(lambda: sshd.address).attach("j")
    assert handle.status().phase == "running"
    handle.stop(0)


def test_a_tethered_job_survives_a_cut(pod: SshPod, line: ChaosProxy) -> None:
    pod._tether_s = 4.0
    handle = pod.start(Job("j", python("import time; time.sleep(60)"), tethered=True))
    line.cut()
    time.sleep(6)
    assert handle.status().phase == "running"
    handle.stop(0)


def test_a_tethered_job_ends_when_the_network_stays_away(
    pod: SshPod, line: ChaosProxy, sshd: Sshd, opened: Opener
) -> None:
    pod._tether_s = 2.0
    pod.start(Job("j", python("import time; time.sleep(60)"), tethered=True))
    line.freeze()  # the pod's side sees a connection that stands
    handle = opened(lambda: sshd.address).attach("j")
    wait_until(lambda: not handle.status().alive)
    assert handle.status().exit_code == -signal.SIGTERM


def test_folders_go_up_and_down_through_cuts(
    pod: SshPod, line: ChaosProxy, workspace: Workspace, folder: Path
) -> None:
    data = {f"outputs/한 글/{n}": os.urandom(200_000) for n in range(60)}
    data["outputs/large"] = os.urandom(20_000_000)
    for name, content in data.items():
        (workspace.root / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / name).write_bytes(content)
    for size in (1_000_000, 8_000_000, 15_000_000):
        data["outputs/large"] = os.urandom(20_000_000)
        (workspace.root / "outputs/large").write_bytes(data["outputs/large"])
        line.cut_after(size)
        pod.put(["outputs"])
    assert {name: (folder / name).read_bytes() for name in data} == data
    shutil.rmtree(workspace.root / "outputs")
    line.cut_after(15_000_000)
    pod.get(["outputs"], exclude=["3*"])
    kept = {name for name in data if not Path(name).name.startswith("3")}
    assert {name: (workspace.root / name).read_bytes() for name in kept} == {
        name: data[name] for name in kept
    }
    assert not (workspace.root / "outputs/한 글/3").exists()
    assert line.connections >= 5


# Silence.


def test_a_connection_that_stands_but_says_nothing_is_made_anew(
    pod: SshPod, line: ChaosProxy, folder: Path
) -> None:
    assert pod.folder
    line.freeze()
    running = in_thread(lambda: pod.run(python(COUNTED.format(0))))
    wait_until(lambda: line.connections >= 2)
    line.thaw()
    assert answer_of(running).check().stdout == "done\n"
    assert (folder / "runs").read_text() == "x"


def test_an_sshd_that_hangs_is_left_for_a_new_connection(pod: SshPod, sshd: Sshd) -> None:
    handle = pod.start(Job("j", python("import time; time.sleep(60)")))
    sshd.freeze()
    assert handle.status().phase == "running"
    handle.stop(0)


# Tunnels and clients.


def test_a_tunnel_goes_on_after_a_cut(pod: SshPod, line: ChaosProxy, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("there")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pod.forward(server.server_port) as port:
            for _ in range(3):
                assert httpx.get(f"http://127.0.0.1:{port}/page").text == "there"
                line.cut()
        server.shutdown()


def test_ctrl_c_ends_the_command_on_the_pod(sshd: Sshd, workspace: Workspace, folder: Path) -> None:
    client = f"""
import sys
from pathlib import Path
from millhand.pods.ssh.address import Address
from millhand.pods.ssh.pod import open_ssh_pod
from millhand.shell import Command
from millhand.workspace import Workspace
key = Path({str(sshd.folder)!r}) / "client_key"
address = Address("127.0.0.1", {sshd.port}, {sshd.address.user!r}, (key,))
pod = open_ssh_pod(Workspace(Path({str(workspace.root)!r})), "host", lambda: address,
                   folder={str(folder)!r}, python=sys.executable, agent_python=sys.executable)
code = "import os, time; open('pid', 'w').write(str(os.getpid())); os.rename('pid', 'up'); time.sleep(60)"
pod.run(Command((sys.executable, "-c", code)))
"""
    process = subprocess.Popen([sys.executable, "-c", client], stderr=subprocess.DEVNULL)
    wait_until((folder / "up").exists)
    pid = int((folder / "up").read_text())
    process.send_signal(signal.SIGINT)
    process.wait(20)
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
