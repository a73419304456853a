BEGIN TRANSACTION;
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
INSERT INTO "flyway_schema_history" VALUES(1,'1','people','SQL','V1__people.sql',1728237604,'','2024-03-01 12:00:00.000',3,1);
INSERT INTO "flyway_schema_history" VALUES(2,'2','visits','SQL','V2__visits.sql',-665568400,'','2024-03-01 12:00:00.000',3,1);
INSERT INTO "flyway_schema_history" VALUES(3,'3','log','SQL','V3__log.sql',2101727104,'','2024-03-01 12:00:00.000',3,1);
INSERT INTO "flyway_schema_history" VALUES(4,'4','age','SQL','V4__age.sql',-886760980,'','2024-03-01 12:00:00.000',3,1);
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
CREATE INDEX "flyway_schema_history_s_idx" ON "flyway_schema_history" ("success");
CREATE INDEX visit_person ON visit(person_id);
CREATE TRIGGER person_added AFTER INSERT ON person
BEGIN
    INSERT INTO log VALUES ('added; by trigger', new.id);
    UPDATE person SET name = trim(name) WHERE id = new.id;
END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('person',4);
COMMIT;
