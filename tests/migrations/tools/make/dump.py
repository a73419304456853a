"""Writes a database as SQL text: DATABASE FILE."""

import sqlite3
import sys

database = sqlite3.connect(sys.argv[1])
lines = list(database.iterdump())
version = database.execute("PRAGMA user_version").fetchone()[0]
if version:
    lines.append(f"PRAGMA user_version = {version};")
with open(sys.argv[2], "w", encoding="utf-8", newline="") as file:
    file.write("\n".join(lines) + "\n")
