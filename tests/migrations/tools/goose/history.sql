BEGIN TRANSACTION;
CREATE TABLE goose_db_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO "goose_db_version" VALUES(1,0,1,'2026-11-28 07:53:06');
INSERT INTO "goose_db_version" VALUES(2,1,1,'2026-11-28 07:53:06');
INSERT INTO "goose_db_version" VALUES(3,2,1,'2026-11-28 07:53:06');
INSERT INTO "goose_db_version" VALUES(4,3,1,'2026-11-28 07:53:06');
INSERT INTO "goose_db_version" VALUES(5,4,1,'2026-11-28 07:53:06');
CREATE TABLE log (what TEXT NOT NULL, person_id INTEGER);
INSERT INTO "log" VALUES('added; by trigger',4);
CREATE TABLE person (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL
, age INTEGER);
INSERT INTO "person" VALUES(1,'Ada',NULL);
INSERT INTO "person" VALUES(2,'semi;colon',NULL);
INSERT INTO "person" VALUES(3,'Zoë',NULL);
INSERT INTO "person" VALUES(4,'Grace',NULL);
CREATE TABLE visit (
    id INTEGER PRIMARY KEY,
    person_id INTEGER NOT NULL REFERENCES person(id),
    note TEXT DEFAULT 'two
lines'
);
INSERT INTO "visit" VALUES(1,1,'two
lines');
CREATE INDEX visit_person ON visit(person_id);
CREATE TRIGGER person_added AFTER INSERT ON person
BEGIN
    INSERT INTO log VALUES ('added; by trigger', new.id);
    UPDATE person SET name = trim(name) WHERE id = new.id;
END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('goose_db_version',5);
INSERT INTO "sqlite_sequence" VALUES('person',4);
COMMIT;
