"""What a component's script asks and is answered: plain JSON in, plain JSON out, through the guard.

Gradio hands such calls over as they come: a call is answered only if its payload is JSON from this
page's script, and an error comes back as a sentence.
"""

import html
from collections.abc import Callable
from typing import Any

import gradio as gr

from cai_app.workbench import Workbench
from components.shared import Action, guard

# A constitution is at most 1 MB, sent as cards and as text; all else is small.
MAX_TEXT = 3_000_000

Handler = Callable[[Workbench, dict[str, Any], str], Any]


def answering(
    handler: Handler,
    workbench: Workbench,
    *,
    action: Action,
    who: Callable[[Any], str] | None = None,
) -> Callable[..., Any]:
    """A server function of an HTML component: {"value": …}, or {"error": a sentence}.

    The handler gets the payload and the name of who asks: as logged in, or as `who` says.
    """
    guarded = guard(handler, workbench, action=action)

    def answer(payload: Any, request: gr.Request) -> dict[str, Any]:
        # From the script it comes as JSON. Anything else, such as a form that another site sent,
        # is no question of ours.
        if isinstance(payload, list) and len(payload) == 1:
            payload = payload[0]
        if not isinstance(payload, dict) or not request.headers.get("content-type", "").startswith(
            "application/json"
        ):
            return {"error": "This is no question of the page. Reload it."}
        try:
            return {"value": guarded(payload, (who or logged_in)(request))}
        except gr.Error as error:
            return {"error": html.unescape(str(error.message))}

    answer.__name__ = handler.__name__
    return answer


def logged_in(request: Any, app: Any = None) -> str:
    """Who is logged in to the app that was asked, or to another one, else ''. Gradio hands these
    functions the bare request, without a name."""
    app = app or request.app
    mark = getattr(app, "cookie_id", "")
    names = getattr(app, "tokens", {})
    cookies = (f"access-token-{mark}", f"access-token-unsecure-{mark}")
    found = (names.get(request.cookies.get(cookie)) for cookie in cookies)
    return next((str(name) for name in found if name), "")


def text(asked: dict[str, Any], name: str) -> str:
    """A text of a payload; anything else is empty."""
    value = asked.get(name)
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def optional(asked: dict[str, Any], name: str) -> str | None:
    """A text of a payload; None where it is empty or none."""
    return text(asked, name) or None
