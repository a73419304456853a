PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE "ar_internal_metadata" ("key" varchar NOT NULL PRIMARY KEY, "value" varchar, "created_at" datetime(6) NOT NULL, "updated_at" datetime(6) NOT NULL);
INSERT INTO "ar_internal_metadata" VALUES('environment','development','2026-11-28 07:55:27.380850','2026-11-28 07:55:27.380850');
CREATE TABLE "schema_migrations" ("version" varchar NOT NULL PRIMARY KEY);
COMMIT;
