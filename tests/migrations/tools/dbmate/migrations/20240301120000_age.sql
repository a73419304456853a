-- migrate:up
ALTER TABLE person ADD COLUMN age INTEGER;

-- migrate:down
ALTER TABLE person DROP COLUMN age;
