"""report.html in a real browser: Chromium, driven over the WebDriver protocol."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import report_run

from macwright.dse.report.page import write_report

pytestmark = pytest.mark.slow

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync --hide-scrollbars"
).split()


class _Browser:
    """The few WebDriver commands that the tests need."""

    def __init__(self, port: int, profile: Path) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        made = self._post("/session", {"capabilities": {"alwaysMatch": wanted}})
        self._url += f"/session/{made['sessionId']}"

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(self._url + path, json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        with self._open(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, page: Path, *, width: int, height: int = 900) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
        self._post("/url", {"url": page.as_uri()})

    def devtools(self, command: str, params: dict[str, Any]) -> Any:
        return self._post("/goog/cdp/execute", {"cmd": command, "params": params})

    def run(self, script: str) -> Any:
        return self._post("/execute/sync", {"script": script, "args": []})

    def click(self, selector: str) -> None:
        """Scroll to an element and click its middle with a real pointer."""
        x, y = self.run(
            f"const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            "return [Math.round(b.x + b.width / 2), Math.round(b.y + b.height / 2)];"
        )
        steps = [
            {"type": "pointerMove", "x": x, "y": y, "duration": 0},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self._post("/actions", {"actions": [{"type": "pointer", "id": "p", "actions": steps}]})

    def key(self, code: str) -> None:
        steps = [{"type": "keyDown", "value": code}, {"type": "keyUp", "value": code}]
        self._post("/actions", {"actions": [{"type": "key", "id": "k", "actions": steps}]})

    def problems(self) -> list[str]:
        return [entry["message"] for entry in self._post("/se/log", {"type": "browser"})]

    def close(self) -> None:
        request = urllib.request.Request(self._url, method="DELETE")
        self._open(request, timeout=60).close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Browser]:
    driver = shutil.which("chromedriver")
    if driver is None or shutil.which("chromium") is None:
        pytest.skip("needs Debian's chromium and chromium-driver")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([driver, f"--port={port}", "--silent"], stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            time.sleep(0.1)
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
        session = _Browser(port, tmp_path_factory.mktemp("profile"))
        yield session
        session.close()
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(report_run.write_run(tmp_path_factory.mktemp("out") / "run"))


def _shown(browser: _Browser) -> tuple[str, list[list[str]]]:
    """Title of the selected point, and layer, weight, activation and unit of each table row."""
    title = browser.run("return document.querySelector('#point-title').textContent")
    rows = browser.run(
        "return [...document.querySelectorAll('#allocation tbody tr')].map(row =>"
        "[0, 1, 2, 4].map(i => row.cells[i].textContent))"
    )
    return title, rows


def _stored(page: Path, number: int) -> list[list[str]]:
    layers = json.loads((page.parent / f"allocations/point_{number:02d}.json").read_text())[
        "layers"
    ]
    return [
        [name, *(c[key] for key in ("weight", "activation", "unit"))] for name, c in layers.items()
    ]


@pytest.mark.parametrize("width", [1280, 390])
def test_a_click_shows_the_allocation_of_that_point(
    browser: _Browser, page: Path, width: int
) -> None:
    browser.open(page, width=width)
    kind = ".broad" if width > 600 else ".narrow"
    for number in (1, 11):
        browser.click(f".figure:not([hidden]) {kind} .panel:last-of-type [data-point='{number}']")
        assert _shown(browser) == (f"Point {number}", _stored(page, number))
        bits = browser.run(
            "return [...document.querySelectorAll('#skyline .up')].map(e => e.textContent)"
        )
        widths = report_run.WIDTHS
        assert bits == [str(widths[row[1]]) for row in _stored(page, number)]
    assert not browser.problems()


def test_the_keyboard_reaches_every_point(browser: _Browser, page: Path) -> None:
    browser.open(page, width=1280)
    browser.run("document.querySelector('.broad .panel:last-of-type [tabindex=\"0\"]').focus()")
    start = int(_shown(browser)[0].split()[1])
    browser.key("\ue014")
    assert _shown(browser) == (f"Point {start + 1}", _stored(page, start + 1))
    browser.key("\ue012")
    browser.key("\ue012")
    assert _shown(browser)[0] == f"Point {start - 1}"
    assert not browser.run("return document.querySelector('#tip').hidden")
    browser.click("#next")
    assert _shown(browser)[0] == f"Point {start}"


def test_another_cost_changes_chart_and_shares(browser: _Browser, page: Path) -> None:
    browser.open(page, width=1280)
    browser.run(
        "const c = document.querySelector('#cost'); c.value = 'weight_bytes';"
        "c.dispatchEvent(new Event('change'))"
    )
    shown = browser.run(
        "return [...document.querySelectorAll('.figure')].filter(f => f.checkVisibility())"
        ".map(f => f.dataset.column)"
    )
    assert shown == ["weight_bytes"]
    assert browser.run("return document.querySelector('#share-head').textContent") == (
        "Share of weight bytes"
    )


@pytest.mark.parametrize("width", [1280, 800, 390, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_or_overlaps(
    browser: _Browser, page: Path, width: int, scheme: str
) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.devtools("Emulation.setEmulatedMedia", media)
    browser.open(page, width=width)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    page_colour = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert page_colour == {"light": "rgb(244, 245, 247)", "dark": "rgb(13, 17, 23)"}[scheme]
    overlaps = browser.run(
        "const texts = [...document.querySelectorAll('svg text')].filter(t => t.checkVisibility());"
        "const boxes = texts.map(t => [t.textContent, t.getBoundingClientRect()])"
        "  .filter(b => b[1].width);"
        "const bad = []; boxes.forEach(([s, a], i) => boxes.slice(i + 1).forEach(([t, b]) => {"
        "if (a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom)"
        " bad.push([s, t]); })); return [boxes.length, bad];"
    )
    assert overlaps[0] > 20
    assert overlaps[1] == []
    assert not browser.problems()


def test_points_of_a_long_front_are_shown_as_they_are_asked_for(
    browser: _Browser, tmp_path: Path
) -> None:
    page = write_report(report_run.write_run(tmp_path / "run", points=900, measured=False))
    browser.open(page, width=1280)
    rows = "return document.querySelectorAll('tr[data-row]').length"
    assert browser.run(rows) == 200
    assert browser.run("return document.querySelector('#later').textContent").startswith("Show 500")
    browser.click("#later button")
    assert browser.run(rows) == 700
    browser.click("#later button")
    assert browser.run(rows) == 900
    assert browser.run("return document.querySelector('#later').hidden")
    browser.click("tr[data-row='873'] button")
    assert _shown(browser) == ("Point 873", _stored(page, 873))
    # The mark that stands for the point is marked in each panel.
    marked = browser.run(
        "return [...document.querySelectorAll('.mark.selected')]"
        ".map(m => [m.dataset.point, ...(m.dataset.also || '').split(' ')].includes('873'))"
    )
    assert marked == [True] * 6
    assert not browser.problems()


def test_names_from_files_are_never_markup(browser: _Browser, tmp_path: Path) -> None:
    name = "<img src=x onerror=\"document.title='owned'\">"
    layers = [(name, "Conv", 4, 9, 8, 1), *report_run.LAYERS[1:]]
    browser.open(write_report(report_run.write_run(tmp_path / "run", layers=layers)), width=1280)
    assert _shown(browser)[1][0][0] == name
    assert browser.run("return document.querySelectorAll('img').length") == 0
    assert "owned" not in browser.run("return document.title")
