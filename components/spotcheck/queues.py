"""The list of queues: who rates how far; invitations made and taken back."""

from typing import Any

import gradio as gr

from cai_app.workbench import Workbench
from components.replies import text
from components.shared import person, role, text_of


def overview(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """Every queue with everybody who rates it, what may be done here, and how a terminal calls the
    program and the page for this home."""
    if role(workbench) != "owner":
        return {"queues": [], "me": "", "state": "visitor"}
    spotchecks = workbench.spotchecks
    found = [one.model_dump(mode="json") for one in spotchecks.queues()]
    labelled = bool(found) or bool(spotchecks.raters())
    command = workbench.settings.command
    return {
        "queues": found,
        "me": person(who),
        "state": "ready" if labelled else "unlabelled",
        "invites": bool(spotchecks.login),
        "command": command,
        # The page itself is another program of the same home.
        "start": command.replace("python -m cai_app", "python app.py", 1),
    }


def invite(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """A link for one rater, told this once, and the list as it is now."""
    made = workbench.spotchecks.invite(text(asked, "queue"), text(asked, "rater"))
    link = {"rater": made.rater, "path": made.path, "expires": made.expires.isoformat()}
    return {**overview(workbench, asked, who), "link": link}


def revoke(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """Take a link back, and the list as it is now."""
    workbench.spotchecks.revoke(text(asked, "queue"), text(asked, "rater"))
    return overview(workbench, asked, who)


def close(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """Serve a queue to nobody; one without answers is deleted. The list as it is now."""
    workbench.spotchecks.close(text(asked, "queue"))
    return overview(workbench, asked, who)


def reopen(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """Serve a closed queue again. The list as it is now."""
    workbench.spotchecks.reopen(text(asked, "queue"))
    return overview(workbench, asked, who)


def agree(workbench: Workbench, event: gr.EventData) -> tuple[Any, ...]:
    """The Agreement tab on a queue: its AI and everybody who rated it, no condition left over from
    before; the open tab. In the order of that tab's fields, the width aside."""
    return "", [], text_of(event, "queue", 100), "", "", gr.update(selected="agreement")


def percent(share: float) -> str:
    """A chance as people read it."""
    return f"{100 * share:.3g} %"
