"""Errors shown to people: each says what is wrong, which value, and what to do next.

The library raises these; the edges translate them (the page to `gr.Error`, the command line to
one line on standard error). Anything else that escapes is a bug and keeps its traceback.
"""


class CaiError(Exception):
    """Base of all errors meant for the user."""


class InputError(CaiError, ValueError):
    """A value the user gave cannot be used: text, option, constitution, file."""


class BackendError(CaiError, RuntimeError):
    """A model cannot be loaded, reached, or asked what was asked of it."""


class BusyError(CaiError, RuntimeError):
    """Something else holds what is needed: the device, the database, a lock."""


class StoreError(CaiError, RuntimeError):
    """The store cannot be opened or written as it is: damaged, of a newer version, read-only."""
