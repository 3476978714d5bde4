"""The Train tab in a real Chromium: curves that grow, runs compared, the form, the lineage; the
checkpoint slider of the Critique tab; and a training that outlives the app."""

import re
import signal
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import made_runs
import pytest
import training
from playwright.sync_api import Browser, Locator, Page, expect
from stage import HOSTILE, SlowBackend, free_port, leave, own_process, serving, visited
from test_jobs import until

from cai_app import files
from cai_app.errors import BusyError
from cai_app.records import Completion, Prompt, Sampling
from cai_app.settings import Settings
from cai_app.workbench import Workbench

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


class Ladder(SlowBackend):
    """A scripted model that answers under every adapter, and no preference model."""

    def generate_each(
        self,
        prompts: Sequence[Prompt],
        sampling: Sequence[Sampling],
        adapters: Sequence[Path | None],
    ) -> list[Completion]:
        texts = [HOSTILE if path is None else f"I am {path.name}." for path in adapters]
        return [Completion(text=text, tokens=3, finish="stop") for text in texts]


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    return Workbench(
        Settings(home=tmp_path_factory.mktemp("home")), opener=lambda spec, _: Ladder()
    )


@pytest.fixture(scope="module")
def runs(workbench: Workbench) -> dict[str, Path]:
    """Two SL-CAI runs, one with hostile text; two RL runs, one of them paused."""
    settings, steps = workbench.settings, range(0, 21, 10)
    both = {"data": "both", "source": "x" * 70}
    found = {
        "first": made_runs.made(
            settings,
            "sft",
            options={**both, "lr": 1e-3},
            rows=made_runs.losses(range(21)),
            samples=made_runs.answers(steps, text=HOSTILE),
            adapter=True,
        ),
    }
    time.sleep(1.1)  # ids are in order by the second
    return found | {
        "second": made_runs.made(
            settings, "sft", options={**both, "lr": 5e-4}, rows=made_runs.losses(range(21)),
            state="failed", error=f"out of memory {HOSTILE}",
        ),
        "rl": made_runs.made(
            settings, "rl", options={"pm": "none"}, rows=made_runs.rewards(range(21)),
            state="paused", note="step 20: KL is too high",
        ),
    }  # fmt: skip


@pytest.fixture(scope="module")
def url(workbench: Workbench, runs: dict[str, Path]) -> Iterator[str]:
    # The queue is held: what a test starts stays waiting.
    with files.Lock(workbench.settings.home / "queue.lock") as lock:
        assert lock.take("tests", patience=5)
        with serving(workbench) as address:
            yield f"{address}?tab=train"


def lines(page: Page, title: str = "Loss") -> Locator:
    """The lines of a plot that are drawn whole or dashed, without the faint ones."""
    plot = page.locator(".plot").filter(has=page.get_by_text(title, exact=True))
    return plot.locator("path.line:not(.faint):not(.entry *)")


def test_runs_are_laid_over_one_another_and_their_curves_grow(
    browser: Browser, url: str, runs: dict[str, Path]
) -> None:
    with visited(browser, f"{url}&kind=sl-cai") as page:
        board = page.locator("#train-board .board")
        expect(lines(page)).to_have_count(4)  # training and held-out loss of two runs
        expect(board).to_have_attribute("data-points", "42")
        files.append(runs["first"] / "metrics.jsonl", made_runs.losses(range(21, 24)))
        expect(board).to_have_attribute("data-points", "45")
        expect(page.locator(".differs tbody tr")).to_have_text(re.compile("lr.*0.001.*0.0005"))
        page.locator(f"tr[data-run='{runs['second'].name}'] input").uncheck()
        expect(lines(page)).to_have_count(2)
        expect(page.locator(".alarms")).to_contain_text("failed: out of memory <script>")
        page.locator(f"tr[data-run='{runs['first'].name}'] .read").click()
        answers = page.locator(".answers article").first
        expect(answers.locator(".before p")).to_have_text(HOSTILE)
        expect(answers.locator(".after p")).to_have_text("At step 20 I would not.")
        page.get_by_label("Step", exact=True).fill("1")
        expect(answers.locator(".after p")).to_have_text("At step 10 I would not.")
        assert f"training={runs['first'].name}" in page.url


def test_a_run_gives_its_command_card_lineage_and_adapter(
    browser: Browser, url: str, runs: dict[str, Path]
) -> None:
    with visited(browser, f"{url}&kind=sl-cai&training={runs['first'].name}") as page:
        detail = page.locator(".board .detail")
        expect(detail).to_have_attribute("data-run", runs["first"].name)
        detail.get_by_role("button", name="Command and settings").click()
        expect(detail.get_by_label("The command")).to_have_text("python -m cai_app train sft")
        expect(detail.get_by_label("config.yaml")).to_contain_text("lr: 0.001")
        detail.get_by_role("button", name="Card").click()
        expect(detail.locator(".facts").first).to_contain_text("ab" * 32)
        detail.get_by_role("button", name="Lineage").click()
        box = detail.locator(".box.model")
        box.click()
        expect(detail.locator(".picked")).to_contain_text("model: pocket")
        with page.expect_download() as waiting:
            detail.get_by_role("button", name="download adapter").click()
        with zipfile.ZipFile(waiting.value.path()) as archive:
            assert "adapter_model.safetensors" in archive.namelist()
        detail.get_by_role("button", name="Try it in Critique").click()
        expect(page.locator("#critique-model input")).to_have_value(f"pocket@{runs['first'].name}")


def test_the_form_says_what_it_would_do_and_starts_it(
    browser: Browser, url: str, workbench: Workbench
) -> None:
    with visited(browser, f"{url}&kind=helpful", width=900) as page:
        form = page.locator("#train-form .trainform")
        expect(form.locator(".rows")).to_have_text(re.compile(r"^1,000 helpful, \d+ steps$"))
        expect(page.locator(".board .empty")).to_contain_text("No helpful run yet")
        form.get_by_label("most steps").fill("7")
        expect(form.locator(".rows")).to_contain_text("7 steps")
        form.get_by_text("More settings").click()
        form.get_by_label("learning rate").fill("9")
        expect(form.get_by_role("alert")).to_contain_text("less than or equal to 1")
        expect(form.locator("#train-start")).to_be_disabled()
        form.get_by_label("learning rate").fill("0.002")
        form.get_by_text("Command and YAML").click()
        expect(form.get_by_label("The command")).to_contain_text("max_steps=7 lr=0.002")
        form.locator("#train-start").click()
        row = page.locator(".runs-of tbody tr")
        expect(row).to_contain_text("waiting, 1.")
        line = next(one for one in workbench.runs.trainings() if one.kind == "helpful")
        assert workbench.runs.card(line.id).options["lr"] == 0.002
        leave(page)
        expect(form.get_by_label("most steps")).to_have_value("7")  # nothing typed is lost
        page.locator(".board").get_by_role("button", name="Stop", exact=True).click()
        expect(row).to_contain_text("stopped")


def test_an_alarm_is_told_and_rl_has_its_curves(
    browser: Browser, url: str, workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(id: str) -> None:
        raise BusyError("the device is gone")

    monkeypatch.setattr(workbench.runs, "resume", gone)
    with visited(browser, f"{url}&kind=rl") as page:
        alarm = page.locator(".alarms .note")
        expect(alarm).to_contain_text("paused by an alarm: step 20: KL is too high")
        resume = alarm.get_by_role("button", name="Resume")
        resume.click()
        refused = page.locator(".board > .note[role=alert]")
        expect(refused).to_have_text("The device is gone.")
        page.wait_for_timeout(2500)  # two looks later
        expect(refused).to_be_visible()
        expect(resume).to_be_focused()
        for title in ("Reward", "KL to the start policy, nats a response", "Length, tokens"):
            expect(lines(page, title).first).to_be_visible()


def test_one_prompt_climbs_the_checkpoints(browser: Browser, url: str) -> None:
    with visited(browser, url.replace("train", "critique")) as page:
        page.get_by_label("What does the person ask?").fill("May I?")
        page.locator("#critique-climb").click()
        ladder = page.locator("#critique-ladder .ladder")
        expect(ladder).to_have_attribute("data-state", "done")
        expect(ladder.locator(".strip button").first).to_contain_text("pretrained")
        ladder.get_by_label("Stage", exact=True).fill("0")
        expect(ladder.locator(".rung.after p")).to_have_text(HOSTILE)
        ladder.get_by_label("Stage", exact=True).fill("1")
        expect(ladder.locator(".rung.after")).to_contain_text("helpful")
        ladder.locator(".strip button").first.press("Enter")
        expect(ladder.locator(".strip button").first).to_be_focused()
        page.locator("#critique-climb").click()
        expect(page.locator("#critique-climb")).to_be_enabled()
        expect(ladder.get_by_label("Stage", exact=True)).not_to_have_value(
            "0"
        )  # the last one again


def plotted(page: Page) -> int:
    return int(page.locator("#train-board .board").get_attribute("data-points") or 0)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_training_goes_on_when_browser_and_app_are_gone_and_no_point_is_lost_or_doubled(
    browser: Browser, settings: Settings
) -> None:
    port = free_port()
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(120_000)
        with own_process(settings.home, port) as process:
            workbench = Workbench(settings)
            asked = training.prepared(
                settings, "sft", max_steps=400, epochs=400, save_every=50, sample_every=100
            )
            run = workbench.runs.start(asked)
            page.goto(f"http://127.0.0.1:{port}/?tab=train&kind=helpful")
            until(lambda: page.wait_for_timeout(100) or plotted(page) > 5, timeout_s=300)
            process.send_signal(signal.SIGKILL)
            process.wait()
            context.new_page().close()
            page.wait_for_timeout(2500)
            expect(page.locator("#train-board .board > .note")).to_contain_text("Runs go on")
        before = workbench.runs.read(run.id)
        assert before.state == "running"
        with own_process(settings.home, port):
            # The same page goes on where it was, and a new one sees the same.
            until(lambda: page.wait_for_timeout(200) or plotted(page) > before.done, timeout_s=300)
            fresh = context.new_page()
            fresh.goto(f"http://127.0.0.1:{port}/?tab=train&kind=helpful")
            until(lambda: workbench.runs.read(run.id).state == "done", timeout_s=600)
            rows: list[dict[str, Any]] = files.read_rows(Path(run.path) / "metrics.jsonl")[0]
            steps = [row["step"] for row in rows if "loss" in row]
            assert steps == sorted(set(steps))
            for one in (page, fresh):
                until(lambda one=one: one.wait_for_timeout(200) or plotted(one) == len(steps))
        workbench.close()
