"""Lines of a file, plain or gzipped, numbered; damage becomes a row that is kept aside."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from cai_app.errors import InputError
from cai_app.files import explaining, unreadable
from cai_app.formats.base import Bad, Kept, Row, guarded, kind_of

_GZIP = b"\x1f\x8b"
_DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error)


class Damaged(Exception):
    """The file cannot be read beyond here."""


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a file with their ends. Raises Damaged after the last whole one of a gzip
    stream that is cut or broken, InputError where there is no such file."""
    with opened(path) as file:
        # One at a time, so that the lines before the damage are kept.
        while True:
            try:
                line = file.readline()
            except _DAMAGE as error:
                raise Damaged(f"the gzip stream is cut or broken here ({error})") from error
            if not line:
                return
            yield line


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file to read bytes of, unpacked where it is gzipped, whatever its name."""
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == _GZIP
            plain.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=plain) as unpacked:
                    yield cast(BinaryIO, unpacked)
            else:
                yield plain
    except OSError as error:
        raise unreadable(error, path) from error


def json_rows(path: Path, convert: Callable[[dict[str, Any]], tuple[Kept, ...]]) -> Iterator[Row]:
    """A row for every line that is not blank, made from its JSON object by `convert`."""
    number = 0
    try:
        for number, line in enumerate(lines(path), start=1):
            if line.strip():
                yield _json_row(number, line, convert)
    except Damaged as error:
        yield Row(number + 1, reason=f"{error}; what follows is lost")


def _json_row(
    number: int, line: bytes, convert: Callable[[dict[str, Any]], tuple[Kept, ...]]
) -> Row:
    try:
        found = guarded(number, "", convert, parsed(line))
    except Bad as error:
        found = Row(number, reason=str(error))
    if found.reason is None:
        return found
    return found._replace(raw=line.decode("utf-8", "replace").rstrip("\r\n"))


def parsed(line: bytes) -> dict[str, Any]:
    """A JSON object. Raises Bad."""
    try:
        row = json.loads(line)
    except UnicodeDecodeError as error:
        raise Bad("the line is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise Bad(f"the line is no JSON ({error})") from error
    if not isinstance(row, dict):
        raise Bad(f"the line is {kind_of(row)}, but should be an object")
    return row


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write JSON lines, gzipped where the name ends in .gz; returns how many."""
    count = 0
    with new_file(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            count += 1
    return count


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write bytes to, gzipped where the name ends in .gz."""
    with explaining(path):
        if path.suffix == ".gz":
            with gzip.open(path, "wb") as packed:
                yield cast(BinaryIO, packed)
        else:
            with path.open("wb") as plain:
                yield plain


def document(path: Path) -> dict[str, Any]:
    """A file that is one JSON object. Raises InputError."""
    try:
        found = json.loads(b"".join(lines(path)))
    except (Damaged, ValueError, RecursionError) as error:
        raise InputError(f"{path.name} is no JSON document: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path.name} is {kind_of(found)}, but should be a JSON object")
    return found
