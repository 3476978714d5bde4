"""Find a Chromium for the browser tests, or install one; run by `make test`, imported by tests."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW = (
    "No Chromium for the browser tests, and installing one failed. Either put `chromium` or "
    "`google-chrome` on PATH, or run `.venv/bin/playwright install --with-deps chromium`; then "
    "run `make test` again."
)


@functools.cache
def find() -> str | None:
    """Path of a Chromium that starts: on PATH, else the one Playwright keeps; None if neither."""
    return next((path for path in _candidates() if _starts(path)), None)


def _candidates() -> Iterator[str]:
    yield from filter(None, map(shutil.which, NAMES))
    # Last: only a driver that has been started knows its own.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    if os.path.exists(own):
        yield own


def _starts(path: str) -> bool:
    # On Ubuntu `chromium-browser` may be a stub that only asks for a snap, so being there is not
    # enough.
    command = [path, "--version"]
    try:
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def install() -> None:
    """Try apt where it can work (root on Debian and its kin), then Playwright's own download."""
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        packages = ["chromium", "fonts-dejavu-core"]
        _run(["apt-get", "update"])
        _run(["apt-get", "install", "-y", "--no-install-recommends", *packages])
    find.cache_clear()
    if find() is None:
        _run([sys.executable, "-m", "playwright", "install", "chromium"])
        find.cache_clear()


def _run(command: list[str]) -> None:
    print("+", *command, flush=True)
    subprocess.run(command, check=False)


if __name__ == "__main__":
    if find() is None:
        install()
    if find() is None:
        sys.exit(HOW)
