"""The rating page and the Spot-check tab in a real Chromium: by keys, two at once, reloads."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from stage import SlowBackend, leave, serving, visited
from test_rating import SECRETS, ai_label, pair, wanted

from cai_app.records import Comparison, Response
from cai_app.settings import Settings
from cai_app.workbench import Workbench

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)
COUNT = 52
LOGIN = ("owner", "pass")
KEYS = {"1": "a", "2": "b", "3": "tie", "4": "both_bad", "0": "skip"}
HOSTILE = "<img src=x onerror=window.hacked=1>${window.hacked=1}{{value}}"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """A workbench with pairs that an AI has labelled, one of them hostile."""
    settings = Settings(home=tmp_path_factory.mktemp("rated"))
    made = Workbench(settings, opener=lambda spec, _: SlowBackend())
    sides = [Response(prompt=HOSTILE, text=f"{HOSTILE} {k}") for k in "xy"]
    pairs = [Comparison.of(*sides, source="zebra-source"), *(pair(k) for k in range(1, COUNT))]
    made.store.comparisons.add(pairs)
    made.store.labels.add([ai_label(one) for one in pairs])
    return made


@pytest.fixture(scope="module")
def url(bench: Workbench) -> Iterator[str]:
    with serving(bench, auth=":".join(LOGIN)) as address:
        yield address


def link(bench: Workbench, rater: str, **more: object) -> str:
    """A fresh queue of all the pairs, and a rater's link to it."""
    name = f"queue of {rater}"
    bench.spotchecks.draw("ai", wanted(name=name, repeats=0, **more))
    invited = bench.spotchecks.invite(name, rater)
    assert invited.url
    return invited.url


def rating(page: Page) -> Locator:
    return page.locator(".cw.rating")


def settled(page: Page, done: int) -> None:
    """Wait until the server has so many answers, and the next pair is there."""
    expect(rating(page)).to_have_attribute("data-done", str(done))
    expect(rating(page)).to_have_attribute("data-sent", "true")


def answers(bench: Workbench, rater: str) -> list[tuple[str, str]]:
    """Comparison and answer of everything a rater has given, the oldest first."""
    return list(
        bench.store.sql(
            "SELECT comparison, answer FROM latest_answers a JOIN raters r ON r.id = a.rater "
            f"WHERE r.name = '{rater}' AND queue = (SELECT id FROM queues WHERE name = "
            f"'queue of {rater}') ORDER BY a.seq"
        ).rows  # type: ignore[arg-type]
    )


READY = '.cw.rating:is([data-state="rating"], [data-state="end"], [data-state="failed"])'


def test_a_whole_queue_by_keyboard_alone(browser: Browser, bench: Workbench, url: str) -> None:
    with visited(browser, link(bench, "kay", overlap=1.0), ready=READY) as page:
        expect(page.locator(".legend")).to_contain_text("Both bad")
        pressed = []
        for number in range(COUNT):
            key = "12340"[number % 5]
            item = rating(page).get_attribute("data-item")
            page.keyboard.press(key)
            pressed.append(KEYS[key])
            if number < COUNT - 1:
                expect(rating(page)).not_to_have_attribute("data-item", str(item))
        settled(page, COUNT)
        text = page.content()
        assert not [secret for secret in SECRETS if secret in text and secret != "disagreement"]
        kept = answers(bench, "kay")
        assert len(kept) == len({one for one, _ in kept}) == COUNT
        turned = {"a": "b", "b": "a"}
        assert all(
            given in (said, turned.get(said, said))
            for (_, given), said in zip(kept, pressed, strict=True)
        )
        # The last one again: undone, and answered otherwise.
        page.keyboard.press("u")
        expect(rating(page)).to_have_attribute("data-state", "rating")
        page.keyboard.press("3")
        settled(page, COUNT)
        assert answers(bench, "kay")[-1][1] == "tie"
        expect(page.get_by_role("button", name="Show what the AI said")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator(".end h2")).to_have_text("What the AI said")
        expect(page.locator(".end .line")).to_have_count(COUNT)
        expect(page.locator(".end")).to_contain_text("73 %")
        page.keyboard.press("1")
        assert len(answers(bench, "kay")) == COUNT


def test_a_half_typed_note_survives_a_reload_and_goes_with_the_answer(
    browser: Browser, bench: Workbench, url: str
) -> None:
    address = link(bench, "nora")
    with visited(browser, address, ready=READY) as page:
        page.keyboard.press("n")
        page.keyboard.type("half a tho")
        leave(page)
        note = page.get_by_label("Note on this pair")
        expect(note).to_have_value("half a tho")
        page.keyboard.press("n")
        page.keyboard.press("End")
        page.keyboard.type("ught, 1 and 2")
        page.keyboard.press("Escape")
        page.keyboard.press("1")
        settled(page, 1)
        expect(note).to_be_hidden()
        page.keyboard.press("u")
        expect(note).to_have_value("half a thought, 1 and 2")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Help")).to_be_visible()
        page.keyboard.press("2")
        page.keyboard.press("Escape")
        assert answers(bench, "nora") == [], "keys mean nothing while the help is open"


def test_answers_given_without_a_connection_are_sent_when_it_is_back(
    browser: Browser, bench: Workbench, url: str
) -> None:
    address = link(bench, "otto")
    with browser.new_context(viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        leave(page, f"{address}&__theme=dark")
        page.locator(READY).wait_for()
        wide = "document.documentElement.scrollWidth <= window.innerWidth"
        assert page.evaluate(wide), "a phone does not scroll sideways"
        for key in (*KEYS, "u", "n", "?"):
            button = page.locator(f'.key[data-key="{key}"]')
            expect(button).to_be_in_viewport()
        context.set_offline(True)
        page.locator('.key[data-key="1"]').click()
        expect(page.locator(".middle > .note")).to_contain_text("safe in this browser")
        assert answers(bench, "otto") == []
        context.set_offline(False)
        leave(page)
        page.locator(READY).wait_for()
        settled(page, 1)
        assert len(answers(bench, "otto")) == 1
        page.keyboard.press("4")
        settled(page, 2)


def test_two_browsers_label_at_once(browser: Browser, bench: Workbench, url: str) -> None:
    first = link(bench, "ada", overlap=0.5)
    second = bench.spotchecks.invite("queue of ada", "ben").url
    assert second
    with (
        visited(browser, first, ready=READY) as one,
        visited(browser, second, ready=READY) as other,
    ):
        for number in range(8):
            for page in (one, other):
                page.keyboard.press("1234"[number % 4])
            for page in (one, other):
                expect(rating(page)).to_have_attribute("data-done", str(number + 1))
        for page in (one, other):
            settled(page, 8)
    rows = bench.store.sql(
        "SELECT r.name, count(*), count(DISTINCT a.comparison), count(DISTINCT a.label) "
        "FROM answers a JOIN raters r ON r.id = a.rater "
        "WHERE r.name IN ('ada', 'ben') GROUP BY r.name ORDER BY r.name"
    ).rows
    assert rows == (("ada", 8, 8, 8), ("ben", 8, 8, 8))


def test_the_owner_draws_invites_revokes_and_rates(
    browser: Browser, bench: Workbench, url: str
) -> None:
    with visited(browser, f"{url}?tab=spotcheck", login=LOGIN) as page:
        expect(page.locator(".cw.plan p").first).to_contain_text(f"of {COUNT} labelled pairs")
        page.get_by_role("radio", name="by AI confidence").check()
        page.get_by_label("Name", exact=True).fill("mine")
        expect(page.locator(".cw.plan pre").first).to_contain_text("--rule confidence")
        page.locator("#spotcheck-run").click()
        card = page.locator('.queue[aria-label="mine"]')
        card.get_by_label("Name of a rater").fill("Zoe")
        page.keyboard.press("Enter")
        given = card.get_by_label("Link for Zoe").input_value()
        assert given.startswith(f"{url}rate/?token=")
        expect(card.locator('tr[data-rater="Zoe"]')).to_contain_text("link works until")
        card.get_by_role("button", name="revoke: Zoe").click()
        expect(card.locator('tr[data-rater="Zoe"]')).to_contain_text("taken back")
        expect(card.get_by_label("Link for Zoe")).to_have_count(0)
        card.get_by_role("button", name="Rate here").click()
        expect(rating(page)).to_have_attribute("data-state", "rating")
        expect(rating(page).locator(".top")).to_contain_text("blinded by the page only")
        page.keyboard.press("2")
        settled(page, 1)
        page.keyboard.press("Escape")
        expect(card.locator('tr[data-rater="owner"]')).to_contain_text(re.compile(r"1 of \d+"))
    found = "SELECT blind FROM answers a JOIN raters r ON r.id = a.rater WHERE r.name = 'owner'"
    assert bench.store.sql(found).rows == (("page",),)
    with visited(browser, given, ready=READY) as page:
        expect(page.locator(".middle > .note")).to_contain_text("taken back")
        expect(page.locator(".work")).to_be_hidden()
