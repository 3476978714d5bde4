"""Opening the store: what is wrong is told with a next step, and nothing is overwritten."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from cai_app.errors import BusyError, StoreError
from cai_app.files import DiskFullError
from cai_app.records import Response
from cai_app.store import MIGRATIONS, Store

ROOT = Path(__file__).parents[1]


def rows(*numbers: int) -> list[Response]:
    return [Response(prompt=f"p{number}", text="t" * 200) for number in numbers]


def closed(home: Path, *, count: int = 3) -> Path:
    """A store with some rows in it, closed; returns the database file."""
    store = Store(home)
    store.responses.add(rows(*range(count)))
    store.close()
    return home / "store.duckdb"


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose process ended after twelve writes, without closing the store."""
    home = tmp_path_factory.mktemp("killed")
    code = (
        "import os, sys; from pathlib import Path; from cai_app.store import Store;"
        "from cai_app.records import Response; s = Store(Path(sys.argv[1]));"
        "[s.responses.add([Response(prompt=f'p{n}', text='t' * 200)])"
        " for n in range(12)]; os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(home)], cwd=ROOT, timeout=60)
    assert (home / "store.duckdb.wal").stat().st_size > 1000
    return home


@pytest.fixture
def unclean(killed: Path, tmp_path: Path) -> Path:
    """A copy of that home."""
    return Path(shutil.copytree(killed, tmp_path / "unclean"))


def contents(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.glob("store.duckdb*")}


def refused(home: Path, message: str, **given: Path) -> str:
    """The store cannot be opened, says so, and no file of it has changed."""
    before = contents(home)
    with pytest.raises(StoreError, match=message) as found:
        Store(home, **given)
    assert contents(home) == before
    return str(found.value)


def test_a_new_home_gets_a_store_that_reopens(tmp_path: Path) -> None:
    path = closed(tmp_path / "new" / "home")
    store = Store(path.parent)
    assert store.responses.count() == 3
    store.close()
    assert not path.with_name("store.duckdb.wal").exists()


def test_rows_survive_a_process_that_just_ends(unclean: Path) -> None:
    store = Store(unclean)
    assert store.responses.count() == 12
    store.close()


def test_a_second_process_is_told_who_has_the_store(store: Store) -> None:
    code = "import sys; from pathlib import Path; from cai_app.store import Store;"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code} Store(Path(sys.argv[1]))", str(store.db.home)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert f"in use by process {os.getpid()} (" in ran.stderr and "pytest" in ran.stderr
    assert "BusyError" in ran.stderr and "let it do the work" in ran.stderr


def test_another_programs_hold_on_the_file_is_told_too(tmp_path: Path) -> None:
    path = closed(tmp_path)
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=f"process {holder.pid} "):
            Store(tmp_path)
        holder.communicate("\n")


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "store.duckdb").write_bytes(b"hello" * 1000)
    assert "move" in refused(tmp_path, "damaged")
    (tmp_path / "store.duckdb").write_bytes(b"")
    refused(tmp_path, "the file is empty")


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "store.duckdb")) as other:
        other.execute("CREATE TABLE theirs (i INTEGER)")
    refused(tmp_path, "none of this program")


def test_a_damaged_header_and_a_cut_file_are_noticed(tmp_path: Path) -> None:
    path = closed(tmp_path, count=3000)
    whole = path.read_bytes()
    path.write_bytes(whole[:4136] + b"\xff\xff" + whole[4138:8232] + b"\xff\xff" + whole[8234:])
    refused(tmp_path, "damaged.*checksum")
    path.write_bytes(whole[: len(whole) // 2])
    backup = tmp_path / "backups" / "store-001.duckdb"
    backup.parent.mkdir()
    backup.write_bytes(whole)
    assert f"copy {backup} in its place" in refused(tmp_path, "damaged")


@pytest.mark.parametrize("place", range(8))
def test_a_damaged_log_never_costs_acknowledged_rows_in_silence(killed: Path, place: int) -> None:
    """DuckDB itself takes some kinds of damage for the log's end, and goes on without the rest."""
    log = killed / "store.duckdb.wal"
    whole = log.read_bytes()
    spot = len(whole) * (2 * place + 3) // 20
    log.write_bytes(whole[:spot] + bytes([whole[spot] ^ 0xFF]) + whole[spot + 1 :])
    try:
        refused(killed, "write-ahead log|store.duckdb.wal")
    finally:
        log.write_bytes(whole)


def test_a_lost_log_is_noticed_and_can_be_accepted(unclean: Path) -> None:
    (unclean / "store.duckdb.wal").unlink()
    said = refused(unclean, "lacks the last 12 of its acknowledged writes")
    assert f"delete {unclean / 'store.count'}" in said
    (unclean / "store.count").unlink()
    Store(unclean).close()


def test_a_log_without_its_database_is_left_alone(unclean: Path) -> None:
    (unclean / "store.duckdb").unlink()
    refused(unclean, "is missing, but its write-ahead log")


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """A folder with the program's migrations, to add to."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    return folder


def test_a_home_of_a_newer_version_is_left_alone(tmp_path: Path, migrations: Path) -> None:
    (migrations / "777_later.sql").write_text("CREATE TABLE later (i INTEGER);")
    Store(tmp_path, migrations=migrations).close()
    assert "update the program" in refused(tmp_path, "newer version.*migration 777")


def test_migrations_run_once_each_after_a_backup(tmp_path: Path, migrations: Path) -> None:
    closed(tmp_path)
    (migrations / "777_later.sql").write_text(
        "CREATE TABLE later (i INTEGER); INSERT INTO later VALUES (1);"
    )
    for _ in range(2):
        store = Store(tmp_path, migrations=migrations)
        assert store.sql("SELECT count(*) FROM later").rows == ((1,),)
        store.close()
    (backup,) = (tmp_path / "backups").iterdir()
    newest = max(int(path.name[:3]) for path in MIGRATIONS.glob("*.sql"))
    assert backup.name.startswith(f"store-{newest:03d}-")
    shutil.copy(backup, tmp_path / "store.duckdb")
    store = Store(tmp_path)
    assert store.responses.count() == 3
    store.close()


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    tmp_path: Path, migrations: Path
) -> None:
    closed(tmp_path)
    wrong = migrations / "777_wrong.sql"
    wrong.write_text("CREATE TABLE later (i INTEGER); SELECT nonsense;")
    with pytest.raises(duckdb.Error, match="nonsense"):
        Store(tmp_path, migrations=migrations)
    wrong.unlink()
    store = Store(tmp_path)
    assert store.responses.count() == 3
    assert store.sql("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'later'").rows == (
        (0,),
    )
    store.close()


@pytest.fixture
def open_home() -> Iterator[Path]:
    """A home in a folder that every user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        home = Path(folder) / "home"
        home.mkdir()
        yield home


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="needs to become another user")
@pytest.mark.parametrize("kept", [True, False])
def test_a_read_only_home_is_explained(open_home: Path, kept: bool) -> None:
    if kept:
        closed(open_home)
    for path in (open_home, *open_home.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    nobody = os.fork()
    if not nobody:  # the imports are done: another user may not read them
        os.setgid(65534)
        os.setuid(65534)
        try:
            Store(open_home)
        except Exception as error:
            os._exit(7 if "cannot be written" in str(error) and "--home" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(nobody, 0)[1]) == 7


def test_a_full_disk_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.responses.add(rows(1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (tmp_path / "store.duckdb.wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10_000, before[1]))
    try:
        with pytest.raises(DiskFullError, match="the disk is full: .*store.duckdb.*free some"):
            store.responses.add(rows(*range(2, 400)))
        assert store.responses.count() == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert store.responses.add(rows(*range(2, 400))) == 398
    store.close()
    again = Store(tmp_path)
    assert again.responses.count() == 399
    again.close()


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="was closed"):
        store.responses.count()
