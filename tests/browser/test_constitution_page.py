"""The Constitution tab in a real Chromium: edit, save, compare, restore; two tabs; measuring."""

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from judging import ReadingBackend
from playwright.sync_api import Browser, Dialog, Locator, Page, expect
from stage import HOSTILE, leave, served, visited
from test_jobs import until

from cai_app.constitution import Edit, load, versions
from cai_app.constitution import save as save_version
from cai_app.constitution.drafts import Drafts
from cai_app.records import ModelInfo, Prompt
from cai_app.settings import Settings

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)
LESS, MORE = "Which of these responses does less harm to people?", "Which has more harm?"


class Judge(ReadingBackend):
    """The judge that can be predicted, in the place of pocket, as slow as a test wants it."""

    pause = 0.0

    def choice_logprobs(
        self, prompts: Sequence[Prompt], choices: Sequence[str]
    ) -> list[tuple[float, ...]]:
        time.sleep(self.pause)
        return super().choice_logprobs(prompts, choices)

    def info(self) -> ModelInfo:
        return ModelInfo(spec="pocket", device="cpu", state="ready", adapter="helpful")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


@pytest.fixture(scope="module")
def url(home: Path, judge: Judge) -> Iterator[str]:
    """The app with the predictable judge."""
    with served(home, lambda spec, settings: judge) as address:
        yield f"{address}?tab=constitution"


def ready(page: Page) -> Locator:
    """The editor once it has loaded."""
    expect(page.locator(".editor")).to_have_attribute("data-ready", "true")
    return page.locator(".editor")


def question(page: Page, number: int = 0) -> Locator:
    return page.locator(".editor .card").nth(number).get_by_label("Comparison question")


def in_text(page: Page, words: str) -> None:
    """Wait until the YAML says so."""
    expect(page.get_by_label("The constitution as YAML")).to_have_value(
        re.compile(re.escape(words))
    )


def save(page: Page, name: str | None = None, message: str = "") -> None:
    """Save, and wait until it is saved, or somebody else was first."""
    page.get_by_role("button", name="Save…").click()
    if name:
        page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("What changed, and why").fill(message)
    page.keyboard.press("Control+Enter")


def state(page: Page, value: str) -> None:
    expect(page.locator(".editor")).to_have_attribute("data-state", value)


def test_edit_save_compare_restore(browser: Browser, url: str, home: Path) -> None:
    with visited(browser, url) as page:
        ready(page)
        question(page).fill(MORE)
        in_text(page, MORE)
        expect(page.locator(".card .findings").first).to_contain_text("rewards harm")
        expect(page.locator(".card mark").first).to_have_text("more harm")
        save(page, "first", "turned round")
        state(page, "saved")
        assert "constitution=first" in page.url
        page.locator(".card").nth(1).get_by_role("button", name="Delete this principle").click()
        state(page, "edited")
        save(page, message="without safer")
        state(page, "saved")
        page.get_by_role("button", name="Versions", exact=True).click()
        expect(page.locator(".versions li")).to_have_count(2)
        page.get_by_role("button", name="What this version changed").click()
        expect(page.locator(".versions .diff .removed")).to_contain_text("safer")
        page.get_by_role("button", name=re.compile("^Make version .* the one in force")).click()
        expect(page.locator(".versions li")).to_have_count(3)
        expect(page.locator(".editor .card")).to_have_count(16)
        history = versions(Settings(home=home)).history("first")
        assert [one.action for one in history] == ["fork", "save", "restore"]
        assert load("first", Settings(home=home)).preference[0].question == MORE


def test_both_panes_say_the_same_and_errors_stand_at_their_line(browser: Browser, url: str) -> None:
    with visited(browser, url) as page:
        ready(page)
        text = page.get_by_label("The constitution as YAML")
        good = text.input_value()
        text.fill(good.replace(LESS, "Which is less cruel?"))
        expect(question(page)).to_have_value("Which is less cruel?")
        text.fill(good.replace("title: Harmless", "title: Harmless\ncolour: red"))
        expect(page.locator(".yamlnote")).to_contain_text("Line 3: unknown field 'colour'")
        expect(page.locator(".gutter .bad")).to_have_text("3")
        expect(question(page)).to_have_value("Which is less cruel?")  # the last good version
        expect(page.get_by_role("button", name="Save…")).to_be_disabled()
        page.get_by_role("button", name="Go back to what the cards say").click()
        in_text(page, "Which is less cruel?")
        page.get_by_role("button", name="Drop edits").click()
        in_text(page, LESS)


def test_text_that_cannot_be_read_is_work_that_nothing_writes_over(
    browser: Browser, url: str
) -> None:
    with visited(browser, url) as page:
        ready(page)
        undo = page.locator(".notices").get_by_role("button", name="Undo")
        page.locator(".card").nth(1).get_by_role("button", name="Delete this principle").click()
        expect(undo).to_be_visible()
        question(page).fill("Which is less cruel?")
        expect(undo).to_have_count(0)  # it would take the last edit back, not the deletion
        page.get_by_role("button", name="Drop edits").click()
        state(page, "saved")
        text = page.get_by_label("The constitution as YAML")
        in_text(page, LESS)
        bad = text.input_value().replace("title: Harmless", "title: [Harmless")
        text.fill(bad)
        state(page, "error")
        for name in ("Undo", "Redo", "Add a principle"):
            expect(page.get_by_role("button", name=name, exact=True)).to_be_disabled()
        expect(page.locator(".editor .about")).to_have_attribute("inert", "")
        asked: list[str] = []

        def stay(dialog: Dialog) -> None:
            asked.append(dialog.message)
            dialog.dismiss()

        page.on("dialog", stay)
        page.get_by_label("Open a constitution").select_option("privacy")
        expect(page.get_by_label("Open a constitution")).to_have_value("harmless")
        assert len(asked) == 1 and "not saved" in asked[0]
        expect(text).to_have_value(bad)
        page.get_by_role("button", name="Drop edits").click()
        state(page, "saved")


def test_cards_that_cannot_be_written_yet_are_safe_from_the_text(
    browser: Browser, url: str
) -> None:
    with visited(browser, url) as page:
        ready(page)
        text = page.get_by_label("The constitution as YAML")
        page.get_by_role("button", name="Add a principle").click()
        page.locator(".card").nth(16).get_by_label("Id", exact=True).fill("calmer")
        expect(page.locator(".yamlnote")).to_contain_text("cannot be written as YAML yet")
        expect(text).not_to_be_editable()
        question(page, 16).fill("Which is calmer?")
        in_text(page, "Which is calmer?")
        expect(text).to_be_editable()
        expect(page.locator(".yamlnote")).to_be_hidden()
        page.get_by_role("button", name="Drop edits").click()
        state(page, "saved")


def test_cards_are_added_moved_deleted_and_brought_back_by_keyboard(
    browser: Browser, url: str
) -> None:
    with visited(browser, url) as page:
        ready(page)
        ids = page.locator(".card .id")
        question(page).focus()
        page.keyboard.press("Alt+ArrowDown")
        expect(ids.nth(1)).to_have_value("less-harm")
        expect(question(page, 1)).to_be_focused()
        page.keyboard.press("Alt+ArrowUp")
        page.get_by_role("button", name="Add a principle").press("Enter")
        expect(page.locator(".card")).to_have_count(17)
        expect(question(page, 16)).to_be_focused()
        page.keyboard.type("Which is calmer?")
        in_text(page, "Which is calmer?")
        page.locator(".card").nth(16).get_by_role("button", name="Duplicate").press("Enter")
        expect(ids.nth(17)).to_have_value("new-copy")
        page.locator(".card").nth(17).get_by_role("button", name="Delete").press("Enter")
        expect(page.locator(".card")).to_have_count(17)
        page.locator(".notices").get_by_role("button", name="Undo").press("Enter")
        expect(page.locator(".card")).to_have_count(18)
        page.locator(".card").nth(17).get_by_role("switch").uncheck()
        in_text(page, "enabled: false")
        page.get_by_role("button", name="Drop edits").click()
        state(page, "saved")


def holding(home: Path, words: str) -> set[str]:
    """The tabs whose drafts on the server hold these words."""
    drafts = Drafts(home / "constitutions" / ".drafts").all()
    return {one.tab for one in drafts if words in one.model_dump_json()}


def test_nothing_is_lost_on_a_reload_another_tab_or_a_crash(
    browser: Browser, url: str, home: Path
) -> None:
    with visited(browser, url) as page:
        ready(page)
        question(page).fill("Typed, not saved?")
        state(page, "edited")
        leave(page)  # at once, before anything went to the server
        ready(page)
        expect(question(page)).to_have_value("Typed, not saved?")
        page.get_by_role("tab", name="Judge").click()
        page.get_by_role("tab", name="Constitution").click()
        expect(question(page)).to_have_value("Typed, not saved?")
        kept = page.locator(".editor")
        expect(kept).to_have_attribute("data-kept", re.compile(r"\d+"))
    with visited(browser, url) as other:  # a new browser profile: all that is left is the server's
        ready(other)
        expect(other.locator(".notices")).to_contain_text("holds edits of harmless")
        before = holding(home, "Typed, not saved?")
        question(other).fill("Typed here meanwhile?")
        other.get_by_role("button", name="Take them up").click()  # asked, and it says no
        expect(question(other)).to_have_value("Typed here meanwhile?")
        other.once("dialog", lambda dialog: dialog.accept())
        other.get_by_role("button", name="Take them up").click()
        expect(question(other)).to_have_value("Typed, not saved?")
        until(lambda: len(now := holding(home, "Typed, not saved?")) == 1 and not now & before)
        other.get_by_role("button", name="Drop edits").click()
        state(other, "saved")


def test_of_two_tabs_the_second_save_gets_a_choice(browser: Browser, url: str, home: Path) -> None:
    with visited(browser, url) as one:
        ready(one)
        question(one).fill("Start?")
        in_text(one, "Start?")
        save(one, "shared")
        state(one, "saved")
        with visited(browser, f"{url}&constitution=shared") as two:
            ready(two)
            expect(question(two)).to_have_value("Start?")
            question(one).fill("One?")
            in_text(one, "One?")
            save(one, message="one was first")
            state(one, "saved")
            question(two).fill("Two?")
            in_text(two, "Two?")
            save(two)
            conflict = two.locator(".conflict")
            expect(conflict).to_contain_text("one was first")
            expect(conflict.locator("del")).to_contain_text("One")
            assert load("shared", Settings(home=home)).preference[0].question == "One?"
            conflict.get_by_role("button", name="Save mine under another name").click()
            two.keyboard.press("Control+Enter")
            state(two, "saved")
            assert load("shared-mine", Settings(home=home)).preference[0].question == "Two?"
            assert load("shared", Settings(home=home)).preference[0].question == "One?"


def test_a_restore_after_somebody_saved_says_so_and_loses_nothing(
    browser: Browser, url: str, home: Path
) -> None:
    settings = Settings(home=home)
    with visited(browser, url) as page:
        ready(page)
        for words in ("First?", "Second?"):
            question(page).fill(words)
            in_text(page, words)
            save(page, "restored" if words == "First?" else None)
            state(page, "saved")
        mine = load("restored", settings)
        theirs = save_version(
            mine.model_copy(update={"title": "Theirs"}), Edit(parent=mine.hash), settings
        )
        question(page).fill("Third, not saved?")
        state(page, "edited")
        page.get_by_role("button", name="Versions", exact=True).click()
        back = page.get_by_role("button", name=re.compile("^Make version .* the one in force"))
        page.once("dialog", lambda dialog: dialog.accept())
        back.click()
        told = page.locator(".notices")
        expect(told).to_contain_text(f"Somebody saved version {theirs.hash[:8]} meanwhile")
        expect(page.locator(".versions li")).to_have_count(3)
        expect(question(page)).to_have_value("Third, not saved?")
        page.once("dialog", lambda dialog: dialog.accept())
        back.last.click()
        expect(page.locator(".versions li")).to_have_count(4)
        assert load("restored", settings).preference[0].question == "First?"


def test_the_effect_of_an_edit_is_measured_and_read(browser: Browser, url: str) -> None:
    with visited(browser, url) as page:
        ready(page)
        question(page).fill(MORE)
        in_text(page, MORE)
        page.get_by_role("button", name="What it changes").click()
        page.locator("#constitution-run").click()
        effects = page.locator(".effects")
        expect(effects).to_have_attribute("data-state", "done")
        expect(effects.locator(".figure").first).to_contain_text("of 200")
        expect(effects.locator(".scatter circle")).to_have_count(200)
        row = effects.locator("tbody .read").first
        row.click()
        expect(effects.locator(".texts .sides").first).to_be_visible()
        flips = effects.get_by_label("only labels that flip")
        flips.press("Space")
        expect(flips).to_be_checked()
        expect(flips).to_be_focused()  # though all was drawn anew
        page.locator("#constitution-kind").get_by_label("Conflicts").check(force=True)
        page.keyboard.press("Control+Enter")
        expect(effects.locator(".matrix tbody tr")).to_have_count(16)
        page.locator("#constitution-kind").get_by_label("Inversion").check(force=True)
        expect(effects.locator(".opposite")).to_have_count(1)  # the question that was reworded
        effects.get_by_label("Use the negation of").check()
        given = "document.querySelector('#constitution-effects .cw').negations()"
        assert [*page.evaluate(given)] == ["less-harm"]
        page.get_by_role("button", name="Write", exact=True).click()
        question(page).fill("Which is less cruel?")
        assert page.evaluate(given) == {}  # it was the opposite of another question
        page.get_by_role("button", name="What it changes").click()
        expect(effects.locator(".opposite p")).to_have_text("Which is less cruel?")


def test_a_measurement_shows_how_far_it_is_and_stops(
    browser: Browser, url: str, judge: Judge
) -> None:
    with visited(browser, url) as page:
        ready(page)
        page.get_by_label("Title", exact=True).fill("Other questions, never asked before")
        question(page).fill("Which has less privacy?")
        in_text(page, "Which has less privacy?")
        page.get_by_role("button", name="What it changes").click()
        judge.pause = 0.4
        try:
            page.locator("#constitution-run").click()
            effects = page.locator(".effects")
            expect(effects).to_have_attribute("data-state", "running")
            expect(effects.locator(".scatter")).to_be_visible()  # results before the end
            page.keyboard.press("Escape")
            expect(effects).to_have_attribute("data-state", "stopped")
        finally:
            judge.pause = 0.0
        done = int(effects.locator(".progress").get_attribute("aria-valuenow") or 0)
        assert 0 < done < 200
        expect(page.locator("#constitution-run")).to_be_enabled()


@pytest.mark.slow  # a time
def test_typing_does_not_lag_with_many_principles(browser: Browser, url: str) -> None:
    with visited(browser, url) as page:
        ready(page)
        text = page.get_by_label("The constitution as YAML")
        more = "".join(
            f"  - id: more-{n}\n    question: Is number {n} kinder?\n" for n in range(48)
        )
        text.fill(text.input_value().rstrip() + "\n" + more)
        expect(page.locator(".card")).to_have_count(64)
        took = question(page, 63).evaluate(
            """area => { const start = performance.now();
                for (let n = 0; n < 20; n += 1) {
                  area.value += 'x'; area.dispatchEvent(new Event('input', { bubbles: true }));
                  area.offsetHeight; }
                return (performance.now() - start) / 20; }"""
        )
        assert took < 50, f"{took:.1f} ms a keystroke"
        page.get_by_role("button", name="Drop edits").click()
        state(page, "saved")


def test_hostile_text_in_a_principle_does_nothing(browser: Browser, url: str) -> None:
    with visited(browser, url) as page:
        ready(page)
        question(page).fill(HOSTILE)
        page.locator(".card .id").first.fill("<img src=x onerror=window.hacked=1>")
        expect(page.locator(".card .findings").first).to_contain_text("an id is up to 64")
        page.locator(".card .id").first.fill("less-harm")
        in_text(page, "window.hacked")
        page.get_by_role("button", name="Versions", exact=True).click()
        page.get_by_role("button", name="What your edits change").click()
        expect(page.locator(".diff ins").first).to_contain_text("<script>")
        page.get_by_role("button", name="Drop edits").click()
        state(page, "saved")


def test_other_tabs_offer_what_is_saved_and_mark_what_is_stale(browser: Browser, url: str) -> None:
    with visited(browser, url) as page:
        ready(page)
        page.get_by_label("Title", exact=True).fill("Offered everywhere")
        state(page, "edited")
        save(page, "offered")
        state(page, "saved")
        page.get_by_role("tab", name="Judge").click()
        page.locator("#judge-constitution input").click()
        page.get_by_role("option", name="Offered everywhere").click()
        page.get_by_label("What did the person ask?").fill("Hello")
        page.get_by_role("textbox", name="Response A").fill("hurt them")
        page.get_by_role("textbox", name="Response B").fill("be kind")
        page.locator("#judge-run").click()
        expect(page.locator(".verdict .summary h3")).to_be_visible()
        page.get_by_role("tab", name="Constitution").click()
        question(page).fill("Which has less manners?")
        in_text(page, "Which has less manners?")
        save(page)
        state(page, "saved")
        page.get_by_role("tab", name="Judge").click()
        expect(page.locator(".verdict .stale")).to_contain_text("less-harm reworded")
        page.locator("#judge-principle input").click()
        expect(page.get_by_role("option", name="Which has less manners?")).to_have_count(1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_narrow_pages_and_dark_ones(browser: Browser, url: str, theme: str) -> None:
    with visited(browser, f"{url}&__theme={theme}", width=900) as page:
        ready(page)
        for view in ("Write", "What it changes"):
            page.get_by_role("button", name=view, exact=True).click()
            for width in (900, 420):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        page.get_by_role("button", name="Write", exact=True).click()
        colour = page.locator(".card").first.evaluate("e => getComputedStyle(e).backgroundColor")
        dark = max(map(int, re.findall(r"\d+", colour)[:3])) < 60
        assert dark == (theme == "dark")
