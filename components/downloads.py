"""Where files wait to be downloaded: in the folder of temporary files, which Gradio hands out.

A home is never handed out. Nobody says when a download is over, so that what is a day old goes when
the next one comes.
"""

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

_PREFIX = "cai-download-"
KEPT = 24 * 3600  # seconds


def folder() -> Path:
    """A new folder of its own."""
    for old in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):  # another download was quicker
            if time.time() - old.lstat().st_mtime > KEPT:
                shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=_PREFIX))
