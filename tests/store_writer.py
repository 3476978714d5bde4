"""A program that works on a store until it is killed: `store_writer.py WHAT HOME`.

It prints a line for everything that was acknowledged, so that a test can hold the store to it.
"""

import sys
from itertools import count
from pathlib import Path

from cai_app.records import Comparison, Label, OrderVerdict, Queue, Rater, Response
from cai_app.store import MIGRATIONS, Store, ingest_finished
from cai_app.workbench.audit import Desk, draw


def response(number: int, side: int = 0) -> Response:
    """The response of this number, the same in every process."""
    return Response(prompt=f"prompt {number}", text=f"text {number} " * 20, seed=side)


def label(pair: Comparison) -> Label:
    """An AI's label of a comparison, the same in every process."""
    return Label(
        about="comparison",
        subject=pair.id,
        kind="preference",
        rater=Rater(kind="ai", backend="toy"),
        value=0.25,
        orders=(OrderVerdict(first="a", p_a=0.25, lost_mass=0.0),),
        run="storm",
    )


def write(home: Path) -> None:
    """Add rows, one and many at a time, for ever."""
    store = Store(home)
    first = store.responses.count()
    print("open", flush=True)
    for number in count(first):
        store.responses.add([response(number)])
        print(number, flush=True)
        if number % 7 == 0:
            pairs = [
                Comparison.of(response(k, 1), response(k, 2))
                for k in range(number * 50, number * 50 + 50)
            ]
            store.comparisons.add(pairs)
            store.labels.add([label(pair) for pair in pairs])
            print(f"pairs {number}", flush=True)


def ingest(home: Path) -> None:
    """Take in every finished run, and say so."""
    store = Store(home)
    print("open", flush=True)
    for run in ingest_finished(home, store):
        print(f"in {run.id} {run.new}", flush=True)
    store.close()


def queue_to_rate(home: Path, count: int) -> None:
    """A queue of so many pairs that an AI has labelled, whole."""
    store = Store(home)
    pairs = [Comparison.of(response(k, 1), response(k, 2)) for k in range(count)]
    store.comparisons.add(pairs)
    store.labels.add([label(pair) for pair in pairs])
    ai = label(pairs[0]).rater
    draw(store, ai, Queue(name="storm", ai=ai.id, rule="uniform", wanted=count))
    store.close()


def rate(home: Path) -> None:
    """A person answers pair after pair, as a rating page asks; each line is an answer it has."""
    store = Store(home)
    queue = store.queues.find("storm")
    assert queue
    person = Rater(kind="human", name="ann")
    seat = Desk().seat(store, queue, person, blind="server", salt="salt")
    turn, opened = seat.open(), False
    while turn.now:
        asked = turn.now
        turn = seat.answer(asked.item, "a", note=asked.item)
        print(asked.item if opened else f"open\n{asked.item}", flush=True)
        opened = True


def migrate(home: Path) -> None:
    """Open the store with the migrations in HOME/migrations."""
    print("open", flush=True)
    Store(home, migrations=home / "migrations").close()
    print("migrated", flush=True)


if __name__ == "__main__":
    assert MIGRATIONS.is_dir()
    {"write": write, "ingest": ingest, "migrate": migrate, "rate": rate}[sys.argv[1]](
        Path(sys.argv[2])
    )
