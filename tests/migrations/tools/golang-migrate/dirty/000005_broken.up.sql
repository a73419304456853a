CREATE TABLE broken(x);
INSERT INTO nowhere VALUES (1);
