PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE author (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);
INSERT INTO "author" VALUES(1,'Selma Lagerlöf');
INSERT INTO "author" VALUES(2,'Karel Čapek');
INSERT INTO "author" VALUES(3,'Alexis Kivi');
CREATE TABLE book (
    id        INTEGER PRIMARY KEY,
    author_id INTEGER NOT NULL REFERENCES author (id) ON DELETE CASCADE,
    title     TEXT NOT NULL,
    changes   INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "book" VALUES(1,1,'Gösta Berlings saga',1);
INSERT INTO "book" VALUES(2,2,'R.U.R.; a play -- in three acts',0);
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
INSERT INTO "flyway_schema_history" VALUES(3,'003','count changes','SQL','V003__count_changes.sql',462843733,'somebody','2026-11-28 07:55:05.291',17,1);
INSERT INTO "flyway_schema_history" VALUES(4,'004','first books','SQL','V004__first_books.sql',403085741,'somebody','2026-11-28 07:55:05.317',8,1);
INSERT INTO "flyway_schema_history" VALUES(5,'005','mark','SQL','V005__mark.sql',-1542245418,'somebody','2026-11-28 07:55:05.337',3,1);
CREATE TABLE former_title (
    book_id INTEGER NOT NULL REFERENCES book (id),
    title   TEXT NOT NULL
);
INSERT INTO "former_title" VALUES(1,'Gösta Berling; formerly');
CREATE INDEX "flyway_schema_history_s_idx" ON "flyway_schema_history" ("success");
CREATE INDEX book_author ON book (author_id);
CREATE TRIGGER book_changed AFTER UPDATE OF title ON book
BEGIN
    UPDATE book SET changes = changes + 1 WHERE id = new.id;
    INSERT INTO former_title (book_id, title) VALUES (new.id, old.title || '; formerly');
END;
COMMIT;
