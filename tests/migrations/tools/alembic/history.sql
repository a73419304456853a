BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('a1b2c3d4e5f6');
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
COMMIT;
