package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"

	"github.com/keepwell/keepwell/bindings/go"
	_ "github.com/mattn/go-sqlite3"
	_ "modernc.org/sqlite"
)

// contender does each workload so many times.
type contender interface {
	name() string
	version() string
	points(n int)
	pointsTx(n int)
	hundreds(n int)
	cachedPoints(n int)
	cachedHundreds(n int)
	structs(n int)
	scan(n int)
	inserts(n int)
	insertMany(n int)
	close()
}

// peers are the other ways to use SQLite from Go.
var peers = []struct{ title, driver, parameters string }{
	{"mattn/go-sqlite3", "sqlite3", "?_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=5000"},
	{"modernc.org/sqlite", "sqlite", "?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(5000)"},
}

const (
	pointSQL  = "SELECT id, a, r, s, t, n FROM base WHERE id = ?"
	rangeSQL  = "SELECT id, a, r, s, t, n FROM base WHERE id >= ? ORDER BY id LIMIT 100"
	scanSQL   = "SELECT id, a, r, s, t, n FROM base"
	insertSQL = "INSERT INTO log(a, r, s, t, n) VALUES (?, ?, ?, ?, ?)"
	clearSQL  = "DELETE FROM log"
)

var background = context.Background()

// openAll makes the database, a copy for each contender, and opens them. Each has its own file, because several SQLite libraries of one
// process must not share one.
func openAll(dir string) []contender {
	ours := path(dir, "keepwell")
	if _, err := os.Stat(ours); err != nil {
		fill(ours)
	}
	all := []contender{nil}
	for _, peer := range peers {
		file := path(dir, peer.driver)
		copyFile(ours, file)
		all = append(all, openPeer(peer.title, peer.driver, "file:"+file+peer.parameters))
	}
	store, err := keepwell.Open(ours)
	check(err)
	all[0] = &own{store: store}
	return all
}

func fill(file string) {
	store, err := keepwell.Open(file)
	check(err)
	_, err = store.ExecScript(background, fmt.Sprintf(`
		CREATE TABLE base(id INTEGER PRIMARY KEY, a INTEGER, r REAL, s TEXT, t TEXT, n INTEGER);
		CREATE TABLE log(id INTEGER PRIMARY KEY, a INTEGER, r REAL, s TEXT, t TEXT, n INTEGER);
		WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < %d)
		INSERT INTO base SELECT i, (i * 7919) %% 100003, i / 7.0, printf('name of item %%07d', i),
			printf('a longer text of about sixty characters, number %%012d', i), CASE WHEN i %% 3 THEN i %% 1000 END FROM k`, *count))
	check(err)
	check(store.Close())
}

func copyFile(from, to string) {
	in, err := os.Open(from)
	check(err)
	defer in.Close()
	out, err := os.Create(to)
	check(err)
	_, err = io.Copy(out, in)
	check(err)
	check(out.Close())
}

// keys is a cheap sequence of ids, the same for everybody, from a part of the table that fits into a connection's page cache: the work
// is to be measured, not the operating system's reading of pages.
type keys uint64

const hotKeys = 5_000

func (k *keys) next() int64 {
	*k = *k*6364136223846793005 + 1442695040888963407
	return int64(*count)/2 + int64(uint64(*k>>33)%hotKeys)
}

// few is one of a hundred ids, which are asked for again and again.
func (k *keys) few() int64 {
	k.next()
	return int64(*count)/2 + int64(uint64(*k>>33)%100)
}

// record is a row of the base table.
type record struct {
	ID int64
	A  int64
	R  float64
	S  string
	T  string
	N  sql.Null[int64]
}

func values(i int) (int, float64, string, string, int) {
	return i, float64(i) / 7, "name of item 1234567", "a longer text of about sixty characters, number 000001234567", i % 1000
}
