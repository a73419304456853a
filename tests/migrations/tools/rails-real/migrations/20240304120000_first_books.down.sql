DELETE FROM former_title;
DELETE FROM book;
DELETE FROM author;
