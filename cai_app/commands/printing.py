"""Constitutions in the terminal, for people."""

from typing import Any


def line(one: dict[str, Any]) -> str:
    """A constitution in one line."""
    hazard = "  (hazard: for lessons about dangers)" if one["hazard"] else ""
    counts = f"{one['supervised']} supervised, {one['preference']} preference principles"
    return f"{one['name']}@{one['hash']}  {counts}{hazard}"


def print_list(found: list[dict[str, Any]]) -> None:
    """One line each."""
    for one in found:
        print(line(one))


def print_one(one: dict[str, Any]) -> None:
    """All of it, and its versions."""
    print(f"{one['title']} ({one['name']}@{one['hash']}){' - HAZARD' if one['hazard'] else ''}")
    print(one["description"])
    for stage in ("supervised", "preference"):
        for principle in one[stage]:
            off = "" if principle["enabled"] else "  (off)"
            print(f"\n{principle['id']} [{', '.join(principle['tags'])}]{off}")
            for name in ("critique_request", "revision_request", "question"):
                if name in principle:
                    print(f"  {name.partition('_')[0]}: {principle[name]}")
    for version in one["versions"]:
        print(f"\n{version['hash']}  {version['time']}  {version['author']}  {version['message']}")


def print_lint(found: dict[str, Any]) -> None:
    """One line a finding."""
    for one in found["findings"]:
        place = f"{one['stage']} {one['id']}: " if one["id"] is not None else ""
        words = f" ({', '.join(map(repr, one['words']))})" if one["words"] else ""
        print(f"{one['severity']}: {place}{one['rule']}: {one['message']}{words}")
    print(f"{len(found['findings'])} findings in {found['name']}@{found['hash']}")


def print_diff(found: dict[str, Any]) -> None:
    """Changes, with words put in and taken out."""
    for one in found["changes"]:
        print(f"{one['kind']}: {one['stage'] or 'constitution'} {one['old_id'] or one['id']}")
        for change in one["fields"]:
            marks = {"=": "{}", "+": "[+{}+]", "-": "[-{}-]"}
            text = "".join(marks[sign].format(words) for sign, words in change["words"])
            print(f"  {change['field']}: {text}")
    if not found["changes"]:
        print("no change")


def print_written(found: dict[str, Any]) -> None:
    """Where it went, and what it could not hold."""
    where = f" -> {found['path']}" if "path" in found else ""
    print(f"{found['name']}@{found['hash']}{where} ({found['form']})")
    for text in found["left_out"]:
        print(f"  not held: {text}")
