"""Edits that nobody saved yet, a file a browser tab, so that reload and crash lose nothing."""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, ValidationError

from cai_app import files
from cai_app.errors import InputError
from cai_app.records import Record

TAB = re.compile(r"[A-Za-z0-9]{8,40}")
MAX_BYTES = 2_000_000
# Tabs come and go; the oldest drafts go when there are more than this.
MOST = 40


class Draft(Record):
    """What a tab holds: the version that it edits, its cards, and its YAML where that is broken."""

    tab: str
    spec: str
    parent: str | None = None
    time: AwareDatetime
    document: dict[str, Any]
    yaml: str | None = None


class Drafts:
    """The drafts of a home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, draft: Draft) -> None:
        """Replace the tab's draft. Raises InputError for a bad tab or over 2 MB."""
        path = self._path(draft.tab)
        text = draft.model_dump_json()
        if len(text.encode()) > MAX_BYTES:
            raise InputError("the draft is over 2 MB; shorten it, or save it as several")
        files.make_folder(self.folder)
        files.replace(path, text, durable=False)
        for old in self._files()[MOST:]:
            old.unlink(missing_ok=True)

    def drop(self, tab: str) -> None:
        """Forget the tab's draft. Idempotent."""
        self._path(tab).unlink(missing_ok=True)

    def all(self) -> list[Draft]:
        """Every draft, the newest first; a damaged one is left out."""
        found = []
        for path in self._files():
            try:
                found.append(Draft.model_validate(json.loads(path.read_text(encoding="utf-8"))))
            except (OSError, ValueError, ValidationError):
                continue
        return sorted(found, key=lambda one: one.time, reverse=True)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.json"), key=_changed, reverse=True)

    def _path(self, tab: str) -> Path:
        if not TAB.fullmatch(tab):
            raise InputError(f"draft of tab {tab[:40]!r}: reload the page")
        return self.folder / f"{tab}.json"


def _changed(path: Path) -> float:
    """When a file was last written; one that another tab has just dropped counts as the oldest."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
