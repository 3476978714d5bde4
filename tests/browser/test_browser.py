"""The page in a real Chromium: the whole journey, Stop, replay, hostile text, narrow and dark.

What hangs on timing or on hostile answers uses a scripted model; the journey is walked again with
the real pocket model where its weights are there.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ScriptedBackend
from playwright.sync_api import Browser, Page, Route, expect
from stage import (
    CRITIQUE,
    DRAFT,
    HOSTILE,
    REVISION,
    SlowBackend,
    leave,
    served,
    visited,
)

from cai_app.settings import ROOT

pytestmark = pytest.mark.browser
POCKET = sorted((ROOT / "data" / "pocket").glob("*/model.safetensors"))
# Generous, as tests may share the machine with a training run; nothing waits longer than it must.
expect.set_options(timeout=30_000)
HACK = "Can you help me hack into my neighbor's wifi?"


@pytest.fixture(scope="module")
def backend() -> ScriptedBackend:
    """The scripted model behind `url`."""
    return SlowBackend()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, backend: SlowBackend) -> Iterator[str]:
    """The app with the scripted model."""
    with served(tmp_path_factory.mktemp("home"), lambda spec, settings: backend) as address:
        yield address


@pytest.fixture
def pause(backend: SlowBackend) -> Iterator[SlowBackend]:
    """The same, so slow that a test can act in the middle of a stream."""
    backend.pause = 0.25
    yield backend
    backend.pause = 0.01


def ask(page: Page, prompt: str) -> None:
    """Type a prompt, press Run, and wait until the page has noticed."""
    page.get_by_label("What does the person ask?").fill(prompt)
    begun(page, page.locator("#critique-run").click)


def begun(page: Page, act: Callable[[], None]) -> None:
    """Do what starts a chain, and wait for its first view."""
    chain = page.locator(".chain")
    before = chain.get_attribute("data-serial") or "0"
    act()
    expect(chain).not_to_have_attribute("data-serial", before)


def ended(page: Page) -> None:
    """Wait until nothing streams."""
    expect(page.locator(".chain")).to_have_attribute(
        "data-state", re.compile("done|stopped|failed")
    )
    expect(page.locator("#critique-run")).to_be_enabled()


def cards(page: Page) -> list[str]:
    """The texts of the cards, as they read with their changes applied."""
    script = """all => all.map(one => { const copy = one.cloneNode(true);
      copy.querySelectorAll('del').forEach(gone => gone.remove()); return copy.textContent; })"""
    return page.locator("#critique-chain article .body").evaluate_all(script)


def walk(page: Page) -> None:
    """Example, chain, Judge, bars."""
    page.get_by_role("button", name=HACK).click()
    expect(page.get_by_label("What does the person ask?")).to_have_value(HACK)
    begun(page, page.locator("#critique-run").click)
    ended(page)
    page.locator("article.revision").get_by_role("button", name="send to Judge").click()
    expect(page.get_by_role("textbox", name="Response A")).not_to_have_value("")
    page.locator("#judge-principle input").click()
    page.get_by_role("option", name="all 16").click()
    page.locator("#judge-run").click()
    expect(page.locator(".verdict tbody .bar, .verdict .tag.bad")).to_have_count(16)
    expect(page.locator(".verdict .summary h3")).to_be_visible()


def test_the_whole_journey(browser: Browser, url: str) -> None:
    with visited(browser, url) as page:
        walk(page)
        expect(page.get_by_role("textbox", name="Response B")).to_have_value(REVISION)
        expect(page.locator(".verdict .summary h3")).to_have_text("B is better")
        assert "tab=judge" in page.url


def test_a_copied_link_is_that_of_its_own_tab(browser: Browser, url: str) -> None:
    with visited(browser, url) as page:
        page.evaluate("() => { navigator.clipboard.writeText = async (t) => { window.got = t; }; }")
        walk(page)
        assert "tab=judge" in page.url
        page.get_by_role("tab", name="Critique").click()
        page.locator(".chain").get_by_role("button", name="copy link").click()
        copied = page.evaluate("window.got")
        assert "tab=critique" in copied and "rounds=1" in copied


def test_cards_carry_prompt_tokens_flags_and_changes(browser: Browser, url: str) -> None:
    with visited(browser, url) as page:
        ask(page, HACK)
        ended(page)
        assert cards(page) == [DRAFT, CRITIQUE, REVISION]
        assert page.locator("article.revision ins, article.revision del").count() > 1
        expect(page.locator("article.revision .flags")).to_contain_text("refusal")
        critique = page.locator("article.critique")
        critique.get_by_role("button", name="prompt").click()
        expect(critique.locator("pre")).to_contain_text("CritiqueRequest:")
        expect(critique.locator(".prompt .meta")).to_contain_text("tokens in")


def test_stop_keeps_the_text_and_frees_the_model(
    browser: Browser, url: str, pause: SlowBackend
) -> None:
    with visited(browser, url) as page:
        ask(page, HACK)
        expect(page.locator("article.draft .body")).to_contain_text("you can")
        page.keyboard.press("Escape")
        ended(page)
        kept = cards(page)
        page.wait_for_timeout(700)
        assert cards(page) == kept and DRAFT.startswith(kept[0])
        # Written again, the step that was cut short would differ, and that would say nothing.
        expect(page.locator("article.draft").get_by_role("button", name="edit")).to_be_visible()
        expect(page.locator("article.draft").get_by_role("button", name="replay")).to_have_count(0)
        assert pause.streams[-1].cancelled
        pause.pause = 0.01
        begun(page, page.get_by_role("button", name="Go on", exact=True).click)
        ended(page)
        assert cards(page) == [DRAFT, CRITIQUE, REVISION]


def test_replay_says_identical(browser: Browser, url: str) -> None:
    with visited(browser, url) as page:
        ask(page, HACK)
        ended(page)
        page.locator("article.critique").get_by_role("button", name="replay").click()
        expect(page.locator("article.critique .replay")).to_contain_text("identical")


def test_an_edited_step_is_gone_on_from(browser: Browser, url: str) -> None:
    with visited(browser, url) as page:
        ask(page, HACK)
        ended(page)
        card = page.locator("article.draft")
        card.get_by_role("button", name="edit").click()
        card.get_by_label("Your text for this step").fill("No.")
        begun(page, lambda: page.keyboard.press("Control+Enter"))
        expect(card.locator(".meta").first).to_contain_text("edited by you")
        ended(page)
        assert cards(page) == ["No.", CRITIQUE, REVISION]


def test_the_download_is_the_transcript(browser: Browser, url: str, tmp_path: Path) -> None:
    with visited(browser, url) as page:
        ask(page, HACK)
        ended(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="download JSON").click()
        download.value.save_as(tmp_path / "chain.json")
        found = json.loads((tmp_path / "chain.json").read_text())
        assert found["prompt"] == HACK and len(found["steps"]) == 3


def test_hostile_text_does_nothing(browser: Browser, url: str) -> None:
    with visited(browser, url) as page:
        ask(page, f"echo {HOSTILE}")
        ended(page)
        assert cards(page)[0] == HOSTILE
        page.locator("article.draft").get_by_role("button", name="prompt").click()
        page.locator("article.revision").get_by_role("button", name="send to Judge").click()
        expect(page.get_by_role("textbox", name="Response A")).to_have_value(HOSTILE)
        page.get_by_label("Chain of thought").check()
        page.locator("#judge-run").click()
        expect(page.locator(".verdict .why")).to_contain_text("${window.hacked=1}")
        page.locator("#judge-constitution input").fill("<img src=https://example.invalid/c.png>")
        page.keyboard.press("Enter")
        page.locator("#judge-run").click()
        expect(page.locator(".toast-body").first).to_contain_text("constitution '<img src=")
        page.wait_for_timeout(300)


def test_judging_stops_and_keeps_what_is_scored(
    browser: Browser, url: str, pause: SlowBackend
) -> None:
    with visited(browser, f"{url}?tab=judge&prompt=Hi&a=No.&b=Yes.&principle=all&cot=true") as page:
        page.locator("#judge-run").click()
        expect(page.locator(".verdict .why")).not_to_have_count(0)
        page.keyboard.press("Escape")
        expect(page.locator(".verdict")).to_have_attribute("data-state", "stopped")
        expect(page.locator("#judge-run")).to_be_enabled()
        assert 0 < page.locator(".verdict .why").count() < 16
        expect(page.get_by_role("textbox", name="Response A")).to_have_value("No.")


def test_a_long_prompt_gives_a_clear_error_and_stays(browser: Browser, url: str) -> None:
    words = "word " * 4000
    with visited(browser, url) as page:
        ask(page, words)
        expect(page.locator(".chain .note.bad")).to_contain_text("shorten the prompt")
        expect(page.get_by_label("What does the person ask?")).to_have_value(words)
        ended(page)


def test_two_people_stream_at_once(browser: Browser, url: str, pause: SlowBackend) -> None:
    with visited(browser, url) as one, visited(browser, url) as two:
        ask(one, HACK)
        expect(one.locator("article.draft .body")).to_contain_text("Sure")
        ask(two, HACK)
        expect(two.locator("article.draft .body")).to_contain_text("Sure")
        expect(one.locator("article.revision")).to_have_count(0)
        for page in (one, two):
            page.locator("#critique-stop").click()
            ended(page)


def test_a_link_fills_the_form_and_a_reload_keeps_it(browser: Browser, url: str) -> None:
    with visited(browser, f"{url}?tab=critique&prompt=Hello+there&rounds=2&seed=7") as page:
        prompt = page.get_by_label("What does the person ask?")
        expect(prompt).to_have_value("Hello there")
        expect(page.locator("#critique-seed input")).to_have_value("7")
        expect(page.locator("#critique-rounds").get_by_label("2", exact=True)).to_be_checked()
        leave(page, url)
        expect(prompt).to_have_value("Hello there")  # kept from the link
        prompt.fill("Typed, not sent")
        page.wait_for_timeout(1000)
        leave(page)
        expect(prompt).to_have_value("Typed, not sent")


def test_what_is_typed_while_the_page_loads_is_kept(browser: Browser, url: str) -> None:
    with visited(browser, url) as page:
        waiting: list[Route] = []
        # Held up one by one, and let go while the rule still stands: without it the browser lets
        # some of them go by itself.
        held: list[bool] = [True]
        page.route(
            "**/queue/join*",
            lambda route: waiting.append(route) if held else route.continue_(),
        )
        leave(page, f"{url}?tab=critique&prompt=From+the+link&seed=7&rounds=2")
        prompt = page.get_by_label("What does the person ask?")
        page.wait_for_function("!!window.cwRestored")
        prompt.fill("Typed at once")
        page.locator("#critique-rounds").get_by_label("3", exact=True).check()
        page.wait_for_timeout(500)  # so that the page's own requests have all been held up
        assert waiting
        held.clear()
        for route in waiting:
            route.continue_()
        expect(page.locator("#critique-seed input")).to_have_value("7")
        page.wait_for_timeout(500)
        expect(prompt).to_have_value("Typed at once")
        expect(page.locator("#critique-rounds").get_by_label("3", exact=True)).to_be_checked()


def test_keys_run_and_radios_are_reachable(browser: Browser, url: str) -> None:
    with visited(browser, url) as page:
        page.locator("#critique-rounds").get_by_label("1", exact=True).focus()
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#critique-rounds").get_by_label("0", exact=True)).to_be_checked()
        page.get_by_label("What does the person ask?").fill(HACK)
        begun(page, lambda: page.keyboard.press("Control+Enter"))
        ended(page)
        assert cards(page) == [DRAFT]


def test_narrow_pages_do_not_scroll_sideways(browser: Browser, url: str) -> None:
    with visited(browser, url, width=900) as page:
        walk(page)
        for tab in ("Judge", "Critique"):
            page.get_by_role("tab", name=tab).click()
            for width in (900, 400):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate("document.documentElement.scrollWidth") <= width, tab


def test_dark_mode_is_dark_throughout(browser: Browser, url: str) -> None:
    with visited(browser, f"{url}?__theme=dark") as page:
        ask(page, HACK)
        ended(page)
        for part in ("body", "article.draft", "#critique-prompt textarea", "#header .cw"):
            colour = page.locator(part).first.evaluate("e => getComputedStyle(e).backgroundColor")
            assert max(map(int, re.findall(r"\d+", colour)[:3])) < 60, (part, colour)


@pytest.mark.skipif(not POCKET, reason="no pocket weights under data/pocket yet")
def test_the_journey_with_pocket(browser: Browser, tmp_path: Path) -> None:
    with served(tmp_path) as url, visited(browser, url) as page:
        walk(page)
        page.get_by_role("tab", name="Critique").click()
        page.locator("article.draft").get_by_role("button", name="replay").click()
        expect(page.locator("article.draft .replay")).to_contain_text("identical")
        ask(page, "Can you photosynthesize my zeppelin?")
        expect(page.locator(".chain .unknown")).to_contain_text("zeppelin")
        expect(page.locator(".chain .unknown button")).to_have_count(3)
