"""The histories of Flyway and Rails, written as their sources do it: TOOL FOLDER DATABASE."""

import os
import re
import sqlite3
import sys
import zlib

tool, folder, path = sys.argv[1:]
database = sqlite3.connect(path)


def read(name):
    with open(os.path.join(folder, name), encoding="utf-8", newline="") as file:
        return file.read()


def crc(text):
    """Java's readLine takes CR, LF and CR LF for ends of lines; Flyway sums what is between them."""
    value = zlib.crc32(re.sub(r"[\r\n]", "", text.removeprefix("\ufeff")).encode())
    return value - (1 << 32) if value >= 1 << 31 else value


if tool == "flyway":
    database.executescript(
        """
        CREATE TABLE "flyway_schema_history" (
            "installed_rank" INT NOT NULL PRIMARY KEY,
            "version" VARCHAR(50),
            "description" VARCHAR(200) NOT NULL,
            "type" VARCHAR(20) NOT NULL,
            "script" VARCHAR(1000) NOT NULL,
            "checksum" INT,
            "installed_by" VARCHAR(100) NOT NULL,
            "installed_on" TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')),
            "execution_time" INT NOT NULL,
            "success" BOOLEAN NOT NULL
        );
        CREATE INDEX "flyway_schema_history_s_idx" ON "flyway_schema_history" ("success");
        """
    )
    for rank, name in enumerate(sorted(os.listdir(folder)), 1):
        version, description = re.fullmatch(r"V(\d+)__(.*)\.sql", name).groups()
        database.executescript(read(name))
        database.execute(
            "INSERT INTO flyway_schema_history VALUES (?, ?, ?, 'SQL', ?, ?, '', '2024-03-01 12:00:00.000', 3, 1)",
            (rank, version, description.replace("_", " "), name, crc(read(name))),
        )
else:
    database.executescript(
        """
        CREATE TABLE "schema_migrations" ("version" varchar NOT NULL PRIMARY KEY);
        CREATE TABLE "ar_internal_metadata" ("key" varchar NOT NULL PRIMARY KEY, "value" varchar,
            "created_at" datetime(6) NOT NULL, "updated_at" datetime(6) NOT NULL);
        INSERT INTO ar_internal_metadata VALUES ('environment', 'development', '2024-03-01 12:00:00.000000', '2024-03-01 12:00:00.000000');
        """
    )
    for name in sorted(os.listdir(folder)):
        database.executescript(re.split(r"-- migrate:down", read(name))[0])
        database.execute("INSERT INTO schema_migrations VALUES (?)", (name.split("_")[0],))
database.commit()
