"""The instrument as a piece of a page of the site."""

from __future__ import annotations

from pathlib import Path

import pytest

from superpos.book import live
from superpos.errors import InvalidArgument
from superpos.live import SOURCE, VIEWS

STILL = '<figure><img alt="A pentagon." src="data:,"></figure>'


def page(folder, **kinds):
    """A page of a site of two folders."""
    (folder / "book").mkdir()
    text = live.instrument_html(STILL, up="..", **kinds)
    (folder / "book" / "page.html").write_text(
        f"<!doctype html><title>A page</title>{text}", "utf-8"
    )
    for path, content in live.files().items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
    return folder / "book" / "page.html"


def test_served_the_instrument_takes_the_picture_s_place(browser, tmp_path):
    page(tmp_path, settings={"S": 0.8, "sets": 'no "such" <kind>'})
    tab = browser.new_page()
    asked = []

    def serve(route):
        path = route.request.url.removeprefix("http://site.test/")
        asked.append(path)
        kind = "text/javascript" if path.endswith(".js") else "text/html"
        route.fulfill(body=(tmp_path / path).read_text("utf-8"), content_type=kind)

    tab.route("**/*", serve)
    tab.goto("http://site.test/book/page.html")
    tab.wait_for_function("/step 900.*cross/.test(document.querySelector('.heard')?.textContent)")
    assert not tab.get_by_alt_text("A pentagon.").count()
    assert not tab.locator(".superpos-live-note").count()
    assert asked == ["book/page.html", "_static/instrument.js"]


def test_served_it_takes_the_place_of_a_figure_elsewhere_on_the_page(browser, tmp_path):
    text = live.instrument_html("", up="..", instead="still")
    page = f"<!doctype html><title>A page</title><figure id='still'>Still.</figure>{text}"
    tab = browser.new_page()

    def serve(route):
        name = route.request.url.rpartition("/")[2]
        source = SOURCE.read_text("utf-8") if name.endswith(".js") else page
        kind = "text/javascript" if name.endswith(".js") else "text/html"
        route.fulfill(body=source, content_type=kind)

    tab.route("**/*", serve)
    tab.goto("http://site.test/book/page.html")
    tab.get_by_role("slider").first.wait_for()
    assert tab.get_by_text("Still.").is_hidden()


def test_opened_as_a_file_the_page_keeps_the_picture_and_says_so(browser, tmp_path):
    tab = browser.new_page()
    tab.goto(page(tmp_path).as_uri())
    tab.wait_for_timeout(300)
    assert tab.get_by_alt_text("A pentagon.").is_visible()
    assert "superpos serve" in tab.locator(".superpos-live-note").inner_text()


def test_the_site_serves_the_file(built_book):
    served = built_book / "_build" / "html" / "_static"
    for source in (SOURCE, VIEWS):
        assert (served / source.name).read_bytes() == source.read_bytes()
    assert "instrument.js" not in (built_book / "_build/html/index.html").read_text("utf-8")


PLACE = '<!-- live toy {{"S": {S}}} -->\nA *pentagon*.\n<!-- end of live -->\n'


def test_a_page_has_its_instruments_where_it_marks_them_and_one_of_them_the_address():
    text = f"# A page\n\n{PLACE.format(S=0.9)}\nBetween.\n\n{PLACE.format(S=0.8)}"
    found = live.placed(text, up="..")
    assert "<!--" not in found
    assert "# A page" in found
    assert "\n\nA *pentagon*.\n\n" in found  # as Markdown, not as HTML
    assert found.index("0.9") < found.index("Between.") < found.index("0.8")
    assert (found.count('data-hash="true"'), found.count('data-hash="false"')) == (1, 1)
    assert live.placed("# A page\n", up="..") == "# A page\n"


@pytest.mark.parametrize(
    ("mark", "told"), [('toys {"S": 1}', "kind is 'toys'"), ("toy {S}", "live toy {S}: no JSON")]
)
def test_a_place_that_is_none_is_refused(mark, told):
    with pytest.raises(InvalidArgument, match=told):
        live.placed(f"<!-- live {mark} -->\nStill.\n<!-- end of live -->\n", up="..")


def test_the_front_page_begins_with_an_instrument():
    index = (Path(__file__).parents[2] / "book" / "index.md").read_text("utf-8")
    text = live.placed(index, up="..").rpartition("\n---\n")[2]  # what is said of it comes before
    title, _, rest = text.strip().partition("\n\n")
    assert title == "# superpos"
    assert rest.startswith('<div class="superpos-live-place"')
