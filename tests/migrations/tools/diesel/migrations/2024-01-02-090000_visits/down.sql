DROP TABLE visit;
