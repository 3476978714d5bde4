"""Commands and a running app on one home: the app's address, and handing a command to it.

The app holds HOME/app.lock while it runs and writes HOME/app.json, which only its owner may read.
An app.json without a held lock is left over from a kill and is ignored.
"""

import http.client
import json
import logging
import os
import secrets
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cai_app import files
from cai_app.errors import BusyError, CaiError

log = logging.getLogger(__name__)

ROUTE = "/cai/command"
# Tells our app from a stranger that has got its port.
MARK = "X-Cai-Workbench"
_CONNECT = 5.0  # seconds
_SILENCE = 60.0  # seconds; the app sends something at least every few
_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


class Announcement:
    """That an app runs on this home, for as long as it does."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.token = secrets.token_urlsafe(32)
        self._lock = files.Lock(home / "app.lock")

    def publish(self, url: str) -> bool:
        """Write app.json; False where another app runs on this home, or it cannot be written."""
        try:
            files.make_folder(self.home)
            if not self._lock.take(f"process {os.getpid()}", patience=0.5):
                log.warning("another app runs on %s; commands go to that one", self.home)
                return False
            said = {"url": _reachable(url), "token": self.token, "pid": os.getpid()}
            _write_private(self.home / "app.json", json.dumps(said))
        except (CaiError, OSError) as error:
            log.warning("commands cannot reach this app: %s", error)
            self._lock.release()
            return False
        return True

    def withdraw(self) -> None:
        """The app ends. Idempotent."""
        if self._lock.held:
            (self.home / "app.json").unlink(missing_ok=True)
            self._lock.release()


def call(home: Path, argv: Sequence[str]) -> int | None:
    """Hand a command to the app that runs on this home, and print what comes back.

    Returns its exit code; None where no app runs there. Raises BusyError where the app was lost on
    the way: a run that it started goes on.
    """
    app = _app(home)
    if app is None:
        return None
    body = json.dumps({"argv": list(argv), "cwd": str(Path.cwd())})
    headers = {"Authorization": f"Bearer {app['token']}", "Content-Type": "application/json"}
    address = urlsplit(app["url"])
    connection = http.client.HTTPConnection(address.netloc, timeout=_CONNECT)
    with closing(connection):
        try:
            connection.connect()
            connection.sock.settimeout(_SILENCE)
            connection.request("POST", address.path.rstrip("/") + ROUTE, body, headers)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            log.info("the app at %s does not answer: %s", app["url"], error)
            return None
        if answer.status != 200 or not answer.getheader(MARK):
            log.info("no app of ours at %s (status %d)", app["url"], answer.status)
            return None
        return _printed(answer)


def _printed(answer: http.client.HTTPResponse) -> int:
    """Print the pieces as they come; the last one is the exit code."""
    try:
        for line in answer:
            if not line.strip():
                continue
            piece = json.loads(line)
            if "code" in piece:
                return int(piece["code"])
            for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
                if name in piece:
                    stream.write(piece[name])
                    stream.flush()
    except (TimeoutError, ConnectionError, http.client.HTTPException, ValueError) as error:
        # BrokenPipeError is a ConnectionError too, but of our own reader.
        if isinstance(error, BrokenPipeError):
            raise
        log.info("the app was lost: %s", error)
    raise BusyError(
        "the app on this home ended before the command did; what it wrote is kept, and a run goes "
        "on. Run the command again, or see: python -m cai_app runs list"
    )


def _app(home: Path) -> dict[str, Any] | None:
    try:
        if files.holder_of(home / "app.lock") is None:
            return None
        found = json.loads((home / "app.json").read_text(encoding="utf-8"))
        return found if {"url", "token"} <= set(found) else None
    except (CaiError, OSError, ValueError, TypeError):
        return None


def _reachable(url: str) -> str:
    """The address by which this machine reaches an app that listens on all of them."""
    found = urlsplit(url)
    host = _LOCAL.get(found.hostname or "")
    return f"http://{host}:{found.port}{found.path}" if host else url


def _write_private(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(fresh, path)
