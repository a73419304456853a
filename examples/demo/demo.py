"""The demo in Python: load a fifth of a dependency graph, ask about it from several threads, meet each kind of error, write beside others.

    demo.py FILE SCHEMA GRAPH    loads GRAPH (see graph.py) into the database FILE and reports
    demo.py FILE --together N    N transactions in each of four threads, beside the other programs
    demo.py FILE --totals        what all programs wrote together
"""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keepwell

USAGE = "usage: demo.py FILE SCHEMA GRAPH | FILE --together N | FILE --totals"
LANGUAGE = "Python"
THREADS = 4
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def require(condition, what):
    if not condition:
        raise RuntimeError(what)


def open_store(path):
    return keepwell.open({"datasource": path, "pool": {"max_open": 8}, "query": {"timeout": "30s"}})


def read_share(path):
    """This program's share of the graph: packages and edges."""
    packages, edges = [], []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        kind, *fields, language = line.split("\t")
        if language == LANGUAGE and kind == "package":
            number, name, version, licence, features, targets = fields
            packages.append({"id": int(number), "name": name, "version": version, "licence": licence,
                             "features": int(features), "targets": int(targets)})  # fmt: skip
        elif language == LANGUAGE:
            package, dependency, kind = fields
            edges.append((int(package), int(dependency), kind))
    return packages, edges


def load(store, path):
    packages, edges = read_share(path)
    with store.transaction() as tx:
        run = tx.execute("INSERT INTO run(language) VALUES (?)", (LANGUAGE,)).last_insert_id
        tx.execute_many("INSERT INTO licence(name) VALUES (?) ON CONFLICT DO NOTHING", [(p["licence"],) for p in packages])
        tx.execute_many(
            """INSERT INTO package(id, name, version, licence_id, features, targets, run_id)
               SELECT :id, :name, :version, licence.id, :features, :targets, :run FROM licence WHERE licence.name = :licence""",
            [{**package, "run": run} for package in packages],
        )
        tx.execute_many("INSERT INTO edge(package_id, dependency_id, kind) VALUES (?, ?, ?)", edges)
        try:
            with tx.transaction() as savepoint:  # inside a transaction: a try that fails takes nothing else with it
                savepoint.execute("UPDATE package SET features = 0")
                savepoint.execute("INSERT INTO edge VALUES (1000000, 1, 'normal')")
        except keepwell.ConstraintError as error:
            refusal = error
        else:
            raise RuntimeError("the foreign key should have refused this")
    now = store.query_one("SELECT (SELECT count(*) FROM package), (SELECT count(*) FROM edge)")
    print(f"  loaded     {len(packages)} packages and {len(edges)} dependencies; the file has {now[0]} and {now[1]} now")
    print(f"  savepoint  undone after: {refusal}")


def change_and_roll_back(store):
    """A transaction that an exception ends leaves no trace; nor does one that is rolled back by hand, as here."""
    count = "SELECT count(*) FROM edge"
    before = store.query_value(count)
    with store.transaction() as tx:
        tx.execute("DELETE FROM edge")
        inside = tx.query_value(count)
        tx.rollback()
    after = store.query_value(count)
    require(inside == 0 and after == before, "the rollback did not restore the dependencies")
    print(f"  rollback   {before} dependencies, {inside} after DELETE, {after} after the rollback\n")


QUESTIONS = [
    ("""SELECT licence.name AS licence, count(*) AS packages FROM package JOIN licence ON licence.id = licence_id
        GROUP BY licence.id ORDER BY packages DESC, licence LIMIT ?""", 4),
    ("""SELECT name || ' ' || version AS "most depended upon",
               (SELECT count(DISTINCT package_id) FROM edge WHERE dependency_id = package.id) AS directly, count(*) AS "in all"
        FROM needs JOIN package ON package.id = needs.dependency_id
        GROUP BY package.id ORDER BY "in all" DESC, directly DESC, name LIMIT ?""", 4),
    ("""WITH RECURSIVE chain(id, steps, path) AS (
          SELECT id, 0, name FROM package UNION ALL
          SELECT dependency_id, steps + 1, path || ' > ' || package.name
          FROM chain JOIN edge ON edge.package_id = chain.id JOIN package ON package.id = dependency_id)
        SELECT steps, path AS "deepest chain" FROM chain ORDER BY steps DESC, path LIMIT ?""", 1),
]  # fmt: skip


def table(rows):
    """The rows as a table, numbers to the right."""
    lines = [rows.columns, *rows]
    widths = [max(len(str(value)) for value in column) for column in zip(*lines)]
    align = [">" if isinstance(value, int) else "<" for value in lines[-1]]
    return "\n".join("".join(f"  {str(value):{a}{w}}" for value, a, w in zip(line, align, widths)).rstrip() for line in lines)


def report(store):
    """One store serves all threads; while a query runs in the library, the other threads of Python run too."""
    with ThreadPoolExecutor(len(QUESTIONS)) as pool:
        for rows in pool.map(lambda question: store.query(question[0], (question[1],)), QUESTIONS):
            print(table(rows), end="\n\n")


def show(what, expected, action):
    """Runs something that must fail, and shows the error as a program sees it."""
    try:
        action()
    except expected as error:
        numbers = f"keepwell.{type(error).__name__}"
        if error.engine_code is not None:
            numbers += f", engine {error.engine_code} ({error.engine_extended_code})"
        if error.sql_offset is not None:
            numbers += f", byte {error.sql_offset}"
        print(f"  {what:<22} {numbers}\n      {error}")
    else:
        raise RuntimeError(f"{what}: this should have failed")


def show_errors(store, path):
    def cancelled():
        token = keepwell.CancelToken()
        threading.Timer(0.05, token.cancel).start()
        store.query(ENDLESS, cancel=token)

    def wait_for_oneself():
        with store.transaction():
            store.execute("DELETE FROM edge")  # the transaction was meant, not the store

    closed = open_store(path)
    closed.close()
    print("  Errors as a Python program sees them:")
    show("wrong SQL", keepwell.SqlError, lambda: store.query("SELECT name FORM package"))
    show("a constraint", keepwell.ConstraintError, lambda: store.execute("INSERT INTO run SELECT * FROM run"))
    show("a missing parameter", keepwell.ParameterError,
         lambda: store.query("SELECT id FROM package WHERE name = ? AND version = ?", ("libc",)))  # fmt: skip
    show("a timeout", keepwell.TimeoutError, lambda: store.query(ENDLESS, timeout=0.05))
    show("a cancelled call", keepwell.CancelledError, cancelled)
    show("a write, read-only", keepwell.ReadOnlyError, lambda: store.execute("DELETE FROM edge", read_only=True))
    show("a wait for oneself", keepwell.SelfDeadlockError, wait_for_oneself)
    show("a closed store", keepwell.MisuseError, lambda: closed.query("SELECT 1"))
    show("a misspelled setting", keepwell.ConfigError, lambda: keepwell.open({"datasource": path, "pool": {"max_opne": 8}}))
    print()


def count_one(store, thread):
    """One commit: the counter and its note."""
    with store.transaction() as tx:
        tx.execute("UPDATE counter SET value = value + 1 WHERE name = 'commits'")
        tx.execute("INSERT INTO note(run_id, thread) SELECT id, ? FROM run WHERE language = ?", (thread, LANGUAGE))


def together(store, transactions):
    def work(thread):
        done = again = 0
        while done < transactions:
            try:
                count_one(store, thread)
                done += 1
            except keepwell.Error as error:
                if not error.retryable:
                    raise
                again += 1
            # Whatever the others do meanwhile, one query sees one state.
            require(store.query_value("SELECT value - (SELECT count(*) FROM note) FROM counter") == 0, "a snapshot was torn")
        return again

    store.execute("UPDATE run SET promised = promised + ? WHERE language = ?", (THREADS * transactions, LANGUAGE))
    while store.query_value("SELECT count(*) FROM run WHERE promised = 0"):  # until all programs are there
        time.sleep(0.002)
    with ThreadPoolExecutor(THREADS) as pool:
        again = sum(pool.map(work, range(THREADS)))
    print(f"  {LANGUAGE:<8} {THREADS} threads committed {transactions} transactions each; {again} were run again")


def totals(store):
    *numbers, integrity = store.query_one(
        """SELECT (SELECT count(*) FROM package), (SELECT count(*) FROM edge), (SELECT sum(promised) FROM run),
                  (SELECT value FROM counter), (SELECT count(*) FROM note), (SELECT count(*) FROM hand_over),
                  (SELECT * FROM pragma_integrity_check)"""
    )
    print(f"  {LANGUAGE:<8}" + "".join(f"{number:14}" for number in numbers) + f"  {integrity}")
    _, _, promised, counter, notes, _ = numbers
    require(promised == counter == notes, "the totals differ")
    require(integrity == "ok", "the file is damaged")


def main(path, *rest):
    with open_store(path) as store:
        if len(rest) == 2 and rest[0] == "--together":
            together(store, int(rest[1]))
        elif rest == ("--totals",):
            totals(store)
        elif len(rest) == 2:
            schema, graph = rest
            print(f"Python, by the package keepwell {keepwell.__version__}\n")
            store.execute_script(Path(schema).read_text(encoding="utf-8"))
            load(store, graph)
            change_and_roll_back(store)
            report(store)
            show_errors(store, path)
        else:
            sys.exit(USAGE)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:] or sys.exit(USAGE))
    except (keepwell.Error, RuntimeError) as error:
        sys.exit(f"demo.py: {error}")
