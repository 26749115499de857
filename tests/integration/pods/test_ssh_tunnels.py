"""Tunnels to a pod behind a real sshd: bytes pass as they come, and ends end."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from millhand.errors import UsageError
from millhand.pods.ssh.pod import SshPod
from tests.integration.pods.ssh_here import folder, pod, sshd

__all__ = ["folder", "pod", "sshd"]


class _Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Two pieces, the second when the client has seen the first."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (b"one", b"two"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            self.server.seen.wait(20)  # type: ignore[attr-defined]
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # with the default of 5 the system resets what comes at once
    daemon_threads = True


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    server = _Server(("127.0.0.1", 0), _Echo)
    server.seen = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_tunnel_passes_bytes_on_as_they_come(pod: SshPod, server: http.server.ThreadingHTTPServer) -> None:
    with pod.forward(server.server_port) as port, httpx.stream("GET", f"http://127.0.0.1:{port}/") as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"one"  # a buffer would wait for the rest, which waits for this line
        server.seen.set()  # type: ignore[attr-defined]
        assert b"".join(pieces) == b"two"


def test_many_connections_go_through_a_tunnel_at_once(
    pod: SshPod, server: http.server.ThreadingHTTPServer
) -> None:
    server.seen.set()  # type: ignore[attr-defined]
    with pod.forward(server.server_port) as port:
        said: list[str] = []
        threads = [
            threading.Thread(target=lambda: said.append(httpx.get(f"http://127.0.0.1:{port}/").text))
            for _ in range(30)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert said == ["onetwo"] * 30
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/")


def test_a_tunnel_ends_only_the_way_that_was_ended(pod: SshPod) -> None:
    with socket.create_server(("127.0.0.1", 0)) as far, pod.forward(far.getsockname()[1]) as port:
        near = socket.create_connection(("127.0.0.1", port))
        there, _ = far.accept()
        near.sendall(b"question")
        near.shutdown(socket.SHUT_WR)
        heard = b""
        while part := there.recv(100):
            heard += part
        there.sendall(b"answer")
        there.close()
        assert (heard, near.recv(100), near.recv(100)) == (b"question", b"answer", b"")
        near.close()


def test_a_wanted_port_is_taken_or_refused_and_nobody_at_the_far_end_is_a_reset(pod: SshPod) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {port}"), pod.forward(1, at=port):
            pass
    with pod.forward(1, at=port) as given:
        assert given == port
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/")
