package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/keepwell/keepwell/bindings/go"
	"github.com/mattn/go-sqlite3"
)

// logRows are there from the beginning, to be read.
const logRows = 10_000

const (
	logInsertSQL = "INSERT INTO t(a,b,c) VALUES(?,?,?)"
	logPointSQL  = "SELECT a, b, c FROM t WHERE id = ?"
	logCountSQL  = "SELECT count(*) FROM t"
	logName      = "a name of twenty char"
)

// cell is a cell of the matrix.
type cell struct {
	writers, readers int
	sync             string
}

func parseCell(text string) cell {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		log.Fatalf("%s is no cell, which is writers:sync:readers", text)
	}
	writers, err := strconv.Atoi(parts[0])
	check(err)
	readers, err := strconv.Atoi(parts[2])
	check(err)
	return cell{writers, readers, parts[1]}
}

// line of the output for one cell.
type cellLine struct {
	Language string   `json:"language"`
	Peer     string   `json:"peer"`
	Writers  int      `json:"writers"`
	Sync     string   `json:"sync"`
	Readers  int      `json:"readers"`
	Peers    []window `json:"peer_windows"`
	Ours     []window `json:"our_windows"`
}

// measureWriters prints a line for each cell.
func measureWriters(dir string, cells []string, length time.Duration, windows int) {
	output := json.NewEncoder(os.Stdout)
	check(output.Encode(map[string]any{"header": map[string]string{"keepwell": keepwell.Version()}}))
	for _, text := range cells {
		c := parseCell(text)
		found := takeTurns(dir, c, length, windows)
		check(output.Encode(cellLine{"go", "mattn/go-sqlite3", c.writers, c.sync, c.readers, found[0], found[1]}))
	}
}

// takeTurns measures the peer and ours. Which side starts changes with each round; the first round warms up, is short, and is not kept.
func takeTurns(dir string, c cell, length time.Duration, windows int) (found [2][]window) {
	files := [2]string{path(dir, "peer-writers"), path(dir, "own-writers")}
	for _, file := range files {
		makeLog(file)
	}
	sides := [2]crowd{openPeerCrowd(files[0], c), openOwnCrowd(files[1], c)}
	expected := [2]int{logRows, logRows}
	for round := range windows + 1 {
		for turn := range sides {
			at := (round + turn) % len(sides)
			if round == 0 {
				expected[at] += play(sides[at], c, length/4).written
				continue
			}
			w := play(sides[at], c, length)
			expected[at] += w.written
			found[at] = append(found[at], w)
		}
	}
	for i, side := range sides {
		expect(side.rows(), expected[i]) // every write that was answered is there, and no other
		side.close()
	}
	return found
}

func makeLog(file string) {
	for _, ending := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(file + ending); !errors.Is(err, os.ErrNotExist) {
			check(err)
		}
	}
	store, err := keepwell.Open(file)
	check(err)
	_, err = store.ExecScript(background, fmt.Sprintf(`
		CREATE TABLE t(id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b REAL NOT NULL, c TEXT NOT NULL);
		WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < %d)
		INSERT INTO t SELECT i, i, i / 8.0, 'the name of a row' FROM k`, logRows))
	check(err)
	check(store.Close())
}

// ownCrowd is one store for everybody.
type ownCrowd struct{ store *keepwell.Store }

func openOwnCrowd(file string, c cell) crowd {
	store, err := keepwell.OpenConfig(keepwell.Config{DataSource: file, Options: map[string]any{"options.synchronous": c.sync}})
	check(err)
	return &ownCrowd{store}
}

func (o *ownCrowd) insert(number int) bool {
	_, err := o.store.Exec(background, logInsertSQL, number, float64(number)/8, logName)
	if errors.Is(err, keepwell.ErrBusy) || errors.Is(err, keepwell.ErrTimeout) {
		return false
	}
	check(err)
	return true
}

func (o *ownCrowd) lookup(key int) {
	var r record
	check(o.store.QueryRow(background, logPointSQL, key).Scan(&r.A, &r.R, &r.S))
}

func (o *ownCrowd) rows() (count int) {
	check(o.store.QueryRow(background, logCountSQL).Scan(&count))
	return count
}

func (o *ownCrowd) close() { check(o.store.Close()) }

// peerCrowd is database/sql with a connection for each writer, and a pool of their own for the readers, so that they never wait for each
// other in the pool.
type peerCrowd struct {
	writing, reading *sql.DB
	write, read      *sql.Stmt
}

func openPeerCrowd(file string, c cell) crowd {
	source := "file:" + file + "?_busy_timeout=5000&_journal_mode=WAL&_synchronous=" + strings.ToUpper(c.sync)
	p := &peerCrowd{}
	p.writing, p.write = openPool(source, logInsertSQL, c.writers)
	p.reading, p.read = openPool(source, logPointSQL, max(1, c.readers))
	return p
}

func openPool(source, query string, connections int) (*sql.DB, *sql.Stmt) {
	db, err := sql.Open("sqlite3", source)
	check(err)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	statement, err := db.Prepare(query)
	check(err)
	return db, statement
}

func (p *peerCrowd) insert(number int) bool {
	_, err := p.write.ExecContext(background, number, float64(number)/8, logName)
	var engine sqlite3.Error
	if errors.As(err, &engine) && engine.Code == sqlite3.ErrBusy {
		return false
	}
	check(err)
	return true
}

func (p *peerCrowd) lookup(key int) {
	var r record
	check(p.read.QueryRowContext(background, key).Scan(&r.A, &r.R, &r.S))
}

func (p *peerCrowd) rows() (count int) {
	check(p.reading.QueryRow(logCountSQL).Scan(&count))
	return count
}

func (p *peerCrowd) close() {
	check(p.writing.Close())
	check(p.reading.Close())
}
