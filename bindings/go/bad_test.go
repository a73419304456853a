package keepwell

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBadSQLIsAClearErrorAndLeavesTheStoreUsable(t *testing.T) {
	store := accounts(t)
	cases := []struct {
		sql    string
		args   []any
		class  Code
		offset int
		word   string
	}{
		{"SELEC 1", nil, ErrSQL, 0, "SELEC"},
		{"SELECT * FROM nowhere", nil, ErrSQL, -1, "nowhere"},
		{"SELECT balance, colour FROM account", nil, ErrSQL, 16, "colour"},
		{"SELECT 1; SELECT 2", nil, ErrSQL, 10, ""},
		{"", nil, ErrSQL, -1, ""},
		{"  -- nothing", nil, ErrSQL, -1, ""},
		{"SELECT 'a\x00b'", nil, ErrEncoding, 9, "NUL"},
		{"SELECT '\xff'", nil, ErrEncoding, 8, "UTF-8"},
		{"SELECT ?, ?", []any{1}, ErrParameter, -1, "2"},
		{"SELECT ?", []any{1, 2}, ErrParameter, -1, "2"},
		{"SELECT ?", nil, ErrParameter, -1, "1"},
	}
	for _, c := range cases {
		_, err := store.Query(bg, c.sql, c.args...)
		e := wantError(t, err, c.class, c.word)
		if c.offset >= 0 && e.Offset != c.offset {
			t.Errorf("%q: offset %d, wanted %d (%v)", c.sql, e.Offset, c.offset, err)
		}
		_, err = store.Exec(bg, c.sql, c.args...)
		wantError(t, err, c.class)
		wantError(t, store.QueryRow(bg, c.sql, c.args...).Scan(new(int)), c.class)
		if balance(t, store, 1) != 100 {
			t.Fatalf("%q: the store is not usable", c.sql)
		}
	}
	_, err := store.ExecScript(bg, "DELETE FROM account; DELETE FROM nowhere")
	wantError(t, err, ErrSQL, "nowhere")
	if balance(t, store, 1) != 100 {
		t.Error("half of a script stayed")
	}
	if stats, _ := store.Stats(); stats.InUse != 0 {
		t.Errorf("something leaked: %+v", stats)
	}
}

func TestFilesThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	noDatabase := filepath.Join(dir, "text.db")
	os.WriteFile(noDatabase, []byte(strings.Repeat("this is no database\n", 100)), 0o600)
	for source, classes := range map[string][]Code{
		noDatabase: {ErrCorrupt},
		dir:        {ErrCantOpen},
		"file:" + filepath.Join(dir, "missing.db") + "?mode=rw": {ErrCantOpen},
		filepath.Join(dir, "no", "folder", "a.db"):              {ErrCantOpen},
	} {
		store, err := Open(source)
		if err == nil {
			_, err = store.Exec(bg, "CREATE TABLE t(v)")
			store.Close()
		}
		if e := wantError(t, err, classes[0]); e != nil && e.EngineCode == 0 && e.Code == ErrCorrupt {
			t.Errorf("%s: no engine code in %+v", source, e)
		}
	}
	path := filepath.Join(dir, "fresh.db")
	store, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	mustScript(t, store, "CREATE TABLE t(v); INSERT INTO t VALUES (3)")
	store.Close()
	reader, err := Open("file:" + path + "?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if got := one[int](t, reader, "SELECT v FROM t"); got != 3 {
		t.Error(got)
	}
	_, err = reader.Exec(bg, "DELETE FROM t")
	wantError(t, err, ErrReadOnly)
}

func TestAFullDatabaseIsAnError(t *testing.T) {
	store := openTest(t)
	conn, err := store.Conn(bg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	mustScript(t, conn, "PRAGMA max_page_count = 20; CREATE TABLE t(v)")
	_, err = conn.Exec(bg, "INSERT INTO t VALUES (zeroblob(1000000))")
	if e := wantError(t, err, ErrFull); e.EngineCode != 13 {
		t.Errorf("%+v", e)
	}
	mustExec(t, conn, "INSERT INTO t VALUES (1)")
}

func TestAClosedStoreRefusesEverything(t *testing.T) {
	store := accounts(t)
	stmt, err := store.Prepare(bg, "SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Error("closing twice:", err)
	}
	calls := map[string]error{}
	_, calls["query"] = store.Query(bg, "SELECT 1")
	_, calls["exec"] = store.Exec(bg, "SELECT 1")
	_, calls["begin"] = store.Begin(bg, nil)
	_, calls["conn"] = store.Conn(bg)
	_, calls["prepare"] = store.Prepare(bg, "SELECT 1")
	_, calls["statement"] = stmt.Query(bg)
	_, calls["health"] = store.Health(bg)
	_, calls["warnings"] = store.Warnings()
	_, calls["many"] = store.ExecMany(bg, "SELECT ?", [][]any{{1}})
	calls["row"] = store.QueryRow(bg, "SELECT 1").Scan(new(int))
	for name, err := range calls {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := store.Stats(); err == nil {
		t.Error("a closed store has stats")
	}
}

func TestErrorsAreCodesAndCodesAreNamed(t *testing.T) {
	store := accounts(t)
	_, err := store.Exec(bg, "INSERT INTO account VALUES (1, 1)")
	e := wantError(t, err, ErrConstraint, "account.id")
	if e.EngineCode != 19 || e.ExtendedCode != 1555 || e.SQLState != "23000" || e.Offset != -1 || e.Retryable() {
		t.Errorf("%+v", e)
	}
	if errors.Is(err, ErrBusy) || ErrConstraint.String() != "KW_CONSTRAINT" || ErrType.Error() != "KW_TYPE" {
		t.Error(ErrConstraint.String(), ErrType.Error())
	}
	_, err = (&Stmt{}).Query(bg)
	wantError(t, err, ErrMisuse)
}

func TestAPragmaThatChangesTheConnectionNeedsAConnectionOfItsOwn(t *testing.T) {
	store := accounts(t)
	if _, err := store.Exec(bg, "PRAGMA foreign_keys = off"); err == nil {
		t.Error("a setting of a shared connection was changed")
	}
	if _, err := store.Exec(bg, "BEGIN"); err == nil {
		t.Error("a transaction was begun on a shared connection")
	}
	if !one[bool](t, store, "SELECT foreign_keys FROM pragma_foreign_keys") {
		t.Error("foreign keys are off")
	}
}
