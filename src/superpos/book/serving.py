"""The built site, served on this machine: its files to readers here, and nothing else to anybody.

It is for looking at a book. A request may come from anywhere on this machine, from a page of
another site that a browser shows as well, so that nothing in it is believed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import sys
import threading
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from superpos.book.absent import PATH

ADDRESS = "127.0.0.1"
HOSTS = (ADDRESS, "localhost", "[::1]")  # what a browser on this machine calls this one
MOST = 64  # connections at a time
SECONDS = 30.0  # that one may take


class Pages(SimpleHTTPRequestHandler):
    """Serves a folder's files, lists none, and answers a wrong address as hosts of pages do."""

    server_version, sys_version = "superpos", ""  # which Python runs is nobody's business
    timeout = SECONDS  # of silence

    def setup(self) -> None:
        super().setup()
        self._end = threading.Timer(SECONDS, self._give_up)  # of drops, now and then
        self._end.daemon = True
        self._end.start()

    def finish(self) -> None:
        self._end.cancel()
        super().finish()

    def _give_up(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def parse_request(self) -> bool:
        """Refuse what is addressed to another host: a name of somebody's that leads here."""
        if not super().parse_request():
            return False
        hosts = self.headers.get_all("Host", [])
        if len(hosts) > 1 or (hosts and hosts[0].strip().rpartition(":")[0] not in HOSTS
                              and hosts[0].strip() not in HOSTS):  # fmt: skip
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return False
        return True

    def send_head(self) -> BinaryIO | None:
        """Send what goes before a file, and return the file, open; or answer that there is none."""
        try:
            file = _opened(Path(self.directory), self.path)
        except (OSError, ValueError, RuntimeError):  # RuntimeError: links in a circle
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", self.guess_type(file.name))
        self.send_header("Content-Length", str(os.fstat(file.fileno()).st_size))
        self.send_header("Cache-Control", "no-cache")  # a build may be next
        self.end_headers()
        return file

    def end_headers(self) -> None:
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        page = Path(self.directory) / PATH
        if code != HTTPStatus.NOT_FOUND or not page.is_file():
            super().send_error(code, HTTPStatus(code).phrase)  # and nothing of the request
            return
        body = page.read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing: whoever sends requests would write to the terminal."""


def _opened(site: Path, address: str) -> BinaryIO:
    """Return a file of the site, open.

    Raises
    ------
    OSError, ValueError
        If the address leads to none: a folder without a page of its own, a name that begins with a
        dot, what lies outside, through a link too, or what is no file.
    """
    path = unquote(urlsplit(address).path, errors="strict")
    names = [name for name in path.split("/") if name]
    if any(name.startswith(".") or "\0" in name or "\\" in name for name in names):
        raise ValueError("a name that no page has")
    if path.endswith("/"):
        names.append("index.html")
    asked, root = site.joinpath(*names).resolve(strict=True), site.resolve(strict=True)
    if not asked.is_relative_to(root) or any(
        name.startswith(".") for name in asked.relative_to(root).parts
    ):
        raise ValueError("a link out of the site")
    if not stat.S_ISREG(asked.stat().st_mode):  # a pipe would be waited for
        raise ValueError("not a file")
    return asked.open("rb")


class _Server(ThreadingHTTPServer):
    """Answers so many at a time as there is room for, and outlives every one of them."""

    daemon_threads = True
    request_queue_size = MOST

    def __init__(self, site: Path, port: int) -> None:
        self._room = threading.BoundedSemaphore(MOST)
        super().__init__((ADDRESS, port), partial(Pages, directory=str(site)))

    def process_request(self, request, client_address) -> None:
        if not self._room.acquire(timeout=1.0):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be begun
            self._room.release()
            raise

    def process_request_thread(self, request, client_address) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request, client_address) -> None:
        """Bear whoever goes away in the middle; tell the rest in a line."""
        problem = sys.exc_info()[1]
        if not isinstance(problem, OSError):
            print(f"superpos: serve: {type(problem).__name__}: {problem!s:.200}", file=sys.stderr)


def server(site: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of a site, not yet running, that this machine alone can reach.

    Parameters
    ----------
    site
        The folder of pages.
    port
        From 0, which takes any that is free, to 65535.

    Raises
    ------
    OSError
        If the port cannot be used.
    """
    return _Server(site, port)
