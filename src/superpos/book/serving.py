"""The built site, served on this machine."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from superpos.book.absent import PATH


class Pages(SimpleHTTPRequestHandler):
    """Serves a folder's files, lists none, and answers a wrong address as hosts of pages do."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(path).replace("\0", "\ufffd")  # no system takes such names

    def list_directory(self, path) -> None:
        self.send_error(HTTPStatus.NOT_FOUND)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        page = Path(self.directory) / PATH
        if code != HTTPStatus.NOT_FOUND or not page.exists():
            super().send_error(code, message, explain)
            return
        body = page.read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


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
    return ThreadingHTTPServer(("127.0.0.1", port), partial(Pages, directory=str(site)))
