"""What the commands share: parsing, one JSON value on standard output, errors in one line."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import tyro

from cai_app.errors import CaiError

T = TypeVar("T")


class Usage(CaiError):
    """The command line itself is wrong."""


def parsed(form: Callable[..., T], argv: Sequence[str], name: str) -> T:
    """A command's options from its arguments; wrong usage exits with 2, --help with 0."""
    return tyro.cli(form, args=list(argv), prog=f"python -m cai_app {name}")


@contextlib.contextmanager
def only_json(wanted: bool) -> Iterator[Callable[[Any], None]]:
    """Gives a function that prints one JSON value; all else that is printed goes to stderr."""
    out = sys.stdout

    def show(value: Any) -> None:
        out.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
        out.flush()

    with contextlib.redirect_stdout(sys.stderr if wanted else out):
        yield show


def one_line(error: BaseException) -> str:
    """An error's message without line breaks."""
    return " ".join(str(error).split())
