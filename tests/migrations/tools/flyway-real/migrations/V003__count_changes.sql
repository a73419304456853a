CREATE TABLE former_title (
    book_id INTEGER NOT NULL REFERENCES book (id),
    title   TEXT NOT NULL
);
-- Two statements and a semicolon in a text: only SQLite itself knows where this trigger ends.
CREATE TRIGGER book_changed AFTER UPDATE OF title ON book
BEGIN
    UPDATE book SET changes = changes + 1 WHERE id = new.id;
    INSERT INTO former_title (book_id, title) VALUES (new.id, old.title || '; formerly');
END;
