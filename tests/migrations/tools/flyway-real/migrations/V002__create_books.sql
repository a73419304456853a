CREATE TABLE book (
    id        INTEGER PRIMARY KEY,
    author_id INTEGER NOT NULL REFERENCES author (id) ON DELETE CASCADE,
    title     TEXT NOT NULL,
    changes   INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX book_author ON book (author_id);
