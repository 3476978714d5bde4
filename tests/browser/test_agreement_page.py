"""The Agreement tab and the import form in a real Chromium: from nothing to a report and rows."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from stage import HOSTILE, SlowBackend, serving, visited
from test_audit import ai_label, said

from cai_app.records import Comparison, Rater, Response
from cai_app.settings import Settings
from cai_app.workbench import Workbench

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)
TABLE = "question,one,two,best\nCan I?,No.,Yes.,a\nMay I?,Yes.,No.,b\nWill I?,So.,So so.,maybe\n"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    settings = Settings(home=tmp_path_factory.mktemp("agreement"))
    yield Workbench(settings, opener=lambda spec, _: SlowBackend())


@pytest.fixture(scope="module")
def url(bench: Workbench) -> Iterator[str]:
    with serving(bench) as address:
        yield address


def hostile(number: int) -> Comparison:
    sides = [Response(prompt=f"{HOSTILE} {number}", text=f"{HOSTILE} {k}") for k in range(2)]
    return Comparison.of(*sides, source=HOSTILE)


def test_a_table_is_mapped_and_imported_and_its_bad_row_can_be_had(
    bench: Workbench, url: str, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "odd.csv").write_text(TABLE)
    with visited(browser, f"{url}?tab=data") as page:
        page.locator("#data-do").get_by_label("Import", exact=True).click()
        with page.expect_file_chooser() as chooser:
            page.locator("#data-file-upload").click()
        chooser.value.set_files(tmp_path / "odd.csv")
        expect(page.locator(".bringing tr.aside")).to_have_count(3)
        expect(page.get_by_label("Format: guessed, yours to say")).to_have_value("csv")
        for ours, theirs in (("prompt", "question"), ("a", "one"), ("b", "two"), ("value", "best")):
            page.locator(f"[data-ours={ours}]").select_option(theirs)
            expect(page.locator(".bringing .twin pre")).to_contain_text(f"{ours}={theirs}")
        expect(page.locator(".bringing tr.aside")).to_have_count(1)
        page.locator("#import-run").click()
        counts = page.locator(".bringing .counts .figure b")
        expect(counts).to_have_text(["3", "2", "0", "1"])
        with page.expect_download() as kept:
            page.get_by_role("button", name="Download what was kept aside").click()
        assert "maybe" in Path(kept.value.path()).read_text()
    assert bench.store.comparisons.count() == 2


def test_the_audit_goes_from_what_to_do_to_rows_that_do_nothing_but_stand_there(
    bench: Workbench, url: str, browser: Browser
) -> None:
    with visited(browser, f"{url}?tab=agreement") as page:
        expect(page.locator(".agreement .empty li")).to_have_count(3)
        page.get_by_role("button", name="Open Data").first.click()
        expect(page.locator("#data-do")).to_be_visible()
    pairs = [hostile(k) for k in range(24)]
    bench.store.comparisons.add(pairs)
    bench.store.labels.add([ai_label(one, 0.9) for one in pairs])
    people = [Rater(kind="human", name=name) for name in ("ann", HOSTILE)]
    bench.store.labels.add([said(one, 1.0, rater) for one in pairs for rater in people])
    changed = said(hostile(0), 0.0, people[0], time=datetime.now(UTC))
    bench.store.labels.add([changed])
    with visited(browser, f"{url}?tab=agreement", width=900) as page:
        expect(page.locator(".agreement .figure.main b")).to_have_text(re.compile(r"\d+ %"))
        expect(page.locator(".agreement .bars")).to_contain_text("people with each other")
        page.locator(".confusion button").first.click()
        page.locator(".cellrows summary").first.click()
        expect(page.locator(".cellrows details[open]")).to_contain_text("<script>")
        with page.expect_download() as report:
            page.get_by_role("button", name="Download the report (HTML)").click()
        text = Path(report.value.path()).read_text()
        assert "<script" not in text and "corrected" in text and "Disagreements" in text
        page.locator("#agreement-where input, #agreement-where textarea").first.fill("colour=red")
        page.keyboard.press("Enter")
        expect(page.locator(".agreement .note.bad")).to_contain_text("--slice")
