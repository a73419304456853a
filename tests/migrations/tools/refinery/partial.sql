BEGIN TRANSACTION;
CREATE TABLE person (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL
);
INSERT INTO "person" VALUES(1,'Ada');
INSERT INTO "person" VALUES(2,'semi;colon');
INSERT INTO "person" VALUES(3,'Zoë');
CREATE TABLE refinery_schema_history(
             version int4 PRIMARY KEY,
             name VARCHAR(255),
             applied_on VARCHAR(255),
             checksum VARCHAR(255));
INSERT INTO "refinery_schema_history" VALUES(1,'people','2026-11-28T07:53:08.138559023Z','17562704857846181745');
INSERT INTO "refinery_schema_history" VALUES(2,'visits','2026-11-28T07:53:08.138584138Z','13726153020331267486');
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
