DELETE FROM person WHERE name = 'Grace';
DROP TRIGGER person_added;
DROP TABLE log;
