package keepwell

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"runtime"
	"strings"
	"time"
)

// Migration is a migration of the program's own.
type Migration struct {
	Version     int64  // 0 or more, unique in its set
	Description string // for people
	Up          string // the statements that apply it
	Down        string // the statements that undo it; without any it cannot be undone
}

// MigrationSource is where migrations are from: [MigrationDir], [MigrationFS] or [MigrationList].
type MigrationSource interface {
	add(set uint64) error
}

type migrationDir string

// MigrationDir is a folder of migrations. Its layout (keepwell's own, golang-migrate, goose, dbmate, sqlx, refinery, Flyway, Diesel,
// rusqlite_migration) shows by itself, or [WithMigrationFormat] names it.
func MigrationDir(path string) MigrationSource { return migrationDir(path) }

func (d migrationDir) add(set uint64) error { return nativeMigrationsFolder(set, string(d)) }

type migrationFS struct{ fsys fs.FS }

// MigrationFS is a folder of migrations in a file system, such as an [embed.FS]; use [fs.Sub] for a folder in it.
func MigrationFS(fsys fs.FS) MigrationSource { return migrationFS{fsys} }

func (m migrationFS) add(set uint64) error {
	return fs.WalkDir(m.fsys, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(m.fsys, path)
		if err != nil {
			return err
		}
		return nativeMigrationsFile(set, path, content)
	})
}

type migrationList []Migration

// MigrationList is a list of the program's own migrations, in any order.
func MigrationList(list ...Migration) MigrationSource { return migrationList(list) }

func (l migrationList) add(set uint64) error {
	for _, m := range l {
		if strings.ContainsRune(m.Description, 0) {
			return newError(ErrEncoding, "migration %d: its description has a NUL", m.Version)
		}
		if err := nativeMigrationsAdd(set, m); err != nil {
			return err
		}
	}
	return nil
}

// MigrationOption says how a set of migrations is used.
type MigrationOption func(*Migrations) error

// WithMigrationFormat names the layout of the files: "keepwell", "golang-migrate", "goose", "dbmate", "sqlx", "refinery", "flyway",
// "diesel", "rusqlite_migration".
func WithMigrationFormat(format string) MigrationOption {
	return func(m *Migrations) error { return nativeMigrationsSet(m.handle, "format", format) }
}

// WithMigrationPolicy decides a doubtful case: "out_of_order" (refuse, accept, skip), "changed", "missing", "newer", "gaps" (refuse,
// accept), "interrupted" (refuse, resume, restart), "transactions" (each, all, none), "lock_timeout" (60s; none), "snapshot" (a path),
// "ignore" (file names, separated by commas), "who", "program".
func WithMigrationPolicy(key, value string) MigrationOption {
	return func(m *Migrations) error { return nativeMigrationsSet(m.handle, key, value) }
}

// WithMigrationProgress has fn hear of each migration and statement; false ends the run with [ErrCancelled]. It must not use the store.
func WithMigrationProgress(fn func(MigrationEvent) bool) MigrationOption {
	return func(m *Migrations) error { m.progress = fn; return nil }
}

// MigrationPhase is what a [MigrationEvent] is about.
type MigrationPhase int

// The phases of a migration.
const (
	MigrationBegin     MigrationPhase = 1 // it begins
	MigrationStatement MigrationPhase = 2 // one of its statements has run
	MigrationDone      MigrationPhase = 3 // it is applied, or undone
)

// MigrationEvent is something that a run does.
type MigrationEvent struct {
	Phase       MigrationPhase
	Version     int64
	Description string
	File        string // empty for a migration of the program's own
	Down        bool   // it is being undone
	Index       int    // which migration of this run it is, from 1
	Total       int    // how many there will be, as far as can be told
	Statement   int    // the number of the statement, from 1; 0 in other phases
	Offset      int64  // how much of the text is done, in bytes
	Length      int64  // how long it is
	RowsChanged int64  // by the statement, or by the migration
	SQL         string // the statement
}

// MigrationReport is what an operation found and did.
type MigrationReport struct {
	Operation   string             `json:"operation"`
	Before      *int64             `json:"before"`  // the newest version that was applied before; nil: none
	Version     *int64             `json:"version"` // the newest version that is applied now
	Pending     int                `json:"pending"`
	Migrations  []MigrationLine    `json:"migrations"` // what was done or would be; of Status and Verify all that are known
	Problems    []MigrationProblem `json:"problems"`
	Tables      []TableCount       `json:"tables"`
	AdoptedFrom *string            `json:"adopted_from"`
	Ignored     []string           `json:"ignored"` // files that are no migrations
	SchemaHash  *string            `json:"schema_hash"`
	Snapshot    *string            `json:"snapshot"`
	DurationUS  int64              `json:"duration_us"`
}

// OK reports whether there are no problems but notes.
func (r *MigrationReport) OK() bool {
	for _, p := range r.Problems {
		if p.Kind != "note" {
			return false
		}
	}
	return true
}

// MigrationLine is one migration in a report.
type MigrationLine struct {
	Version       int64  `json:"version"`
	Description   string `json:"description"`
	File          string `json:"file"`
	Direction     string `json:"direction"`     // "up", "down", "baseline", "adopt"
	State         string `json:"state"`         // "pending", "applied", "changed", "missing", "newer", "out_of_order", "interrupted", "reverted", "skipped"
	Reversible    bool   `json:"reversible"`    // it can be undone
	Transactional bool   `json:"transactional"` // it runs inside a transaction
	Statements    int64  `json:"statements"`
	RowsChanged   int64  `json:"rows_changed"`
	DurationUS    int64  `json:"duration_us"`
	Checksum      string `json:"checksum"`   // SHA-256 of the text with line ends made alike
	AppliedAt     string `json:"applied_at"` // UTC, RFC 3339; empty when it is not applied. See [MigrationLine.Time]
	Who           string `json:"who"`
	Host          string `json:"host"`
	Program       string `json:"program"`
	Engine        string `json:"engine"`
}

// Time is when it was applied; the zero time when it is not.
func (l *MigrationLine) Time() time.Time {
	t, _ := time.Parse(time.RFC3339Nano, l.AppliedAt)
	return t
}

// MigrationProblem is something that is wrong or worth knowing.
type MigrationProblem struct {
	Kind    string `json:"kind"`
	Version *int64 `json:"version"`
	Message string `json:"message"`
}

// TableCount is the rows of a table before and after; nil where it was or is not there.
type TableCount struct {
	Table  string `json:"table"`
	Before *int64 `json:"before"`
	After  *int64 `json:"after"`
}

// Migrations is a set of migrations for a store, for any number of goroutines. Each operation blocks while others write; when its context
// ends, so does what runs, and the migration that it is in leaves nothing.
type Migrations struct {
	handle   uint64
	store    *Store
	progress func(MigrationEvent) bool
	cleanup  runtime.Cleanup
}

// Migrations makes a set of migrations for the store. A folder is read now, so that its errors show here.
func (s *Store) Migrations(source MigrationSource, options ...MigrationOption) (*Migrations, error) {
	handle, err := nativeMigrations(s.handle)
	if err != nil {
		return nil, err
	}
	m := &Migrations{handle: handle, store: s}
	m.cleanup = runtime.AddCleanup(m, nativeFreeMigrations, handle)
	for _, option := range options {
		if err := option(m); err != nil {
			m.Close()
			return nil, err
		}
	}
	if err = source.add(handle); err == nil {
		_, err = nativeMigrationsCount(handle)
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Close frees the set; the garbage collector does as well.
func (m *Migrations) Close() {
	m.cleanup.Stop()
	nativeFreeMigrations(m.handle)
}

// Len is how many migrations the set has.
func (m *Migrations) Len() int {
	count, _ := nativeMigrationsCount(m.handle)
	return count
}

// The operations, by the numbers of the C interface.
const (
	migrateUp = iota + 1
	migrateDown
	migrateTo
	migrateRedo
	migrateStatus
	migratePlan
	migrateDryRun
	migrateRehearse
	migrateBaseline
	migrateMark
	migrateAdopt
	migrateVerify
)

// Up applies what is pending. Whoever starts at the same time, in any process and language, finds done what is done.
func (m *Migrations) Up(ctx context.Context) (*MigrationReport, error) {
	return m.run(ctx, migrateUp, nil, nil)
}

// UpTo applies what is pending up to a version.
func (m *Migrations) UpTo(ctx context.Context, version int64) (*MigrationReport, error) {
	return m.run(ctx, migrateUp, &version, nil)
}

// UpSteps applies no more than so many.
func (m *Migrations) UpSteps(ctx context.Context, steps int) (*MigrationReport, error) {
	return m.run(ctx, migrateUp, nil, &steps)
}

// Down undoes the newest one.
func (m *Migrations) Down(ctx context.Context) (*MigrationReport, error) {
	return m.run(ctx, migrateDown, nil, nil)
}

// DownTo undoes what is applied above a version; 0: everything.
func (m *Migrations) DownTo(ctx context.Context, version int64) (*MigrationReport, error) {
	return m.run(ctx, migrateDown, &version, nil)
}

// DownSteps undoes so many.
func (m *Migrations) DownSteps(ctx context.Context, steps int) (*MigrationReport, error) {
	return m.run(ctx, migrateDown, nil, &steps)
}

// To applies or undoes until version is the newest one applied.
func (m *Migrations) To(ctx context.Context, version int64) (*MigrationReport, error) {
	return m.run(ctx, migrateTo, &version, nil)
}

// Redo undoes the newest one and applies it again.
func (m *Migrations) Redo(ctx context.Context) (*MigrationReport, error) {
	return m.run(ctx, migrateRedo, nil, nil)
}

// Status tells of every migration that the source or the history knows. It writes nothing.
func (m *Migrations) Status(ctx context.Context) (*MigrationReport, error) {
	return m.run(ctx, migrateStatus, nil, nil)
}

// Plan tells what Up would do. It writes nothing.
func (m *Migrations) Plan(ctx context.Context) (*MigrationReport, error) {
	return m.run(ctx, migratePlan, nil, nil)
}

// DryRun does what Up would do, in one transaction, and rolls it back.
func (m *Migrations) DryRun(ctx context.Context) (*MigrationReport, error) {
	return m.run(ctx, migrateDryRun, nil, nil)
}

// Rehearse goes up, down and up again on a copy of the database; what differs is in the report's problems.
func (m *Migrations) Rehearse(ctx context.Context) (*MigrationReport, error) {
	return m.run(ctx, migrateRehearse, nil, nil)
}

// Baseline takes every migration up to version for applied, without running any.
func (m *Migrations) Baseline(ctx context.Context, version int64) (*MigrationReport, error) {
	return m.run(ctx, migrateBaseline, &version, nil)
}

// Mark takes one migration for applied, without running it.
func (m *Migrations) Mark(ctx context.Context, version int64) (*MigrationReport, error) {
	return m.run(ctx, migrateMark, &version, nil)
}

// Adopt takes over the history of another tool, with its checksums verified where it has some.
func (m *Migrations) Adopt(ctx context.Context) (*MigrationReport, error) {
	return m.run(ctx, migrateAdopt, nil, nil)
}

// Verify is the status, and whether schema and rows are what the migrations left; see [MigrationReport.OK].
func (m *Migrations) Verify(ctx context.Context) (*MigrationReport, error) {
	return m.run(ctx, migrateVerify, nil, nil)
}

func (m *Migrations) run(ctx context.Context, operation int, version *int64, steps *int) (*MigrationReport, error) {
	if ctx.Err() != nil {
		return nil, contextError(ctx, "migrations")
	}
	if steps != nil && *steps < 0 {
		return nil, newError(ErrMisuse, "migrations: %d steps", *steps)
	}
	text, err := nativeMigrate(&migrating{ctx: ctx, progress: m.progress}, m.handle, operation, version, steps)
	runtime.KeepAlive(m)
	return decodeReport(ctx, text, err)
}

// decodeReport reads a report, or explains an error by the context that caused it.
func decodeReport(ctx context.Context, text string, err error) (*MigrationReport, error) {
	if err != nil {
		var e *Error
		if ctx.Err() != nil && errors.As(err, &e) && e.flags&(flagTimedOut|flagCancelled) != 0 {
			e.because(ctx)
		}
		return nil, err
	}
	report := new(MigrationReport)
	if err := json.Unmarshal([]byte(text), report); err != nil {
		return nil, newError(ErrEngine, "migrations: the report cannot be read: %v", err)
	}
	return report, nil
}

// SchemaDump is the schema as SQL that makes it anew, without the history of migrations; the same schema gives the same text.
func (s *Store) SchemaDump(ctx context.Context) (string, error) {
	if ctx.Err() != nil {
		return "", contextError(ctx, "schema dump")
	}
	return nativeSchemaDump(ctx, s.handle)
}

// RebuildTable makes a table anew with another definition, one CREATE TABLE statement for the same name, in SQLite's twelve steps
// (https://sqlite.org/lang_altertable.html#otheralter). Rows with their rowids, indexes, triggers, views, references of other tables and
// the AUTOINCREMENT mark are kept. columns are names with the SQL expressions over the old table that fill them; others are filled from the
// old ones of the same name. The report's Tables has the rows before and after.
func (s *Store) RebuildTable(ctx context.Context, table, definition string, columns map[string]string) (*MigrationReport, error) {
	if ctx.Err() != nil {
		return nil, contextError(ctx, "rebuild")
	}
	text, err := nativeRebuild(&migrating{ctx: ctx}, s.handle, table, definition, columns)
	return decodeReport(ctx, text, err)
}
