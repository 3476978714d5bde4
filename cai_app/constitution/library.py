"""Which constitutions there are: those shipped with the program, and the user's own versions."""

import logging
from collections.abc import Iterator
from pathlib import Path

from cai_app import strict_yaml
from cai_app.constitution.history import LEAST_PREFIX, Edit, Version, Versions
from cai_app.constitution.model import Constitution
from cai_app.constitution.parsing import parse
from cai_app.errors import InputError
from cai_app.settings import Settings

log = logging.getLogger(__name__)


def versions(settings: Settings) -> Versions:
    """The versions in this home."""
    return Versions(settings.home / "constitutions")


def shipped_names(settings: Settings) -> list[str]:
    """Names of the files that come with the program."""
    return sorted(path.stem for path in settings.constitutions.glob("*.yaml"))


def is_shipped(name: str, settings: Settings) -> bool:
    """Whether a name belongs to the program; such a constitution is forked, never saved over."""
    return name.lower() in {one.lower() for one in shipped_names(settings)}


def load(spec: str, settings: Settings) -> Constitution:
    """The constitution named by `NAME`, `NAME@HASH` (six hex digits or more), or a path.

    A shipped name is the file that comes with the program; any other one is the version in force in
    this home. Raises InputError for an unknown name (listing the known), a hash that no version
    has, and everything that `parse` raises.
    """
    name, _, hash = spec.strip().partition("@")
    shipped, own = shipped_names(settings), versions(settings)
    if name in shipped:
        return _shipped(name, hash, settings)
    current = own.current(name)
    if current is not None:
        return own.read(name, hash or current.hash)
    path = Path(spec).expanduser()
    if spec.strip() and path.is_file():
        return _read(path)
    known = ", ".join([*shipped, *own.names()]) or "none"
    raise InputError(f"unknown constitution '{spec}': neither a file nor one of {known}")


def _shipped(name: str, hash: str, settings: Settings) -> Constitution:
    found = _read(settings.constitutions / f"{name}.yaml")
    if hash and not (len(hash) >= LEAST_PREFIX and found.hash.startswith(hash.lower())):
        raise InputError(
            f"constitution {name} has no version {hash}; the one here is {name}@{found.hash}"
        )
    return found


def _read(path: Path) -> Constitution:
    return parse(strict_yaml.read_text(path, what="constitution"), path.name)


def list_all(settings: Settings) -> list[Constitution]:
    """The shipped ones, `harmless` foremost and hazards last, then the user's by name."""
    found = [_read(settings.constitutions / f"{name}.yaml") for name in shipped_names(settings)]
    first = sorted(found, key=lambda c: (c.hazard, c.name != "harmless", c.name))
    own = versions(settings)
    hidden = {one.name for one in found}
    return [*first, *(one for name in own.names() if name not in hidden for one in _own(own, name))]


def every_version(settings: Settings) -> Iterator[Constitution]:
    """All of `list_all`, and every older version of the user's own."""
    yield from list_all(settings)
    own = versions(settings)
    for name in own.names():
        for hash in dict.fromkeys(one.hash for one in own.history(name)[:-1]):
            yield from _own(own, name, hash)


def _own(own: Versions, name: str, hash: str | None = None) -> list[Constitution]:
    """A version, or that in force; none, with a warning, where its file is damaged. `load` says
    why."""
    wanted = hash or (now.hash if (now := own.current(name)) else None)
    try:
        return [own.read(name, wanted)] if wanted else []
    except InputError as error:
        log.warning("%s", error)
        return []


def save(constitution: Constitution, edit: Edit, settings: Settings) -> Version:
    """Save a version of the user's own; see `Versions.save`. Raises InputError for a name that
    belongs to the program."""
    if is_shipped(constitution.name, settings):
        raise InputError(
            f"constitution {constitution.name} comes with the program and stays as it is; save "
            f"yours under another name, such as my-{constitution.name}"
        )
    return versions(settings).save(constitution, edit)
