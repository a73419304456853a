package keepwell

import (
	"encoding/json"
	"runtime"
	"time"
)

// MigrationReport is what an operation found and did. What an operation has nothing to say about is empty. As JSON it has the form that it
// has in every language.
type MigrationReport struct {
	Operation   string                `json:"operation"` // up, down, to, redo, status, plan, dry_run, rehearse, baseline, mark, adopt, verify, rebuild
	Before      *int64                `json:"before"`    // the newest version that was applied before; nil: there was none
	Version     *int64                `json:"version"`   // the newest version that is applied now
	Pending     int                   `json:"pending"`   // migrations that are pending now
	Migrations  []MigrationLine       `json:"migrations"`
	Problems    []MigrationProblem    `json:"problems"`
	Tables      []MigrationTableCount `json:"tables"`       // rows of each table before and after, of a rehearsal or rebuild
	AdoptedFrom string                `json:"adopted_from"` // the table of another tool that the history was adopted from, with the tool's name
	Ignored     []string              `json:"ignored"`      // files that are no migrations
	SchemaHash  string                `json:"schema_hash"`  // the hash of the schema now
	Snapshot    string                `json:"snapshot"`     // the copy that was written before the first pending migration
	Duration    time.Duration         `json:"-"`            // duration_us
	json        string
}

// MigrationLine is one migration of a report: what was done or would be done, in its order; for Status and Verify all that are known.
type MigrationLine struct {
	Version       int64              `json:"version"`
	Description   string             `json:"description"`
	File          string             `json:"file"` // empty for a migration of the program's own, or one that the source does not have
	Direction     MigrationDirection `json:"direction"`
	State         MigrationState     `json:"state"`
	Reversible    bool               `json:"reversible"`    // it can be undone, by the source or by the text in the history
	Transactional bool               `json:"transactional"` // it runs inside a transaction
	Statements    int                `json:"statements"`
	RowsChanged   int64              `json:"rows_changed"`
	Duration      time.Duration      `json:"-"`        // duration_us
	Checksum      string             `json:"checksum"` // SHA-256 of the text with line ends made alike
	AppliedAt     time.Time          `json:"-"`        // applied_at, of what Status and Verify tell; zero when it is not applied
	Who           string             `json:"who"`
	Host          string             `json:"host"`
	Program       string             `json:"program"`
	Engine        string             `json:"engine"`
}

// MigrationProblem is something that is wrong or worth knowing.
type MigrationProblem struct {
	Kind    string `json:"kind"`    // changed, missing, newer, out_of_order, gap, interrupted, drift, foreign_key, irreversible, rows, schema, note
	Version *int64 `json:"version"` // nil where it is about no migration
	Message string `json:"message"`
}

// MigrationTableCount has the rows of a table; nil where it was or is not there.
type MigrationTableCount struct {
	Table  string `json:"table"`
	Before *int64 `json:"before"`
	After  *int64 `json:"after"`
}

// MigrationDirection is what is done with a migration.
type MigrationDirection string

// The directions.
const (
	MigrationUp       MigrationDirection = "up"
	MigrationDown     MigrationDirection = "down"
	MigrationBaseline MigrationDirection = "baseline" // taken for applied without running it
	MigrationAdopt    MigrationDirection = "adopt"    // taken over from another tool's history
)

// MigrationState is where a migration stands.
type MigrationState string

// The states.
const (
	MigrationPending     MigrationState = "pending"
	MigrationApplied     MigrationState = "applied"
	MigrationChanged     MigrationState = "changed"      // applied, and the source has another text
	MigrationMissing     MigrationState = "missing"      // applied, and the source does not have it
	MigrationNewer       MigrationState = "newer"        // applied, and newer than all that the source has
	MigrationOutOfOrder  MigrationState = "out_of_order" // pending below an applied one
	MigrationInterrupted MigrationState = "interrupted"  // only a part of it has run
	MigrationReverted    MigrationState = "reverted"     // undone by this operation
	MigrationSkipped     MigrationState = "skipped"      // not run by a dry run or rehearsal, which cannot
)

// OK reports whether nothing is wrong: there are no problems but notes. Pending migrations are no problem, see Pending.
func (r *MigrationReport) OK() bool {
	for _, p := range r.Problems {
		if p.Kind != "note" {
			return false
		}
	}
	return true
}

// JSON returns the report in the form that it has in every language.
func (r *MigrationReport) JSON() string { return r.json }

// The forms that JSON has of what Go says otherwise. A field here is before one of the same name in the embedded struct.
type (
	reportFields MigrationReport
	lineFields   MigrationLine

	reportJSON struct {
		*reportFields
		AdoptedFrom *string `json:"adopted_from"`
		SchemaHash  *string `json:"schema_hash"`
		Snapshot    *string `json:"snapshot"`
		Micros      int64   `json:"duration_us"`
	}
	lineJSON struct {
		*lineFields
		Micros    int64  `json:"duration_us"`
		AppliedAt string `json:"applied_at"`
	}
)

const appliedAtLayout = "2006-01-02T15:04:05.000Z"

// UnmarshalJSON reads a report in the form of [MigrationReport.JSON].
func (r *MigrationReport) UnmarshalJSON(text []byte) error {
	wire := reportJSON{reportFields: (*reportFields)(r)}
	if err := json.Unmarshal(text, &wire); err != nil {
		return err
	}
	r.AdoptedFrom, r.SchemaHash, r.Snapshot = given(wire.AdoptedFrom), given(wire.SchemaHash), given(wire.Snapshot)
	r.Duration = time.Duration(wire.Micros) * time.Microsecond
	r.json = string(text)
	return nil
}

// MarshalJSON writes the report in the form of [MigrationReport.JSON].
func (r MigrationReport) MarshalJSON() ([]byte, error) {
	return json.Marshal(reportJSON{
		reportFields: (*reportFields)(&r),
		AdoptedFrom:  orNull(r.AdoptedFrom), SchemaHash: orNull(r.SchemaHash), Snapshot: orNull(r.Snapshot),
		Micros: r.Duration.Microseconds(),
	})
}

// UnmarshalJSON reads a migration of a report.
func (l *MigrationLine) UnmarshalJSON(text []byte) error {
	wire := lineJSON{lineFields: (*lineFields)(l)}
	if err := json.Unmarshal(text, &wire); err != nil {
		return err
	}
	l.Duration = time.Duration(wire.Micros) * time.Microsecond
	l.AppliedAt, _ = time.Parse(time.RFC3339, wire.AppliedAt) // zero where it is no time
	return nil
}

// MarshalJSON writes a migration of a report.
func (l MigrationLine) MarshalJSON() ([]byte, error) {
	wire := lineJSON{lineFields: (*lineFields)(&l), Micros: l.Duration.Microseconds()}
	if !l.AppliedAt.IsZero() {
		wire.AppliedAt = l.AppliedAt.UTC().Format(appliedAtLayout)
	}
	return json.Marshal(wire)
}

func given(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// readReport takes the library's report and frees it.
func readReport(handle uint64) (*MigrationReport, error) {
	text, err := nativeReport(handle)
	if err != nil {
		return nil, err
	}
	r := new(MigrationReport)
	if err := json.Unmarshal([]byte(text), r); err != nil {
		return nil, newError(ErrABI, "migrations: the library's report cannot be read: %v; install the library of this package's version", err)
	}
	return r, nil
}

// MigrationPhase is what a [MigrationEvent] is about.
type MigrationPhase int

// The phases of a migration.
const (
	MigrationBegins       MigrationPhase = phaseBegin
	MigrationStatementRun MigrationPhase = phaseStatement // one of its statements has run
	MigrationDone         MigrationPhase = phaseDone      // it is applied, or undone
)

// String returns "begin", "statement" or "done".
func (p MigrationPhase) String() string {
	switch p {
	case MigrationBegins:
		return "begin"
	case MigrationStatementRun:
		return "statement"
	case MigrationDone:
		return "done"
	}
	return "?"
}

// MigrationEvent is something that a run does; see [WithMigrationProgress].
type MigrationEvent struct {
	Phase       MigrationPhase
	Version     int64
	Direction   MigrationDirection
	Index       int   // which migration of this run it is, from 1
	Total       int   // how many there will be, as far as can be told
	Statement   int   // the number of the statement that has just run, from 1; 0 in other phases
	Offset      int64 // how much of the migration's text is done, in bytes
	Length      int64 // how long it is
	RowsChanged int64 // by the statement, or by the migration
	Description string
	File        string
	SQL         string // the statement
}

// teller calls a progress function for the library, whose frames neither a panic nor runtime.Goexit may unwind: so it is called on another
// goroutine, and what ended it goes on in the operation's own, after the operation.
type teller struct {
	fn       func(MigrationEvent) bool
	left     bool // it has not returned
	panicked any
}

func newTeller(fn func(MigrationEvent) bool) *teller {
	if fn == nil {
		return nil
	}
	return &teller{fn: fn}
}

func (t *teller) tell(event MigrationEvent) bool {
	said := make(chan bool)
	go func() {
		goOn := false
		t.left = true
		defer func() {
			if t.left {
				t.panicked = recover()
			}
			said <- goOn
		}()
		goOn = t.fn(event)
		t.left = false
	}()
	return <-said
}

// end goes on with what the progress function ended with, if that was no return.
func (t *teller) end() {
	switch {
	case t == nil || !t.left:
	case t.panicked != nil:
		panic(t.panicked)
	default:
		runtime.Goexit()
	}
}
