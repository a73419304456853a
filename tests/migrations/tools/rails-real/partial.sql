PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE "ar_internal_metadata" ("key" varchar NOT NULL PRIMARY KEY, "value" varchar, "created_at" datetime(6) NOT NULL, "updated_at" datetime(6) NOT NULL);
INSERT INTO "ar_internal_metadata" VALUES('environment','development','2026-11-28 07:55:27.380850','2026-11-28 07:55:27.380850');
CREATE TABLE "author" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "name" text NOT NULL);
CREATE TABLE "book" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "author_id" integer NOT NULL, "title" text NOT NULL, "changes" integer DEFAULT 0 NOT NULL, CONSTRAINT "fk_rails_10d1292ff1"
FOREIGN KEY ("author_id")
  REFERENCES "author" ("id")
 ON DELETE CASCADE);
CREATE TABLE "schema_migrations" ("version" varchar NOT NULL PRIMARY KEY);
INSERT INTO "schema_migrations" VALUES('20240301120000');
INSERT INTO "schema_migrations" VALUES('20240302120000');
CREATE INDEX "index_book_on_author_id" ON "book" ("author_id");
DELETE FROM "sqlite_sequence";
COMMIT;
