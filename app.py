"""The page: builds the workbench once, lays out the tabs, and serves them.

python app.py [--host 127.0.0.1] [--port 7860] [--home DIR] [--auth USER:PASSWORD]
"""

import os

# Before gradio and transformers are imported: no call leaves this machine.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"
# Gradio sums up all events so far after each one, for a dashboard that is switched off here: that
# is most of a small event's time, and grows while a page is open.
os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1000000000"

import errno
import ipaddress
import logging
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import tyro
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from cai_app.errors import CaiError, InputError
from cai_app.settings import Settings
from cai_app.workbench import Workbench
from components import (
    agreement,
    constitution,
    critique,
    data,
    header,
    judge,
    memory,
    rate,
    runs,
    spotcheck,
    theme,
    train,
)
from components.replies import logged_in
from components.shared import guard

PAGE_FIRST = 2.5  # seconds
TITLE = "Constitutional AI Workbench"
ANYWHERE = "0.0.0.0"


@dataclass(frozen=True)
class Options:
    """Constitutional AI Workbench: the page."""

    host: str = ""
    """Address to listen on; only this machine unless a login is set (127.0.0.1; Spaces 0.0.0.0)"""
    port: int = 7860
    """Port to listen on"""
    home: Path | None = None
    """Your own folder (CAI_HOME, else data/local)"""
    auth: str = ""
    """USER:PASSWORD that the page asks for"""


def build(workbench: Workbench) -> gr.Blocks:
    """The whole page around one workbench; nothing is loaded or started by building it."""
    with gr.Blocks(title=TITLE, fill_width=True, analytics_enabled=False) as demo:
        top = header.build(workbench)
        runs.build(workbench)
        with gr.Tabs(elem_classes=["cw-tabs"], selected="critique") as tabs:
            with gr.Tab("Constitution", id="constitution"):
                editing = constitution.build(workbench)
            with gr.Tab("Critique", id="critique") as critique_tab:
                writing = critique.build(workbench)
            with gr.Tab("Judge", id="judge") as judge_tab:
                judging = judge.build(workbench)
            with gr.Tab("Spot-check", id="spotcheck") as spotcheck_tab:
                checking = spotcheck.build(workbench)
            with gr.Tab("Agreement", id="agreement"):
                auditing = agreement.build(workbench)
            with gr.Tab("Train", id="train"):
                training = train.build(workbench)
            with gr.Tab("Data", id="data"):
                browsing = data.build(workbench)
        header.connect(workbench, demo, top, model=writing.model, constitution=writing.constitution)
        received = ("prompt", "a", "b", "model", "constitution")
        critique.send_to(workbench, writing, [*map(judging.fields.get, received), tabs])
        forms = (judging.fields, browsing.fields, browsing.doing.label)
        dropdowns = [writing.constitution, *(one["constitution"] for one in forms)]
        constitution.announce(workbench, demo, editing, dropdowns)
        critique.follow(workbench, editing.editor.saved, writing)
        judge.follow(workbench, editing.editor.saved, judging)
        critique.notice_age(workbench, critique_tab, writing)
        judge.notice_age(workbench, judge_tab, judging)
        spotcheck.refresh(workbench, spotcheck_tab, checking)
        spotcheck.send_to(workbench, checking, auditing.fields, tabs)
        critique.remember(workbench, demo, writing)
        judge.remember(workbench, demo, judging)
        spotcheck.remember(workbench, demo, checking)
        agreement.remember(workbench, demo, auditing)
        data.send_to(workbench, browsing, [*map(judging.fields.get, received[:3]), tabs])
        data.remember(workbench, demo, browsing)
        train.send_to(workbench, training, tabs, model=writing.model)
        models = [writing.model, *(one["model"] for one in forms), editing.model]
        train.announce(workbench, demo, top, models)
        demo.load(guard(memory.opened_tab, workbench), None, tabs, api_visibility="private")
    return demo


def launch_options(options: Options, settings: Settings) -> dict[str, Any]:
    """What `demo.launch` is given. Raises InputError for an open bind without a login."""
    host = options.host or (ANYWHERE if settings.space else "127.0.0.1")
    near = _is_loopback(host)
    auth = _login(options.auth)
    if not near and not auth and not settings.space:
        raise InputError(
            f"not listening on {host} without a login: whoever reaches this machine could run "
            "models and change your data. Add --auth user:password, or leave --host out to "
            "listen on 127.0.0.1 only."
        )
    return {
        "server_name": host,
        "server_port": options.port,
        "auth": auth,
        "theme": theme.theme(),
        "css_paths": list(theme.CSS_PATHS),
        "js": theme.page_js(),
        "head": theme.HEAD,
        "favicon_path": theme.FAVICON,
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "share": False,
        "quiet": True,
        "max_file_size": "20mb" if settings.space else "2gb",
        "app_kwargs": {"middleware": _own_hosts() if near else []},
        "prevent_thread_lock": True,
    }


def serve(workbench: Workbench, options: Options) -> tuple[gr.Blocks, Any, str]:
    """Launch the page with the rating page beside it: the page, its server, its address.

    Raises InputError for options that do not go together, OSError where the port is taken.
    """
    launched = launch_options(options, workbench.settings)
    demo = build(workbench)
    rating = rate.build(workbench, main_login=lambda request: logged_in(request, demo.app))
    launched["app_kwargs"] = {**launched["app_kwargs"], **_mounted(rating)}
    served, url, _ = demo.launch(**launched)
    workbench.spotchecks.opened(url, login=bool(launched["auth"]))
    return demo, served, url


def _mounted(rating: gr.Blocks) -> dict[str, Any]:
    """The rating page as a route that is asked before those of the main page, whose login is not
    asked for there, and what starts and ends with it."""
    holder = gr.mount_gradio_app(
        FastAPI(),
        rating,
        "/rate",
        theme=theme.theme(),
        css_paths=list(theme.RATING_CSS_PATHS),
        head=theme.HEAD + rate.HEAD,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
    )
    return {"routes": holder.routes[-1:], "lifespan": holder.router.lifespan_context}


def main(options: Options) -> None:
    """Serve until Ctrl-C; the weights of the default model load behind the open page."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    settings = Settings.from_environment(options.home)
    workbench = Workbench(settings)
    try:
        demo, served, url = serve(workbench, options)
    except OSError as error:
        # Gradio's own word for a taken port has no number; a full disk's, say, has one.
        if error.errno is not None and error.errno != errno.EADDRINUSE:
            raise InputError(f"the page cannot be served: {error}") from error
        raise InputError(
            f"port {options.port} is taken; stop what listens there, or choose another: --port "
            f"{options.port + 1}"
        ) from error
    print(f"{TITLE}: {url}", flush=True)
    # Only now: the page is up before the commands are imported.
    from cai_app.commands.serving import serve_commands

    announced = None if settings.space else serve_commands(served, workbench, url=url)
    # The page first: importing torch would slow down the second in which it is put together.
    loading = threading.Timer(PAGE_FIRST, workbench.prepare, ("pocket",))
    loading.daemon = True
    loading.start()
    workbench.runs.keep_queue()
    try:
        demo.block_thread()
    finally:
        loading.cancel()
        if announced:
            announced.withdraw()
        workbench.close()


def _own_hosts() -> list[Middleware]:
    """Answer to this machine's names only, so that no other site's name can be pointed here."""
    return [Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _login(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise InputError("--auth is written user:password, with both parts")
    return user, password


if __name__ == "__main__":
    try:
        main(tyro.cli(Options))
    except CaiError as error:
        sys.exit(f"error: {error}")
