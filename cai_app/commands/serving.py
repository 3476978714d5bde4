"""The app's side of forwarding: commands that need the store run where it is open."""

import json
import queue
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, cast

from cai_app.commands import run_with
from cai_app.commands.output import FOLDER, STDERR, STDOUT, route
from cai_app.workbench import Workbench
from cai_app.workbench.forward import MARK, ROUTE, Announcement

_PULSE = 2.0  # seconds between two signs of life


def serve_commands(app: Any, workbench: Workbench, *, url: str) -> Announcement:
    """Mount `POST /cai/command` on a FastAPI app and announce it in HOME/app.json.

    Only who can read app.json has the token. Call `withdraw` on what comes back when the app ends.
    """
    from fastapi import Request, Response
    from fastapi.responses import StreamingResponse

    announced = Announcement(workbench.settings.home)
    expected = f"Bearer {announced.token}"

    async def command(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), expected.encode()):
            return Response("the token is wrong", status_code=401)
        try:
            asked = await request.json()
            argv, folder = [str(word) for word in asked["argv"]], Path(asked["cwd"])
        except (ValueError, KeyError, TypeError):
            return Response("expected argv and cwd", status_code=400)
        pieces = _run(argv, folder, workbench)
        kind = "application/x-ndjson"
        return StreamingResponse(pieces, media_type=kind, headers={MARK: "1"})

    # Set by hand: the function's annotations name what only it has imported.
    command.__annotations__ = {"request": Request, "return": Response}
    app.add_api_route(ROUTE, command, methods=["POST"], include_in_schema=False)
    announced.publish(url)
    return announced


def _run(argv: list[str], folder: Path, workbench: Workbench) -> Iterator[str]:
    """A command in a thread of its own: its output in pieces, then its exit code.

    A caller who has left ends the command at its next print.
    """
    route()
    pieces: queue.Queue[dict[str, Any]] = queue.Queue()
    gone = threading.Event()

    def work() -> None:
        FOLDER.set(folder)
        STDOUT.set(cast(TextIO, _Piece(pieces, "out", gone)))
        STDERR.set(cast(TextIO, _Piece(pieces, "err", gone)))
        code = 1
        try:
            code = run_with(argv, workbench)
        finally:
            pieces.put({"code": code})

    threading.Thread(target=work, name=f"command {argv[:1]}", daemon=True).start()
    try:
        while True:
            try:
                piece = pieces.get(timeout=_PULSE)
            except queue.Empty:
                yield "\n"
                continue
            yield json.dumps(piece) + "\n"
            if "code" in piece:
                return
    finally:
        gone.set()


class _Piece:
    """A stream whose text goes to the caller."""

    encoding = "utf-8"

    def __init__(
        self, pieces: "queue.Queue[dict[str, Any]]", name: str, gone: threading.Event
    ) -> None:
        self.pieces, self.name, self.gone = pieces, name, gone

    def write(self, text: str) -> int:
        if self.gone.is_set():
            raise BrokenPipeError
        self.pieces.put({self.name: text})
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False
