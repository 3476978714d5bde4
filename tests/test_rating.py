"""Raters by their links: what a link gives, and that nothing gives them what the AI said.

The blinding test plants words that no page has into every field a rater must not see, and then
asks everything there is to ask, as a rater could, and as somebody who reads Gradio's protocol.
"""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import gradio as gr
import httpx
import pytest
from conftest import ScriptedBackend

import app
from cai_app import commands
from cai_app.errors import InputError
from cai_app.records import (
    AuditOptions,
    Comparison,
    ConstitutionRef,
    Label,
    OrderVerdict,
    Queue,
    Rater,
    Response,
)
from cai_app.settings import Settings
from cai_app.workbench import Workbench
from cai_app.workbench.audit import Seat

P, GAP = 0.731313, 0.001818  # recognised wherever they turn up
SECRETS = (
    "zebra-backend", "zebra-constitution", "zebra-model", "zebra-source", "zebra-queue",
    "zebra-principle", "zebra-adapter", "disagreement", "7313", "2686", "7322", "7304",
)  # fmt: skip
QUESTION = "Which response is kinder?"
AI = Rater(
    kind="ai",
    backend="zebra-backend",
    constitution=ConstitutionRef(name="zebra-constitution", hash="0" * 16),
)


def pair(number: int) -> Comparison:
    one, other = (
        Response(prompt=f"Question {number}?", text=f"Answer {number} {side}.",
                 model=f"zebra-model-{side}", adapter="zebra-adapter", seed=number)
        for side in ("left", "right")
    )  # fmt: skip
    return Comparison.of(one, other, source="zebra-source")


def ai_label(one: Comparison) -> Label:
    orders = (
        OrderVerdict(first="a", p_a=P + GAP / 2),
        OrderVerdict(first="b", p_a=P - GAP / 2),
    )
    return Label(
        about="comparison", subject=one.id, kind="preference", rater=AI, value=P, orders=orders,
        principle="zebra-principle", question=QUESTION, run="zebra-source",
    )  # fmt: skip


def wanted(**more: Any) -> Queue:
    fields = {"name": "zebra-queue", "ai": "", "rule": "disagreement", "wanted": 99}
    return Queue(**{**fields, **more})


def filled(settings: Settings, count: int = 12, **more: Any) -> Workbench:
    """A workbench with a queue of `count` pairs, behind a page that asks for a login."""
    workbench = Workbench(settings, opener=lambda spec, _: ScriptedBackend())
    workbench.store.comparisons.add([pair(k) for k in range(count)])
    workbench.store.labels.add([ai_label(pair(k)) for k in range(count)])
    workbench.spotchecks.draw("ai", wanted(**more))
    workbench.spotchecks.opened("http://127.0.0.1:7860/", login=True)
    return workbench


@pytest.fixture
def bench(settings: Settings) -> Iterator[Workbench]:
    made = filled(settings, repeats=0)
    yield made
    made.close()


def token(workbench: Workbench, rater: str = "ann", **more: Any) -> str:
    return workbench.spotchecks.invite("zebra-queue", rater, **more).path.partition("token=")[2]


def seat(workbench: Workbench, rater: str = "ann") -> Seat:
    return workbench.spotchecks.seat_of(token(workbench, rater))


def finish(one: Seat, answer: Any = "a") -> int:
    """Answer whatever comes; how many that were."""
    turn, count = one.open(), 0
    while turn.now:
        turn, count = one.answer(turn.now.item, answer, lead_ms=900), count + 1
    return count


# Links.


def test_a_link_is_one_rater_s_for_one_queue_and_its_token_is_kept_nowhere(
    bench: Workbench,
) -> None:
    given = token(bench)
    assert bench.spotchecks.seat_of(given).open().rater == "ann"
    assert len(given) >= 40
    for path in bench.settings.home.rglob("*"):
        if path.is_file():
            assert given.encode() not in path.read_bytes()
    again = token(bench)
    with pytest.raises(InputError, match="was taken back"):
        bench.spotchecks.seat_of(given)
    assert bench.spotchecks.seat_of(again).open().now is not None
    token(bench, "bob")
    assert bench.spotchecks.seat_of(again).open().now is not None, "each rater has a link"


def test_a_link_that_is_revoked_expired_or_mistyped_says_so(bench: Workbench) -> None:
    given = token(bench)
    bench.spotchecks.revoke("zebra-queue", "ann")
    with pytest.raises(InputError, match="was taken back"):
        bench.spotchecks.seat_of(given)
    with pytest.raises(InputError, match="no link"):
        bench.spotchecks.revoke("zebra-queue", "ann")
    old = token(bench, days=1e-9)
    with pytest.raises(InputError, match="has expired"):
        bench.spotchecks.seat_of(old)
    for wrong in ("", "x", old[:-1], "' OR 1=1 --"):
        with pytest.raises(InputError, match="mistyped"):
            bench.spotchecks.seat_of(wrong)


def test_without_a_login_on_the_main_page_nobody_is_invited_and_no_link_works(
    bench: Workbench,
) -> None:
    given = token(bench)
    bench.spotchecks.opened("http://127.0.0.1:7860/", login=False)
    with pytest.raises(InputError, match="--auth user:password"):
        token(bench)
    with pytest.raises(InputError, match="--auth user:password"):
        bench.spotchecks.seat_of(given)


@pytest.mark.parametrize("name", ["", "   ", "x" * 61])
def test_a_rater_needs_a_name(bench: Workbench, name: str) -> None:
    with pytest.raises(InputError, match="1 to 60 characters"):
        bench.spotchecks.invite("zebra-queue", name)


# Answers.


def test_an_answer_sent_twice_is_kept_once(bench: Workbench) -> None:
    one = seat(bench)
    item = one.open().now
    assert item is not None
    first = one.answer(item.item, "a")
    again = one.answer(item.item, "a")
    assert (again.now, again.done, again.told) == (first.now, 1, "")
    (given,) = bench.store.sql("SELECT answer FROM answers").rows
    other = one.answer(item.item, "b")
    assert other.done == 1 and "answered that pair already" in other.told
    assert bench.store.sql("SELECT answer FROM answers").rows == (given,)
    assert len(bench.store.sql("SELECT 1 FROM labels l JOIN raters r ON r.id = l.rater "
                               "WHERE r.kind = 'human'").rows) == 1  # fmt: skip


def test_the_pair_after_this_one_is_sent_ahead_and_is_the_next_one(bench: Workbench) -> None:
    one = seat(bench)
    turn = one.open()
    while turn.now:
        ahead, turn = turn.then, one.answer(turn.now.item, "tie")
        assert turn.now == ahead
    assert turn.done == 12 and turn.left == 0


def test_undo_brings_the_pair_back_with_its_note_and_a_lead_time_is_kept(
    bench: Workbench,
) -> None:
    one = seat(bench)
    before = one.open().now
    assert before is not None and not one.open().may_undo
    one.answer(before.item, "both_bad", note="  odd  ", lead_ms=4321)
    assert bench.store.sql("SELECT note, lead_ms FROM answers").rows == (("odd", 4321),)
    back = one.undo()
    assert back.now == before and back.note == "odd" and back.done == 0
    assert one.undo().told == "There is nothing to undo."
    assert one.answer(before.item, "a").done == 1


def test_two_at_once_get_different_pairs_but_for_the_shared_ones(settings: Settings) -> None:
    bench = filled(settings, 24, overlap=0.25, repeats=0)
    try:
        ann, bob = seat(bench, "ann"), seat(bench, "bob")
        turns, met = {ann: ann.open(), bob: bob.open()}, 0
        while any(turn.now for turn in turns.values()):
            shown = {turn.now.prompt for turn in turns.values() if turn.now}
            met += len(shown) < sum(turn.now is not None for turn in turns.values())
            for one, turn in turns.items():
                turns[one] = one.answer(turn.now.item, "b") if turn.now else one.open()
        rows = bench.store.sql(
            "SELECT comparison, count(*) FROM latest_answers GROUP BY comparison"
        ).rows
        assert len(rows) == 24
        shared = sum(count == 2 for _, count in rows)
        assert 1 <= shared <= 14 and met <= shared
    finally:
        bench.close()


def test_two_raters_in_two_threads_lose_and_double_nothing(settings: Settings) -> None:
    bench = filled(settings, 15, overlap=1.0, repeats=0)
    try:
        counts: dict[str, int] = {}

        def work(name: str) -> None:
            counts[name] = finish(seat(bench, name))

        threads = [threading.Thread(target=work, args=(name,)) for name in ("ann", "bob")]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert counts == dict.fromkeys(("ann", "bob"), 15)
        for table in ("answers", "latest_answers"):
            found = bench.store.sql(f"SELECT count(*), count(DISTINCT (rater, comparison)) "
                                    f"FROM {table}").rows  # fmt: skip
            assert found == ((30, 30),)
    finally:
        bench.close()


def test_a_skip_is_non_response_and_no_label(bench: Workbench) -> None:
    one = seat(bench)
    first = one.open().now
    assert first is not None
    second = one.answer(first.item, "skip").now
    assert second is not None
    turn = one.answer(second.item, "a")
    assert (turn.done, turn.skipped) == (2, 1)
    found = bench.audit(AuditOptions())
    assert found.n == 1 and found.skips is not None
    assert (found.skips.served, found.skips.skipped) == (2, 1)
    values = "SELECT value, unscored_reason FROM labels l JOIN raters r ON r.id = l.rater WHERE "
    assert (None, "the rater's answer: skip") in bench.store.sql(f"{values} r.kind = 'human'").rows


# What the AI said.


def test_the_end_shows_what_the_ai_said_and_keeps_the_answers_as_they_are(
    bench: Workbench,
) -> None:
    one = seat(bench)
    with pytest.raises(InputError, match="at the end of the queue"):
        one.ending()
    count = finish(one)
    found = one.ending()
    assert len(found.lines) == count == found.compared
    for line in found.lines:
        assert line.answer == "a"
        # The AI prefers the stored a; the first one shown was either.
        assert line.ai in (pytest.approx(P), pytest.approx(1 - P))
        assert line.agrees == (line.ai > 0.5)
    assert 0 < found.agreed < count
    with pytest.raises(InputError, match="stays as it was given"):
        one.undo()
    assert bench.audit(AuditOptions()).n == count


def test_answers_after_a_peek_are_unblinded_and_stay_out_of_the_headline(
    settings: Settings,
) -> None:
    bench = filled(settings, reveal="item", repeats=0)
    try:
        one = seat(bench)
        turn = one.open()
        assert turn.peeks and turn.now and not turn.unblinded
        with pytest.raises(InputError, match="answer first"):
            one.peek(turn.now.item)
        first = turn.now
        one.answer(first.item, "a")
        assert one.peek(first.item).ai in (pytest.approx(P), pytest.approx(1 - P))
        assert one.open().unblinded
        finish(one)
        found = bench.audit(AuditOptions())
        assert found.n == 1
        assert found.left_out == {"given after the AI's answer was revealed": 11}
        assert finish(seat(bench, "bob")) > 0, "others are still blind"
        theirs = "SELECT DISTINCT blind FROM answers a JOIN raters r ON r.id = a.rater WHERE "
        assert bench.store.sql(f"{theirs} r.name = 'bob'").rows == (("server",),)
    finally:
        bench.close()


def test_a_peek_after_a_repeat_shows_the_repeat_s_own_answer_and_sides(
    settings: Settings,
) -> None:
    bench = filled(settings, 30, reveal="item", repeats=0.5)
    try:
        one, sides = seat(bench), {}
        turn = one.open()
        while turn.now and turn.now.prompt not in sides:
            sides[turn.now.prompt] = turn.now.first
            turn = one.answer(turn.now.item, "a")
        again = turn.now
        assert again is not None and again.first != sides[again.prompt], "the other way round"
        one.answer(again.item, "a")
        line = one.peek(again.item)
        assert (line.item, line.first, line.answer) == (again.item, again.first, "a")
        # The AI prefers the stored a, wherever it stands.
        a = next(p for p in map(pair, range(30)) if p.prompt == again.prompt).a.text
        assert line.ai == pytest.approx(P if line.first == a else 1 - P)
        assert line.agrees == (line.ai > 0.5)
    finally:
        bench.close()


def test_labels_say_what_kept_the_ai_s_answer_from_the_rater(bench: Workbench) -> None:
    def blind(name: str) -> str:
        query = "SELECT blind FROM answers a JOIN raters r ON r.id = a.rater WHERE r.name = "
        return str(bench.store.sql(f"{query} '{name}'").rows[0][0])

    for name, one in (
        ("ann", seat(bench, "ann")),
        ("owner", bench.spotchecks.own_seat("zebra-queue", "owner")),
        ("eve", bench.spotchecks.seat_of(token(bench, "eve"), knows_login=True)),
    ):
        turn = one.open()
        assert turn.now is not None
        one.answer(turn.now.item, "a")
        assert blind(name) == {"ann": "server"}.get(name, "page")


def test_what_a_person_saw_judged_leaves_their_queue_whoever_is_said_to_have_written_it(
    bench: Workbench,
) -> None:
    one = bench.spotchecks.own_seat("zebra-queue", "owner")
    first = one.open().now
    assert first is not None
    bench.spotchecks.saw("owner", first.prompt, (f"{first.second}\n", f" {first.first}"))
    seen = one.open()
    assert seen.now is not None and seen.now.prompt != first.prompt
    assert finish(one) == 11
    assert finish(seat(bench, "ann")) > 0


# The blinding test.


class Listener:
    """Asks, and keeps every word of every answer."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=20, follow_redirects=True)
        self.heard: list[tuple[str, str]] = []
        self.statuses: dict[int, int] = {}

    def note(self, where: str, response: httpx.Response) -> httpx.Response:
        self.statuses[response.status_code] = self.statuses.get(response.status_code, 0) + 1
        headers = " ".join(f"{k}: {v}" for k, v in response.headers.items())
        self.heard.append((where, f"{headers}\n{response.text}"))
        return response

    def get(self, path: str) -> httpx.Response:
        return self.note(f"GET {path}", self.client.get(path))

    def post(self, path: str, payload: Any) -> httpx.Response:
        try:
            answer = self.client.post(path, json=payload)
        except httpx.ReadError:  # what Gradio cannot make sense of, it hangs up on
            answer = httpx.Response(500)
        return self.note(f"POST {path} {payload}", answer)

    def listen(self, base: str, index: int, data: list[Any]) -> None:
        """Call a listener by its number through the queue, and hear all it sends."""
        asked = {"data": data, "fn_index": index, "session_hash": f"s{index}", "event_data": None,
                 "trigger_id": None}  # fmt: skip
        if not self.post(f"{base}/gradio_api/queue/join", asked).is_success:
            return
        path = f"{base}/gradio_api/queue/data?session_hash=s{index}"
        until = time.monotonic() + 5
        with self.client.stream("GET", path) as stream:
            for line in stream.iter_lines():
                self.heard.append((f"queue {base} {index}", line))
                if "process_completed" in line or "close_stream" in line or (
                    time.monotonic() > until
                ):  # fmt: skip
                    return

    def leaks(self) -> list[str]:
        return [
            f"{secret} in {where}"
            for where, text in self.heard
            for secret in SECRETS
            if secret in text
        ]


def server_functions(page: gr.Blocks) -> list[tuple[int, str]]:
    """What components answer without a queue: component and name."""
    return [
        (id, name)
        for id, block in page.blocks.items()
        for name in dir(block)
        if callable(getattr(block, name, None))
        and getattr(getattr(block, name), "_is_server_fn", False)
    ]


def ask_everything(listener: Listener, base: str, page: gr.Blocks, payloads: list[Any]) -> None:
    """Every page, file, listener and function of one of the two apps, private ones too."""
    for index in [*page.fns, max(page.fns, default=0) + 1]:
        for data in ([], payloads):
            listener.listen(base, index, data)
    look_around(listener, base, page, payloads)


def look_around(listener: Listener, base: str, page: gr.Blocks, payloads: list[Any]) -> None:
    """Every page, file and function, without the listeners."""
    for path in ("/", "/config", "/gradio_api/info", "/gradio_api/info?all_endpoints=true",
                 "/gradio_api/openapi.json", "/openapi.json", "/gradio_api/user",
                 "/gradio_api/token", "/gradio_api/app_id", "/gradio_api/startup-events",
                 "/monitoring", "/monitoring/summary", "/gradio_api/queue/status",
                 "/gradio_api/file=store.duckdb", "/gradio_api/runs", "/theme.css",
                 "/manifest.json", "/robots.txt", "/docs"):  # fmt: skip
        listener.get(f"{base}{path}")
    for id, name in server_functions(page):
        for payload in payloads:
            asked = {"data": [payload], "component_id": id, "fn_name": name, "session_hash": "s"}
            listener.post(f"{base}/gradio_api/component_server", asked)


def test_a_rater_cannot_obtain_an_ai_label_by_any_call(settings: Settings) -> None:
    bench = filled(settings, 6, overlap=1.0, repeats=0)
    demo, _, url = app.serve(bench, app.Options(port=free_port(), auth="owner:pass"))
    try:
        given = token(bench)
        finish(seat(bench, "bob"))
        seat_of_bob = bench.spotchecks.seat_of(token(bench, "bob"))
        assert seat_of_bob.ending().lines, "what bob was shown must not reach ann"
        rating = next(
            route.app.get_blocks() for route in demo.app.routes if getattr(route, "path", "") ==
            "/rate"
        )  # fmt: skip
        ann = bench.spotchecks.seat_of(given)
        now = ann.open().now
        assert now is not None
        ann.answer(now.item, "a", note="mine")
        queue = bench.store.queues.all()[0].id
        comparison = pair(0).id
        payloads: list[Any] = [
            {"token": given}, {"token": given, "item": now.item, "answer": "a"},
            {"token": given, "item": comparison}, {"token": given, "queue": queue},
            {"queue": queue}, {"queue": "zebra-queue", "item": now.item},
        ]  # fmt: skip
        rater = Listener(url)
        rater.get(f"/rate/?token={given}")
        ask_everything(rater, "/rate", rating, payloads)
        assert sorted({name for _, name in server_functions(rating)} &
                                            {"ending", "peek"}) == ["ending", "peek"]  # fmt: skip
        ask_everything(rater, "", demo, payloads)
        assert rater.statuses.get(401, 0) > len(demo.fns), "the main page asks for its login"
        assert any("Question" in text for _, text in rater.heard), "pairs were served"
        assert not rater.leaks()

        # The same ears hear it where it may be heard: for the owner, and for ann at the end.
        owner = Listener(url)
        owner.client.post("/login", data={"username": "owner", "password": "pass"})
        look_around(owner, "", demo, payloads[:1])
        assert {"zebra-queue", "zebra-backend"} <= {leak.split(" in ")[0] for leak in owner.leaks()}
        finish(bench.spotchecks.seat_of(given))
        ((id, _),) = [one for one in server_functions(rating) if one[1] == "ending"]
        asked = {"data": [payloads[0]], "component_id": id, "fn_name": "ending",
                 "session_hash": "s"}  # fmt: skip
        rater.post("/rate/gradio_api/component_server", asked)
        assert any(leak.startswith(("7313", "2686")) for leak in rater.leaks())
    finally:
        demo.close(verbose=False)
        bench.close()


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# The command.


def test_the_command_draws_lists_invites_and_revokes(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(settings, repeats=0).close()

    def run(*argv: str, code: int = 0) -> Any:
        assert commands.main(["--home", str(settings.home), "spotcheck", *argv]) == code
        said = capsys.readouterr()
        if code:
            assert not said.out and len(said.err.strip().splitlines()) == 1
            return said.err
        return json.loads(said.out) if "--json" in argv else said.out

    made = run("draw", "--rule", "confidence", "--n", "5", "--json")
    assert made["name"] == "check 1" and made["pool"] == 12 and made["rule"] == "confidence"
    assert 0 < made["low"] <= made["high"] <= 1
    invited = run("invite", "check 1", "ann", "--days", "2", "--json")
    assert invited["path"].startswith("/rate/?token=") and invited["url"] is None
    expires = datetime.fromisoformat(invited["expires"]) - datetime.now(UTC)
    assert timedelta(days=1.9) < expires < timedelta(days=2.1)
    listed = run("list", "--json")
    assert [one["name"] for one in listed] == ["check 1", "zebra-queue"]
    ((person,), none) = (one["raters"] for one in listed)
    assert (person["name"], person["invite"], none) == ("ann", "open", [])
    assert "--auth" in run("invite", "check 1", "ann")
    assert run("revoke", "check 1", "ann", "--json")["revoked"]
    assert "link revoked" in run("list")
    assert "no queue" in run("invite", "check 9", "ann", code=1)
    assert "floor" in run("draw", "--floor", "7", code=1)
    assert "at least one row" in run("draw", "--n", "0", code=1)
