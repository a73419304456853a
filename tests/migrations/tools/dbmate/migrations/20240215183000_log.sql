-- migrate:up
CREATE TABLE log (what TEXT NOT NULL, person_id INTEGER);
CREATE TRIGGER person_added AFTER INSERT ON person
BEGIN
    INSERT INTO log VALUES ('added; by trigger', new.id);
    UPDATE person SET name = trim(name) WHERE id = new.id;
END;
INSERT INTO person(name) VALUES ('  Grace ');

-- migrate:down
DELETE FROM person WHERE name = 'Grace';
DROP TRIGGER person_added;
DROP TABLE log;
