"""What the commands share: parsing, one JSON value on standard output, errors in one line.

In the app several commands print at once, each to its own caller: a `Routed` stream in the place of
standard output knows by the context which one is printing.
"""

import contextlib
import io
import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO, TypeVar

import tyro

from cai_app.errors import CaiError

T = TypeVar("T")
Stream = ContextVar[TextIO | None]
STDOUT: Stream = ContextVar("stdout", default=None)
STDERR: Stream = ContextVar("stderr", default=None)
FOLDER: ContextVar[Path | None] = ContextVar("folder", default=None)


class Usage(CaiError):
    """The command line itself is wrong."""


class Routed(io.TextIOBase):
    """A stream that writes where the context says, else to the one it stands for."""

    def __init__(self, own: TextIO, place: Stream) -> None:
        self.own, self.place = own, place

    def sink(self) -> TextIO:
        """Where this context writes."""
        return self.place.get() or self.own

    def write(self, text: str) -> int:
        return self.sink().write(text)

    def flush(self) -> None:
        self.sink().flush()

    def isatty(self) -> bool:
        return self.place.get() is None and self.own.isatty()

    def fileno(self) -> int:
        return self.own.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.own.encoding


def route() -> None:
    """Put routed streams in place of standard output and error. Idempotent."""
    if not isinstance(sys.stdout, Routed):
        sys.stdout = Routed(sys.stdout, STDOUT)
    if not isinstance(sys.stderr, Routed):
        sys.stderr = Routed(sys.stderr, STDERR)


def printable() -> None:
    """Let standard output take every character, as escapes where it has them not."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def from_caller(path: Path) -> Path:
    """A path as the caller means it: relative ones start at the caller's folder."""
    return (FOLDER.get() or Path.cwd()) / path.expanduser()


def path_or_name(text: str) -> str:
    """What looks like a path and is one for the caller, made whole; a name stays as it is."""
    path = from_caller(Path(text))
    return str(path) if ("/" in text or "." in text) and path.exists() else text


def parsed(form: Callable[..., T], argv: Sequence[str], name: str) -> T:
    """A command's options from its arguments; wrong usage exits with 2, --help with 0."""
    return tyro.cli(form, args=list(argv), prog=f"python -m cai_app {name}")


def listed(name: str, forms: Mapping[str, type]) -> str:
    """Help for a command of several: each with what it does, the first line of its form."""
    width = max(map(len, forms))
    rows = [
        f"  {one:{width}}  {(form.__doc__ or '').splitlines()[0].rstrip('.')}"
        for one, form in forms.items()
    ]
    head = f"usage: python -m cai_app {name} {'|'.join(forms)} …"
    return "\n".join([head, "", *rows, "", f"{name} {next(iter(forms))} --help lists its options."])


def chosen(name: str, argv: Sequence[str], forms: Mapping[str, type]) -> type | None:
    """The form that the first argument names; None where help was asked for, and printed.

    Raises Usage listing the forms where it names none.
    """
    if argv and argv[0] in forms:
        return forms[argv[0]]
    if argv and argv[0] in ("-h", "--help"):
        print(listed(name, forms))
        return None
    raise Usage(f"{name} {argv[0] if argv else ''}: choose one of {', '.join(forms)}")


@contextlib.contextmanager
def only_json(wanted: bool) -> Iterator[Callable[[Any], None]]:
    """Gives a function that prints one JSON value; all else that is printed goes to stderr."""
    out = sys.stdout.sink() if isinstance(sys.stdout, Routed) else sys.stdout

    def show(value: Any) -> None:
        text = json.dumps(value, ensure_ascii=False, indent=2)
        try:
            text.encode(out.encoding or "utf-8")
        except UnicodeEncodeError:  # a terminal of another encoding, or half a character
            text = json.dumps(value, indent=2)
        out.write(text + "\n")
        out.flush()

    with _diverted() if wanted else contextlib.nullcontext():
        yield show


@contextlib.contextmanager
def _diverted() -> Iterator[None]:
    """Within, what this context prints goes to standard error."""
    if not isinstance(sys.stdout, Routed):
        with contextlib.redirect_stdout(sys.stderr):
            yield
        return
    err = sys.stderr.sink() if isinstance(sys.stderr, Routed) else sys.stderr
    before = STDOUT.set(err)
    try:
        yield
    finally:
        STDOUT.reset(before)


def one_line(error: BaseException) -> str:
    """An error's message without line breaks."""
    return " ".join(str(error).split())


def fault(error: Exception) -> str:
    """One line for what nobody meant to happen: the system's word, or where in the program."""
    if isinstance(error, OSError):
        return one_line(error)
    logging.getLogger(__name__).debug("unexpected", exc_info=error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    said = f"{type(error).__name__}: {one_line(error)}".rstrip(": ")
    return (
        f"{said} ({Path(last.filename).name}, line {last.lineno}): a fault of the program; "
        "python -X dev -m cai_app … shows all of it"
    )
