-- +goose Up
ALTER TABLE person ADD COLUMN age INTEGER;

-- +goose Down
ALTER TABLE person DROP COLUMN age;
