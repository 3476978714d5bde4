"""Invitations to rate: hashes of tokens, for whom, until when, and whether they were taken back."""

from typing import Any

from cai_app.records import Invite
from cai_app.store.connection import Connection

_COLUMNS = ("token_hash", "queue", "rater", "salt", "expires", "revoked")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM invites"


class Invites:
    """The table `invites`."""

    def __init__(self, db: Connection) -> None:
        self.db = db

    def add(self, invite: Invite) -> None:
        """Add an invitation; an earlier one of the same rater and queue counts no more."""
        values = [getattr(invite, name) for name in _COLUMNS]
        with self.db.cursor() as cursor, self.db.transaction(cursor):
            self._revoke(cursor, invite.queue, invite.rater)
            cursor.execute(
                f"INSERT INTO invites ({', '.join(_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?)", values
            ).fetchall()

    def revoke(self, queue: str, rater: str) -> int:
        """Take back what a rater has for a queue; returns how many invitations that were."""
        with self.db.cursor() as cursor, self.db.transaction(cursor):
            return self._revoke(cursor, queue, rater)

    def _revoke(self, cursor: Any, queue: str, rater: str) -> int:
        rows = cursor.execute(
            "UPDATE invites SET revoked = now() WHERE queue = ? AND rater = ? AND revoked IS NULL "
            "RETURNING token_hash",
            [queue, rater],
        ).fetchall()
        return len(rows)

    def find(self, token_hash: str) -> Invite | None:
        """The invitation of a token, whether it still counts or not."""
        with self.db.cursor() as cursor:
            row = cursor.execute(f"{_SELECT} WHERE token_hash = ?", [token_hash]).fetchone()
        return _record(row) if row else None

    def of(self, queue: str) -> list[Invite]:
        """The newest invitation of each rater to a queue."""
        with self.db.cursor() as cursor:
            rows = cursor.execute(
                f"{_SELECT} WHERE queue = ? QUALIFY row_number() OVER "
                "(PARTITION BY rater ORDER BY added DESC, revoked NULLS FIRST) = 1 ORDER BY rater",
                [queue],
            ).fetchall()
        return [_record(row) for row in rows]


def _record(row: tuple[Any, ...]) -> Invite:
    return Invite(**dict(zip(_COLUMNS, row, strict=True)))
