"""`make site`: the pages, their links, and how a browser lays them out."""

import functools
import html
import json
import re
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from bs4 import BeautifulSoup  # nbconvert's

from tools import site

ROOT = Path(__file__).parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "chrome"])), None)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return site.build(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def parsed(pages):
    return [BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser") for page in pages]


class Quiet(SimpleHTTPRequestHandler):
    """A web server that prints nothing."""

    def log_message(self, *_):
        """Stay silent."""


@pytest.fixture
def server(pages):
    """Give the address under which the site's folder is served, with the page that measures."""
    shutil.copy(ROOT / "tests" / "measure_pages.html", pages[0].parent)
    handler = functools.partial(Quiet, directory=str(pages[0].parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def measure(server, names, profile, dark=False):
    """Give what is wrong with pages, at two widths each, as the browser lays them out."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    command += [f"--user-data-dir={profile}", "--virtual-time-budget=60000", "--dump-dom"]
    address = f"{server}/measure_pages.html?{','.join(names)}"
    result = subprocess.run([*command, address], capture_output=True, text=True, timeout=120)
    return json.loads(html.unescape(re.search("<pre>(.*)</pre>", result.stdout)[1]))


def test_one_page_per_notebook_and_one_before_them(pages):
    notebooks = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert [page.stem for page in pages] == ["index", *notebooks]


def test_every_link_within_the_site_leads_somewhere(pages, parsed):
    for page, tree in zip(pages, parsed, strict=True):
        links = [tag.get("href") or tag.get("src") for tag in tree.select("[href], [src]")]
        for link in links:
            if not re.match("https?:|data:|#", link):
                assert (page.parent / link.partition("#")[0]).is_file(), f"{page.name}: {link}"


def test_pages_fetch_nothing_from_elsewhere(parsed):
    for tree in parsed:
        assert not tree.select('[src^="http"], link[rel=stylesheet][href^="http"]')
        assert "$$" not in tree.text


def test_pages_lead_back_home_and_on(pages, parsed):
    for number, tree in enumerate(parsed):
        expected = [("prev", pages[number - 1].name)] if number > 1 else []
        expected += [("home", "index.html")] if number else []
        expected += [("next", pages[number + 1].name)] if number + 1 < len(pages) else []
        assert [(a["class"][0], a["href"]) for a in tree.select("nav a")] == 2 * expected
    assert all(parsed[0].select(f'table a[href="{page.name}"]') for page in pages[1:])


def test_pages_have_titles_and_hold_for_phones(parsed):
    titles = [tree.title.string for tree in parsed]
    assert titles[0] == "Image captioning from scratch" and len(set(titles)) == len(parsed)
    for tree in parsed:
        assert "width=device-width" in tree.select_one("meta[name=viewport]")["content"]


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_is_missing_cut_off_or_wider_than_the_window(pages, server, tmp_path, dark):
    results = measure(server, [page.name for page in pages], tmp_path, dark)
    assert len(results) == 2 * len(pages)
    for result in results:
        assert result["faults"] == [], result
        shade = int(re.search(r"\d+", result["background"])[0])
        assert shade < 60 if dark else shade > 200


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_faults_are_found(pages, server, tmp_path):
    bad = pages[0].with_name("bad.html")
    bad.write_text(
        '<img src="none.png"><div style="width: 500px">a</div>'
        '<div style="overflow: hidden; width: 9px">a_long_word</div>'
    )
    narrow, wide = measure(server, [bad.name], tmp_path)
    assert [fault.split(":")[0] for fault in narrow["faults"]] == [
        "the page is wider than the window", "no image http", "cut off",
    ]  # fmt: skip
    assert len(wide["faults"]) == 2
