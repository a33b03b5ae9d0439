"""What ``superpos serve`` answers to whoever asks, byte by byte: pages, and nothing else."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from superpos.book import serving

SECRET = b"a secret of this machine"
PAGE = b"<p>the page</p>"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site, with things in and beside it that are not to be served."""
    site = tmp_path / "html"
    (site / "book" / ".hidden").mkdir(parents=True)
    (site / "with.index").mkdir()
    (site / "index.html").write_bytes(PAGE)
    (site / "with.index" / "index.html").write_bytes(PAGE)
    (site / "book" / "ä b.html").write_bytes(PAGE)
    (site / "claims.json").write_bytes(b"{}")
    (site / "404.html").write_bytes(b"<p>no such page</p>")
    for name in (".env", "book/.hidden/x.html", "../secret.txt", "../html-not/secret.txt"):
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_bytes(SECRET)
    (site / "out.txt").symlink_to(tmp_path / "secret.txt")
    (site / "outer").symlink_to(tmp_path)
    (site / "hidden.txt").symlink_to(site / ".env")
    (site / "inner.html").symlink_to(site / "index.html")
    (site / "loop").symlink_to(site / "loop")
    os.mkfifo(site / "pipe")
    return site


@pytest.fixture
def port(site):
    with serving.server(site, 0) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running.server_port
        running.shutdown()
        thread.join()


def answer(port: int, request: bytes, seconds: float = 10.0) -> bytes:
    """All that comes back for some bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as line:
        try:
            line.sendall(request)
            parts = []
            while part := line.recv(65536):
                parts.append(part)
        except ConnectionError:  # it has heard enough
            pass
    return b"".join(parts)


def get(port: int, path: str | bytes, host: str = "127.0.0.1", method: str = "GET") -> bytes:
    path = path if isinstance(path, bytes) else path.encode()
    head = b" HTTP/1.1\r\nHost: %b\r\n\r\n" % host.encode()
    return answer(port, method.encode() + b" " + path + head)


def code(found: bytes) -> int:
    return int(found.split(b" ", 2)[1])


@pytest.mark.parametrize(
    "path", ["/", "/index.html", "/?q=1#x", "//index.html", "/inner.html", "/with.index/",
             "/book/%C3%A4%20b.html", "http://127.0.0.1/index.html", "/book//%C3%A4%20b.html"],
)  # fmt: skip
def test_pages_are_served(port, path):
    found = get(port, path)
    head, _, body = found.partition(b"\r\n\r\n")
    assert code(found) == 200
    assert body == PAGE
    assert b"nosniff" in head
    assert f"Content-Length: {len(PAGE)}".encode() in head


UP = ["..", "%2e%2e", ".%2e", "%2E.", "%252e%252e", "..;", "..%00", "%c0%ae%c0%ae", "..%5c.."]


@pytest.mark.parametrize(
    "path",
    [
        *(f"/{up}/secret.txt" for up in UP),
        *(f"/book/{up}/{up}/secret.txt" for up in UP),
        "/../html-not/secret.txt", "/..%2fsecret.txt", "/..%2Fhtml-not%2Fsecret.txt",
        "/..\\secret.txt", "/%5c..%5csecret.txt", "//../secret.txt", "/./../secret.txt",
        "/etc/passwd", "//etc/passwd", "/%2fetc/passwd", "file:///etc/passwd", "/C:/secret.txt",
        "/out.txt", "/outer/secret.txt", "/outer/html/../secret.txt",
        "/hidden.txt", "/loop", "/loop/x", "/pipe", "/index.html/", "/index.html/x",
        "/.env", "/%2eenv", "/book/.hidden/x.html", "/.", "/..", "/book", "/book/", "/outer/",
        "/with.index", "/%00", "/index.html%00.txt", "/%", "/%zz", "/%ff%fe", "/" + "a" * 5000,
        "/" + "a/" * 3000, "/" + "%2e%2e/" * 3000 + "secret.txt", "http://[/", "http://[::1/x",
        "*", "//evil.example/%2e%2e", "/index.html;x", "/~root", "/con", "/index.html.",
    ],
)  # fmt: skip
def test_nothing_else_is_served(port, path):
    found = get(port, path)
    assert code(found) in (400, 404)
    assert SECRET not in found
    assert b"root:" not in found
    assert b"Location:" not in found
    assert b"Directory listing" not in found
    assert code(get(port, "/")) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "127.0.0.1@evil",
     "evil.example:127.0.0.1", "[::1", "0.0.0.0", "127.0.0.2", "", " ", "127.0.0.1, evil"],
)  # fmt: skip
def test_a_page_of_another_site_cannot_call_this_machine_by_its_name(port, host):
    found = get(port, "/", host)
    assert code(found) == 421
    assert PAGE not in found
    twice = b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    assert code(answer(port, twice)) == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:8000", "[::1]:1"])
def test_the_names_of_this_machine_are_taken(port, host):
    assert code(get(port, "/", host)) == 200


def test_head_has_no_body_and_other_methods_are_refused(port):
    found = get(port, "/", method="HEAD")
    assert code(found) == 200
    assert found.endswith(b"\r\n\r\n")
    assert get(port, "/none", method="HEAD").endswith(b"\r\n\r\n")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "get", "X" * 99,
                   "<b>", "__init__"):  # fmt: skip
        found = get(port, "/", method=method)
        assert code(found) == 501
        assert PAGE not in found
        assert b"<b>" not in found


def test_it_does_not_say_what_it_runs_on(port):
    for found in (get(port, "/"), get(port, "/none"), get(port, "/", method="POST")):
        assert b"Python" not in found
        assert b"\r\nServer: superpos" in found


RUBBISH = [
    b"\r\n\r\n", b"\0" * 100, b"\xff" * 1000 + b"\r\n\r\n", b"GET\r\n\r\n", b"GET /\r\n",
    b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/x\r\n\r\n", b"GET / HTTP/1.1 x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost\r\n\r\n", b"GET / HTTP/1.1\r\n: x\r\n\r\n", b"\x16\x03\x01\x02\x00",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100_000,
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-99999999999\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nIf-Modified-Since: \xff\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("request_", RUBBISH, ids=range(len(RUBBISH)))
def test_rubbish_is_borne_and_nothing_is_told_on_the_terminal(port, request_, capfd, monkeypatch):
    monkeypatch.setattr(serving.Pages, "timeout", 0.3)
    answer(port, request_)
    assert code(get(port, "/")) == 200
    told = capfd.readouterr()
    assert told.out == told.err == ""


def test_who_goes_away_in_the_middle_is_borne(port, site, capfd):
    (site / "large.bin").write_bytes(b"x" * 5_000_000)
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
            line.recv(100)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    assert code(get(port, "/")) == 200
    assert capfd.readouterr().err == ""


def test_slow_clients_are_given_up_and_others_served_meanwhile(site, monkeypatch):
    monkeypatch.setattr(serving, "SECONDS", 1.0)
    monkeypatch.setattr(serving, "MOST", 4)
    with serving.server(site, 0) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            slow = [socket.create_connection(("127.0.0.1", running.server_port)) for _ in range(3)]
            end = time.monotonic() + 20
            while time.monotonic() < end and slow:
                assert code(get(running.server_port, "/")) == 200
                for line in list(slow):
                    try:
                        line.sendall(b"X")  # a drop at a time, so that it is never silent
                        line.settimeout(0.05)
                        if line.recv(100) == b"":
                            raise ConnectionError
                    except TimeoutError:
                        continue
                    except ConnectionError:
                        line.close()
                        slow.remove(line)
            assert not slow
            crowd = [socket.create_connection(("127.0.0.1", running.server_port)) for _ in range(9)]
            for line in crowd:
                line.close()
            assert code(get(running.server_port, "/")) == 200
        finally:
            running.shutdown()
            thread.join()


def test_no_other_machine_reaches_it(site):
    with serving.server(site, 0) as running:
        assert running.server_address[0] == "127.0.0.1"
        own = socket.gethostbyname(socket.gethostname())
        if not own.startswith("127."):
            with pytest.raises(ConnectionError):
                socket.create_connection((own, running.server_port), timeout=5)
