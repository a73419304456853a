package keepwell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The suite of tests/conformance through this package; its README says what everything means.
type conformanceCase struct {
	Name     string            `json:"name"`
	Database string            `json:"database"`
	Config   map[string]string `json:"config"`
	Needs    []string          `json:"needs"`
	Steps    []step            `json:"steps"`
}

type step struct {
	Do        string            `json:"do"`
	On        string            `json:"on"`
	As        string            `json:"as"`
	SQL       *text             `json:"sql"`
	Statement string            `json:"statement"`
	Params    []value           `json:"params"`
	Named     map[string]value  `json:"named"`
	Many      [][]value         `json:"many"`
	ManyTimes int               `json:"many_times"`
	Mode      string            `json:"mode"`
	Options   stepOptions       `json:"options"`
	Config    map[string]string `json:"config"`
	Count     int               `json:"count"`
	Path      string            `json:"path"`
	Text      text              `json:"text"`
	Times     *int              `json:"times"`

	Columns       []string   `json:"columns"`
	FromCache     *bool      `json:"from_cache"`
	Rows          *[][]value `json:"rows"`
	RowsUnordered *[][]value `json:"rows_unordered"`
	RowCount      *int       `json:"row_count"`
	First         []value    `json:"first"`
	Last          []value    `json:"last"`
	Sums          []*string  `json:"sums"`
	LastInsertID  *string    `json:"last_insert_id"`
	RowsAffected  *int64     `json:"rows_affected"`
	Error         *stepError `json:"error"`
}

type stepOptions struct {
	TimeoutMS int64  `json:"timeout_ms"`
	ReadOnly  bool   `json:"read_only"`
	Prepared  *bool  `json:"prepared"`
	BatchRows int    `json:"batch_rows"`
	Cancelled bool   `json:"cancelled"`
	Cache     string `json:"cache"`
}

type stepError struct {
	Kind       kinds    `json:"kind"`
	EngineCode *int     `json:"engine_code"`
	Extended   *int     `json:"engine_extended_code"`
	Offset     *int     `json:"sql_offset"`
	Retryable  *bool    `json:"retryable"`
	MessageHas []string `json:"message_has"`
}

// kinds is one name or several.
type kinds []string

func (k *kinds) UnmarshalJSON(raw []byte) error {
	if raw[0] == '"' {
		*k = make(kinds, 1)
		return json.Unmarshal(raw, &(*k)[0])
	}
	return json.Unmarshal(raw, (*[]string)(k))
}

var conformanceFeatures = []string{"prepare", "cancel", "derive", "sql_bytes", "text_bytes"}

func TestConformance(t *testing.T) {
	files, err := filepath.Glob("../../tests/conformance/*.json")
	if err != nil || len(files) == 0 {
		t.Skip("no cases in ../../tests/conformance")
	}
	passed, failed, skipped := 0, 0, 0
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Name  string            `json:"name"`
			Cases []conformanceCase `json:"cases"`
		}
		if err := decode(raw, &file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, c := range file.Cases {
			if slices.ContainsFunc(c.Needs, func(need string) bool { return !slices.Contains(conformanceFeatures, need) }) {
				skipped++
				continue
			}
			if err := playCase(t, &c); err != nil {
				failed++
				t.Errorf("%s: %s: %v", file.Name, c.Name, err)
			} else {
				passed++
			}
		}
	}
	t.Logf("conformance: %d passed, %d failed, %d skipped", passed, failed, skipped)
}

// player plays one case.
type player struct {
	dir   string
	named map[string]any // *Store, *Tx, *Conn, *Rows, *Stmt
	order []any          // what was made, oldest first
	conf  map[string]Config
}

func playCase(t *testing.T, c *conformanceCase) error {
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p := &player{dir: filepath.ToSlash(dir), named: map[string]any{}, conf: map[string]Config{}}
	err = p.play(c)
	if closing := p.closeAll(); err == nil && closing != nil {
		err = fmt.Errorf("at the end: %w", closing)
	}
	return err
}

func (p *player) play(c *conformanceCase) error {
	if c.Database != "none" {
		config := p.config(c.Config)
		if c.Database == "memory" {
			config.DataSource = ":memory:"
		}
		if err := p.open("store", config); err != nil {
			return fmt.Errorf("opening: %w", err)
		}
	}
	for i := range c.Steps {
		s := &c.Steps[i]
		times := 1
		if s.Times != nil {
			times = *s.Times
		}
		for range times {
			if err := p.step(s); err != nil {
				return fmt.Errorf("step %d (%s): %w", i, s.Do, err)
			}
		}
	}
	return nil
}

// step plays a step and checks whether it failed as it should.
func (p *player) step(s *step) error {
	got, err := p.do(s)
	var differs *difference
	if errors.As(err, &differs) {
		return err
	}
	if s.Error != nil {
		return s.Error.check(err)
	}
	if err != nil {
		return err
	}
	return got.check(s)
}

// difference is an error of the case or the runner, never one that a step may expect.
type difference struct{ text string }

func (d *difference) Error() string { return d.text }

func differ(format string, args ...any) error { return &difference{fmt.Sprintf(format, args...)} }

func (want *stepError) check(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return differ("expected %v, got %v", want.Kind, err)
	}
	switch {
	case !slices.Contains(want.Kind, e.Code.String()):
		return differ("expected %v, got %v: %v", want.Kind, e.Code, e)
	case want.EngineCode != nil && *want.EngineCode != e.EngineCode:
		return differ("expected engine code %d, got %d: %v", *want.EngineCode, e.EngineCode, e)
	case want.Extended != nil && *want.Extended != e.ExtendedCode:
		return differ("expected extended code %d, got %d: %v", *want.Extended, e.ExtendedCode, e)
	case want.Offset != nil && *want.Offset != e.Offset:
		return differ("expected offset %d, got %d: %v", *want.Offset, e.Offset, e)
	case want.Retryable != nil && *want.Retryable != (e.flags&(flagRetryStatement|flagRetryTransaction) != 0):
		return differ("expected retryable %v: %v", *want.Retryable, e)
	}
	for _, word := range want.MessageHas {
		if !strings.Contains(strings.ToLower(e.Message), strings.ToLower(word)) {
			return differ("expected %q in the message %q", word, e.Message)
		}
	}
	return nil
}

// outcome is what a step gave.
type outcome struct {
	columns   []string
	fromCache bool
	rows      [][]any
	result    *Result
}

func (got *outcome) check(s *step) error {
	if got == nil {
		return nil
	}
	if s.Columns != nil && !slices.Equal(s.Columns, got.columns) {
		return differ("expected columns %s, got %s", show(s.Columns), show(got.columns))
	}
	if s.FromCache != nil && *s.FromCache != got.fromCache {
		return differ("expected from_cache %v", *s.FromCache)
	}
	if s.LastInsertID != nil && *s.LastInsertID != strconv.FormatInt(got.result.lastInsertID, 10) {
		return differ("expected last_insert_id %s, got %d", *s.LastInsertID, got.result.lastInsertID)
	}
	if s.RowsAffected != nil && *s.RowsAffected != got.result.rowsAffected {
		return differ("expected rows_affected %d, got %d", *s.RowsAffected, got.result.rowsAffected)
	}
	return got.checkRows(s)
}

func (got *outcome) checkRows(s *step) error {
	n := len(got.rows)
	if s.RowCount != nil && *s.RowCount != n {
		return differ("expected %d rows, got %d", *s.RowCount, n)
	}
	if s.First != nil && (n == 0 || !sameRow(s.First, got.rows[0])) {
		return differ("expected first row %s, got %s", show(plain(s.First)), show(got.rows))
	}
	if s.Last != nil && (n == 0 || !sameRow(s.Last, got.rows[n-1])) {
		return differ("expected last row %s of %d", show(plain(s.Last)), n)
	}
	if s.Rows != nil {
		if len(*s.Rows) != n {
			return differ("expected %d rows, got %d: %s", len(*s.Rows), n, show(got.rows))
		}
		for i, want := range *s.Rows {
			if !sameRow(want, got.rows[i]) {
				return differ("row %d: expected %s, got %s", i, show(plain(want)), show(got.rows[i]))
			}
		}
	}
	if s.RowsUnordered != nil {
		left := slices.Clone(got.rows)
		for _, want := range *s.RowsUnordered {
			at := slices.IndexFunc(left, func(row []any) bool { return sameRow(want, row) })
			if at < 0 {
				return differ("expected a row %s in %s", show(plain(want)), show(left))
			}
			left = slices.Delete(left, at, at+1)
		}
		if len(left) > 0 {
			return differ("%d rows more than expected: %s", len(left), show(left))
		}
	}
	return got.checkSums(s)
}

func (got *outcome) checkSums(s *step) error {
	for column, want := range s.Sums {
		sum := int64(0)
		for _, row := range got.rows {
			i, _ := row[column].(int64)
			sum += i
		}
		if want != nil && *want != strconv.FormatInt(sum, 10) {
			return differ("column %d: expected sum %s, got %d", column, *want, sum)
		}
	}
	return nil
}

// arguments of a step.
func (s *step) arguments() []any {
	args := plain(s.Params)
	for name, v := range s.Named {
		args = append(args, Named(name, v.v))
	}
	return args
}

var cacheModes = map[string]CacheMode{"use": CacheUse, "skip": CacheSkip, "refresh": CacheRefresh}

func (o *stepOptions) list() []Option {
	var all []Option
	if o.TimeoutMS != 0 {
		all = append(all, Timeout(time.Duration(o.TimeoutMS)*time.Millisecond))
	}
	if o.ReadOnly {
		all = append(all, ReadOnly())
	}
	if o.Prepared != nil && !*o.Prepared {
		all = append(all, Unprepared())
	}
	if o.BatchRows != 0 {
		all = append(all, BatchRows(o.BatchRows))
	}
	if o.Cache != "" {
		all = append(all, Cache(cacheModes[o.Cache], 0))
	}
	return all
}

func (o *stepOptions) context() context.Context {
	ctx, cancel := context.WithCancel(bg)
	if o.Cancelled {
		cancel()
	} else {
		context.AfterFunc(ctx, cancel)
	}
	return ctx
}
