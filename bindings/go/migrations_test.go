package keepwell

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"
)

var three = []Migration{
	{1, "people", "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT)", "DROP TABLE person"},
	{2, "two of them", "INSERT INTO person(name) VALUES ('Ada'), ('Björn')", "DELETE FROM person"},
	{3, "age", "ALTER TABLE person ADD COLUMN age INTEGER", "ALTER TABLE person DROP COLUMN age"},
}

func migrations(t *testing.T, store *Store, source MigrationSource, options ...MigrationOption) *Migrations {
	t.Helper()
	m, err := store.Migrations(source, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// did checks what a report is about and which versions it has.
func did(t *testing.T, want ...int64) func(*MigrationReport, error) *MigrationReport {
	return func(report *MigrationReport, err error) *MigrationReport {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		got := []int64{}
		for _, line := range report.Migrations {
			got = append(got, line.Version)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, wanted %v", report.Operation, got, want)
		}
		return report
	}
}

func TestMigrationsGoUpAndDown(t *testing.T) {
	store := openTest(t)
	m := migrations(t, store, MigrationList(three...))
	if m.Len() != 3 {
		t.Error(m.Len())
	}
	did(t, 1, 2, 3)(m.Plan(bg))
	did(t, 1, 2, 3)(m.DryRun(bg))
	rehearsal := did(t, 1, 2, 3)(m.Rehearse(bg))
	if !rehearsal.OK() || len(rehearsal.Tables) != 1 || *rehearsal.Tables[0].After != 2 {
		t.Errorf("%+v", rehearsal)
	}
	report := did(t, 1, 2, 3)(m.Up(bg))
	if report.Before != nil || *report.Version != 3 || report.Pending != 0 || report.Migrations[1].RowsChanged != 2 {
		t.Errorf("%+v", report)
	}
	did(t)(m.Up(bg))
	did(t, 3)(m.Down(bg))
	did(t, 2, 1)(m.DownSteps(bg, 2))
	did(t, 1)(m.UpSteps(bg, 1))
	did(t, 2)(m.UpTo(bg, 2))
	did(t, 3)(m.To(bg, 3))
	did(t, 3, 3)(m.Redo(bg))
	did(t, 3, 2)(m.DownTo(bg, 1))
	did(t, 1)(m.DownTo(bg, 0))
	did(t, 1, 2)(m.Baseline(bg, 2))
	status := did(t, 1, 2, 3)(m.Status(bg))
	if line := status.Migrations[0]; line.State != "applied" || line.Direction != "baseline" || time.Since(line.Time()) > time.Hour {
		t.Errorf("%+v", line)
	}
	did(t, 3)(m.Mark(bg, 3))
	if !did(t, 1, 2, 3)(m.Verify(bg)).OK() {
		t.Error("verify")
	}
	if _, err := store.Exec(bg, "CREATE TABLE by_hand(x)"); err != nil {
		t.Fatal(err)
	}
	if r, err := m.Verify(bg); err != nil || r.OK() || r.Problems[0].Kind != "drift" {
		t.Error(r, err)
	}
}

func TestMigrationsComeFromFolders(t *testing.T) {
	store := openTest(t)
	folder := t.TempDir()
	files := fstest.MapFS{}
	for name, text := range map[string]string{"1_a.up.sql": "CREATE TABLE a(x);\r\n", "1_a.down.sql": "DROP TABLE a", "2_b.up.sql": "CREATE TABLE b(x)", "embed.go": "package x"} {
		files[name] = &fstest.MapFile{Data: []byte(text)}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	report := did(t, 1, 2)(migrations(t, store, MigrationFS(files)).Up(bg))
	if report.Migrations[0].File != "1_a.up.sql" || !slices.Equal(report.Ignored, []string{"embed.go"}) {
		t.Errorf("%+v", report)
	}
	did(t)(migrations(t, store, MigrationDir(folder), WithMigrationFormat("golang-migrate")).Up(bg))
	files["3-c.up.sql"] = &fstest.MapFile{}
	if _, err := store.Migrations(MigrationFS(files)); !errors.Is(err, ErrMigration) || !strings.Contains(err.Error(), "3-c.up.sql") {
		t.Error(err)
	}
	migrations(t, store, MigrationFS(files), WithMigrationPolicy("ignore", "3-c.up.sql"))
	if _, err := store.Migrations(MigrationDir(filepath.Join(folder, "nowhere"))); !errors.Is(err, ErrCantOpen) {
		t.Error(err)
	}
	if _, err := store.Migrations(MigrationDir(folder), WithMigrationFormat("geese")); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
	if _, err := store.Migrations(MigrationList(three[0], three[0])); !errors.Is(err, ErrMigration) {
		t.Error(err)
	}
}

func TestMigrationsRefuseWithTheCure(t *testing.T) {
	store := openTest(t)
	did(t, 1, 2, 3)(migrations(t, store, MigrationList(three...)).Up(bg))
	changed := slices.Clone(three)
	changed[1].Up = "SELECT 1"
	if _, err := migrations(t, store, MigrationList(changed...)).Up(bg); !errors.Is(err, ErrMigration) || !strings.Contains(err.Error(), "changed = accept") {
		t.Error(err)
	}
	did(t)(migrations(t, store, MigrationList(changed...), WithMigrationPolicy("changed", "accept")).Up(bg))
	older := migrations(t, store, MigrationList(three[:2]...))
	if _, err := older.Up(bg); !errors.Is(err, ErrSchemaNewer) {
		t.Error(err)
	}
	did(t, 3)(older.DownTo(bg, 2))
	wrong := migrations(t, store, MigrationList(append(slices.Clone(three), Migration{Version: 4, Up: "CREATE TABLE w(x);\nSELECT y FROM w"})...))
	_, err := wrong.Up(bg)
	var e *Error
	if !errors.As(err, &e) || e.Code != ErrSQL || !e.RolledBack() || !strings.Contains(e.Message, "line 2, column 8, statement 2") {
		t.Error(err)
	}
}

func TestMigrationsTellTheirProgress(t *testing.T) {
	store := openTest(t)
	var statements []string
	listen := func(e MigrationEvent) bool {
		if e.Phase == MigrationStatement {
			statements = append(statements, e.SQL)
		}
		return e.Version < 3
	}
	m := migrations(t, store, MigrationList(three...), WithMigrationProgress(listen))
	if _, err := m.Up(bg); !errors.Is(err, ErrCancelled) {
		t.Error(err)
	}
	if !slices.Equal(statements, []string{three[0].Up, three[1].Up}) {
		t.Error(statements)
	}
	defer func() {
		if recover() != "the cause" {
			t.Error("the panic of a listener comes out")
		}
		did(t, 3)(migrations(t, store, MigrationList(three...)).Up(bg))
	}()
	migrations(t, store, MigrationList(three...), WithMigrationProgress(func(MigrationEvent) bool { panic("the cause") })).Up(bg)
}

func TestMigrationsEndWithTheirContext(t *testing.T) {
	store := openTest(t)
	m := migrations(t, store, MigrationList(Migration{Version: 1, Up: "CREATE TABLE s(x); " + endless}))
	ctx, cancel := context.WithTimeout(bg, 30*time.Millisecond)
	defer cancel()
	if _, err := m.Up(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	cause := errors.New("the cause")
	stopped, stop := context.WithCancelCause(bg)
	time.AfterFunc(30*time.Millisecond, func() { stop(cause) })
	started := time.Now()
	if _, err := m.Up(stopped); !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
		t.Error(err)
	}
	within(t, started, 5*time.Second)
	if _, err := m.Up(stopped); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	did(t, 1, 2, 3)(migrations(t, store, MigrationList(three...)).Up(bg))
}

func TestMigrationsStartedTogetherAreAppliedOnce(t *testing.T) {
	store := openTest(t)
	var list []Migration
	for n := int64(1); n <= 30; n++ {
		list = append(list, Migration{Version: n, Up: "CREATE TABLE t" + strings.Repeat("x", int(n)) + "(x)"})
	}
	var wg sync.WaitGroup
	applied := make([]int, 8)
	for i := range applied {
		wg.Add(1)
		go func() {
			defer wg.Done()
			m, err := store.Migrations(MigrationList(list...))
			if err != nil {
				t.Error(err)
				return
			}
			defer m.Close()
			report, err := m.Up(bg)
			if err != nil {
				t.Error(err)
				return
			}
			applied[i] = len(report.Migrations)
		}()
	}
	wg.Wait()
	sum := 0
	for _, n := range applied {
		sum += n
	}
	if sum != len(list) {
		t.Error(applied)
	}
}

func TestTablesAreRebuiltAndTheSchemaDumped(t *testing.T) {
	store := openTest(t)
	did(t, 1, 2, 3)(migrations(t, store, MigrationList(three...)).Up(bg))
	report, err := store.RebuildTable(bg, "person", "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT NOT NULL, letters INTEGER)", map[string]string{"letters": "length(name)"})
	if err != nil || len(report.Tables) != 1 || *report.Tables[0].Before != 2 || *report.Tables[0].After != 2 {
		t.Fatal(report, err)
	}
	dump, err := store.SchemaDump(bg)
	if err != nil || !strings.HasPrefix(dump, `CREATE TABLE "person"(`) {
		t.Error(dump, err)
	}
	if _, err := store.RebuildTable(bg, "nowhere", "CREATE TABLE nowhere(x)", nil); !errors.Is(err, ErrMigration) {
		t.Error(err)
	}
}

func TestMigrationReportsAreJSON(t *testing.T) {
	store := openTest(t)
	report := did(t, 1, 2, 3)(migrations(t, store, MigrationList(three...)).Up(bg))
	text, err := json.Marshal(report)
	if err != nil || !strings.Contains(string(text), `"operation":"up"`) {
		t.Error(string(text), err)
	}
}

func TestAnotherToolsHistoryIsAdopted(t *testing.T) {
	store := openTest(t)
	if _, err := store.ExecScript(bg, "CREATE TABLE schema_migrations (version uint64,dirty bool); INSERT INTO schema_migrations VALUES (2, 0);"+three[0].Up); err != nil {
		t.Fatal(err)
	}
	m := migrations(t, store, MigrationList(three...))
	if _, err := m.Up(bg); !errors.Is(err, ErrMigration) || !strings.Contains(err.Error(), "golang-migrate") {
		t.Error(err)
	}
	if report := did(t, 1, 2)(m.Adopt(bg)); report.AdoptedFrom == nil {
		t.Error(report)
	}
	did(t, 3)(m.Up(bg))
}
