BEGIN TRANSACTION;
CREATE TABLE person (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL
);
INSERT INTO "person" VALUES(1,'Ada');
INSERT INTO "person" VALUES(2,'semi;colon');
INSERT INTO "person" VALUES(3,'Zoë');
CREATE TABLE "schema_migrations" (version varchar(128) primary key);
INSERT INTO "schema_migrations" VALUES('20240101090000');
INSERT INTO "schema_migrations" VALUES('20240102090000');
CREATE TABLE visit (
    id INTEGER PRIMARY KEY,
    person_id INTEGER NOT NULL REFERENCES person(id),
    note TEXT DEFAULT 'two
lines'
);
INSERT INTO "visit" VALUES(1,1,'two
lines');
CREATE INDEX visit_person ON visit(person_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('person',3);
COMMIT;
