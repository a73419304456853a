package keepwell

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"
)

//go:embed testdata/migrations
var migrationFiles embed.FS

var threeSteps = []Migration{
	{1, "people", "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO person VALUES (1, 'Ada'), (2, 'Grace')", "DROP TABLE person"},
	{2, "age", "ALTER TABLE person ADD COLUMN age INTEGER", "ALTER TABLE person DROP COLUMN age"},
	{3, "ages", "UPDATE person SET age = 30", "UPDATE person SET age = NULL"},
}

// slow runs for as long as nobody ends it.
var slow = Migration{9, "slow", "CREATE TABLE slow(id); INSERT INTO slow " + endless, ""}

func migrationsOf(t testing.TB, store *Store, source MigrationSource, opts ...MigrationOption) *Migrations {
	t.Helper()
	m, err := store.Migrations(source, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// did fails on an error and gives the versions that the report has, in its order, with their states.
func did(t testing.TB, report *MigrationReport, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, m := range report.Migrations {
		fmt.Fprintf(&b, "%d %s %s, ", m.Version, m.Direction, m.State)
	}
	return strings.TrimSuffix(b.String(), ", ")
}

func wantDid(t testing.TB, want string) func(*MigrationReport, error) *MigrationReport {
	return func(report *MigrationReport, err error) *MigrationReport {
		t.Helper()
		if got := did(t, report, err); got != want {
			t.Errorf("%s: got %q, wanted %q", report.Operation, got, want)
		}
		return report
	}
}

func at(version *int64) int64 {
	if version == nil {
		return -1
	}
	return *version
}

func TestMigrationsUpAndDown(t *testing.T) {
	store := openTest(t)
	m := migrationsOf(t, store, MigrationList(threeSteps...))
	if n, err := m.Len(); n != 3 || err != nil {
		t.Error(n, err)
	}
	report := wantDid(t, "1 up pending, 2 up pending, 3 up pending")(m.Status(bg))
	if report.Version != nil || report.Pending != 3 || !report.OK() {
		t.Errorf("%+v", report)
	}
	wantDid(t, "1 up pending, 2 up pending, 3 up pending")(m.Plan(bg))
	wantDid(t, "1 up pending, 2 up pending")(m.Plan(bg, ToVersion(2)))
	wantDid(t, "1 up pending")(m.Plan(bg, Steps(1)))
	report = wantDid(t, "1 up applied")(m.UpTo(bg, 1))
	if report.Operation != "up" || report.Before != nil || at(report.Version) != 1 || report.Pending != 2 || report.Duration <= 0 {
		t.Errorf("%+v", report)
	}
	line := report.Migrations[0]
	if line.Description != "people" || line.Statements != 2 || line.RowsChanged != 2 || !line.Reversible || !line.Transactional || len(line.Checksum) != 64 {
		t.Errorf("%+v", line)
	}
	if report, err := m.Status(bg); err != nil {
		t.Error(err)
	} else if age := time.Since(report.Migrations[0].AppliedAt); age < -time.Minute || age > time.Minute || !report.Migrations[1].AppliedAt.IsZero() {
		t.Errorf("applied at %v", report.Migrations[0].AppliedAt)
	}
	wantDid(t, "2 up applied")(m.UpSteps(bg, 1))
	wantDid(t, "3 up applied")(m.Up(bg))
	wantDid(t, "")(m.Up(bg))
	if one[int](t, store, "SELECT sum(age) FROM person") != 60 {
		t.Error("the rows are not what the migrations make")
	}
	report = wantDid(t, "3 down reverted")(m.Down(bg))
	if at(report.Before) != 3 || at(report.Version) != 2 {
		t.Errorf("%+v", report)
	}
	wantDid(t, "2 down reverted, 2 up applied")(m.Redo(bg))
	wantDid(t, "3 up applied")(m.To(bg, 3))
	wantDid(t, "3 down reverted, 2 down reverted")(m.To(bg, 1))
	m.Up(bg)
	wantDid(t, "3 down reverted, 2 down reverted")(m.DownSteps(bg, 2))
	wantDid(t, "1 down reverted")(m.DownTo(bg, 0))
	wantDid(t, "")(m.UpSteps(bg, 0))
	_, err := m.UpSteps(bg, -1)
	wantError(t, err, ErrParameter, "-1")
	if one[int](t, store, "SELECT count(*) FROM sqlite_schema WHERE name = 'person'") != 0 {
		t.Error("something is left")
	}
}

func TestMigrationsDryRunAndRehearse(t *testing.T) {
	for _, store := range []*Store{openTest(t), openMemory(t)} {
		m := migrationsOf(t, store, MigrationList(threeSteps...))
		wantDid(t, "1 up applied, 2 up applied")(m.DryRun(bg, ToVersion(2)))
		if report := wantDid(t, "1 up applied, 2 up applied, 3 up applied")(m.DryRun(bg)); report.Operation != "dry_run" {
			t.Error(report.Operation)
		}
		report, err := m.Rehearse(bg)
		if err != nil {
			t.Fatal(err)
		}
		want := []MigrationTableCount{{"person", nil, pointer[int64](2)}}
		if report.Operation != "rehearse" || !report.OK() || !reflect.DeepEqual(report.Tables, want) {
			t.Errorf("%+v", report)
		}
		if one[int](t, store, "SELECT count(*) FROM sqlite_schema WHERE name = 'person'") != 0 {
			t.Error("it was not taken back")
		}
		bad := migrationsOf(t, store, MigrationList(Migration{1, "a", "CREATE TABLE a(b); CREATE TABLE c(d)", "DROP TABLE a"}))
		report, err = bad.Rehearse(bg)
		if err == nil && report.OK() {
			t.Errorf("a down that forgets a table: %+v", report)
		}
	}
}

func openMemory(t testing.TB) *Store {
	store, err := Open(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func TestMigrationsBaselineMarkVerify(t *testing.T) {
	store := openTest(t)
	m := migrationsOf(t, store, MigrationList(threeSteps...))
	mustScript(t, store, threeSteps[0].Up)
	report := wantDid(t, "1 baseline applied")(m.Baseline(bg, 1))
	if at(report.Version) != 1 || report.Pending != 2 {
		t.Errorf("%+v", report)
	}
	mustScript(t, store, threeSteps[1].Up)
	wantDid(t, "2 baseline applied")(m.Mark(bg, 2))
	wantDid(t, "3 up applied")(m.Up(bg))
	report, err := m.Verify(bg)
	if err != nil || !report.OK() || report.SchemaHash == "" || report.Operation != "verify" {
		t.Errorf("%+v %v", report, err)
	}
	mustScript(t, store, "CREATE TABLE by_hand(x)")
	report, err = m.Verify(bg)
	if err != nil || report.OK() || report.Problems[0].Kind != "drift" || at(report.Problems[0].Version) != 3 {
		t.Errorf("%+v %v", report, err)
	}
	_, err = m.Mark(bg, 77)
	wantError(t, err, ErrMigration, "77")
}

func TestMigrationsAdopt(t *testing.T) {
	store := openTest(t)
	mustScript(t, store, `CREATE TABLE schema_migrations(version uint64, dirty bool); INSERT INTO schema_migrations VALUES (1, 0);
		CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT NOT NULL)`)
	m := migrationsOf(t, store, MigrationDir("testdata/migrations"))
	_, err := m.Up(bg)
	wantError(t, err, ErrMigration, "schema_migrations")
	report := wantDid(t, "1 adopt applied")(m.Adopt(bg))
	if report.AdoptedFrom != "schema_migrations (golang-migrate)" || report.Pending != 1 {
		t.Errorf("%+v", report)
	}
	wantDid(t, "2 up applied")(m.Up(bg))
}

func TestMigrationSources(t *testing.T) {
	folder := t.TempDir()
	if err := os.CopyFS(folder, must1(fs.Sub(migrationFiles, "testdata/migrations"))); err != nil {
		t.Fatal(err)
	}
	mapped := fstest.MapFS{
		"0001_notes.up.sql":   {Data: []byte("CREATE TABLE note(id)")},
		"0001_notes.down.sql": {Data: []byte("DROP TABLE note")},
		"0002_tags.up.sql":    {Data: []byte("ALTER TABLE note ADD COLUMN tag")},
		"0002_tags.down.sql":  {Data: []byte("ALTER TABLE note DROP COLUMN tag")},
		"README.md":           {Data: []byte("\xff no text")},
		".git/0003_x.up.sql":  {Data: []byte("nonsense")},
		".0004_x.up.sql":      {Data: []byte("nonsense")},
	}
	diesel := fstest.MapFS{
		"db/0001_notes/up.sql":   mapped["0001_notes.up.sql"],
		"db/0001_notes/down.sql": mapped["0001_notes.down.sql"],
		"db/0002_tags/up.sql":    mapped["0002_tags.up.sql"],
		"db/0002_tags/down.sql":  mapped["0002_tags.down.sql"],
	}
	goose := fstest.MapFS{
		"1_notes.sql": {Data: []byte("-- +goose Up\nCREATE TABLE note(id);\n-- +goose Down\nDROP TABLE note;\n")},
		"2_tags.sql":  {Data: []byte("-- +goose Up\nALTER TABLE note ADD COLUMN tag;\n-- +goose Down\nALTER TABLE note DROP COLUMN tag;\n")},
	}
	sources := map[string]struct {
		source  MigrationSource
		format  string
		ignored []string
	}{
		"dir":          {MigrationDir(folder), "", []string{}},
		"dir, named":   {MigrationDir(folder), "golang-migrate", []string{}},
		"embed":        {MigrationFS(migrationFiles, "testdata/migrations"), "", []string{}},
		"embed, parts": {MigrationFS(migrationFiles, "testdata", "migrations"), "", []string{}},
		"os":           {MigrationFS(os.DirFS(folder)), "", []string{}},
		"map":          {MigrationFS(mapped), "", []string{"README.md"}},
		"diesel":       {MigrationFS(diesel, "db"), "diesel", []string{}},
		"goose":        {MigrationFS(goose), "goose", []string{}},
	}
	for name, c := range sources {
		t.Run(name, func(t *testing.T) {
			for range 2 { // a source is good for several sets
				store := openTest(t)
				m := migrationsOf(t, store, c.source, WithMigrationFormat(c.format))
				report := wantDid(t, "1 up applied, 2 up applied")(m.Up(bg))
				if !strings.Contains(report.Migrations[1].File, "tags") || !slices.Equal(report.Ignored, c.ignored) {
					t.Errorf("%+v", report)
				}
				wantDid(t, "2 down reverted, 1 down reverted")(m.DownTo(bg, 0))
			}
		})
	}
}

func pointer[T any](value T) *T { return &value }

func must1[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestMigrationSourceErrors(t *testing.T) {
	store := openTest(t)
	_, err := store.Migrations(nil)
	wantError(t, err, ErrMisuse, "MigrationDir")
	_, err = store.Migrations(MigrationFS(migrationFiles, "nowhere"))
	if wantError(t, err, ErrCantOpen); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	_, err = store.Migrations(MigrationFS(migrationFiles, "../x"))
	wantError(t, err, fs.ErrInvalid)
	_, err = migrationsOf(t, store, MigrationDir(filepath.Join(t.TempDir(), "nowhere"))).Status(bg)
	wantError(t, err, ErrCantOpen, "nowhere")
	_, err = migrationsOf(t, store, MigrationList(threeSteps[0], threeSteps[0])).Up(bg)
	wantError(t, err, ErrMigration, "version 1", "twice")
	_, err = migrationsOf(t, store, MigrationList(Migration{-1, "x", "SELECT 1", ""})).Len()
	wantError(t, err, ErrMigration, "negative")
	_, err = store.Migrations(MigrationList(Migration{1, "a\x00b", "SELECT 1", ""}))
	wantError(t, err, ErrEncoding, "NUL")
	_, err = store.Migrations(MigrationList(Migration{1, "a\xff", "SELECT 1", ""}))
	wantError(t, err, ErrEncoding)
	_, err = migrationsOf(t, store, MigrationList(Migration{1, "a", "SELECT 1\x00", ""})).Up(bg)
	wantError(t, err, ErrEncoding, "NUL")
	_, err = migrationsOf(t, store, MigrationFS(fstest.MapFS{"1_a.up.sql": {Data: []byte("\xff")}})).Up(bg)
	wantError(t, err, ErrEncoding, "1_a.up.sql")
	wantDid(t, "")(migrationsOf(t, store, MigrationList()).Up(bg))
	wantDid(t, "")(migrationsOf(t, store, MigrationFS(fstest.MapFS{})).Status(bg))
	_, err = store.Migrations(MigrationList(), WithMigrationFormat("word"))
	wantError(t, err, ErrConfig, "word", "goose")
	_, err = store.Migrations(MigrationList(), WithMigrationPolicy("out_of_ordre", "accept"))
	wantError(t, err, ErrConfig, "out_of_ordre", "out_of_order")
	_, err = store.Migrations(MigrationList(), WithMigrationPolicy("changed", "skip"))
	wantError(t, err, ErrConfig, "skip", "accept")
}

func TestMigrationPolicies(t *testing.T) {
	changed := slices.Clone(threeSteps)
	changed[1].Up += "  -- and more"
	lists := map[string]struct {
		before, after []Migration
		code          Code
		state         MigrationState
	}{
		"out_of_order": {[]Migration{threeSteps[0], threeSteps[2]}, threeSteps, ErrMigration, MigrationOutOfOrder},
		"changed":      {threeSteps[:2], changed, ErrMigration, MigrationChanged},
		"missing":      {threeSteps[:2], []Migration{threeSteps[0], threeSteps[2]}, ErrMigration, MigrationMissing},
		"newer":        {threeSteps, threeSteps[:2], ErrSchemaNewer, MigrationNewer},
	}
	for key, c := range lists {
		t.Run(key, func(t *testing.T) {
			store := openTest(t)
			if key == "out_of_order" {
				c.before = []Migration{threeSteps[0], {3, "ages", "CREATE TABLE other(x)", ""}}
				c.after = []Migration{threeSteps[0], threeSteps[1], c.before[1]}
			}
			if _, err := migrationsOf(t, store, MigrationList(c.before...)).Up(bg); err != nil {
				t.Fatal(err)
			}
			strict := migrationsOf(t, store, MigrationList(c.after...))
			_, err := strict.Up(bg)
			e := wantError(t, err, c.code)
			if e.Retryable() || errors.Is(err, ErrConstraint) {
				t.Errorf("%+v", e)
			}
			report, err := strict.Status(bg)
			if err != nil || report.OK() || report.Problems[0].Kind != key || report.Problems[0].Version == nil {
				t.Errorf("%+v %v", report, err)
			}
			if !slices.ContainsFunc(report.Migrations, func(l MigrationLine) bool { return l.State == c.state }) {
				t.Errorf("no %s in %+v", c.state, report.Migrations)
			}
			lax := migrationsOf(t, store, MigrationList(c.after...), WithMigrationPolicy(key, "accept"))
			if _, err := lax.Up(bg); err != nil {
				t.Error(err)
			}
		})
	}
	if ErrMigration.String() != "KW_MIGRATION" || ErrSchemaNewer.String() != "KW_SCHEMA_NEWER" {
		t.Error(ErrMigration, ErrSchemaNewer)
	}
}

func TestMigrationSnapshotWhoAndProgram(t *testing.T) {
	store := openTest(t)
	mustScript(t, store, "CREATE TABLE before(x)")
	path := filepath.Join(t.TempDir(), "snapshot.db")
	m := migrationsOf(t, store, MigrationList(threeSteps...), WithMigrationPolicy("snapshot", path), WithMigrationPolicy("who", "Zoë"),
		WithMigrationPolicy("program", "test"), WithMigrationPolicy("transactions", "all"), WithMigrationPolicy("lock_timeout", "5s"))
	report, err := m.Up(bg)
	if err != nil || report.Snapshot != path {
		t.Fatalf("%+v %v", report, err)
	}
	if report, err = m.Status(bg); err != nil || report.Migrations[0].Who != "Zoë" || report.Migrations[0].Program != "test" {
		t.Errorf("%+v %v", report, err)
	}
	copied, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	if names, err := All[string](bg, copied, "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'keepwell%' AND name NOT LIKE 'sqlite%'"); !slices.Equal(names, []string{"before"}) {
		t.Error(names, err)
	}
}

func TestAFailingMigrationLeavesNothing(t *testing.T) {
	store := openTest(t)
	m := migrationsOf(t, store, MigrationFS(fstest.MapFS{
		"1_a.up.sql": {Data: []byte("CREATE TABLE a(x);")},
		"2_b.up.sql": {Data: []byte("CREATE TABLE b(x);\nINSERT INTO nowhere VALUES (1);")},
	}))
	_, err := m.Up(bg)
	e := wantError(t, err, ErrSQL, "2_b.up.sql, line 2", "nowhere", "migration 1 before it is done and stays")
	if e.EngineCode == 0 {
		t.Errorf("%+v", e)
	}
	if report, err := m.Status(bg); err != nil || at(report.Version) != 1 || report.Pending != 1 {
		t.Errorf("%+v %v", report, err)
	}
	if one[int](t, store, "SELECT count(*) FROM sqlite_schema WHERE name = 'b'") != 0 {
		t.Error("half of a migration stayed")
	}
	_, err = migrationsOf(t, store, MigrationList(Migration{1, "a", "CREATE TABLE a(x)", ""})).Down(bg)
	wantError(t, err, ErrMigration)
	_, err = store.With(ReadOnly()).Migrations(MigrationList(threeSteps...))
	if err != nil {
		t.Fatal(err)
	}
	_, err = migrationsOf(t, store.With(ReadOnly()), MigrationList(threeSteps...)).Up(bg)
	wantError(t, err, ErrReadOnly)
}

func TestAnInterruptedMigrationIsResumed(t *testing.T) {
	store := openTest(t)
	list := MigrationList(Migration{1, "parts", "-- keepwell: no transaction\nCREATE TABLE a(x);\nCREATE TABLE b(x);\nCREATE TABLE c(x);", ""})
	m := migrationsOf(t, store, list, WithMigrationProgress(func(e MigrationEvent) bool { return e.Statement < 2 }))
	_, err := m.Up(bg)
	wantError(t, err, ErrCancelled)
	report := wantDid(t, "1 up interrupted")(m.Status(bg))
	if report.OK() || report.Problems[0].Kind != "interrupted" || report.Migrations[0].Transactional {
		t.Errorf("%+v", report)
	}
	plain := migrationsOf(t, store, list)
	_, err = plain.Up(bg)
	wantError(t, err, ErrMigration, "interrupted", "resume")
	wantDid(t, "1 up applied")(migrationsOf(t, store, list, WithMigrationPolicy("interrupted", "resume")).Up(bg))
	if one[int](t, store, "SELECT count(*) FROM sqlite_schema WHERE name IN ('a', 'b', 'c')") != 3 {
		t.Error("a table is missing")
	}
}

func TestMigrationsInOneTransaction(t *testing.T) {
	store := openTest(t)
	bad := Migration{4, "bad", "INSERT INTO nowhere VALUES (1)", ""}
	m := migrationsOf(t, store, MigrationList(append(slices.Clone(threeSteps), bad)...), WithMigrationPolicy("transactions", "all"))
	_, err := m.Up(bg)
	wantError(t, err, ErrSQL, "nowhere", "bad")
	stillUsable(t, store, m, -1)
}

func TestMigrationForeignKeys(t *testing.T) {
	store := openTest(t)
	m := migrationsOf(t, store, MigrationList(
		Migration{1, "tables", "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)", ""},
		Migration{2, "orphans", "DELETE FROM p", ""}))
	_, err := m.Up(bg)
	wantError(t, err, ErrConstraint, "foreign key")
	if one[int](t, store, "SELECT count(*) FROM p") != 1 {
		t.Error("the row is gone")
	}
}

func TestMigrationProgress(t *testing.T) {
	store := openTest(t)
	var events []MigrationEvent
	m := migrationsOf(t, store, MigrationList(threeSteps...), WithMigrationProgress(func(e MigrationEvent) bool {
		events = append(events, e)
		return true
	}))
	if _, err := m.Up(bg); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%d%s%d ", e.Version, e.Phase.String()[:1], e.Statement)
		if e.Direction != MigrationUp || e.Total != 3 || e.Index != int(e.Version) || e.Description != threeSteps[e.Version-1].Description {
			t.Errorf("%+v", e)
		}
	}
	if want := "1b0 1s1 1s2 1d0 2b0 2s1 2d0 3b0 3s1 3d0 "; b.String() != want {
		t.Errorf("got %s, wanted %s", b.String(), want)
	}
	second := events[2]
	if second.RowsChanged != 2 || !strings.HasPrefix(second.SQL, "INSERT INTO person") || second.Offset == 0 || second.Length != int64(len(threeSteps[0].Up)) {
		t.Errorf("%+v", second)
	}
	events = nil
	if _, err := m.Down(bg); err != nil || events[0].Direction != MigrationDown {
		t.Error(events, err)
	}
	if events[0].Phase != MigrationBegins || MigrationPhase(9).String() != "?" {
		t.Error(events[0].Phase)
	}
}

func TestMigrationProgressStops(t *testing.T) {
	store := openTest(t)
	stop := func(e MigrationEvent) bool { return e.Version < 2 || e.Phase != MigrationStatementRun }
	m := migrationsOf(t, store, MigrationList(threeSteps...), WithMigrationProgress(stop))
	_, err := m.Up(bg)
	wantError(t, err, ErrCancelled, "progress")
	stillUsable(t, store, m, 1)

	m = migrationsOf(t, store, MigrationList(threeSteps...), WithMigrationProgress(func(e MigrationEvent) bool { return e.Phase != MigrationDone }))
	_, err = m.Up(bg)
	wantError(t, err, ErrCancelled)
	stillUsable(t, store, m, 2) // what is done stays
	if _, err := migrationsOf(t, store, MigrationList(threeSteps...)).Down(bg); err != nil {
		t.Fatal(err)
	}

	own := errors.New("own")
	m = migrationsOf(t, store, MigrationList(threeSteps...), WithMigrationProgress(func(MigrationEvent) bool { panic(own) }))
	func() {
		defer func() {
			if r := recover(); r != own {
				t.Errorf("recovered %v", r)
			}
		}()
		m.Up(bg)
	}()
	stillUsable(t, store, m, 1)

	m = migrationsOf(t, store, MigrationList(threeSteps...), WithMigrationProgress(func(MigrationEvent) bool { runtime.Goexit(); return true }))
	returned, ended := false, make(chan struct{})
	go func() {
		defer close(ended)
		m.Up(bg)
		returned = true
	}()
	<-ended
	if returned {
		t.Error("Goexit was forgotten")
	}
	stillUsable(t, store, m, 1)
}

// stillUsable checks that the store has this version and writes, at once.
func stillUsable(t *testing.T, store *Store, m *Migrations, version int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(bg, 2*time.Second)
	defer cancel()
	if report, err := m.Status(ctx); err != nil || at(report.Version) != version {
		t.Errorf("%+v %v", report, err)
	}
	if _, err := store.ExecScript(ctx, "CREATE TABLE usable(x); DROP TABLE usable"); err != nil {
		t.Error(err)
	}
	if stats, err := store.Stats(); err != nil || stats.InUse != 0 {
		t.Errorf("%+v %v", stats, err)
	}
}

func TestMigrationCancelAndDeadline(t *testing.T) {
	cause := errors.New("the cause")
	ways := map[string]func(store *Store, m *Migrations) error{
		"cancel": func(store *Store, m *Migrations) error {
			ctx, cancel := context.WithCancelCause(bg)
			time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
			_, err := m.Up(ctx)
			if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
				t.Errorf("no cause: %v", err)
			}
			return wantError(t, err, ErrCancelled)
		},
		"deadline": func(store *Store, m *Migrations) error {
			ctx, cancel := context.WithTimeout(bg, 50*time.Millisecond)
			defer cancel()
			_, err := m.Up(ctx)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			return wantError(t, err, ErrTimeout)
		},
		"dry run": func(store *Store, m *Migrations) error {
			ctx, cancel := context.WithTimeout(bg, 50*time.Millisecond)
			defer cancel()
			_, err := m.DryRun(ctx)
			return wantError(t, err, ErrTimeout)
		},
		"rehearsal": func(store *Store, m *Migrations) error {
			ctx, cancel := context.WithTimeout(bg, 100*time.Millisecond)
			defer cancel()
			_, err := m.Rehearse(ctx)
			return wantError(t, err, ErrTimeout)
		},
		"timeout": func(store *Store, m *Migrations) error {
			_, err := migrationsOf(t, store.With(Timeout(50*time.Millisecond)), MigrationList(threeSteps[0], slow)).Up(bg)
			return wantError(t, err, ErrTimeout)
		},
		"bound": func(store *Store, m *Migrations) error {
			ctx, cancel := context.WithCancel(bg)
			time.AfterFunc(50*time.Millisecond, cancel)
			_, err := migrationsOf(t, store.WithContext(ctx), MigrationList(threeSteps[0], slow)).Up(bg)
			return wantError(t, err, ErrCancelled)
		},
		"progress": func(store *Store, m *Migrations) error {
			ctx, cancel := context.WithCancel(bg)
			m = migrationsOf(t, store, MigrationList(threeSteps[0], slow), WithMigrationProgress(func(e MigrationEvent) bool {
				if e.Version == 9 {
					cancel()
				}
				return true
			}))
			_, err := m.Up(ctx)
			return wantError(t, err, ErrCancelled)
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			store := openTest(t)
			m := migrationsOf(t, store, MigrationList(threeSteps[0], slow))
			if _, err := m.UpTo(bg, 1); err != nil {
				t.Fatal(err)
			}
			started := time.Now()
			way(store, m)
			within(t, started, 3*time.Second)
			stillUsable(t, store, m, 1)
			if one[int](t, store, "SELECT count(*) FROM sqlite_schema WHERE name = 'slow'") != 0 {
				t.Error("a part of the migration stayed")
			}
		})
	}
}

func TestMigrationContextThatHasEnded(t *testing.T) {
	store := openTest(t)
	m := migrationsOf(t, store, MigrationList(threeSteps...))
	ctx, cancel := context.WithCancel(bg)
	cancel()
	_, err := m.Up(ctx)
	wantError(t, err, context.Canceled, "migrations")
	_, err = store.SchemaDump(ctx)
	wantError(t, err, context.Canceled, "schema dump")
	_, err = store.RebuildTable(ctx, "a", "b", nil)
	wantError(t, err, context.Canceled, "rebuild")
	stillUsable(t, store, m, -1)
}

func TestMigrationsWaitForTheWriter(t *testing.T) {
	store := openTest(t)
	m := migrationsOf(t, store, MigrationList(threeSteps...))
	tx, err := store.Begin(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	ctx, cancel := context.WithTimeout(bg, 30*time.Millisecond)
	defer cancel()
	_, err = m.Up(ctx)
	wantError(t, err, ErrTimeout, "run of migrations", "a transaction for")
	_, err = m.Up(NewContext(bg, tx))
	wantError(t, err, ErrSelfDeadlock)
	if _, err := m.Status(bg); err != nil { // readers do not wait
		t.Error(err)
	}
	tx.Rollback()
	wantDid(t, "1 up applied, 2 up applied, 3 up applied")(m.Up(bg))
}

func TestMigrationsWaitForOtherStores(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	store, other := must1(Open(path)), must1(Open(path))
	defer store.Close()
	defer other.Close()
	m := migrationsOf(t, store, MigrationList(threeSteps...))
	if _, err := m.UpTo(bg, 1); err != nil {
		t.Fatal(err)
	}
	tx := must1(other.Begin(bg, nil))
	defer tx.Rollback()
	ctx, cancel := context.WithCancel(bg)
	time.AfterFunc(50*time.Millisecond, cancel)
	started := time.Now()
	_, err := m.Up(ctx)
	wantError(t, err, context.Canceled)
	_, err = migrationsOf(t, store, MigrationList(threeSteps...), WithMigrationPolicy("lock_timeout", "50ms")).Up(bg)
	wantError(t, err, ErrTimeout, "lock")
	within(t, started, 3*time.Second)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	wantDid(t, "2 up applied, 3 up applied")(m.Up(bg))
	stillUsable(t, store, m, 3)
}

func TestWhoWaitsForMigrationsIsTold(t *testing.T) {
	store := openTest(t, "pool.wait_timeout", "50ms")
	mustScript(t, store, "CREATE TABLE note(x); INSERT INTO note VALUES (7)")
	begun := make(chan struct{})
	var once sync.Once
	m := migrationsOf(t, store, MigrationList(slow), WithMigrationProgress(func(MigrationEvent) bool {
		once.Do(func() { close(begun) })
		return true
	}))
	ctx, cancel := context.WithCancel(bg)
	ended := make(chan error)
	go func() {
		_, err := m.Up(ctx)
		ended <- err
	}()
	<-begun
	_, err := store.Exec(bg, "DELETE FROM note")
	wantError(t, err, ErrExhausted, "held by a run of migrations")
	_, err = m.Up(bg)
	wantError(t, err, ErrExhausted, "held by a run of migrations")
	if one[int](t, store, "SELECT x FROM note") != 7 { // readers do not wait
		t.Error("another row")
	}
	cancel()
	wantError(t, <-ended, context.Canceled)
	stillUsable(t, store, m, -1)
}

func TestShutdownEndsMigrations(t *testing.T) {
	store := openTest(t)
	begun := make(chan struct{})
	var once sync.Once
	m := migrationsOf(t, store, MigrationList(slow), WithMigrationProgress(func(MigrationEvent) bool {
		once.Do(func() { close(begun) })
		return true
	}))
	ended := make(chan error, 1)
	go func() {
		_, err := m.Up(bg)
		ended <- err
	}()
	<-begun
	ctx, cancel := context.WithTimeout(bg, 50*time.Millisecond)
	defer cancel()
	started := time.Now()
	wantError(t, store.Shutdown(ctx), context.DeadlineExceeded)
	select {
	case err := <-ended:
		wantError(t, err, ErrClosed)
	case <-time.After(5 * time.Second):
		t.Fatal("the migration runs on")
	}
	within(t, started, 3*time.Second)
}

func TestQueryTimeoutDoesNotHoldForMigrations(t *testing.T) {
	store := openTest(t, "query.timeout", "30ms")
	long := "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 300000) SELECT max(i) FROM s"
	later := func(MigrationEvent) bool { time.Sleep(20 * time.Millisecond); return true }
	m := migrationsOf(t, store, MigrationList(Migration{1, "long", "CREATE TABLE long(x); INSERT INTO long " + long, ""}), WithMigrationProgress(later))
	if _, err := m.Up(bg); err != nil {
		t.Error(err)
	}
}

func TestConcurrentMigrationsApplyOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	var stores []*Store
	for range 2 {
		store, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		stores = append(stores, store)
	}
	var list []Migration
	for v := range int64(10) {
		list = append(list, Migration{v + 1, fmt.Sprint("number ", v), fmt.Sprintf("CREATE TABLE t%d(x); INSERT INTO t%d VALUES (1)", v, v), ""})
	}
	shared := migrationsOf(t, stores[0], MigrationList(list...))
	var mu sync.Mutex
	var applied []int64
	var all sync.WaitGroup
	for i := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			m := shared
			if i%2 == 1 {
				m = migrationsOf(t, stores[i/2%2], MigrationList(list...))
			}
			report, err := m.Up(bg)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, line := range report.Migrations {
				applied = append(applied, line.Version)
			}
		}()
	}
	all.Wait()
	slices.Sort(applied)
	if !slices.Equal(applied, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
		t.Errorf("applied: %v", applied)
	}
}

func TestMigrationsThatAreClosed(t *testing.T) {
	store := openTest(t)
	m := migrationsOf(t, store, MigrationList(threeSteps...))
	m.Close()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	_, err := m.Up(bg)
	wantError(t, err, ErrClosed, "set")
	_, err = m.Len()
	wantError(t, err, ErrClosed)
	m = migrationsOf(t, store, MigrationList(threeSteps...))
	store.Close()
	_, err = m.Up(bg)
	wantError(t, err, ErrClosed)
	_, err = store.Migrations(MigrationList())
	wantError(t, err, ErrClosed)
	_, err = store.SchemaDump(bg)
	wantError(t, err, ErrClosed)
	_, err = store.RebuildTable(bg, "a", "b", nil)
	wantError(t, err, ErrClosed)
}

func TestMigrationReportJSON(t *testing.T) {
	store := openTest(t)
	m := migrationsOf(t, store, MigrationList(threeSteps...))
	reports := []func() (*MigrationReport, error){
		func() (*MigrationReport, error) { return m.Rehearse(bg) },
		func() (*MigrationReport, error) { return m.UpTo(bg, 2) },
		func() (*MigrationReport, error) { return m.Status(bg) },
		func() (*MigrationReport, error) { return m.Verify(bg) },
		func() (*MigrationReport, error) { return m.Mark(bg, 3) },
	}
	for _, make := range reports {
		report, err := make()
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if err := json.Unmarshal([]byte(report.JSON()), &want); err != nil {
			t.Fatal(err)
		}
		written, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		if json.Unmarshal(written, &got); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: written %s, the library's %s", report.Operation, written, report.JSON())
		}
		var again MigrationReport
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatal(err)
		}
		again.json = report.json
		if !reflect.DeepEqual(&again, report) {
			t.Errorf("read again: %+v, before: %+v", again, *report)
		}
	}
	if err := json.Unmarshal([]byte(`{"migrations": 5}`), new(MigrationReport)); err == nil {
		t.Error("nonsense was read")
	}
	var line MigrationLine
	if err := json.Unmarshal([]byte(`{"version": 5, "applied_at": "once"}`), &line); err != nil || line.Version != 5 || !line.AppliedAt.IsZero() {
		t.Error(line, err)
	}
}

func TestSchemaDump(t *testing.T) {
	store := openTest(t)
	m := migrationsOf(t, store, MigrationFS(migrationFiles, "testdata/migrations"))
	if _, err := m.Up(bg); err != nil {
		t.Fatal(err)
	}
	for i := range 300 { // more than the first buffer has room for
		mustExec(t, store, fmt.Sprintf("CREATE TABLE t%d(id INTEGER PRIMARY KEY, text TEXT NOT NULL DEFAULT 'some text that is long', other REAL)", i))
	}
	mustScript(t, store, "CREATE INDEX i ON t1(text); CREATE VIEW v AS SELECT id FROM t1; CREATE TRIGGER r AFTER INSERT ON t1 BEGIN DELETE FROM t2; END")
	dump, err := store.SchemaDump(bg)
	if err != nil {
		t.Fatal(err)
	}
	if len(dump) < 20000 || strings.Contains(dump, "keepwell_migrations") || !strings.Contains(dump, "tag TEXT") {
		t.Error(len(dump), dump[:200])
	}
	other := openMemory(t)
	mustScript(t, other, dump)
	if again, err := other.SchemaDump(bg); err != nil || again != dump {
		t.Error("the dump of the copy differs", err)
	}
	if empty, err := openMemory(t).SchemaDump(bg); err != nil || strings.Contains(empty, "CREATE") {
		t.Error(empty, err)
	}
}

func TestRebuildTable(t *testing.T) {
	store := openTest(t)
	mustScript(t, store, `CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT, born TEXT);
		CREATE INDEX by_name ON person(name);
		INSERT INTO person VALUES (1, 'Ada', '1815'), (5, 'Grace', '1906')`)
	report, err := store.RebuildTable(bg, "person", "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT NOT NULL, year INTEGER NOT NULL, shout TEXT)",
		map[string]string{"year": "CAST(born AS INTEGER)", "shout": "upper(name)"})
	if err != nil {
		t.Fatal(err)
	}
	want := []MigrationTableCount{{"person", pointer[int64](2), pointer[int64](2)}}
	if report.Operation != "rebuild" || !report.OK() || !reflect.DeepEqual(report.Tables, want) {
		t.Errorf("%+v", report)
	}
	if one[string](t, store, "SELECT group_concat(id || shout || year) FROM person") != "1ADA1815,5GRACE1906" {
		t.Error("the rows are not what was asked for")
	}
	if one[int](t, store, "SELECT count(*) FROM sqlite_schema WHERE name = 'by_name'") != 1 {
		t.Error("the index is gone")
	}
	before, _ := store.SchemaDump(bg)
	_, err = store.RebuildTable(bg, "person", "CREATE TABLE other(id)", nil)
	wantError(t, err, ErrMigration)
	_, err = store.RebuildTable(bg, "nowhere", "CREATE TABLE nowhere(id)", nil)
	wantError(t, err, ErrMigration, "nowhere")
	_, err = store.RebuildTable(bg, "person", "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT CHECK (name <> 'Ada'))", nil)
	wantError(t, err, ErrConstraint)
	_, err = store.RebuildTable(bg, "person", "CREATE TABLE person(id)", map[string]string{"id": "1\x00"})
	wantError(t, err, ErrEncoding)
	ctx, cancel := context.WithTimeout(bg, 50*time.Millisecond)
	defer cancel()
	_, err = store.RebuildTable(ctx, "person", "CREATE TABLE person(id INTEGER PRIMARY KEY, name)", map[string]string{"name": "(" + endless + ")"})
	wantError(t, err, ErrTimeout)
	if after, err := store.SchemaDump(bg); err != nil || after != before {
		t.Error("something was changed", err)
	}
	if stats, err := store.Stats(); err != nil || stats.InUse != 0 {
		t.Error(stats, err)
	}
}

func TestMigrationsThatAreForgottenAreFreed(t *testing.T) {
	store := openTest(t)
	for range 200 {
		if _, err := store.Migrations(MigrationList(threeSteps...)); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.GC()
	wantDid(t, "1 up applied, 2 up applied, 3 up applied")(migrationsOf(t, store, MigrationList(threeSteps...)).Up(bg))
}
