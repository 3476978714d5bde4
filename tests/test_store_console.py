"""The console answers one SELECT and nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cai_app.errors import InputError
from cai_app.records import Response
from cai_app.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store(tmp_path_factory.mktemp("console"))
    yield opened
    opened.close()


def test_an_answer_has_columns_rows_and_json_values(store: Store) -> None:
    query = (
        "SELECT 1 AS n, 2 AS n, 0.5::DECIMAL(4,2) d, 'x' s, [1.0, 'nan'::DOUBLE] l, {'a': NULL} o, "
        "TIMESTAMPTZ '2026-01-02 03:04:05+00' t, DATE '2026-01-02' u, 'ab'::BLOB b, uuid() i, "
        "INTERVAL 2 SECOND v"
    )
    (row,) = store.sql(query + ";").objects()
    assert (row["n"], row["n:2"], row["d"], row["s"]) == (1, 2, 0.5, "x")
    assert (row["l"], row["o"], row["u"], row["b"], row["v"]) == (
        [1.0, None],
        {"a": None},
        "2026-01-02",
        "6162",
        2.0,
    )
    assert row["t"] == "2026-01-02T03:04:05+00:00"
    json.dumps(row, allow_nan=False)


def test_an_answer_can_be_cut_and_says_so(store: Store) -> None:
    assert store.sql("FROM range(5)", limit=3).truncated
    whole = store.sql("FROM range(3)", limit=3)
    assert len(whole.rows) == 3 and not whole.truncated


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("COPY responses TO '{home}/exchange/x.csv'", "this is COPY"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("  ", "0 statements"),
        ("PRAGMA version", "this is PRAGMA"),
        ("SET threads = 9", "this is SET"),
        ("ATTACH '{home}/exchange/y.duckdb'", "this is ATTACH"),
        ("INSERT INTO acknowledged VALUES ('x', 1)", "this is INSERT"),
        ("DROP TABLE responses", "this is DROP"),
        ("CALL enable_logging()", "this is CALL"),
        ("INSTALL httpfs", "this is LOAD"),
        ("SELECT * FROM read_text('/etc/passwd')", "Cannot access file"),
        ("SELECT * FROM '/etc/passwd'", "/etc/passwd does not exist"),
        ("SELECT * FROM '/etc/hosts.csv'", "Cannot access file"),
        ("SELECT * FROM read_text('{home}/app.json')", "Cannot access file"),
        ("SELECT * FROM read_text('{home}/exchange/../app.json')", "Cannot access file"),
        ("SELECT * FROM glob('{home}/*')", "Cannot access"),
        (
            "WITH x AS (INSERT INTO outputs VALUES ('r', 't', 1) RETURNING seq) SELECT * FROM x",
            "read-only",
        ),
        ("SELECT * FROM enable_logging()", "locked"),
        ("SELECT nothing FROM responses", "nothing"),
        ("SELEC 1", "syntax error"),
    ],
)
def test_what_is_no_harmless_select_is_refused(store: Store, query: str, message: str) -> None:
    home = store.db.home
    (home / "app.json").write_text("token")
    with pytest.raises(InputError, match=message):
        store.sql(query.replace("{home}", str(home)))
    assert not list((home / "exchange").glob("[xy].*"))
    assert store.sql("SELECT count(*) FROM outputs").rows == ((0,),)


def test_files_of_exchange_and_runs_can_be_read(store: Store) -> None:
    for folder in ("exchange", "runs"):
        path = store.db.home / folder / "rows.csv"
        path.write_text("n\n1\n2\n")
        assert store.sql(f"SELECT sum(n) FROM '{path}'").rows == ((3,),)


def test_a_long_query_is_stopped_and_the_store_goes_on(store: Store) -> None:
    with pytest.raises(InputError, match=r"stopped after 0\.2 s"):
        store.sql("SELECT sum(sin(a.range * b.range)) FROM range(1000000) a, range(1000000) b",
                  seconds=0.2)  # fmt: skip
    store.responses.add([Response(prompt="p", text="t")])
    assert store.sql("SELECT count(*) FROM responses").rows == ((1,),)


def test_a_home_with_quotes_in_its_name_works(tmp_path: Path) -> None:
    opened = Store(tmp_path / "it's [a] home")
    path = opened.db.home / "exchange" / "rows.csv"
    path.write_text("n\n7\n")
    quoted = str(path).replace("'", "''")
    try:
        assert opened.sql(f"SELECT n FROM read_csv('{quoted}')").rows == ((7,),)
    finally:
        opened.close()
