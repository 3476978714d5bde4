"""Files in and out of a home, as the page and the commands ask for it."""

from pathlib import Path

from cai_app import formats
from cai_app.errors import InputError
from cai_app.formats import ReadOptions
from cai_app.settings import Settings
from cai_app.workbench import data
from cai_app.workbench.data import Exported, Imported, Preview
from cai_app.workbench.home import Home
from cai_app.workbench.importing import Imports
from cai_app.workbench.models import Opener

DEMO = "demo.parquet"  # in the data folder


class Exchange(Home):
    """Files in and out of the store of a home."""

    def __init__(self, settings: Settings, opener: Opener | None = None) -> None:
        super().__init__(settings, opener)
        self.imports = Imports(
            lambda format, path, options, watch: data.import_file(
                self.store, format, path, options, watch=watch
            )
        )

    def import_file(self, format: str, path: Path, options: ReadOptions) -> Imported:
        """Take a file's rows into the store; see the function of this name."""
        self._check_may_keep()
        return data.import_file(self.store, format, path, options)

    def import_demo(self) -> Imported:
        """Take the shipped comparisons with their AI labels in, as rows of source `demo`.

        Their own source is a run that is not in this home. Raises InputError where none ship.
        """
        path = self.settings.data / DEMO
        if not path.is_file():
            raise InputError(f"{path} is missing, so there is no demo; make one: make results")
        options = ReadOptions(source="demo", columns={"source": ""})
        return self.import_file("parquet", path, options)

    def start_import(self, format: str, path: Path, options: ReadOptions) -> None:
        """Take a file's rows in behind the page; `imports` tells how far it is."""
        self._check_may_keep()
        formats.find(format)
        self.imports.start(format, path, options)

    def bring(self, path: Path) -> Path:
        """Copy a file into the home, to be previewed and imported."""
        self._check_may_keep()
        return data.bring(self.settings.home, path)

    def preview(self, format: str, path: Path, options: ReadOptions) -> Preview:
        """The first rows of a file as an import would take them."""
        return data.preview(format, path, options)

    def export_file(
        self, format: str, path: Path, *, source: str | None = None, rater: str | None = None
    ) -> Exported:
        """Write rows of the store to a new file; see the function of this name."""
        return data.export_file(self.store, format, path, source=source, rater=rater)

    def close(self) -> None:
        """Stop an import that is going on, then close what a home has open."""
        self.imports.close()
        super().close()
