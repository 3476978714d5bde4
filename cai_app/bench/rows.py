"""Pages of a large store and a long list of runs: the slowest of each kind, as the page asks them.

The rows are made up in SQL, a million in half a minute; how they read does not matter here.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from cai_app import files
from cai_app.records import RunConfig, RunStatus
from cai_app.settings import Settings

if TYPE_CHECKING:
    from cai_app.store import Store

RESPONSES, COMPARISONS, LABELS, RUNS = 1_000_000, 500_000, 1_000_000, 200
PAGE_TARGET, RUNS_TARGET = 0.3, 0.2  # seconds
Pages = dict[str, dict[str, Callable[["Store"], Any]]]

_WORDS = (
    "['ask','your','neighbor','to','share','the','wifi','because','it','is','kind','and','safe']"
)
FILL = (
    "INSERT INTO raters (seq, id, kind, name, backend) VALUES "
    "(1, 'human', 'human', 'ann', NULL), (2, 'ai', 'ai', NULL, 'pocket')",
    "CREATE TEMP TABLE texts AS SELECT i, list_aggregate(list_transform(range(40), "
    f"lambda k: {_WORDS}[1 + (hash(i, k) % 13)::INTEGER]), 'string_agg', ' ') AS text "
    "FROM range(20000) t(i)",
    "INSERT INTO responses (seq, id, prompt, text, model, adapter, seed, source) "
    "SELECT 1 + n, substr(md5(n::VARCHAR), 1, 20), 'Can you help me with ' || (n // 2) || '?', "
    "text || ' ' || n, CASE WHEN n % 1000 = 0 THEN 'hf:rare' ELSE 'pocket' END, 'helpful', n, "
    f"'run-' || (n // 50000) FROM range({RESPONSES}) r(n) JOIN texts ON i = n % 20000 ORDER BY n",
    "INSERT INTO comparisons (seq, id, prompt, a, b, a_text, b_text, a_model, b_model, source) "
    "SELECT 1 + n, substr(md5('c' || n), 1, 20), a.prompt, a.id, b.id, a.text, b.text, a.model, "
    f"b.model, 'run-' || (n // 25000) FROM range({COMPARISONS}) r(n) "
    "JOIN responses a ON a.seq = 2 * n + 1 JOIN responses b ON b.seq = 2 * n + 2 ORDER BY n",
    "INSERT INTO labels (seq, id, about, subject, kind, rater, value, orders, principle, "
    "question, run, time) SELECT 1 + n, substr(md5('l' || n), 1, 20), 'comparison', "
    "substr(md5('c' || (n // 2)), 1, 20), 'preference', "
    "CASE WHEN n % 10000 = 0 THEN 'human' ELSE 'ai' END, (n % 101) / 100, "
    "[{'first': 'a', 'p_a': 0.5, 'lost_mass': 0.0, 'rationale': NULL, 'unscored_reason': NULL}], "
    "'p' || (n % 16), 'Which response is better?', 'run-' || (n // 100000), now() "
    f"FROM range({LABELS}) r(n) ORDER BY n",
    "INSERT INTO outputs SELECT source, 'response', seq FROM responses",
    "INSERT INTO outputs SELECT source, 'comparison', seq FROM comparisons",
    "INSERT INTO outputs SELECT run, 'label', seq FROM labels",
)


def fill(store: "Store") -> None:
    """Put the rows into an empty store."""
    with store.db.cursor() as cursor:
        for statement in FILL:
            with store.db.transaction(cursor):
                cursor.execute(statement).fetchall()


def pages() -> Pages:
    """Every kind of page by what it shows, with a way to get it."""
    from cai_app.store import ComparisonFilter, LabelFilter, ResponseFilter

    nobody = "flibbertigibbet"
    return {
        "responses": {
            "newest": lambda s: s.responses.page(),
            "in the middle": lambda s: s.responses.page(before=RESPONSES // 2),
            "the last page": lambda s: s.responses.page(before=40),
            "of a run": lambda s: s.responses.page(ResponseFilter(source="run-3")),
            "of a rare model": lambda s: s.responses.page(ResponseFilter(model="hf:rare")),
            "of no model": lambda s: s.responses.page(ResponseFilter(model="nobody")),
            "with a common word": lambda s: s.responses.page(search="Neighbor"),
            "with a rare number": lambda s: s.responses.page(search="with 123456?"),
            "with a word of nobody": lambda s: s.responses.page(search=nobody),
        },
        "comparisons": {
            "newest": lambda s: s.comparisons.page(),
            "in the middle": lambda s: s.comparisons.page(before=COMPARISONS // 2),
            "of a run": lambda s: s.comparisons.page(ComparisonFilter(source="run-3")),
            "of a rare model": lambda s: s.comparisons.page(ComparisonFilter(model="hf:rare")),
            "that a person labelled": lambda s: s.comparisons.page(
                ComparisonFilter(rater_kind="human")
            ),
            "without a label": lambda s: s.comparisons.page(ComparisonFilter(labelled=False)),
            "with a common word": lambda s: s.comparisons.page(search="neighbor"),
            "with a word of nobody": lambda s: s.comparisons.page(search=nobody),
        },
        "labels": {
            "newest": lambda s: s.labels.page(),
            "in the middle": lambda s: s.labels.page(before=LABELS // 2),
            "of people": lambda s: s.labels.page(LabelFilter(rater_kind="human")),
            "of a run": lambda s: s.labels.page(LabelFilter(run="run-2")),
            "of one comparison": lambda s: s.labels.page(LabelFilter(subject="nobody")),
            "that are unscored": lambda s: s.labels.page(LabelFilter(scored=False)),
        },
    }


def names() -> tuple[str, ...]:
    """What the rows begin with."""
    nouns = (RESPONSES, "responses"), (COMPARISONS, "comparisons"), (LABELS, "labels")
    return (*(f"{count:,} {noun}" for count, noun in nouns), f"{RUNS} runs listed")


def measure() -> Iterator[tuple[str, float, float]]:
    """Row, seconds of the slowest page of its kind (median of three), and target."""
    from cai_app.store import Store

    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        try:
            fill(store)
            counts = {"responses": RESPONSES, "comparisons": COMPARISONS, "labels": LABELS}
            for noun, found in pages().items():
                name, slowest = max(
                    ((name, timed(page, store)) for name, page in found.items()),
                    key=lambda one: one[1],
                )
                yield f"{counts[noun]:,} {noun}: {name}", slowest, PAGE_TARGET
        finally:
            store.close()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        write_runs(settings)
        yield f"{RUNS} runs listed", timed(_list_runs, settings), RUNS_TARGET


def timed(act: Callable[[Any], object], given: Any) -> float:
    """Seconds, the median of three."""
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        act(given)
        took.append(time.perf_counter() - begun)
    return median(took)


def write_runs(settings: Settings) -> None:
    """Directories of finished runs."""
    for number in range(RUNS):
        id = f"20260101-{number:06}-generate-{number:06x}"
        folder = files.make_folder(settings.home / "runs" / id)
        config = RunConfig(kind="generate", id=id, created=float(number))
        files.replace(folder / "config.yaml", config.model_dump_json(), durable=False)
        status = RunStatus(
            id=id,
            kind="generate",
            state="done",
            created=float(number),
            queued=float(number),
            updated=float(number),
        )
        files.replace(folder / "status.json", status.model_dump_json(), durable=False)


def _list_runs(settings: Settings) -> object:
    from cai_app import jobs

    return jobs.list_all(settings)
