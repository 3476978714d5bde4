"""What every handler needs: the guard around it, what a role may do, pacing, values of events."""

import functools
import html
import inspect
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import gradio as gr

from cai_app.errors import CaiError, InputError
from cai_app.records import ConstitutionRef
from cai_app.workbench import Workbench

log = logging.getLogger(__name__)

Action = Literal["look", "run", "write"]
Role = Literal["owner", "visitor"]

# What each role may do. A visitor of the public demo may look and run the model, not change
# anything that is kept.
MAY: dict[Role, frozenset[Action]] = {
    "owner": frozenset({"look", "run", "write"}),
    "visitor": frozenset({"look", "run"}),
}
# Handlers that stream share the model, whose own thread lets requests join between tokens.
STREAMS = 16


def role(workbench: Workbench) -> Role:
    """Who is at the page: on a Space everybody is a visitor, elsewhere the owner."""
    return "visitor" if workbench.settings.space else "owner"


def guard(
    handler: Callable[..., Any], workbench: Workbench, *, action: Action = "look"
) -> Callable[..., Any]:
    """The one wrapper around every handler, plain or generator, with `workbench` bound first.

    Refuses what the role may not do, turns a `CaiError` into a raised `gr.Error`, and logs
    anything else with its traceback.
    """
    plain, generator = _wrappers(handler, workbench, action)
    wrapper: Any = generator if inspect.isgeneratorfunction(handler) else plain
    functools.update_wrapper(wrapper, handler)
    signature = inspect.signature(handler)
    # Gradio counts parameters and looks for annotated ones; the bound workbench is not for it.
    shown = list(signature.parameters.values())[1:]
    wrapper.__signature__ = signature.replace(parameters=shown)
    return wrapper


def _wrappers(
    handler: Callable[..., Any], workbench: Workbench, action: Action
) -> tuple[Callable[..., Any], Callable[..., Iterator[Any]]]:
    def plain(*values: Any) -> Any:
        try:
            _refuse(workbench, action)
            return handler(workbench, *values)
        except Exception as error:
            raise _shown(error, handler) from error

    def generator(*values: Any) -> Iterator[Any]:
        try:
            _refuse(workbench, action)
            yield from handler(workbench, *values)
        except Exception as error:
            raise _shown(error, handler) from error

    return plain, generator


def _refuse(workbench: Workbench, action: Action) -> None:
    who = role(workbench)
    if action not in MAY[who]:
        raise gr.Error(
            f"A {who} of this page may not {action}. Run your own copy to do so: the README says "
            "how.",
            print_exception=False,
        )


def _shown(error: Exception, handler: Callable[..., Any]) -> gr.Error:
    """The error as the page shows it; what is not meant for people goes to the log."""
    if isinstance(error, gr.Error):
        return error
    if not isinstance(error, CaiError):
        log.error("handler %s failed", getattr(handler, "__name__", handler), exc_info=error)
    # The toast renders markup, and messages repeat what somebody typed.
    return gr.Error(html.escape(sentence(error), quote=False), print_exception=False)


def sentence(error: Exception) -> str:
    """The error as a sentence of the page; what is no message for people is only named."""
    if not isinstance(error, CaiError):
        return (
            f"An error that nobody expected ({type(error).__name__}). What you typed is kept; the "
            "terminal that runs the page has the details."
        )
    text = str(error).strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


class Pace:
    """Lets about 25 views a second through, so that a fast model does not flood the browser."""

    def __init__(self, rate: float = 25.0) -> None:
        self.gap = 1.0 / rate
        self.last = 0.0

    def due(self) -> bool:
        """True when the next view may be sent; counts it as sent."""
        now = time.monotonic()
        if now - self.last < self.gap:
            return False
        self.last = now
        return True


def text_of(event: gr.EventData, name: str, limit: int = 100_000) -> str:
    """A text field of an event sent by one of our scripts; anything else becomes empty."""
    value = (event._data or {}).get(name)
    return value[:limit] if isinstance(value, str) else ""


def index_of(event: gr.EventData, name: str, length: int) -> int:
    """An index below `length` sent by one of our scripts; raises gr.Error on anything else."""
    value = (event._data or {}).get(name)
    if type(value) is not int or not 0 <= value < length:
        raise gr.Error(f"There is no step {value}. Reload the page.", print_exception=False)
    return value


def saw(
    workbench: Workbench, request: gr.Request | None, prompt: str, texts: Sequence[str]
) -> None:
    """That whoever asks has seen the model at work on these texts, so that pairs of them leave
    that person's spot-checks. What goes wrong is logged: nobody's work stops for it."""
    if workbench.read_only or len(set(texts)) < 2:
        return
    try:
        workbench.spotchecks.saw(person(getattr(request, "username", None)), prompt, texts)
    except CaiError as error:
        log.warning("what was seen is not noted: %s", error)


def person(login: str | None) -> str:
    """Under which name somebody on this page rates: that of the login, if there is one."""
    return login or "owner"


def hazard(workbench: Workbench, constitution: str) -> str:
    """The title of a constitution made for a lesson about dangers, else ''."""
    found = workbench.constitution(constitution)
    return found.title if found.hazard else ""


def warning(workbench: Workbench, constitution: str) -> str:
    """What the form says of such a constitution, else ''."""
    found = workbench.constitution(constitution)
    return f"⚠ A lesson about dangers. {found.description}" if found.hazard else ""


def noticed(workbench: Workbench, constitution: str) -> str:
    """The notice beside a choice of constitution: a hazard, or why there is no such one."""
    try:
        return warning(workbench, constitution)
    except InputError as error:
        return sentence(error)


def stale(workbench: Workbench, ref: ConstitutionRef) -> str:
    """What changed in a constitution since something was made under it, else ''."""
    try:
        changed = workbench.workshop.stale(ref)
    except InputError as error:
        changed = sentence(error)
    return f"made under {ref.name} {ref.hash[:8]}; since then: {changed}" if changed else ""


def offered_models(workbench: Workbench, *, scoring: bool = False) -> list[str]:
    """Specs to offer, the default first, with the adapters that training has made; others can be
    typed. Preference models, which write nothing, only with `scoring`."""
    return workbench.model_specs(scoring=scoring) or ["pocket"]


def check_open_to(workbench: Workbench, model: str, constitution: str) -> None:
    """A visitor uses what is offered: no paths of this machine, no addresses of other ones.

    Raises InputError for anything else; the owner may name what they like.
    """
    if role(workbench) == "owner":
        return
    named = constitution.partition("@")[0]
    models = offered_models(workbench, scoring=True)
    if model not in models:
        raise InputError(f"model {model} is not offered on this page; use {', '.join(models)}")
    names = [one.name for one in workbench.constitutions()]
    if named not in names:
        raise InputError(f"constitution {named} is not offered here; use {', '.join(names)}")


def whole(value: float | None, name: str = "seed") -> int:
    """A seed, or what `name` says, from a number field; InputError unless a whole number from 0
    up."""
    if value is None or value < 0 or value != int(value):
        raise InputError(f"The {name} is {value}. Give a whole number from 0 up.")
    return int(value)
