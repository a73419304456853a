BEGIN TRANSACTION;
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
CREATE TABLE "schema_migrations" (version varchar(128) primary key);
INSERT INTO "schema_migrations" VALUES('20240101090000');
INSERT INTO "schema_migrations" VALUES('20240102090000');
INSERT INTO "schema_migrations" VALUES('20240215183000');
INSERT INTO "schema_migrations" VALUES('20240301120000');
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
INSERT INTO "sqlite_sequence" VALUES('person',4);
COMMIT;
