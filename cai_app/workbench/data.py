"""Files in and out: imported through HOME/exchange, exported, and looked at beforehand."""

import contextlib
import gc
import hashlib
import os
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cai_app import files, formats
from cai_app.errors import InputError
from cai_app.formats import Kept, Labelled, ReadOptions, Row
from cai_app.records import Comparison, Record

if TYPE_CHECKING:
    from cai_app.store import Store, Wanted

_PIECE = 1 << 22
# Told how many rows were read, of how many lines (None: nobody knows), and what is being done; it
# may raise, and then nothing of the file is taken in.
Watch = Callable[[int, int | None, str], None]
_TOLD_EVERY = 500  # rows
# Formats that say one thing about a subject: what a rater has said again since is left out there.
_LATEST = frozenset({"hh-rlhf", "trl", "cai-evals", "xstest"})


class Imported(Record):
    """What came of an import: every row is added, a duplicate, a conflict or rejected.

    Rejected rows lie in `rejected_path` with line number and reason. `extra_turns` counts rows of
    which a response holds further turns; `conflicts` those with a label that is there with
    another value: the first one stays, as nothing tells the two apart.
    """

    read: int
    added: int
    duplicates: int
    rejected: int
    rejected_path: str | None
    source: str
    extra_turns: int = 0
    conflicts: int = 0


class Exported(Record):
    """What came of an export; `left_out` counts what the format has no place for, by reason."""

    rows: int
    path: str
    left_out: Mapping[str, int]


class Preview(Record):
    """The first rows of a file as an import would take them, and its columns if it is a table."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    rejected: tuple[Mapping[str, Any], ...]


def import_file(
    store: "Store", name: str, path: Path, options: ReadOptions, *, watch: Watch | None = None
) -> Imported:
    """Copy a file into HOME/exchange and take its rows in, all in one transaction.

    Raises InputError where the file is not there or is none of this format, and whatever `watch`
    raises.
    """
    from cai_app.store import Edge, take_in

    copy, digest, total = _copied(path, store.db.home / "exchange")
    aside = copy.with_name(f"{copy.name}.rejected.jsonl")
    counts = {"read": 0, "extra": 0, "rejected": 0}

    def good() -> Generator[tuple[int, Sequence[Kept]]]:
        # What is kept aside is complete before the transaction: a full disk ends both.
        with files.growing(aside) as keep_aside:
            for row in formats.find(name).read(copy, options):
                counts["read"] += 1
                if watch is not None and counts["read"] % _TOLD_EVERY == 1:
                    watch(counts["read"], total, "reading")
                counts["extra"] += _has_extra_turns(row)
                if row.reason is None:
                    yield row.number, row.records
                else:
                    counts["rejected"] += 1
                    keep_aside({"line": row.number, "reason": row.reason, "raw": row.raw})
            if watch is not None:
                watch(counts["read"], total, "keeping")

    edge = Edge(child=options.source, parent=f"sha256:{digest}", relation="read")
    with _collector_paused(), contextlib.closing(good()) as rows:
        taken = take_in(store, rows, edges=[edge])
    return Imported(
        read=counts["read"],
        added=taken.added,
        duplicates=taken.duplicates,
        rejected=counts["rejected"],
        rejected_path=str(aside) if counts["rejected"] else None,
        source=options.source,
        extra_turns=counts["extra"],
        conflicts=taken.conflicts,
    )


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Rows have no cycles and are freed as they go; looking for cycles among them, over and over,
    takes a quarter of an import's time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _has_extra_turns(row: Row) -> bool:
    pairs = (one for one in row.records if isinstance(one, Comparison))
    return any(formats.extra_turns(side.text) for pair in pairs for side in (pair.a, pair.b))


def bring(home: Path, path: Path) -> Path:
    """A file's copy in HOME/exchange, from which it is previewed and imported."""
    return _copied(path, home / "exchange").path


class _Copy(NamedTuple):
    path: Path
    sha256: str
    lines: int | None


def _copied(path: Path, exchange: Path) -> _Copy:
    """A copy named after its content, so that a file imported twice lies there once."""
    fresh = files.make_folder(exchange) / f".{path.name}.{os.getpid()}.{threading.get_ident()}.part"
    digest, count, packed = hashlib.sha256(), 0, False
    try:
        with fresh.open("wb") as sink:
            for piece in _pieces(path):
                packed = packed or (not count and piece.startswith((b"\x1f\x8b", b"PAR1")))
                digest.update(piece)
                count += piece.count(b"\n")
                sink.write(piece)
        mark = f"{digest.hexdigest()[:12]}-"
        # A copy that is imported is its own copy.
        target = exchange / (path.name if path.name.startswith(mark) else f"{mark}{path.name}")
        os.replace(fresh, target)
    except OSError as error:
        raise files.explained(error, exchange) from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
    return _Copy(target, digest.hexdigest(), None if packed else count)


def _pieces(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as source:
            while piece := source.read(_PIECE):
                yield piece
    except OSError as error:
        raise files.unreadable(error, path) from error


def export_file(
    store: "Store", name: str, path: Path, *, source: str | None = None, rater: str | None = None
) -> Exported:
    """Write rows with their labels; the file has its name when it is complete.

    `rater` is an id, name, backend or kind. Raises InputError where the path is there already.
    """
    from cai_app.store import labelled

    if path.exists():
        raise InputError(f"{path} is there already; name a new file")
    form = formats.find(name)
    # A suffix tells the writer whether to pack, so the name keeps it.
    fresh = path.with_name(f".part-{os.getpid()}-{path.name}")
    rows = chain.from_iterable(labelled(store, one) for one in _wanted(name, source, rater))
    try:
        found = form.write((Labelled(*row) for row in rows), fresh)
        os.replace(fresh, path)
    except OSError as error:
        raise files.explained(error, path) from error
    finally:
        fresh.unlink(missing_ok=True)
    return Exported(rows=found.rows, path=str(path), left_out=found.left_out)


def _wanted(name: str, source: str | None, rater: str | None) -> "list[Wanted]":
    """What a format can hold."""
    from cai_app.store import Wanted

    some: dict[str, Any] = {"source": source, "rater": rater, "latest": name in _LATEST}
    pairs = Wanted(noun="comparisons", **some)
    match name:
        case "hh-rlhf":
            # Unasked, the labels of people: that is what the format is known to hold.
            return [pairs.model_copy(update={"rater": rater or "human", "kind": "preference"})]
        case "trl" | "cai-evals" | "icai":
            return [pairs.model_copy(update={"kind": "preference"})]
        case "xstest":
            some["rater"] = rater or "human"  # likewise
            return [Wanted(noun="responses", kind="refusal", alone=True, **some)]
        case "cai-samples":
            chains = Wanted(noun="transcripts", source=source)
            return [Wanted(noun="responses", kind="score", alone=True, **some), chains]
    return [
        pairs,
        Wanted(noun="responses", alone=True, **some),
        Wanted(noun="transcripts", source=source),
    ]


def preview(name: str, path: Path, options: ReadOptions, *, limit: int = 20) -> Preview:
    """The first rows of a file, read as an import would; nothing is kept."""
    rows = list(islice(formats.find(name).read(path, options), limit))
    return Preview(
        columns=formats.columns(name, path),
        rows=tuple(
            {"line": row.number, "records": [one.model_dump(mode="json") for one in row.records]}
            for row in rows
            if row.reason is None
        ),
        rejected=tuple(
            {"line": row.number, "reason": row.reason, "raw": row.raw} for row in rows if row.reason
        ),
    )
