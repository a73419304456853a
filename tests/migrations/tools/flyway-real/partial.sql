PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE author (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);
CREATE TABLE book (
    id        INTEGER PRIMARY KEY,
    author_id INTEGER NOT NULL REFERENCES author (id) ON DELETE CASCADE,
    title     TEXT NOT NULL,
    changes   INTEGER NOT NULL DEFAULT 0
);
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
INSERT INTO "flyway_schema_history" VALUES(1,'001','create authors','SQL','V001__create_authors.sql',-1015425648,'somebody','2026-11-28 07:55:03.313',9,1);
INSERT INTO "flyway_schema_history" VALUES(2,'002','create books','SQL','V002__create_books.sql',1850529409,'somebody','2026-11-28 07:55:03.337',2,1);
CREATE INDEX "flyway_schema_history_s_idx" ON "flyway_schema_history" ("success");
CREATE INDEX book_author ON book (author_id);
COMMIT;
