PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE "ar_internal_metadata" ("key" varchar NOT NULL PRIMARY KEY, "value" varchar, "created_at" datetime(6) NOT NULL, "updated_at" datetime(6) NOT NULL);
INSERT INTO "ar_internal_metadata" VALUES('environment','development','2026-11-28 07:55:27.380850','2026-11-28 07:55:27.380850');
CREATE TABLE "author" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "name" text NOT NULL);
INSERT INTO "author" VALUES(1,'Selma Lagerlöf');
INSERT INTO "author" VALUES(2,'Karel Čapek');
CREATE TABLE "book" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "author_id" integer NOT NULL, "title" text NOT NULL, "changes" integer DEFAULT 0 NOT NULL, CONSTRAINT "fk_rails_10d1292ff1"
FOREIGN KEY ("author_id")
  REFERENCES "author" ("id")
 ON DELETE CASCADE);
INSERT INTO "book" VALUES(1,1,'Gösta Berlings saga',1);
INSERT INTO "book" VALUES(2,2,'R.U.R.; a play -- in three acts',0);
CREATE TABLE "former_title" ("book_id" integer NOT NULL, "title" text NOT NULL, CONSTRAINT "fk_rails_bb76702507"
FOREIGN KEY ("book_id")
  REFERENCES "book" ("id")
);
INSERT INTO "former_title" VALUES(1,'Gösta Berling; formerly');
CREATE TABLE "schema_migrations" ("version" varchar NOT NULL PRIMARY KEY);
INSERT INTO "schema_migrations" VALUES('20240301120000');
INSERT INTO "schema_migrations" VALUES('20240302120000');
INSERT INTO "schema_migrations" VALUES('20240303120000');
INSERT INTO "schema_migrations" VALUES('20240304120000');
CREATE INDEX "index_book_on_author_id" ON "book" ("author_id");
CREATE INDEX "index_former_title_on_book_id" ON "former_title" ("book_id");
CREATE TRIGGER book_changed AFTER UPDATE OF title ON book
BEGIN
    UPDATE book SET changes = changes + 1 WHERE id = new.id;
    INSERT INTO former_title (book_id, title) VALUES (new.id, old.title || '; formerly');
END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('author',2);
INSERT INTO "sqlite_sequence" VALUES('book',2);
COMMIT;
