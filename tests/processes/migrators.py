"""Twenty processes of five languages that start at the same time apply fifty migrations to one file; then the same with some killed.

    migrators.py FOLDER COMMAND-LINE     FOLDER holds the programs migrator-c, migrator-cpp and migrator-go (if built)

A starter is started as `starter FILE MIGRATIONS`, applies what is pending and says "applied N". Each migration has to be applied once, and every
starter that is not killed has to succeed. At the end `verify` of the command line must find nothing wrong.
"""

import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List

import keepwell

HERE = Path(__file__).resolve().parent
COUNT = 50
PROCESSES = 20


def migrations(folder: Path) -> None:
    """Each makes a table and fills it, and makes the one before anew."""
    folder.mkdir()
    rows = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 200) INSERT INTO t{n} SELECT i, 'row ' || i FROM c;\n"
    anew = "CREATE TABLE new(x INTEGER PRIMARY KEY, y, z); INSERT INTO new(x, y) SELECT x, y FROM t{m}; DROP TABLE t{m}; ALTER TABLE new RENAME TO t{m};\n"
    for n in range(1, COUNT + 1):
        text = f"CREATE TABLE t{n}(x INTEGER PRIMARY KEY, y);\n" + rows.format(n=n) + (anew.format(m=n - 1) if n > 1 else "")
        (folder / f"{n:04}_table.up.sql").write_text(text)


def starters(programs: Path, line: str) -> List[List[str]]:
    found = [[str(programs / name)] for name in ("migrator-c", "migrator-cpp", "migrator-go") if (programs / name).exists()]
    return [*found, [sys.executable, str(HERE / "migrator.py")], [line, "migrate", "up", "--quiet"]]


def start(command: List[str], path: Path, folder: Path) -> "subprocess.Popen[str]":
    arguments = ["--database", str(path), "--dir", str(folder)] if command[1:2] == ["migrate"] else [str(path), str(folder)]
    return subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def whole(line: str, path: Path, folder: Path) -> int:
    """The file is at the boundary of a migration: the version that it is at."""
    checked = subprocess.run([line, "migrate", "verify", "--database", str(path), "--dir", str(folder)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with keepwell.open(path) as store:
        version = store.query_value("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name GLOB 't[0-9]*'")
        begun = store.query_value("SELECT count(*) FROM sqlite_schema WHERE name = 'keepwell_migrations'")
        assert version == (store.query_value("SELECT max(version) FROM keepwell_migrations") if begun else 0), version
        for n in range(1, version + 1):
            assert store.query_value(f"SELECT count(*) FROM t{n}") == 200, f"t{n} at {version}"
        assert store.query_value("SELECT count(*) FROM sqlite_schema WHERE name = 'new'") == 0
    return int(version)


def together(commands: List[List[str]], line: str, folder: Path, path: Path) -> None:
    running = [start(commands[i % len(commands)], path, folder) for i in range(PROCESSES)]
    applied = 0
    for process in running:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, f"{process.args}: {err}"
        applied += int(out.split()[1]) if out else 0
    with keepwell.open(path) as store:
        times = store.query("SELECT count(*), count(DISTINCT version) FROM keepwell_migrations")
    assert times == [(COUNT, COUNT)] and applied <= COUNT, (times, applied)
    assert whole(line, path, folder) == COUNT


def killed(commands: List[List[str]], line: str, folder: Path, base: Path, rounds: int) -> int:
    """Starters that are killed at random points, until all is applied, again and again; how many kills there were."""
    kills = 0
    for round_ in range(rounds):
        path, version = base / f"killed{round_}.db", 0
        while version < COUNT:
            process = start(random.choice(commands), path, folder)
            try:
                process.communicate(timeout=random.uniform(0.01, 0.05))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
            if path.exists():
                now = whole(line, path, folder)
                assert now >= version
                version = now
    return kills


def main() -> None:
    commands = starters(Path(sys.argv[1]).resolve(), str(Path(sys.argv[2]).resolve()))
    with tempfile.TemporaryDirectory() as name:
        base, folder = Path(name), Path(name) / "migrations"
        migrations(folder)
        together(commands, commands[-1][0], folder, base / "together.db")
        kills = killed(commands, commands[-1][0], folder, base, 10)
    print(f"migrators: {PROCESSES} processes of {len(commands)} languages applied {COUNT} migrations once each; {kills} kills left no half of one")


main()
