"""DART's open API on this machine, strict: it refuses what the real one is documented to refuse.

Its answers have the shape of real ones. It counts requests by key, stops at a limit with status 020, and
plays faults in the order in which they are scripted: each is used up by the request that it meets.
"""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

KEY = "0123456789abcdef0123456789abcdef01234567"

_LIST = {
    "crtfc_key", "corp_code", "bgn_de", "end_de", "last_reprt_at", "pblntf_ty", "pblntf_detail_ty",
    "corp_cls", "sort", "sort_mth", "page_no", "page_count",
}  # fmt: skip
_KNOWN = {"corpCode.xml": {"crtfc_key"}, "list.json": _LIST, "document.xml": {"crtfc_key", "rcept_no"}}
_MESSAGES = {
    "010": "등록되지 않은 인증키입니다.",
    "011": "사용할 수 없는 인증키입니다.",
    "012": "접근할 수 없는 IP입니다.",
    "013": "조회된 데이타가 없습니다.",
    "014": "파일이 존재하지 않습니다.",
    "020": "사용한도를 초과하였습니다.",
    "100": "필드의 부적절한 값입니다.",
    "101": "부적절한 접근입니다.",
    "800": "원활한 공시서비스를 위하여 오픈API 서비스가 중지 중입니다.",
    "900": "정의되지 않은 오류가 발생하였습니다.",
    "901": "사용자 계정의 개인정보 보유기간이 만료되었습니다.",
}

# What a fault does instead of the answer: a status, or "cut", "cut-quietly", "503", "html", "404".
Fault = tuple[str, str]


def corporation(code: str, name: str, stock: str = " ", modified: str = "20240101") -> str:
    return (
        f"    <list>\n        <corp_code>{code}</corp_code>\n        <corp_name>{name}</corp_name>\n"
        f"        <corp_eng_name>{name} Co., Ltd.</corp_eng_name>\n"
        f"        <stock_code>{stock}</stock_code>\n"
        f"        <modify_date>{modified}</modify_date>\n    </list>\n"
    )


def zipped(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def listed(code: str, name: str, report: str, receipt: str, stock: str = "005930") -> dict[str, str]:
    return {
        "corp_code": code, "corp_name": name, "stock_code": stock, "corp_cls": "Y", "report_nm": report,
        "rcept_no": receipt, "flr_nm": name, "rcept_dt": receipt[:8], "rm": "연",
    }  # fmt: skip


@dataclass
class FakeDart:
    """What the API knows, and what it was asked: ``asked`` holds path and query without the key."""

    corporations: list[str] = field(default_factory=list)
    filings: list[dict[str, str]] = field(default_factory=list)
    documents: dict[str, bytes] = field(default_factory=dict)
    superseded: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    limit: int = 20_000
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def fetched(self) -> list[str]:
        return [query["rcept_no"] for path, query in self.asked if path == "document.xml"]

    # --- answers -----------------------------------------------------------------------------------------

    def answer(self, path: str, query: dict[str, str]) -> tuple[str, bytes]:
        """Kind and bytes of an answer: ``cut``… or ``200``."""
        key = query.pop("crtfc_key", "")
        self.asked.append((path, dict(query)))
        fault = next((f for f in self.faults if f[0] == path), None)
        if fault:
            self.faults.remove(fault)
            return self._faulty(path, query, fault[1])
        if not set(query) <= _KNOWN[path]:
            return "200", self._refused(path, "100")
        if len(key) != 40:
            return "200", self._refused(path, "100" if key else "101")
        if key != KEY:
            return "200", self._refused(path, "010")
        if len(self.asked) > self.limit:
            return "200", self._refused(path, "020")
        return "200", self._good(path, query)

    def _faulty(self, path: str, query: dict[str, str], fault: str) -> tuple[str, bytes]:
        if fault in _MESSAGES:
            return "200", self._refused(path, fault)
        if fault == "html":
            return "200", "<!DOCTYPE html><html><body>접속이 차단되었습니다.</body></html>".encode()
        if fault.startswith("cut"):
            return fault, self._good(path, query)
        return fault, b"<html>Service Unavailable</html>"

    def _refused(self, path: str, status: str) -> bytes:
        message = _MESSAGES[status]
        if path == "list.json":
            return json.dumps({"status": status, "message": message}, ensure_ascii=False).encode()
        return (
            '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
            f"<result><status>{status}</status><message>{message}</message></result>"
        ).encode()

    def _good(self, path: str, query: dict[str, str]) -> bytes:
        if path == "corpCode.xml":
            body = f'<?xml version="1.0" encoding="UTF-8"?>\n<result>\n{"".join(self.corporations)}</result>'
            return zipped({"CORPCODE.xml": body})
        if path == "document.xml":
            receipt = query.get("rcept_no", "")
            known = self.documents.get(receipt)
            return known if known is not None else self._refused(path, "014")
        return self._list(query)

    def _list(self, query: dict[str, str]) -> bytes:
        count, page = int(query.get("page_count", "10")), int(query.get("page_no", "1"))
        begin, end = query.get("bgn_de", ""), query.get("end_de", "")
        dates_wrong = len(begin) != 8 or len(end) != 8 or begin > end
        if dates_wrong or not 1 <= count <= 100 or page < 1 or query.get("last_reprt_at") not in ("Y", "N"):
            return self._refused("list.json", "100")
        if not query.get("corp_code") and int(end) - int(begin) > 300:
            return self._refused("list.json", "100")
        chosen = [
            filing
            for filing in self.filings
            if query.get("corp_code") in (None, filing["corp_code"])
            and begin <= filing["rcept_dt"] <= end
            and not (query["last_reprt_at"] == "Y" and filing["rcept_no"] in self.superseded)
        ]
        chosen.sort(key=lambda filing: filing["rcept_no"], reverse=True)
        if not chosen:
            return self._refused("list.json", "013")
        answer = {
            "status": "000", "message": "정상", "page_no": page, "page_count": count,
            "total_count": len(chosen), "total_page": -(-len(chosen) // count),
            "list": chosen[(page - 1) * count : page * count],
        }  # fmt: skip
        return json.dumps(answer, ensure_ascii=False).encode()


def _handler(fake: FakeDart) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            path = parts.path.removeprefix("/api/")
            with lock:
                if path not in _KNOWN:
                    self._send(404, b"no such thing")
                    return
                kind, body = fake.answer(path, dict(parse_qsl(parts.query, keep_blank_values=True)))
            if kind == "200":
                self._send(200, body)
            elif kind == "cut":  # says how long it is, and is not
                self._send(200, body, cut=True)
            elif kind == "cut-quietly":  # no length: the end of the connection is the end of the answer
                self.close_connection = True
                self.send_response(200)
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body[: len(body) // 2])
            else:
                self._send(int(kind), body)

        def _send(self, code: int, body: bytes, *, cut: bool = False) -> None:
            self.send_response(code)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
            self.close_connection = self.close_connection or cut

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def serving(fake: FakeDart) -> Iterator[FakeDart]:
    """The fake at ``fake.url``, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/api"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
