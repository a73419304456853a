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
CREATE TABLE person (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL
);
INSERT INTO "person" VALUES(1,'Ada');
INSERT INTO "person" VALUES(2,'semi;colon');
INSERT INTO "person" VALUES(3,'Zoë');
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('person',3);
COMMIT;
