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
CREATE TABLE refinery_schema_history(
             version int8 PRIMARY KEY,
             name VARCHAR(255),
             applied_on VARCHAR(255),
             checksum VARCHAR(255));
INSERT INTO "refinery_schema_history" VALUES(1,'people','2026-11-28T07:53:08.287178695Z','12935736636032157682');
INSERT INTO "refinery_schema_history" VALUES(2,'visits','2026-11-28T07:53:08.287211376Z','17631085819532417604');
INSERT INTO "refinery_schema_history" VALUES(3,'log','2026-11-28T07:53:08.287215927Z','11324052113667162040');
INSERT INTO "refinery_schema_history" VALUES(4,'age','2026-11-28T07:53:08.287219969Z','669025553932861306');
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
