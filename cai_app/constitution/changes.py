"""What changed between two versions of a constitution, principle by principle."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Literal

from cai_app.constitution.model import STAGES, TEXTS, Constitution, Principle, Stage
from cai_app.records import Record

Kind = Literal["added", "removed", "changed", "renamed", "moved"]
_ABOUT = ("tags", "weight", "enabled", "note")


class FieldChange(Record):
    """One field before and after, as text."""

    field: str
    before: str
    after: str


class Change(Record):
    """What happened to one principle, or to the constitution's own fields (`stage` None)."""

    kind: Kind
    stage: Stage | None = None
    id: str
    old_id: str | None = None
    fields: tuple[FieldChange, ...] = ()


def changes(old: Constitution, new: Constitution) -> tuple[Change, ...]:
    """From `old` to `new`: the constitution's own fields first, then each set in its new order."""
    own = tuple(
        FieldChange(field=name, before=_shown(before), after=_shown(after))
        for name in ("name", "title", "description", "hazard")
        if (before := getattr(old, name)) != (after := getattr(new, name))
    )
    first = (Change(kind="changed", id=new.name, fields=own),) if own else ()
    return (
        *first,
        *(one for stage in STAGES for one in _stage(old.of(stage), new.of(stage), stage)),
    )


def summary(found: Sequence[Change]) -> str:
    """Changes in a few words: what a stale badge says."""
    words = {
        "added": "added", "removed": "taken out", "changed": "changed",
        "renamed": "renamed", "moved": "moved",
    }  # fmt: skip
    said = []
    for one in found:
        word = words[one.kind]
        texts = {field for fields in TEXTS.values() for field in fields}
        named = {change.field: change.after for change in one.fields}
        if one.stage is None:
            said.append(f"its {', '.join(named)}")
            continue
        if one.kind == "changed" and not texts & set(named):
            word = (
                "switched " + ("on" if named["enabled"] == "true" else "off")
                if ("enabled" in named)
                else f"given another {', '.join(named)}"
            )
        elif one.kind == "changed":
            word = "reworded"
        said.append(f"{one.old_id or one.id} {word}")
    return "; ".join(said) or "nothing"


def _stage(old: Sequence[Principle], new: Sequence[Principle], stage: Stage) -> list[Change]:
    before, after = ({one.id: one for one in side} for side in (old, new))
    renamed = _renamed(before, after, stage)
    stayed = _in_order([one.id for one in old], [one.id for one in new])
    found = []
    for id, one in after.items():
        was = before.get(id) or (before[renamed[id]] if id in renamed else None)
        if was is None:
            found.append(Change(kind="added", stage=stage, id=id, fields=_texts(one, stage, "+")))
        elif fields := _fields(was, one, stage):
            kind: Kind = "renamed" if id in renamed else "changed"
            found.append(
                Change(kind=kind, stage=stage, id=id, old_id=renamed.get(id), fields=fields)
            )
        elif id in renamed:
            found.append(Change(kind="renamed", stage=stage, id=id, old_id=renamed[id]))
        elif id not in stayed:
            found.append(Change(kind="moved", stage=stage, id=id))
    gone = [one for id, one in before.items() if id not in after and id not in renamed.values()]
    found += [
        Change(kind="removed", stage=stage, id=one.id, fields=_texts(one, stage, "-"))
        for one in gone
    ]
    return found


def _renamed(
    before: dict[str, Principle], after: dict[str, Principle], stage: Stage
) -> dict[str, str]:
    """New ids whose text stood under an id that is gone."""
    gone = {_said(one, stage): id for id, one in before.items() if id not in after}
    return {
        id: gone[_said(one, stage)]
        for id, one in after.items()
        if id not in before and _said(one, stage) in gone
    }


def _in_order(old: list[str], new: list[str]) -> set[str]:
    """Ids that keep their place among those that both have."""
    both = set(old) & set(new)
    one, other = ([id for id in side if id in both] for side in (old, new))
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return {id for block in blocks for id in one[block.a : block.a + block.size]}


def _said(principle: Principle, stage: Stage) -> tuple[str, ...]:
    return tuple(getattr(principle, field) for field in TEXTS[stage])


def _fields(was: Principle, now: Principle, stage: Stage) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(field=field, before=_shown(before), after=_shown(after))
        for field in (*TEXTS[stage], *_ABOUT)
        if (before := getattr(was, field)) != (after := getattr(now, field))
    )


def _texts(principle: Principle, stage: Stage, sign: Literal["+", "-"]) -> tuple[FieldChange, ...]:
    """What a whole principle says, as put in or taken out."""
    return tuple(
        FieldChange(
            field=field, before="" if sign == "+" else text, after=text if sign == "+" else ""
        )
        for field, text in zip(TEXTS[stage], _said(principle, stage), strict=True)
    )


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
