package keepwell

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
)

func numbers(t testing.TB, n int, settings ...string) *Store {
	store := openTest(t, settings...)
	mustScript(t, store, fmt.Sprintf(`CREATE TABLE n(id INTEGER PRIMARY KEY, name TEXT NOT NULL, half REAL);
		WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d)
		INSERT INTO n SELECT i, 'row ' || i, i / 2.0 FROM s`, n))
	return store
}

func TestRowsComeInOrderWithTheirNames(t *testing.T) {
	store := numbers(t, 3)
	rows, err := store.Query(bg, "SELECT id, name AS label, half FROM n ORDER BY id DESC")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if got := fmt.Sprint(rows.Columns()); got != "[id label half]" {
		t.Errorf("columns %s", got)
	}
	var got []string
	for rows.Next() {
		var id int
		var name string
		var half float64
		if err := rows.Scan(&id, &name, &half); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d %s %v", id, name, half))
	}
	if rows.Err() != nil || strings.Join(got, ", ") != "3 row 3 1.5, 2 row 2 1, 1 row 1 0.5" {
		t.Errorf("%v, %v", got, rows.Err())
	}
	if rows.Next() {
		t.Error("Next after the end")
	}
	wantError(t, rows.Scan(new(int)), ErrMisuse)
}

func TestALargeResultIsReadInPiecesAndGivesItsConnectionBack(t *testing.T) {
	const n = 20_000
	store := numbers(t, n)
	rows, err := store.Query(bg, "SELECT id, name, half FROM n ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	if stats, _ := store.Stats(); stats.InUse != 1 {
		t.Errorf("a stream holds a connection: %+v", stats)
	}
	id, name, half, sum, count := 0, "", 0.0, 0, 0
	for row := range rows.All() {
		if err := row.Scan(&id, &name, &half); err != nil {
			t.Fatal(err)
		}
		sum += id
		count++
		if name != fmt.Sprintf("row %d", id) || half != float64(id)/2 {
			t.Fatalf("%d %q %v", id, name, half)
		}
	}
	if rows.Err() != nil || count != n || sum != n*(n+1)/2 {
		t.Errorf("%d rows, sum %d, %v", count, sum, rows.Err())
	}
	if stats, _ := store.Stats(); stats.InUse != 0 {
		t.Errorf("the connection is still lent: %+v", stats)
	}
}

func TestALargeResultMayBeLeftInTheMiddle(t *testing.T) {
	store := numbers(t, 20_000, "pool.max_open", "2")
	for range 5 {
		rows, err := store.Query(bg, "SELECT id, name FROM n")
		if err != nil {
			t.Fatal(err)
		}
		rows.Next()
		rows.Close()
		rows.Close()
	}
	var first int
	for range 5 {
		if err := store.QueryRow(bg, "SELECT id, name FROM n ORDER BY id").Scan(&first, new(string)); err != nil || first != 1 {
			t.Fatal(first, err)
		}
	}
}

func TestARowLargerThanTheBufferGrowsTheBuffer(t *testing.T) {
	store := openTest(t)
	for _, size := range []int{60_000, 70_000, 3_000_000} {
		var s string
		if err := store.QueryRow(bg, "SELECT printf('%.*c', ?, 'x')", size).Scan(&s); err != nil || len(s) != size {
			t.Fatalf("%d: %d, %v", size, len(s), err)
		}
		all, err := All[string](bg, store, "SELECT printf('%.*c', ?1, 'y') UNION ALL SELECT 'z' UNION ALL SELECT printf('%.*c', ?1, 'w')", size)
		if err != nil || len(all) != 3 || len(all[0]) != size || all[1] != "z" || len(all[2]) != size {
			t.Fatalf("%d: %d rows, %v", size, len(all), err)
		}
	}
}

func TestNoRowsIsAnErrorOfQueryRowAlone(t *testing.T) {
	store := numbers(t, 1)
	if err := store.QueryRow(bg, "SELECT id FROM n WHERE id = 5").Scan(new(int)); err != sql.ErrNoRows {
		t.Errorf("got %v", err)
	}
	if _, err := One[int](bg, store, "SELECT id FROM n WHERE id = 5"); err != ErrNoRows {
		t.Errorf("got %v", err)
	}
	all, err := All[int](bg, store, "SELECT id FROM n WHERE id = 5")
	if err != nil || len(all) != 0 || all == nil {
		t.Errorf("got %v, %v", all, err)
	}
	row := store.QueryRow(bg, "SELECT id FROM n")
	if err := row.Scan(new(int)); err != nil {
		t.Error(err)
	}
	wantError(t, row.Scan(new(int)), ErrMisuse, "already")
}

func TestAWriteThroughQueryFindsTheWriter(t *testing.T) {
	store := numbers(t, 1)
	for i := 2; i < 6; i++ {
		got := one[int](t, store, "INSERT INTO n(name) VALUES (?) RETURNING id", "x")
		if got != i {
			t.Errorf("id %d, wanted %d", got, i)
		}
	}
	if !store.pool.needsWriter("INSERT INTO n(name) VALUES (?) RETURNING id") {
		t.Error("the statement was not remembered")
	}
	_, err := store.With(ReadOnly()).Query(bg, "INSERT INTO n(name) VALUES ('y') RETURNING id")
	wantError(t, err, ErrReadOnly)
	_, err = store.With(ReadOnly()).Exec(bg, "DELETE FROM n")
	wantError(t, err, ErrReadOnly)
	if got := one[int](t, store, "SELECT count(*) FROM n"); got != 5 {
		t.Errorf("%d rows", got)
	}
}

func TestExecTellsWhatChanged(t *testing.T) {
	store := numbers(t, 10)
	result := mustExec(t, store, "UPDATE n SET half = 0 WHERE id > ?", 6)
	if n, err := result.RowsAffected(); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	result = mustExec(t, store, "INSERT INTO n(name) VALUES ('new')")
	if id, err := result.LastInsertId(); id != 11 || err != nil {
		t.Errorf("%d, %v", id, err)
	}
	var _ sql.Result = result
}

func TestOneConnectionIsEnoughForEverything(t *testing.T) {
	store := numbers(t, 5000, "pool.max_open", "1")
	rows, err := store.Query(bg, "SELECT id, name FROM n")
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.With(Timeout(20e6)).Exec(bg, "DELETE FROM n")
	wantError(t, err, ErrTimeout, "1 in use", "stream", "SELECT id, name FROM n")
	rows.Close()
	mustExec(t, store, "DELETE FROM n WHERE id > 10")
	if got := one[int](t, store, "SELECT count(*) FROM n"); got != 10 {
		t.Errorf("%d", got)
	}
}

func TestPreparedStatementsRunOnEveryTarget(t *testing.T) {
	store := numbers(t, 10)
	read, err := store.Prepare(bg, "SELECT name FROM n WHERE id = :id")
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	columns, _ := read.Columns()
	parameters, _ := read.Parameters()
	if fmt.Sprint(columns, parameters, read.NumInput(), read.ReadOnly()) != "[name] [:id] 1 true" {
		t.Error(columns, parameters, read.NumInput(), read.ReadOnly())
	}
	write, err := store.Prepare(bg, "UPDATE n SET name = ? WHERE id = ?")
	if err != nil {
		t.Fatal(err)
	}
	err = store.Transaction(bg, func(tx *Tx) error {
		if _, err := write.On(tx).Exec(bg, "inside", 3); err != nil {
			return err
		}
		names, err := Collect[string](read.On(tx).Query(bg, 3))
		if err != nil || names[0] != "inside" {
			t.Error(names, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var name string
	if err := read.QueryRow(bg, Named("id", 3)).Scan(&name); err != nil || name != "inside" {
		t.Error(name, err)
	}
	write.Close()
	write.Close()
	_, err = write.Exec(bg, "x", 1)
	wantError(t, err, ErrInvalidHandle)
	_, err = store.Prepare(bg, "SELEC 1")
	if e := wantError(t, err, ErrSQL, "syntax"); e.Offset != 0 {
		t.Errorf("offset %d", e.Offset)
	}
}
