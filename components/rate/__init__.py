"""The rating page: a page of its own beside the main one, which holds nothing but rating.

Every function of a Gradio page answers whoever calls it, so what a rater must not see may not be
reachable from here at all: the page knows its rater by the token of the link, asks the desk, and
gets pairs, questions and a rater's own progress.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from cai_app.workbench import Workbench
from cai_app.workbench.audit import Seat
from components.replies import answering, text
from components.seats import handlers
from components.widgets import part

# The link is the key: no other site is told it, and no search engine.
HEAD = '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">'


def build(workbench: Workbench, *, main_login: Callable[[Any], str]) -> gr.Blocks:
    """The page. `main_login` says who a request is logged in as on the main page, else ''."""

    def seat_of(bench: Workbench, asked: dict[str, Any], who: str) -> Seat:
        return bench.spotchecks.seat_of(text(asked, "token"), knows_login=bool(who))

    server = [
        answering(one, workbench, action="write", who=main_login) for one in handlers(seat_of)
    ]
    with gr.Blocks(title="Rating", fill_width=True, analytics_enabled=False) as page:
        part("rate/pair.js", {"mode": "link"}, look="rating", elem_id="rating", server=server)
    return page
