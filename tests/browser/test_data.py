"""The Data tab and the Runs panel in a real Chromium: rows, hostile ones too, and whole runs."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy
from playwright.sync_api import Browser, Locator, Page, expect
from stage import HOSTILE, SlowBackend, free_port, own_process, serving, visited
from test_jobs import at_work, until
from test_store_ingest import finished

from cai_app.records import (
    Comparison,
    ConstitutionRef,
    Label,
    Rater,
    Response,
    Step,
    Transcript,
)
from cai_app.settings import Settings
from cai_app.workbench import Workbench
from cai_app.workbench.runs import Runs

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


def pair(number: int, text: str = "") -> Comparison:
    prompt = text or f"Can I have {number} apples?"
    one, other = (
        Response(prompt=prompt, text=text or f"answer {n}", model="pocket", seed=number * 2 + n)
        for n in (1, 2)
    )
    return Comparison.of(one, other)


def chain(text: str, ref: ConstitutionRef) -> Transcript:
    steps = (
        Step(kind="draft", round=0, text=f"Sure, take {text}."),
        Step(kind="critique", round=1, text="That is unkind.", principle="harm-wise",
             request="Say what is wrong."),
        Step(kind="revision", round=1, text=f"You could ask for {text}.", principle="harm-wise"),
    )  # fmt: skip
    return Transcript(
        prompt=f"How do I get {text}?", backend="pocket", constitution=ref, seed=1, temperature=1,
        few_shot=5, direct=False, max_tokens=99, steps=steps,
    )  # fmt: skip


OLD = ConstitutionRef(name="harmless", hash="0000000000000000")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A workbench with rows of every kind."""
    settings = Settings(home=tmp_path_factory.mktemp("filled"))
    made = Workbench(settings, opener=lambda spec, _: SlowBackend())
    rater = Rater(kind="ai", backend="pocket", constitution=OLD)
    about = pair(59)
    given = Label(about="comparison", subject=about.id, kind="preference", rater=rater, value=0.8,
                  run="judging")  # fmt: skip
    finished(settings.home, *(pair(n) for n in range(60)), given, chain("plums", OLD))
    made.ingest()
    yield made


@pytest.fixture(scope="module")
def url(filled: Workbench) -> Iterator[str]:
    with serving(filled) as address:
        yield address


def rows(page: Page) -> Locator:
    return page.locator(".browser tbody tr")


def settled(page: Page) -> None:
    """Wait until the table shows the answer to the last question."""
    expect(page.locator(".browser")).not_to_have_class(re.compile("asking"))


def noun(page: Page, name: str) -> None:
    page.locator(".browser .nouns").get_by_role("button", name=name).click()
    settled(page)


def test_rows_are_paged_searched_and_read(browser: Browser, url: str) -> None:
    with visited(browser, f"{url}?tab=data&show=comparisons") as page:
        expect(rows(page)).to_have_count(40)
        page.get_by_role("button", name="older").click()
        expect(rows(page)).to_have_count(20)
        expect(page.locator(".browser .foot .meta")).to_contain_text("page 2")
        page.get_by_role("button", name="newer").click()
        expect(rows(page)).to_have_count(40)
        page.get_by_label("Search in these rows").fill("have 59 APP")
        expect(rows(page)).to_have_count(1)
        assert "q=have" in page.url
        rows(page).first.click()
        sheet = page.get_by_role("dialog", name="The row, whole")
        expect(sheet.locator("blockquote")).to_have_text("Can I have 59 apples?")
        found = pair(59)
        expect(sheet.locator("article .body")).to_have_text([found.a.text, found.b.text])
        expect(sheet.locator("table")).to_contain_text("0.80")
        expect(sheet.locator("table .stale")).to_be_visible()
        page.keyboard.press("Escape")
        expect(sheet).to_be_hidden()
        page.get_by_label("Search in these rows").fill("nobody has this")
        expect(page.locator(".browser .empty h3")).to_have_text("No row fits")


def test_a_transcript_opens_as_cards_and_goes_on_to_judge(browser: Browser, url: str) -> None:
    with visited(browser, f"{url}?tab=data&show=transcripts") as page:
        expect(rows(page).locator(".stale")).to_have_count(1)
        page.locator(".browser .open").first.focus()
        page.keyboard.press("Enter")
        sheet = page.get_by_role("dialog", name="The row, whole")
        expect(sheet.locator("article h3")).to_have_text(["Draft", "Critique 1", "Revision 1"])
        assert sheet.locator("article.revision ins").count() >= 1
        expect(sheet.locator("header .stale")).to_contain_text("harmless has changed since")
        expect(sheet.locator(".lineage")).to_contain_text("harmless@0000000000000000")
        sheet.get_by_role("button", name="Send to Judge").click()
        expect(page.get_by_role("textbox", name="Response B")).to_have_value(
            "You could ask for plums."
        )


def test_lineage_is_walked_and_gone_back(browser: Browser, url: str) -> None:
    with visited(browser, f"{url}?tab=data&show=labels") as page:
        rows(page).first.click()
        sheet = page.get_by_role("dialog", name="The row, whole")
        sheet.locator("dl").get_by_role("button", name="comparison").click()
        expect(sheet.locator("header h3").first).to_have_text("Comparison")
        sheet.locator(".lineage").get_by_role("button", name=pair(59).a.id).click()
        expect(sheet.locator("header h3").first).to_have_text("Response")
        sheet.get_by_role("button", name="← back").click()
        sheet.get_by_role("button", name="← back").click()
        expect(sheet.locator("header h3").first).to_have_text("Label")
        expect(sheet.get_by_role("button", name="← back")).to_be_hidden()


def test_a_link_opens_the_row_and_arrows_go_to_the_next(browser: Browser, url: str) -> None:
    link = f"{url}?tab=data&show=comparisons&id={pair(40).id}"
    with visited(browser, link, width=900) as page:
        sheet = page.get_by_role("dialog", name="The row, whole")
        expect(sheet.locator("blockquote")).to_have_text("Can I have 40 apples?")
        page.keyboard.press("ArrowRight")
        expect(sheet.locator("blockquote")).to_have_text("Can I have 39 apples?")
        assert pair(39).id in page.url


def test_the_console_answers_and_explains(browser: Browser, url: str) -> None:
    with visited(browser, f"{url}?tab=data&sql=SELECT+40%2B2+AS+answer") as page:
        console = page.locator(".console")
        expect(console.locator("tbody td")).to_have_text("42")
        expect(console.locator(".meta[role=status]")).to_have_text(re.compile(r"1 row · \d+ ms"))
        console.get_by_role("button", name="Which principles").click()
        expect(console.locator("tbody")).to_contain_text("harm-wise")
        console.locator("textarea").fill("DROP TABLE labels")
        page.keyboard.press("Control+Enter")
        expect(console.locator(".note")).to_contain_text("The console takes one SELECT")
        console.get_by_role("button", name="Ask", exact=True).click()
        expect(console.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
        expect(page.locator("#cw-runs")).to_be_hidden()  # the key asks, and starts no run
        noun(page, "Comparisons")
        expect(console).to_be_hidden()
        expect(rows(page)).to_have_count(40)


def test_hostile_rows_do_nothing(browser: Browser, tmp_path: Path) -> None:
    workbench = Workbench(Settings(home=tmp_path), opener=lambda spec, _: SlowBackend())
    ref = ConstitutionRef(name=HOSTILE, hash=HOSTILE)
    hostile = pair(1, HOSTILE)
    rater = Rater(kind="ai", backend=HOSTILE, constitution=ref)
    label = Label(
        about="comparison", subject=hostile.id, kind="preference", rater=rater, run=HOSTILE,
        unscored_reason=HOSTILE, principle=HOSTILE, question=HOSTILE,
    )  # fmt: skip
    finished(tmp_path, hostile, label, chain(HOSTILE, ref))
    workbench.ingest()
    with serving(workbench) as url, visited(browser, f"{url}?tab=data&show=comparisons") as page:
        for name in ("Responses", "Comparisons", "Transcripts", "Labels"):
            noun(page, name)
            expect(rows(page).first).to_contain_text("window.hacked")
            rows(page).first.click()
            sheet = page.get_by_role("dialog", name="The row, whole")
            expect(sheet).to_contain_text("${window.hacked=1}")
            page.keyboard.press("Escape")
            expect(sheet).to_be_hidden()
        page.get_by_label("Search in these rows").fill(HOSTILE[:60])
        settled(page)
        noun(page, "SQL")
        page.locator(".console textarea").fill('SELECT prompt AS "<img src=x>" FROM responses')
        page.keyboard.press("Control+Enter")
        expect(page.locator(".console tbody td").first).to_contain_text("${window.hacked=1}")


def test_nothing_scrolls_sideways_and_dark_is_dark(browser: Browser, url: str) -> None:
    for width in (900, 400):
        with visited(browser, f"{url}?tab=data&show=labels&__theme=dark", width=width) as page:
            expect(rows(page)).to_have_count(1)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            rows(page).first.click()
            sheet = page.get_by_role("dialog", name="The row, whole")
            expect(sheet.locator(".lineage")).to_be_visible()
            assert sheet.evaluate("e => e.scrollWidth") <= width
            colour = sheet.evaluate("e => getComputedStyle(e).backgroundColor")
            assert max(map(int, re.findall(r"\d+", colour)[:3])) < 60, colour
            page.keyboard.press("Escape")
            page.locator(".runs-chip").click()
            panel = page.locator("#cw-runs")
            expect(panel.locator("section")).to_be_visible()
            colour = panel.evaluate("e => getComputedStyle(e).backgroundColor")
            assert max(map(int, re.findall(r"\d+", colour)[:3])) < 60, colour
            assert panel.evaluate("e => e.scrollWidth") <= width


# A store that cannot be used.


def test_a_damaged_store_is_told_and_the_rest_of_the_page_works(
    browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "store.duckdb").write_bytes(b"not a database" * 1000)
    workbench = Workbench(Settings(home=tmp_path), opener=lambda spec, _: SlowBackend())
    with serving(workbench) as url, visited(browser, f"{url}?tab=data") as page:
        note = page.locator(".browser .note")
        expect(note).to_contain_text("is damaged")
        expect(note).to_contain_text("To go on, move")
        (tmp_path / "store.duckdb").unlink()
        note.get_by_role("button", name="Try again").click()
        expect(page.locator(".browser .empty h3")).to_have_text("Nothing is kept here yet")
        page.get_by_role("tab", name="Critique").click()
        page.get_by_label("What does the person ask?").fill("Hello")
        page.locator("#critique-run").click()
        expect(page.locator(".chain")).to_have_attribute("data-state", "done")


# Runs.


@pytest.fixture
def runs(settings: Settings) -> Iterator[Runs]:
    made = Runs(settings)
    yield made
    for info in made.list():
        if info.state in ("running", "starting", "stopping") and info.pid is not None:
            made.kill(info.id)
    made.close()


def figures(page: Page) -> Locator:
    return page.locator("#cw-runs .figures")


def state(page: Page) -> Locator:
    return page.locator("#cw-runs section > header .tag")


def test_a_run_is_started_watched_and_its_rows_appear(
    browser: Browser, settings: Settings, runs: Runs
) -> None:
    workbench = Workbench(settings, opener=lambda spec, _: SlowBackend())
    with (
        toy.served(0.1) as spec,
        serving(workbench) as url,
        visited(browser, f"{url}?tab=data") as page,
    ):
        expect(page.locator(".browser .steps button")).to_have_count(3)
        page.locator("#data-mode").get_by_label("chains of revisions").check()
        expect(page.locator("#data-rounds")).to_be_visible()
        page.locator("#data-model input").fill(spec)
        page.keyboard.press("Enter")
        page.locator("#data-limit input, #data-limit textarea").first.fill("6")
        expect(page.locator(".plan")).to_contain_text("6 prompts × 5 texts = 30 texts")
        expect(page.locator(".plan pre")).to_contain_text("--mode chains")
        page.locator("#data-run").click()
        panel = page.locator("#cw-runs")
        expect(panel).to_be_visible()
        expect(state(page)).to_have_text("done")
        expect(figures(page)).to_contain_text("30 of 30 texts")
        expect(panel.locator(".log")).to_contain_text("6 of 6 prompts")
        run = runs.list()[0]
        assert f"run={run.id}" in page.url
        page.keyboard.press("Escape")
        noun(page, "Transcripts")
        expect(rows(page)).to_have_count(6)


def test_a_file_of_prompts_is_uploaded_checked_and_planned(
    browser: Browser, url: str, filled: Workbench, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text('{"prompt": "May I?"}\n' * 3)
    bad.write_text("no JSON\n")
    with visited(browser, f"{url}?tab=data") as page:
        chosen = page.locator("#data-prompts input")
        page.locator("input[type=file]").set_input_files(bad)
        expect(page.locator(".toast-body")).to_contain_text("line 1: not JSON")
        expect(chosen).to_have_value("red-team")
        page.locator("input[type=file]").set_input_files(good)
        expect(chosen).to_have_value(re.compile(r"exchange/prompts-\w+\.jsonl"))
        expect(page.locator(".plan")).to_contain_text("3 prompts × 2 answers = 6 texts")
        kept = filled.settings.home / "exchange"
        assert [path.read_text() for path in kept.iterdir()] == [good.read_text()]


def test_a_run_is_stopped_resumed_killed_and_deleted(
    browser: Browser, settings: Settings, runs: Runs
) -> None:
    workbench = Workbench(settings, opener=lambda spec, _: SlowBackend())
    with toy.served(0.2) as spec, serving(workbench) as url:
        run = runs.start(toy.asked(settings, spec, count=400))
        at_work(runs, run.id)
        with visited(browser, f"{url}?run={run.id}") as page:
            panel = page.locator("#cw-runs")
            expect(state(page)).to_have_text("running")
            expect(figures(page)).to_have_text(re.compile(r"of 800 texts · .* a second · .* left"))
            panel.get_by_role("button", name="Stop").click()
            expect(state(page)).to_have_text("stopped")
            panel.get_by_role("button", name="Resume").click()
            expect(state(page)).to_have_text("running")
            panel.get_by_role("button", name="kill…").click()
            panel.get_by_role("button", name="Kill it now").click()
            expect(state(page)).to_have_text("dead")
            expect(panel.locator(".why")).to_contain_text("its log ends")
            expect(page.locator(".runs-chip")).to_contain_text("last run dead")
            expect(panel.get_by_role("button", name="Resume")).to_be_visible()
            panel.get_by_role("button", name="delete…").click()
            panel.get_by_role("button", name="Delete it").click()
            expect(panel.locator(".empty")).to_be_visible()
            assert runs.list() == []


def test_a_killed_worker_is_dead_with_its_log_and_a_resume(
    browser: Browser, settings: Settings, runs: Runs
) -> None:
    workbench = Workbench(settings, opener=lambda spec, _: SlowBackend())
    with toy.served(0.2) as spec, serving(workbench) as url:
        run = runs.start(toy.asked(settings, spec, count=400))
        with visited(browser, f"{url}?run={run.id}") as page:
            expect(page.locator("#cw-runs .log")).to_contain_text("of 400 prompts")
            pid = at_work(runs, run.id).pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            expect(state(page)).to_have_text("dead")
            expect(page.locator("#cw-runs .why")).to_contain_text("the worker is gone")
            expect(page.locator("#cw-runs .why")).to_contain_text("of 400 prompts")
            page.locator("#cw-runs").get_by_role("button", name="Resume").click()
            expect(state(page)).to_have_text("running")


def test_of_two_starts_the_second_waits_and_names_the_first(
    browser: Browser, settings: Settings, runs: Runs
) -> None:
    workbench = Workbench(settings, opener=lambda spec, _: SlowBackend())
    with toy.served(0.2) as spec, serving(workbench) as url:
        first = runs.start(toy.asked(settings, spec, count=400))
        second = runs.start(toy.asked(settings, spec, count=2))
        with visited(browser, f"{url}?run={second.id}") as page:
            expect(state(page)).to_have_text("waiting")
            expect(page.locator("#cw-runs .why")).to_have_text(f"waits for {first.id}")
            expect(page.locator(".runs-chip")).to_contain_text("1 run · 1 waiting")
            page.locator(f"#cw-runs li[data-run='{first.id}'] button").click()
            page.locator("#cw-runs").get_by_role("button", name="Stop").click()
            page.locator(f"#cw-runs li[data-run='{second.id}'] button").click()
            expect(state(page)).to_have_text("done")


@pytest.mark.timeout(240)
def test_an_app_killed_in_mid_run_shows_the_same_run_and_progress_when_it_is_back(
    browser: Browser, settings: Settings, runs: Runs
) -> None:
    port = free_port()
    with toy.served(0.3) as spec, browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(60_000)
        with own_process(settings.home, port) as process:
            run = runs.start(toy.asked(settings, spec, count=900))
            at_work(runs, run.id)
            page.goto(f"http://127.0.0.1:{port}/?run={run.id}")
            expect(figures(page)).to_contain_text("of 1,800 texts")
            process.send_signal(signal.SIGKILL)
            process.wait()
        before = runs.read(run.id)
        assert before.state == "running"
        with own_process(settings.home, port):
            until(lambda: runs.read(run.id).done > before.done + 10)
            # The page comes back by itself: Gradio asks until the app answers.
            expect(figures(page)).to_be_visible(timeout=60_000)
            seen = re.compile(r"([\d,]+) of 1,800 texts")

            def ahead() -> bool:
                found = seen.search(figures(page).text_content() or "")
                return bool(found) and int(found[1].replace(",", "")) > before.done

            until(lambda: page.wait_for_timeout(200) or ahead())
            assert page.locator("#cw-runs section").get_attribute("data-run") == run.id
            assert runs.read(run.id).pid == before.pid
