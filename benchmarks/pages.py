"""How soon a page of the built book shows something on a slow phone, and what it weighs.

    python benchmarks/pages.py [SITE] [PAGE ...]

Chromium, a processor four times slower, and a line of 1.6 Mbit/s with 150 ms there and back, as
Lighthouse throttles for "Slow 4G"; files are sent compressed, as web servers do. Printed for each
page: when its first content stands, when all has loaded, what was sent, and the heaviest files.
"""

from __future__ import annotations

import argparse
import gzip
import mimetypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from superpos.book.chromium import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

ROOT = Path(__file__).parent.parent
LATENCY = 150  # ms
THROUGHPUT = 1.6e6 / 8  # bytes a second
SLOWER = 4  # the processor
PHONE: ViewportSize = {"width": 390, "height": 844}
PACKED = (".woff", ".woff2", ".png", ".gz")  # which gain nothing from compression


class Compressed(SimpleHTTPRequestHandler):
    """Serves a folder, compressed; keeps no log."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path /= "index.html"
        if found := path.is_file():
            body, packed = _body(path)
        else:
            absent = Path(self.directory) / "404.html"
            body, packed = _body(absent) if absent.exists() else (b"", False)
            path = absent
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", mimetypes.guess_type(path)[0] or "text/plain")
        self.send_header("Content-Length", str(len(body)))
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@lru_cache(maxsize=512)
def _body(path: Path) -> tuple[bytes, bool]:
    """Return a file as it is sent, and whether that is compressed."""
    content = path.read_bytes()
    if path.suffix in PACKED:
        return content, False
    return gzip.compress(content, 6, mtime=0), True


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve a site on this machine; yield its address, which ends with a slash."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Compressed, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def weights(page: Page, site: Path) -> dict[str, int]:
    """Return what a loaded page has been sent: bytes compressed, by path in the site."""
    asked = page.evaluate(
        """() => [location.href, ...performance.getEntriesByType("resource").map(e => e.name)]"""
    )
    paths = {urlsplit(address).path.lstrip("/") for address in asked if address.startswith("http")}
    return {path: len(_body(site / path)[0]) for path in sorted(paths) if (site / path).is_file()}


def on_a_slow_phone(browser: Browser, address: str) -> tuple[Page, dict[str, Any]]:
    """Return a page opened on a slow phone, with the times of its first content and of its load."""
    page = browser.new_context(viewport=PHONE).new_page()
    told = page.context.new_cdp_session(page)
    told.send("Network.enable")
    told.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": LATENCY, "downloadThroughput": THROUGHPUT,
         "uploadThroughput": THROUGHPUT},
    )  # fmt: skip
    told.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.goto(address, wait_until="load", timeout=120_000)
    page.wait_for_timeout(500)
    times = page.evaluate(
        """() => ({
          first: performance.getEntriesByName("first-contentful-paint")[0].startTime / 1000,
          loaded: performance.getEntriesByType("navigation")[0].loadEventEnd / 1000,
        })"""
    )
    return page, times


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("site", nargs="?", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("pages", nargs="*", help="paths in the site (default: front and chapters)")
    asked = parser.parse_args()
    pages = asked.pages or [
        "book/index.html",
        *(p.relative_to(asked.site).as_posix() for p in asked.site.glob("book/executed/*.html")),
        "book/scoreboard.html",
    ]
    print(f"{'page':50} {'first':>7} {'loaded':>7} {'sent':>7}  heaviest")
    with served(asked.site) as address, chromium() as browser:
        for path in pages:
            page, times = on_a_slow_phone(browser, address + path)
            sent = weights(page, asked.site)
            heaviest = sorted(sent, key=sent.__getitem__, reverse=True)[:3]
            most = ", ".join(f"{Path(name).name[:24]} {sent[name] / 1000:.0f}" for name in heaviest)
            print(
                f"{path:50} {times['first']:5.2f} s {times['loaded']:5.1f} s "
                f"{sum(sent.values()) / 1000:4.0f} kB  {most}"
            )
            page.context.close()


if __name__ == "__main__":
    main()
