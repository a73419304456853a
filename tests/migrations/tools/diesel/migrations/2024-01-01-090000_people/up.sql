-- Names with a semicolon; and a quote ' in a comment.
CREATE TABLE person (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL
);
INSERT INTO person(name) VALUES ('Ada'), ('semi;colon'), ('Zoë');
