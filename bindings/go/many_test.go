package keepwell

import (
	"fmt"
	"testing"
)

func TestExecManyRunsOnceForEachSet(t *testing.T) {
	store := openTest(t)
	mustExec(t, store, "CREATE TABLE t(a INTEGER, b TEXT, c BLOB)")
	result, err := store.ExecMany(bg, "INSERT INTO t VALUES (?, ?, ?)", [][]any{{1, "one", []byte{1}}, {2, "", nil}, {3, "x\x00y", []byte{}}})
	if n, _ := result.RowsAffected(); err != nil || n != 3 {
		t.Fatal(n, err)
	}
	if id, _ := result.LastInsertId(); id != 3 {
		t.Error(id)
	}
	got, _ := All[string](bg, store, "SELECT a || quote(b) || quote(c) FROM t")
	if fmt.Sprint(got) != "[1'one'X'01' 2''NULL 3'x'X'']" && fmt.Sprint(got) != "[1'one'X'01' 2''NULL 3'x\x00y'X'']" {
		t.Errorf("%q", got)
	}
	if result, err = store.ExecMany(bg, "INSERT INTO t VALUES (?, ?, ?)", nil); err != nil || result != (Result{}) {
		t.Error(result, err)
	}
	if result, err = store.ExecMany(bg, "INSERT INTO t DEFAULT VALUES", make([][]any, 5)); err != nil || result.rowsAffected != 5 {
		t.Error(result, err)
	}
}

func TestExecManyOfAnySizeIsAllOrNothing(t *testing.T) {
	const n = 30_000
	for name, target := range map[string]func(store *Store, run func(q Querier) error) error{
		"store": func(store *Store, run func(q Querier) error) error { return run(store) },
		"transaction": func(store *Store, run func(q Querier) error) error {
			return store.Transaction(bg, func(tx *Tx) error { run(tx); return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := openTest(t)
			mustExec(t, store, "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)")
			rows := make([][]any, n)
			for i := range rows {
				rows[i] = []any{i + 1, fmt.Sprintf("value %d", i)}
			}
			rows[n-1][0] = 1
			target(store, func(q Querier) error {
				_, err := q.ExecMany(bg, "INSERT INTO t VALUES (?, ?)", rows)
				wantError(t, err, ErrConstraint, "t.id")
				return err
			})
			if got := one[int](t, store, "SELECT count(*) FROM t"); got != 0 {
				t.Fatalf("%d rows stayed", got)
			}
			rows[n-1][0] = n
			target(store, func(q Querier) error {
				result, err := q.ExecMany(bg, "INSERT INTO t VALUES (?, ?)", rows)
				if err != nil || result.rowsAffected != n || result.lastInsertID != n {
					t.Error(result, err)
				}
				return err
			})
			if got := one[int](t, store, "SELECT count(*) + count(DISTINCT v) FROM t WHERE v = 'value ' || (id - 1)"); got != 2*n {
				t.Errorf("%d", got)
			}
		})
	}
}

func TestExecSeqTakesAnIterator(t *testing.T) {
	store := openTest(t)
	mustExec(t, store, "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)")
	set := make([]any, 2)
	result, err := store.ExecSeq(bg, "INSERT INTO t VALUES (?, ?)", func(yield func([]any) bool) {
		for i := range 20_000 {
			set[0], set[1] = i, "same slice again"
			if !yield(set) {
				return
			}
		}
	})
	if err != nil || result.rowsAffected != 20_000 {
		t.Fatal(result, err)
	}
	_, err = store.ExecSeq(bg, "INSERT INTO t VALUES (?, ?)", func(yield func([]any) bool) {
		for i := range 20_000 {
			if !yield([]any{-i - 1, "x", "one too many"}[:2+i/19_999]) {
				return
			}
		}
	})
	wantError(t, err, ErrParameter, "set 19999", "3 parameters")
	if got := one[int](t, store, "SELECT count(*) FROM t"); got != 20_000 {
		t.Errorf("%d rows", got)
	}
}

func TestExecManyNamesTheSetThatIsWrong(t *testing.T) {
	store := openTest(t)
	mustExec(t, store, "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)")
	_, err := store.ExecMany(bg, "INSERT INTO t VALUES (?, ?)", [][]any{{1, "a"}, {2}})
	wantError(t, err, ErrParameter, "set 1", "1 parameters")
	_, err = store.ExecMany(bg, "INSERT INTO t VALUES (?, ?)", [][]any{{1, "a"}, {2, struct{}{}}})
	wantError(t, err, ErrParameter, "set 1", "parameter 2")
	_, err = store.ExecMany(bg, "INSERT INTO t VALUES (?, ?)", [][]any{{1}})
	wantError(t, err, ErrParameter)
	if got := one[int](t, store, "SELECT count(*) FROM t"); got != 0 {
		t.Errorf("%d rows", got)
	}
}

func TestExecManyTakesNames(t *testing.T) {
	store := openTest(t)
	mustExec(t, store, "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)")
	const n = 5000
	_, err := store.ExecSeq(bg, "INSERT INTO t VALUES (:id, @v)", func(yield func([]any) bool) {
		for i := range n {
			if !yield([]any{Named("@v", fmt.Sprint("v", i)), Named("id", i)}) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := one[int](t, store, "SELECT count(*) FROM t WHERE v = 'v' || id"); got != n {
		t.Errorf("%d", got)
	}
	_, err = store.ExecMany(bg, "INSERT INTO t VALUES (:id, @v)", [][]any{{Named("v", "x"), Named("id", n)}, {Named("id", 1), Named("v", 1)}})
	wantError(t, err, ErrParameter, "set 1")
	_, err = store.ExecMany(bg, "INSERT INTO t VALUES (:id, @v)", [][]any{{Named("id", -1), 2}})
	wantError(t, err, ErrParameter, "parameter 2 has no name")
}
