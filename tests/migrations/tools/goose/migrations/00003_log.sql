-- +goose Up
CREATE TABLE log (what TEXT NOT NULL, person_id INTEGER);
-- +goose StatementBegin
CREATE TRIGGER person_added AFTER INSERT ON person
BEGIN
    INSERT INTO log VALUES ('added; by trigger', new.id);
    UPDATE person SET name = trim(name) WHERE id = new.id;
END;
-- +goose StatementEnd
INSERT INTO person(name) VALUES ('  Grace ');

-- +goose Down
DELETE FROM person WHERE name = 'Grace';
DROP TRIGGER person_added;
DROP TABLE log;
