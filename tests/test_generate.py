"""The generate worker: its rows, and that any crash resumes to those of an unbroken run."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import toy

from cai_app import files
from cai_app.errors import InputError
from cai_app.jobs import config, control, find, queue, read
from cai_app.records import Comparison, Completion, GenerateOptions, RunInfo, Transcript
from cai_app.settings import Settings
from cai_app.work import batches, checkpoints, generate, program, progress
from cai_app.work.progress import Run, Stopped
from cai_app.workbench import generation
from cai_app.workbench.runs import Runs


class Killed(BaseException):
    """What a kill -9 is to a process: nothing after it happens."""


@pytest.fixture(autouse=True)
def no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs stay queued: here the worker is called by hand, in this process."""
    monkeypatch.setattr(control, "_queued", lambda _, path: read(path))
    monkeypatch.setattr(batches, "CHECKPOINT_EVERY", 0.0)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> toy.ToyBackend:
    made = toy.ToyBackend()
    monkeypatch.setattr(generate, "open_backend", lambda spec, settings: made)
    return made


def new(settings: Settings, **options: Any) -> Path:
    info = control.start(settings, toy.asked(settings, "openai:http://127.0.0.1:9#toy", **options))
    return Path(info.path)


def work(path: Path) -> RunInfo:
    program.main(generate.generate, [str(path)], what="generate: in this process")
    return read(path)


def test_a_preference_model_is_refused_before_its_run_starts(settings: Settings) -> None:
    with pytest.raises(InputError, match="pocket@pm is a preference model"):
        generation.prepare(
            GenerateOptions(backend="pocket@pm"), prompts="red-team", settings=settings
        )


def test_pairs_are_two_responses_and_their_comparison(
    settings: Settings, backend: toy.ToyBackend
) -> None:
    info = work(new(settings, count=3))
    assert (info.state, info.done, info.total, info.error) == ("done", 6, 6, None)
    written = toy.rows(Path(info.path))
    assert [row["type"] for row in written] == ["response", "response", "comparison"] * 3
    pair = Comparison.model_validate({k: v for k, v in written[2].items() if k != "type"})
    assert {pair.a.id, pair.b.id} == {written[0]["id"], written[1]["id"]}
    assert not pair.swapped
    assert info.metrics["comparisons"] == 3
    assert info.outputs == (str(Path(info.path) / "outputs.jsonl"),)


def test_a_response_says_whether_it_was_cut_off(
    settings: Settings, backend: toy.ToyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(prompt: str, seed: int) -> Completion:
        return Completion(
            text=" the key", tokens=2, finish="length" if "0 apples" in prompt else "stop"
        )

    monkeypatch.setattr(toy, "write", write)
    info = work(new(settings, count=2))
    ends = [row["finish"] for row in toy.rows(Path(info.path))]
    assert ends == ["length", "length", "stop", "stop"]


def test_chains_are_whole_transcripts_with_the_constitution_named(
    settings: Settings, backend: toy.ToyBackend
) -> None:
    info = work(new(settings, count=3, mode="chains", rounds=2))
    written = toy.rows(Path(info.path))
    assert len(written) == 3
    chain = Transcript.model_validate(
        {k: v for k, v in written[0].items() if k not in ("type", "source")}
    )
    assert [step.kind for step in chain.steps] == ["draft", *["critique", "revision"] * 2]
    assert chain.constitution.name == "harmless"


def test_a_prompt_beyond_the_window_is_kept_aside_with_the_reason(
    settings: Settings, backend: toy.ToyBackend
) -> None:
    backend.window = 30
    path = new(settings, count=3, mode="chains")
    info = work(path)
    assert info.state == "done" and info.metrics["rejected"] == 3
    rejected, _ = files.read_rows(path / "rejected.jsonl")
    assert "the window of toy holds 30" in rejected[0]["reason"]
    assert rejected[2]["index"] == 2


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(
    settings: Settings, backend: toy.ToyBackend
) -> None:
    first, again, other = (work(new(settings, seed=seed)).path for seed in (1, 1, 2))
    assert toy.rows(Path(first)) == toy.rows(Path(again)) != toy.rows(Path(other))


def test_more_prompts_leave_the_earlier_rows_as_they_were(
    settings: Settings, backend: toy.ToyBackend
) -> None:
    few, more = (Path(work(new(settings, count=n)).path) for n in (4, 8))
    assert toy.rows(more)[: 4 * 3] == toy.rows(few)


@pytest.mark.parametrize("mode", ["pairs", "chains"])
def test_a_crash_at_any_write_resumes_to_the_rows_of_an_unbroken_run(
    mode: str, settings: Settings, backend: toy.ToyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    asked = toy.asked(settings, "openai:http://127.0.0.1:9#toy", count=3, mode=mode)
    whole = toy.rows(Path(work(Path(control.start(settings, asked).path)).path))
    crashes = 0
    while True:
        path = Path(control.start(settings, asked).path)
        with monkeypatch.context() as patch:
            writes = crash_at(crashes, patch)
            try:
                info = work(path)
            except Killed:
                info = work_again(path)
        assert info.state == "done"
        assert toy.rows(path) == whole, f"after a crash at write {crashes}"
        if writes() <= crashes:
            break
        crashes += 1
    assert crashes > 10


def crash_at(number: int, patch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Let the write with this number be torn in half, and be the process's last act."""
    done = 0

    def fsync(handle: int) -> None:
        nonlocal done
        done += 1
        if done == number + 1:
            size = os.fstat(handle).st_size
            if os.readlink(f"/proc/self/fd/{handle}").endswith("outputs.jsonl"):
                os.truncate(f"/proc/self/fd/{handle}", max(0, size - 40))
            raise Killed

    patch.setattr(os, "fsync", fsync)
    return lambda: done


def work_again(path: Path) -> RunInfo:
    assert read(path).state in ("dead", "queued", "starting"), read(path).state
    return work(path)


def test_a_torn_newest_checkpoint_gives_way_to_the_one_before(
    settings: Settings, backend: toy.ToyBackend
) -> None:
    whole = toy.rows(Path(work(new(settings)).path))
    path = new(settings)
    stop_after(3, path)
    newest = checkpoints.newest(path)
    assert newest is not None
    (newest / "state.json").write_text('{"first": 2, "cou')
    assert work(path).state == "done"
    assert toy.rows(path) == whole


def stop_after(calls: int, path: Path) -> RunInfo:
    """Ask the worker to stop when the model has been asked so many times."""
    step = Run.check

    def check(run: Run) -> None:
        run.calls = getattr(run, "calls", 0) + 1  # type: ignore[attr-defined]
        if run.calls > calls:  # type: ignore[attr-defined]
            raise Stopped
        step(run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "check", check)
        return work(path)


def test_a_stop_in_the_middle_of_a_batch_loses_no_step(
    settings: Settings, backend: toy.ToyBackend
) -> None:
    whole = Path(work(new(settings, count=4, mode="chains", rounds=2)).path)
    unbroken, backend.calls = backend.calls, 0
    path = new(settings, count=4, mode="chains", rounds=2)
    assert stop_after(4, path).state == "stopped"
    assert work(path).state == "done"
    assert toy.rows(path) == toy.rows(whole)
    assert backend.calls == unbroken


def test_a_stop_that_comes_before_the_worker_can_be_signalled_is_found(
    settings: Settings, backend: toy.ToyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, told = new(settings, count=4), Run.set

    def asked(run: Run, state: Any = None, **changes: Any) -> None:
        if state == "starting":
            (run.path / "stop").touch()
        told(run, state, **changes)

    monkeypatch.setattr(Run, "set", asked)
    assert work(path).state == "stopped"
    assert not (path / "stop").exists() and backend.calls == 0


def test_a_rate_is_of_this_life_alone(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    path, clock = new(settings, count=4), iter(range(100, 200))
    monkeypatch.setattr(progress.time, "time", lambda: float(next(clock)))
    with program.opened(path) as run:
        rates = []
        for done in (30, 20, 21, 22):  # what was done before a kill, then from the checkpoint on
            run.report(done, 40)
            rates.append(run.status.rate)
    assert rates[:2] == [None, None] and all(rate and rate > 0 for rate in rates[2:])


def test_a_run_that_was_resumed_tells_no_pace(settings: Settings, backend: toy.ToyBackend) -> None:
    path, runs = new(settings, count=3), Runs(settings)
    work(path)
    options = GenerateOptions(**config(path).options)
    assert runs.pace(options)
    status = queue.read_status(path)
    queue.write_status(path, status, queued=status.created + 1)
    assert runs.pace(options) is None


def test_a_full_disk_is_a_failure_in_one_sentence_and_resumes(
    settings: Settings, backend: toy.ToyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = toy.rows(Path(work(new(settings)).path))
    path = new(settings)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        info = work(path)
    assert info.state == "failed"
    assert "the disk is full" in (info.error or "")
    assert work(path).state == "done"
    assert toy.rows(path) == whole


def test_inputs_changed_behind_its_back_stop_a_run(
    settings: Settings, backend: toy.ToyBackend
) -> None:
    path = new(settings)
    (path / "inputs.prompts.jsonl").write_text('{"prompt": "Another?"}\n')
    info = work(path)
    assert info.state == "failed"
    assert "has changed since the run was started" in (info.error or "")


def test_changed_templates_stop_a_run_from_going_on(
    settings: Settings, backend: toy.ToyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = new(settings)
    monkeypatch.setattr(batches.prompts, "template_hash", lambda: "0" * 16)
    info = work(path)
    assert "the template hash was" in (info.error or "")


def test_a_bug_fails_the_run_and_leaves_its_traceback_in_the_log(
    settings: Settings, backend: toy.ToyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = new(settings)
    monkeypatch.setattr(backend, "generate", lambda *_: 1 / 0)
    info = work(path)
    assert info.state == "failed"
    assert "ZeroDivisionError" in (info.error or "")
    assert "Traceback" in (path / "log.txt").read_text()


def test_on_a_gpu_a_run_waits_until_it_fits_and_says_what_is_free(
    settings: Settings, backend: toy.ToyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = toy.asked(settings, "openai:http://127.0.0.1:9#toy").model_copy(
        update={"memory": 3 * 2**30}
    )
    path = Path(control.start(settings, asked).path)
    free, notes = [2**30, 2**30, 8 * 2**30], []

    def look(device: int) -> int:
        notes.append((read(path).state, read(path).note))
        return free.pop(0)

    monkeypatch.setattr(progress.memory, "is_gpu", lambda device: True)
    monkeypatch.setattr(progress.memory, "free", look)
    assert work(path).state == "done"
    state, note = notes[-1]
    assert state == "queued"
    assert "needs about 3.0 GiB on device 0, but 1.0 GiB are free; stop the app" in note


def test_a_run_that_pauses_itself_says_why_and_goes_on(
    settings: Settings, backend: toy.ToyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = new(settings)

    def alarmed(run: Run) -> None:
        raise progress.Paused("the reward has no spread any more; look at the samples")

    assert program.main(alarmed, [str(path)], what="x") == 0
    paused = read(path)
    assert (paused.state, paused.note) == (
        "paused",
        "the reward has no spread any more; look at the samples",
    )
    assert work(path).state == "done"


def test_a_done_run_is_not_done_again(settings: Settings, backend: toy.ToyBackend) -> None:
    path = Path(work(new(settings)).path)
    assert program.main(generate.generate, [str(path)], what="x") == 1
    assert read(path).state == "done"


def test_a_tiny_nf4_model_resumes_to_the_same_texts(settings: Settings) -> None:
    """On the real backend: what a batch shares decides last bits, so batches must stay the same."""
    spec = f"hf:{tiny.home().data / 'pocket' / 'm'}"
    options = {"count": 3, "mode": "chains", "batch": 2, "max_tokens": 6}
    broken = Path(control.start(settings, toy.asked(settings, spec, **options)).path)
    assert stop_after(2, broken).state == "stopped"
    assert work(broken).state == "done"
    whole = Path(control.start(settings, toy.asked(settings, spec, **options)).path)
    assert work(whole).state == "done"
    assert len(toy.rows(whole)) == 3
    assert toy.rows(broken) == toy.rows(whole)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no prompts"),
        ('{"prompt": "Hi?"}\n{"prompt":', "line 2: not JSON"),
        ('{"text": "Hi?"}', "line 1: no text in `prompt`"),
        ('{"prompt": " "}', "line 1: no text in `prompt`"),
        ("[1]", "line 1: no text in `prompt`"),
        ('{"prompt": "Human: a\\n\\nAssistant: b"}', "line 1: the dialogue ends"),
    ],
)
def test_a_prompt_file_that_cannot_be_used_is_told_by_its_line(
    text: str, said: str, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        generation.read_prompts(str(path), settings)


def test_built_in_prompts_go_by_their_names(settings: Settings) -> None:
    assert len(generation.read_prompts("red-team", settings)) == 40
    with pytest.raises(InputError, match="red-team or helpful"):
        generation.read_prompts("read-team", settings)


def test_a_plan_says_what_a_run_would_need(settings: Settings) -> None:
    options = GenerateOptions(backend="openai:http://127.0.0.1:9#x", mode="chains", rounds=2)
    found = generation.plan(options, prompts="helpful", settings=settings)
    assert (found.prompts, found.completions, found.device) == (40, 200, None)
    assert not (settings.home / "runs").exists()


def test_a_run_keeps_the_constitution_as_it_was(
    settings: Settings, backend: toy.ToyBackend
) -> None:
    path = new(settings, mode="chains")
    known = config(find(settings, path.name)).provenance["constitution"]
    assert known.startswith("harmless@")
    assert work(path).state == "done"
    ref = json.loads((path / "outputs.jsonl").read_text().splitlines()[0])["constitution"]
    assert f"{ref['name']}@{ref['hash']}" == known
