DROP TRIGGER book_changed;
DROP TABLE former_title;
