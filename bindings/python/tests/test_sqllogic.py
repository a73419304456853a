"""The sqllogictest files and the Chinook script, where the test data is at hand."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import keepwell
import pytest

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("KEEPWELL_TEST_DATA") or ROOT.parent / "shared" / "data")
FILES = sorted((DATA / "slt").rglob("*.test"))

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no test data at {DATA}; name its folder in KEEPWELL_TEST_DATA")


def records(path: Path) -> Iterator[Tuple[int, List[str]]]:
    """The records of a file, each with the number of its first line. Comments are left out."""
    record: List[str] = []
    start = 0
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="surrogateescape").split("\n"), 1):
        line = line.rstrip("\r")
        if not line.strip():
            if record:
                yield start, record
            record = []
        elif not line.startswith("#"):
            if not record:
                start = number
            record.append(line)
    if record:
        yield start, record


def _sixteen_digits(number: float) -> str:
    digits, exponent = f"{number:.15e}".split("e")
    whole = digits.replace(".", "").ljust(int(exponent) + 1 + digits.startswith("-"), "0")
    return f"{whole}.000"


def shown(item: Any, kind: str) -> str:
    """A value as the files write it."""
    if item is None:
        return "NULL"
    if isinstance(item, bytes):
        item = item.decode("utf-8", "replace")
    if kind == "I":
        try:
            return str(int(item))
        except ValueError:
            return "0"
    if kind == "R":
        number = float(item)
        # The engine's own printf, which made the files, stops at 16 digits.
        return f"{number:.3f}" if abs(number) < 1e15 else _sixteen_digits(number)
    written = str(item)
    return "".join(c if " " <= c <= "~" else "@" for c in written) or "(empty)"


def execute(target: keepwell.Target, sql: str) -> None:
    """A few records hold several statements."""
    try:
        target.execute(sql)
    except keepwell.SqlError as error:
        if error.engine_code is not None:
            raise
        target.execute_script(sql)


def answer(store: keepwell.Target, kinds: str, order: str, sql: str) -> List[str]:
    rows = [[shown(item, kind) for item, kind in zip(row, kinds)] for row in store.query(sql)]
    if order == "rowsort":
        rows.sort()
    flat = [item for row in rows for item in row]
    return sorted(flat) if order == "valuesort" else flat


def applies(record: List[str]) -> Tuple[bool, List[str]]:
    """Whether a record is for this engine, and the record without its conditions."""
    good = True
    while record and record[0].split()[0] in ("skipif", "onlyif"):
        word, engine, *_ = record[0].split()
        good = good and ((engine == "sqlite") == (word == "onlyif"))
        record = record[1:]
    return good, record


@needs_data
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(DATA / "slt").as_posix())
def test_sqllogictest(path: Path, tmp_path: Path) -> None:
    done = 0
    # On one connection: some files make temporary views.
    with keepwell.open(tmp_path / "slt.db") as database, database.connection() as store:
        for line, record in records(path):
            good, record = applies(record)
            if not good or not record:
                continue
            words = record[0].split()
            where = f"{path.name}:{line}"
            if words[0] == "halt":
                break
            if words[0] == "hash-threshold":
                continue
            if words[0] == "statement":
                sql = "\n".join(record[1:])
                if words[1] == "error":
                    with pytest.raises(keepwell.Error):
                        execute(store, sql)
                else:
                    try:
                        execute(store, sql)
                    except keepwell.Error as error:
                        pytest.fail(f"{where}: {error}")
            elif words[0] == "query":
                split = record.index("----") if "----" in record else len(record)
                expected = record[split + 1 :]
                try:
                    found = answer(store, words[1], words[2] if len(words) > 2 else "nosort", "\n".join(record[1:split]))
                except keepwell.Error as error:
                    # The engine's own runner takes a query that fails for one without values.
                    if expected:
                        pytest.fail(f"{where}: {error}")
                    found = []
                if len(expected) == 1 and " values hashing to " in expected[0]:
                    digest = hashlib.md5("".join(item + "\n" for item in found).encode()).hexdigest()
                    found = [f"{len(found)} values hashing to {digest}"]
                assert found == expected, where
            else:
                pytest.fail(f"{where}: unknown record {words[0]}")
            done += 1
    assert done > 0


@needs_data
def test_chinook(tmp_path: Path) -> None:
    with keepwell.open(tmp_path / "chinook.db") as store:
        script = (DATA / "chinook.sql").read_text(encoding="utf-8-sig")
        store.execute_script(script)
        tables = [name for (name,) in store.query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        assert len(tables) == 11
        assert store.query_value("SELECT count(*) FROM Track") == 3503
        assert store.query_value("SELECT count(*) FROM InvoiceLine") == 2240
        assert store.query("PRAGMA foreign_key_check") == []
        best = store.query(
            "SELECT ar.Name, count(*) AS sold FROM InvoiceLine JOIN Track t USING (TrackId) JOIN Album al USING (AlbumId) "
            "JOIN Artist ar USING (ArtistId) GROUP BY ar.ArtistId ORDER BY sold DESC, ar.Name LIMIT 1"
        )
        assert best == [("Iron Maiden", 140)] and best.columns == ("Name", "sold")
        with pytest.raises(keepwell.ConstraintError):
            store.execute("INSERT INTO Album(AlbumId, Title, ArtistId) VALUES (9999, 'x', 99999)")
