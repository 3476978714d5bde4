"""The constitution workshop: versions saved and told apart, and what an edit changes, measured."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from cai_app import constitution as constitutions
from cai_app import judge
from cai_app.backends.base import Backend
from cai_app.constitution import Constitution, ConstitutionError, Edit, Version
from cai_app.constitution.changes import changes, summary
from cai_app.constitution.drafts import Drafts
from cai_app.constitution.forms import Imported, merge, read_form
from cai_app.constitution.negation import Negation, negations
from cai_app.errors import InputError
from cai_app.records import ConstitutionRef, PreferencePrinciple
from cai_app.settings import Settings
from cai_app.workbench import comparisons

if TYPE_CHECKING:
    from cai_app.store import Store

# Scores kept in memory, about 200 bytes each; the oldest half goes when there are more.
MOST_KNOWN = 400_000
DEFAULT_PAIRS = 200


class Workshop:
    """What the Constitution tab and the `constitution` commands call."""

    def __init__(
        self,
        settings: Settings,
        open_backend: Callable[[str], Backend],
        store: Callable[[], "Store"],
    ) -> None:
        self.settings = settings
        self._open, self._store = open_backend, store
        self._known: dict[judge.Key, judge.Score] = {}
        self._forgetting = threading.Lock()
        self.drafts = Drafts(settings.home / "constitutions" / ".drafts")

    def load(self, spec: str) -> Constitution:
        """One constitution by `NAME`, `NAME@HASH` or path."""
        return constitutions.load(spec, self.settings)

    def is_shipped(self, name: str) -> bool:
        """Whether a name belongs to the program."""
        return constitutions.is_shipped(name, self.settings)

    def history(self, name: str) -> tuple[Version, ...]:
        """The user's versions of a name, the oldest first; none for a shipped one."""
        if self.is_shipped(name):
            return ()
        return constitutions.versions(self.settings).history(name)

    def save(self, constitution: Constitution, edit: Edit) -> Version:
        """Save a version. Raises InputError on a Space and for a shipped name, ConflictError where
        somebody saved first."""
        if self.settings.space:
            raise InputError("this page keeps nothing; run your own copy to save constitutions")
        return constitutions.save(constitution, edit, self.settings)

    def restore(self, name: str, hash: str, edit: Edit) -> Version:
        """Make an older version the one in force again."""
        old = constitutions.versions(self.settings).read(name, hash)
        told = {"action": "restore", "origin": f"{name}@{old.hash}"}
        return self.save(old, edit.model_copy(update=told))

    def read_files(self, texts: Sequence[tuple[str, str]], *, name: str | None = None) -> Imported:
        """A constitution from (file name, text) in any known form; see `read_form`."""
        return merge([read_form(text, source) for source, text in texts], name)

    def stale(self, ref: ConstitutionRef) -> str | None:
        """What changed since rows were made under a version, in words; None where nothing did, or
        where the constitution is a file of its own without versions.

        A version that is not here any more is said to be unknown, never taken for the current one.
        """
        if not self.is_shipped(ref.name) and not self.history(ref.name):
            return None
        now = self.load(ref.name)
        if now.hash == ref.hash:
            return None
        try:
            old = self.load(f"{ref.name}@{ref.hash}")
        except InputError:
            return f"version {ref.hash[:8]} is not here; the one in force is {now.hash[:8]}"
        return summary(changes(old, now))

    def negations(self, constitution: Constitution) -> tuple[Negation, ...]:
        """The opposite of each question, by hand or proposed."""
        return negations(constitution, self.settings)

    def pairs(self, source: str, *, limit: int | None = DEFAULT_PAIRS) -> list[judge.Pair]:
        """Comparisons to measure on: `built-in`, `saved`, or a JSONL file."""
        if source == comparisons.SAVED:
            return comparisons.saved(self._store(), limit=limit or DEFAULT_PAIRS)
        return comparisons.read(source, self.settings, limit=limit)

    def scores(self, backend: str, few_shot: int) -> judge.Scores:
        """The table of scores of a model; what was asked of it before is known."""
        with self._forgetting:
            if len(self._known) > MOST_KNOWN:
                for key in list(self._known)[: MOST_KNOWN // 2]:
                    del self._known[key]
        return judge.Scores(
            self._open(backend), self.settings, few_shot=few_shot, known=self._known
        )

    def turned(
        self, constitution: Constitution, own: Mapping[str, str] | None = None
    ) -> list[tuple[PreferencePrinciple, str]]:
        """Each principle with its opposite: hand-written ones, and those given in `own` by id.

        A proposal is never used unread: hand it back in `own`. Raises InputError for an unknown id
        and for a text that no principle could have.
        """
        own = own or {}
        for id in own:
            constitutions.pick(constitution.preference, id, of=constitution.name)
        by_hand = {one.id: one.negated for one in self.negations(constitution) if one.by_hand}
        turned: list[tuple[PreferencePrinciple, str]] = []
        for one in constitutions.drawable(constitution.preference):
            text = own.get(one.id) or by_hand.get(one.id)
            if not text:
                continue
            told = {**constitution.model_dump(mode="json"), "supervised": (), "preference": [
                {"id": one.id, "question": text}]}  # fmt: skip
            try:
                constitutions.from_data(told, "negation")
            except ConstitutionError as error:
                raise InputError(f"negation of {one.id}: {error.problem}") from error
            turned.append((one, text))
        return turned
