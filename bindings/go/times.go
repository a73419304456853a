package keepwell

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// The forms of time that SQLite's date functions write and read (https://sqlite.org/lang_datefunc.html), and RFC 3339. Go reads a
// fraction of a second wherever there are seconds. Without a zone the time is UTC.
var timeForms = []string{
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02 15:04:05",
	"2006-01-02T15:04:05",
	"2006-01-02 15:04Z07:00",
	"2006-01-02T15:04Z07:00",
	"2006-01-02 15:04",
	"2006-01-02T15:04",
	"2006-01-02",
}

const julianUnixEpoch = 2440587.5 // days

// scanTime reads a time: text in one of timeForms, an integer as Unix seconds, a real as a Julian day.
func (f *frame) scanTime(c *cell, d *time.Time) error {
	switch c.typ {
	case cellInteger:
		*d = time.Unix(int64(c.bits), 0).UTC()
		return nil
	case cellReal:
		ms := (math.Float64frombits(c.bits) - julianUnixEpoch) * 86_400_000
		if math.IsNaN(ms) || math.Abs(ms) > 1e15 {
			return f.notA(c, "time")
		}
		*d = time.UnixMilli(int64(math.Round(ms))).UTC()
		return nil
	case cellText, cellBlob:
		t, err := parseTime(string(f.text(c)))
		if err != nil {
			return f.notA(c, "time")
		}
		*d = t
		return nil
	}
	return fmt.Errorf("NULL does not fit into a time.Time; scan into a *time.Time or sql.Null[time.Time]")
}

func parseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	for _, form := range timeForms {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time", s)
}
