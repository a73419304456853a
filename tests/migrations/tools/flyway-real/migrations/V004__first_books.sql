-- The lines of this file end in CR LF.
INSERT INTO author (id, name) VALUES (1, 'Selma Lagerlöf'), (2, 'Karel Čapek');
INSERT INTO book (id, author_id, title) VALUES (1, 1, 'Gösta Berling'), (2, 2, 'R.U.R.; a play -- in three acts');
UPDATE book SET title = 'Gösta Berlings saga'
 WHERE id = 1;
