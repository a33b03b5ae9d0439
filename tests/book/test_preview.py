from __future__ import annotations

import http.client
import threading

import pytest

from superpos.book.serving import server


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Ask for a path of a small site; return the status and the body."""
    site = tmp_path_factory.mktemp("outside") / "site"
    (site / "folder").mkdir(parents=True)
    (site / "index.html").write_text("the first page")
    (site / "404.html").write_text("nothing is here")
    (site.parent / "secret").write_text("a secret")
    with server(site, 0) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()

        def asked(path: str, method: str = "GET") -> tuple[int, str]:
            line = http.client.HTTPConnection(*serving.server_address, timeout=5)
            line.putrequest(method, path, skip_host=True)
            line.endheaders()
            answer = line.getresponse()
            return answer.status, answer.read().decode()

        yield asked
        serving.shutdown()


def test_a_page_comes_as_it_is(ask):
    assert ask("/") == (200, "the first page")
    assert ask("/index.html", "HEAD") == (200, "")


@pytest.mark.parametrize("path", ["/nowhere", "/folder/", "/folder/nowhere.html", "/%00", "/404"])
def test_where_nothing_is_the_page_that_says_so_comes(ask, path):
    assert ask(path) == (404, "nothing is here")
    assert ask(path, "HEAD") == (404, "")


@pytest.mark.parametrize(
    "path", ["/../secret", "/%2e%2e/secret", "/folder/../../secret", "//../secret", "/..%2fsecret"]
)
def test_nothing_outside_of_the_site_comes(ask, path):
    assert ask(path) == (404, "nothing is here")


def test_what_is_no_question_leaves_it_serving(ask):
    assert ask("/" + "a" * 70_000)[0] == 414
    assert ask("/", "POST")[0] == 501
    assert ask("/") == (200, "the first page")


def test_without_such_a_page_the_status_is_told(tmp_path):
    with server(tmp_path, 0) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        line = http.client.HTTPConnection(*serving.server_address, timeout=5)
        line.request("GET", "/nowhere")
        assert line.getresponse().status == 404
        serving.shutdown()
