"""Paths and defaults; the environment is read here and nowhere else, and only when asked."""

import os
import shlex
from pathlib import Path

from pydantic import Field

from cai_app.errors import InputError
from cai_app.records import Record

ROOT = Path(__file__).resolve().parent.parent


class Settings(Record):
    """Where things lie. `home` is the user's own folder; `root` holds what the program ships."""

    home: Path
    root: Path = Field(default=ROOT)
    constitutions: Path = Field(default=ROOT / "constitutions")
    data: Path = Field(default=ROOT / "data")
    space: bool = False

    @property
    def command(self) -> str:
        """How a terminal calls the program for this home."""
        usual = self.home == self.root / "data" / "local"
        return "python -m cai_app" + ("" if usual else f" --home {shlex.quote(str(self.home))}")

    @classmethod
    def from_environment(cls, home: Path | None = None) -> "Settings":
        """Settings from `home`, else CAI_HOME, else data/local; `space` is true under SPACE_ID.

        Relative paths are the caller's. Nothing is created. Raises InputError where the home is
        an existing file.
        """
        chosen = home or Path(os.environ.get("CAI_HOME") or ROOT / "data" / "local")
        chosen = chosen.expanduser().absolute()
        if chosen.exists() and not chosen.is_dir():
            raise InputError(f"home {chosen} is a file; name a folder with --home or CAI_HOME")
        return cls(home=chosen, space=bool(os.environ.get("SPACE_ID")))
