"""Versions of the user's constitutions: HOME/constitutions/NAME/HASH.yaml, and log.jsonl beside.

The log is the order of things; a file is never changed once it is written. Saving names the version
that was edited, so that of two who edit one version the second is told and nothing is lost.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, ValidationError

from cai_app import files, strict_yaml
from cai_app.constitution.model import ID, Constitution
from cai_app.constitution.parsing import parse
from cai_app.constitution.writing import to_yaml
from cai_app.errors import BusyError, InputError
from cai_app.records import Record

Action = Literal["save", "restore", "fork", "import"]
LEAST_PREFIX = 6  # digits of a hash that are enough to name a version
_PATIENCE = 5.0  # seconds that a save waits for another one to end


class Version(Record):
    """One line of the log. `parent` is the version it was made from, `origin` where a fork or an
    import came from."""

    hash: str
    parent: str | None = None
    author: str = ""
    time: AwareDatetime
    message: str = ""
    action: Action = "save"
    origin: str | None = None


class Edit(Record):
    """Who saves, why, and what was edited: the hash of the version, None for a new name."""

    parent: str | None = None
    author: str = ""
    message: str = ""
    action: Action = "save"
    origin: str | None = None


class ConflictError(InputError):
    """Somebody else saved first; `theirs` is the version now in force."""

    def __init__(self, name: str, theirs: Version | None, parent: str | None) -> None:
        now = f"the version in force is {theirs.hash}" if theirs else "it has no version yet"
        super().__init__(
            f"constitution {name} was edited from version {parent or 'none'}, but {now}; look at "
            "both, then save over it, save under another name, or drop your edits"
        )
        self.theirs = theirs


class Versions:
    """The versions of every constitution in a home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Names that have a version, sorted."""
        found = self.folder.glob("*/log.jsonl")
        return sorted(path.parent.name for path in found if self.history(path.parent.name))

    def history(self, name: str) -> tuple[Version, ...]:
        """The log of a name, the oldest first; none for an unknown name. A line that a kill or an
        editor broke is left out."""
        if not ID.fullmatch(name):
            return ()
        rows, _ = files.read_rows(self.folder / name / "log.jsonl")
        found = []
        for row in rows:
            try:
                found.append(Version.model_validate(row))
            except ValidationError:
                continue
        return tuple(found)

    def current(self, name: str) -> Version | None:
        """The version in force: the last of the log."""
        return next(reversed(self.history(name)), None)

    def find(self, name: str, hash: str) -> Version:
        """The version with this hash, six digits or more. Raises InputError listing the known."""
        history = self.history(name)
        fits = len(hash) >= LEAST_PREFIX
        found = {one.hash: one for one in history if fits and one.hash.startswith(hash.lower())}
        if len(found) == 1:
            return next(iter(found.values()))
        known = ", ".join(dict.fromkeys(one.hash for one in reversed(history))) or "none"
        raise InputError(f"constitution {name} has no version {hash}; its versions: {known}")

    def read(self, name: str, hash: str) -> Constitution:
        """The constitution of a version. Raises InputError where its file is gone or was changed
        by hand."""
        path = self._file(name, self.find(name, hash).hash)
        found = parse(strict_yaml.read_text(path, what="constitution"), f"{name}/{path.name}")
        if found.hash != path.stem:
            raise InputError(
                f"constitution {path} was changed by hand: its text has hash {found.hash}; rename "
                "it, import it as a new version, and restore this file or an older version"
            )
        return found

    def save(self, constitution: Constitution, edit: Edit) -> Version:
        """Make it the version in force. Saving what is in force already adds nothing.

        Raises ConflictError unless `edit.parent` is the version in force, BusyError while another
        save holds the lock.
        """
        name = constitution.name
        folder = files.make_folder(self.folder / name)
        with files.Lock(folder / "lock") as lock:
            if not lock.take(edit.author or "a save", patience=_PATIENCE):
                raise BusyError(f"constitution {name} is being saved by somebody else; try again")
            now = self.current(name)
            if now is not None and now.hash == constitution.hash:
                return now
            if (now.hash if now else None) != edit.parent:
                raise ConflictError(name, now, edit.parent)
            # The file first: a log line always names a file that is whole.
            path = self._file(name, constitution.hash)
            files.replace(path, to_yaml(constitution))
            files.sync_folder(folder)
            version = Version(hash=constitution.hash, time=datetime.now(UTC), **edit.model_dump())
            self._append(folder / "log.jsonl", version)
            return version

    def _file(self, name: str, hash: str) -> Path:
        return self.folder / name / f"{hash}.yaml"

    def _append(self, log: Path, version: Version) -> None:
        if log.is_file() and not log.read_bytes().endswith(b"\n"):
            files.replace(log, log.read_bytes() + b"\n")  # a torn line stays a line of its own
        files.append(log, [version.model_dump(mode="json", exclude_none=True)])
