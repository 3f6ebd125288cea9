"""The page in a real browser: drop a clip, see who shows what, take it along, delete it."""

import os
import shutil
from pathlib import Path

import pytest

from facevoice.samples import SAMPLE
from support.media_files import tone, write_media
from support.running_server import running

pytest.importorskip("fastapi")
playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

pytestmark = pytest.mark.slow

TOKEN = "a-secret-of-many-letters"  # noqa: S105
WAIT = 120_000
DROP = """([target, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], "dropped.mp4", { type: "video/mp4" }));
  for (const kind of ["dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true }));
  }
}"""


@pytest.fixture(scope="module")
def server(toy_bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server") / "uploads"
    token = folder.parent / "token.txt"
    token.write_text(TOKEN)
    with running(toy_bundle, folder, "--token-file", token, "--workers", 1, token=TOKEN) as server:
        yield server


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs chromium")
    flags = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server):
    """The page at its printed address; fails on errors of scripts and of the policy."""
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    faults, asked = [], []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"http://127.0.0.1:{server.port}/#token={TOKEN}")
    yield page
    page.close()
    assert faults == []
    own = (f"http://127.0.0.1:{server.port}/", "blob:", "data:")
    assert [url for url in asked if not url.startswith(own)] == []


def shown(page, name):
    """Keep a picture of the page where a person asks for it."""
    if folder := os.environ.get("FACEVOICE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def serious(page):
    """What axe-core finds that keeps people out."""
    import axe_playwright_python

    script = Path(axe_playwright_python.__file__).with_name("axe.min.js")
    page.evaluate(script.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    grave = [each for each in found if each["impact"] in {"serious", "critical"}]
    return [(each["id"], [node["target"] for node in each["nodes"]]) for each in grave]


def test_drop_see_seek_take_delete(page, server):
    assert page.url == f"http://127.0.0.1:{server.port}/"  # the token is not in the address
    content = list(SAMPLE.read_bytes())
    target = page.query_selector("#drop")
    page.evaluate(DROP, [target, content])
    result = page.locator(".result")
    expect(result.locator(".answer")).to_contain_text("Person 0: ", timeout=WAIT)
    expect(result.locator("canvas.face")).to_be_visible()
    shown(page, "wide")
    curves = result.locator(".curves").first
    box = curves.bounding_box()
    curves.click(position={"x": box["width"] * 0.75, "y": 20})
    length = float(result.locator("input[type=range]").get_attribute("max"))
    expect(result.locator("output")).to_have_text(f"0:0{0.75 * length - 0.05:.1f}")
    moved = page.evaluate("document.querySelector('.result video').currentTime")
    assert abs(moved - 0.75 * length) < 0.1
    assert curves.locator("path").count() == 7
    assert curves.locator("path").first.bounding_box()["width"] > 5
    with page.expect_download() as download:
        result.get_by_role("button", name="Subtitles (VTT)").click()
    assert download.value.suggested_filename == "dropped.vtt"
    assert Path(download.value.path()).read_text().startswith("WEBVTT")
    assert serious(page) == []
    page.get_by_role("button", name="Delete dropped.mp4").click()
    expect(result).to_have_count(0)
    expect(page.locator("#said")).to_have_text("dropped.mp4: deleted")
    assert server.left() == []


def test_a_small_screen_in_the_dark_by_keyboard(page):
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme="dark")
    page.set_input_files("#files", [SAMPLE, SAMPLE])
    expect(page.locator("#queue li")).to_have_count(2)
    expect(page.locator(".result")).to_have_count(2, timeout=WAIT)
    shown(page, "narrow")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    slider = page.locator(".result input[type=range]").first
    slider.focus()
    page.keyboard.press("End")
    assert float(slider.input_value()) == float(slider.get_attribute("max"))
    assert serious(page) == []


def with_personal_answers(route):
    """The timeline as it is for someone of whom enough is known."""
    answer = route.fetch()
    timeline = answer.json()
    scores = dict.fromkeys(timeline["labels"], 0.1) | {"fear": 0.4}
    for row in timeline["windows"]:
        row["personal"] = {"emotion": "fear", "confidence": 0.4, "scores": scores}
    for person in timeline["people"]:
        person["personal_shares"] = {"fear": 1.0}
    route.fulfill(response=answer, json=timeline)


def test_plain_and_personal_curves_are_shown_together(page):
    page.set_input_files("#files", SAMPLE)
    person = page.locator(".person")
    expect(person).to_contain_text("No personal curves", timeout=WAIT)
    expect(person.locator(".curves")).to_have_count(1)
    page.get_by_role("button", name=f"Delete {SAMPLE.name}").click()
    page.route("**/timeline.json", with_personal_answers)
    page.set_input_files("#files", SAMPLE)
    expect(person.locator(".curves")).to_have_count(2, timeout=WAIT)
    expect(person.locator("h4").last).to_have_text("personal fear 40%")
    expect(person).to_contain_text("Share of the time: fear 100%")
    assert serious(page) == []


def test_a_sound_file_has_a_player(page, tmp_path):
    path = write_media(tmp_path / "a.wav", sound=tone(2.0, 16_000))
    page.set_input_files("#files", path)
    player = page.locator(".result audio")
    expect(player).to_be_visible(timeout=WAIT)
    assert player.bounding_box()["width"] > 200


def test_scores_that_do_not_decide_are_no_verdict(page):
    def close(route):
        answer = route.fetch()
        timeline = answer.json()
        for each in timeline["segments"]:
            each |= {"emotion": "sad", "undecided": "fear"}
        for row in timeline["windows"]:
            row["scores"]["scores"] = {"sad": 0.5, "fear": 0.45, "happy": 0.05}
        route.fulfill(response=answer, json=timeline | {"labels": ["sad", "fear", "happy"]})

    page.route("**/timeline.json", close)
    page.set_input_files("#files", SAMPLE)
    answer = page.locator(".result .answer")
    expect(answer).to_have_text("Person 0: undecided between sad and fear", timeout=WAIT)
    expect(page.locator(".person .now")).to_have_text("undecided between sad and fear")


def test_the_camera_waits_for_consent(page):
    page.get_by_role("button", name="Record from the camera").click()
    begin = page.get_by_role("button", name="Begin")
    expect(begin).to_be_disabled()
    page.get_by_label("Everyone who will be seen").check()
    begin.click()
    page.wait_for_timeout(2500)
    page.get_by_role("button", name="Stop and analyse").click()
    expect(page.locator("#queue .name")).to_have_text("recording.webm")
    expect(page.locator(".result .answer")).to_be_visible(timeout=WAIT)


def test_a_wrong_token_and_a_file_that_is_no_film(browser, server):
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/")
    expect(page.locator("#entrance")).to_be_visible()
    expect(page.locator("#reference")).to_be_hidden()
    page.get_by_label("Token", exact=True).fill("another-secret-entirely")
    page.get_by_role("button", name="Use it").click()
    expect(page.locator("#token-trouble")).to_be_visible()
    page.get_by_label("Token", exact=True).fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("#entrance")).to_be_hidden()
    expect(page.locator("#reference")).to_be_visible()
    page.set_input_files("#files", {"name": "a.mp4", "mimeType": "video/mp4", "buffer": b"no"})
    expect(page.locator(".state.failed")).to_contain_text("cannot be decoded", timeout=WAIT)
    page.close()
