-- This file has CR LF at its line ends.
CREATE TABLE visit (
    id INTEGER PRIMARY KEY,
    person_id INTEGER NOT NULL REFERENCES person(id),
    note TEXT DEFAULT 'two
lines'
);

CREATE INDEX visit_person ON visit(person_id);
INSERT INTO visit(person_id) VALUES (1);
