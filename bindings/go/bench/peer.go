package main

import (
	"database/sql"
	"log"
)

// peer is database/sql over another driver, with statements prepared once.
type peer struct {
	title                       string
	db                          *sql.DB
	point, hundred, all, insert *sql.Stmt
	keys                        keys
}

func openPeer(title, driver, source string) contender {
	db, err := sql.Open(driver, source)
	check(err)
	p := &peer{title: title, db: db}
	for sql, to := range map[string]**sql.Stmt{pointSQL: &p.point, rangeSQL: &p.hundred, scanSQL: &p.all, insertSQL: &p.insert} {
		*to, err = db.Prepare(sql)
		check(err)
	}
	return p
}

func (p *peer) name() string { return p.title }
func (p *peer) close()       { check(p.db.Close()) }

func (p *peer) version() (version string) {
	check(p.db.QueryRow("SELECT sqlite_version()").Scan(&version))
	return version
}

func (p *peer) points(n int)       { p.pointsBy(n, p.keys.next) }
func (p *peer) cachedPoints(n int) { p.pointsBy(n, p.keys.few) }

func (p *peer) pointsBy(n int, key func() int64) {
	var r record
	for range n {
		check(p.point.QueryRowContext(background, key()).Scan(&r.ID, &r.A, &r.R, &r.S, &r.T, &r.N))
	}
}

func (p *peer) pointsTx(n int) {
	tx, err := p.db.BeginTx(background, nil)
	check(err)
	point := tx.StmtContext(background, p.point)
	var r record
	for range n {
		check(point.QueryRowContext(background, p.keys.next()).Scan(&r.ID, &r.A, &r.R, &r.S, &r.T, &r.N))
	}
	check(tx.Commit())
}

func (p *peer) hundreds(n int)       { p.hundredsBy(n, p.keys.next) }
func (p *peer) cachedHundreds(n int) { p.hundredsBy(n, p.keys.few) }

func (p *peer) hundredsBy(n int, key func() int64) {
	for range n {
		rows, err := p.hundred.QueryContext(background, key())
		check(err)
		drain(rows, 100)
	}
}

func (p *peer) structs(n int) {
	for range n {
		rows, err := p.hundred.QueryContext(background, p.keys.next())
		check(err)
		var all []record
		for rows.Next() {
			var r record
			check(rows.Scan(&r.ID, &r.A, &r.R, &r.S, &r.T, &r.N))
			all = append(all, r)
		}
		check(rows.Err())
		expect(len(all), 100)
	}
}

func (p *peer) scan(n int) {
	for range n {
		rows, err := p.all.QueryContext(background)
		check(err)
		drain(rows, *count)
	}
}

func (p *peer) inserts(n int) {
	for i := range n {
		a, r, s, t, v := values(i)
		_, err := p.insert.ExecContext(background, a, r, s, t, v)
		check(err)
	}
	p.clear()
}

func (p *peer) insertMany(n int) {
	tx, err := p.db.BeginTx(background, nil)
	check(err)
	insert := tx.StmtContext(background, p.insert)
	for i := range n {
		a, r, s, t, v := values(i)
		_, err := insert.ExecContext(background, a, r, s, t, v)
		check(err)
	}
	check(tx.Commit())
	p.clear()
}

func (p *peer) clear() {
	_, err := p.db.Exec(clearSQL)
	check(err)
}

// cursor is what both kinds of rows can do.
type cursor interface {
	Next() bool
	Scan(...any) error
	Err() error
	Close() error
}

// drain reads a result to its end, row by row, into variables.
func drain(rows cursor, want int) {
	var r record
	dest := []any{&r.ID, &r.A, &r.R, &r.S, &r.T, &r.N}
	count := 0
	for rows.Next() {
		check(rows.Scan(dest...))
		count++
	}
	check(rows.Err())
	check(rows.Close())
	expect(count, want)
}

func expect(got, want int) {
	if got != want {
		log.Fatalf("%d rows in place of %d", got, want)
	}
}
