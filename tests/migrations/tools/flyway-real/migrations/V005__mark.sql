-- Begins with a byte order mark; this line ends in CR CR LF, the next in CR alone, the last in CR.
INSERT INTO author (id, name)VALUES (3, 'Alexis Kivi');