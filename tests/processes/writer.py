"""One of the writers of writers.py, in Python: see there for what it does and says."""

import os
import sys
import threading
import traceback

import keepwell

INSERT = "INSERT INTO w(process, thread, sequence, part, parts) VALUES (?, ?, ?, ?, ?)"


def work(store: keepwell.Store, process: str, thread: int, operations: int) -> None:
    for sequence in range(operations):
        if sequence % 8 == 0:
            with store.transaction() as tx:
                for part in range(3):
                    tx.execute(INSERT, (process, thread, sequence, part, 3))
        elif sequence % 8 == 4:
            store.execute_many(INSERT, [(process, thread, sequence, part, 5) for part in range(5)])
        elif sequence % 8 == 6:
            try:
                store.execute(INSERT, (process, thread, sequence, 0, 1), timeout=0.003)
            except keepwell.TimeoutError:
                sys.stdout.write(f"refused {thread} {sequence}\n")
        else:
            store.execute(INSERT, (process, thread, sequence, 0, 1))


def work_or_end(*arguments: object) -> None:
    try:
        work(*arguments)  # type: ignore[arg-type]
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def main() -> None:
    path, process, threads, operations, synchronous = sys.argv[1:]
    with keepwell.open({"datasource": path, "query": {"timeout": "60s"}, "options": {"synchronous": synchronous}}) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        workers = [threading.Thread(target=work_or_end, args=(store, process, i, int(operations))) for i in range(int(threads))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    print("done")


main()
