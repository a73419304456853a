package keepwell

import (
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Goroutines wait for a connection in Go (see slots), of which the library hears nothing. What is counted of that here is added to the
// library's own series where its metrics come through Go.

// waitBounds are the bounds of the library's histograms of time.
var waitBounds = [...]time.Duration{
	1 * time.Microsecond, 2500 * time.Nanosecond, 5 * time.Microsecond,
	10 * time.Microsecond, 25 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	1 * time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// waitTimes is a histogram of waits.
type waitTimes struct {
	nanos  atomic.Int64
	counts [len(waitBounds) + 1]atomic.Uint64 // up to each bound and above the one before; the last: above all
}

func (t *waitTimes) add(d time.Duration) {
	t.counts[sort.Search(len(waitBounds), func(i int) bool { return d <= waitBounds[i] })].Add(1)
	t.nanos.Add(int64(d))
}

func (t *waitTimes) sum() time.Duration { return time.Duration(t.nanos.Load()) }

func (t *waitTimes) count() uint64 { return t.upTo(len(waitBounds)) }

// upTo counts the waits of the buckets up to the one with this index.
func (t *waitTimes) upTo(bucket int) (count uint64) {
	for i := range t.counts[:bucket+1] {
		count += t.counts[i].Load()
	}
	return count
}

// within counts the waits up to a bound, which is given in seconds as text.
func (t *waitTimes) within(bound string) uint64 {
	seconds, _ := strconv.ParseFloat(bound, 64)
	return t.upTo(sort.Search(len(waitBounds), func(i int) bool { return waitBounds[i].Seconds() >= seconds }))
}

// refusals count the calls that got no place, by why not.
type refusals struct {
	exhausted, timedOut, cancelled, selfDeadlocks atomic.Uint64
}

func (r *refusals) of(code Code) *atomic.Uint64 {
	switch code {
	case ErrExhausted:
		return &r.exhausted
	case ErrTimeout:
		return &r.timedOut
	case ErrCancelled:
		return &r.cancelled
	}
	return &r.selfDeadlocks
}

func (r *refusals) count(code Code) { r.of(code).Add(1) }

// refusalCodes are the codes that refusals knows.
var refusalCodes = [...]Code{ErrExhausted, ErrTimeout, ErrCancelled, ErrSelfDeadlock}

// errorsSeries are those of errors by their code. Some codes have a series from the beginning, others once they have happened.
const errorsSeries = "keepwell_errors_total"

// addWaits adds what was counted in Go to the library's text.
func (p *pool) addWaits(text string) string {
	var b strings.Builder
	b.Grow(len(text) + 256)
	var store string  // the label store, as the text has it
	var told [64]bool // the codes that have a series
	inErrors := false
	for line := range strings.Lines(text) {
		name, labels, value := splitSample(line)
		if name == "keepwell_pool_wait_count_total" {
			store = labels
		}
		if inErrors && name != errorsSeries {
			b.WriteString(p.refusalLines(store, told[:]))
		}
		if inErrors = name == errorsSeries; inErrors {
			for _, code := range refusalCodes {
				told[code] = told[code] || labelOf(labels, "code") == code.String()
			}
		}
		if extra := p.waitsOf(name, labels); extra != 0 {
			number, _ := strconv.ParseFloat(value, 64)
			line = sampleLine(name, labels, number+extra)
		}
		b.WriteString(line)
	}
	return b.String()
}

// refusalLines are the series of the codes that the library has no series of.
func (p *pool) refusalLines(store string, told []bool) (lines string) {
	for _, code := range refusalCodes {
		if count := p.refused.of(code).Load(); count > 0 && !told[code] {
			lines += sampleLine(errorsSeries, store+`,code="`+code.String()+`"`, float64(count))
		}
	}
	return lines
}

// waitsOf is what was counted in Go for one series.
func (p *pool) waitsOf(name, labels string) float64 {
	switch name {
	case "keepwell_pool_wait_count_total":
		waits := uint64(0)
		p.eachLine(func(line *slots) { waits += line.times.count() })
		return float64(waits)
	case "keepwell_pool_wait_duration_seconds_bucket":
		return float64(p.timesOf(labels).within(labelOf(labels, "le")))
	case "keepwell_pool_wait_duration_seconds_sum":
		return p.timesOf(labels).sum().Seconds()
	case "keepwell_pool_wait_duration_seconds_count":
		return float64(p.timesOf(labels).count())
	case "keepwell_pool_exhausted_total":
		return float64(p.refused.exhausted.Load())
	case "keepwell_pool_self_deadlocks_total":
		return float64(p.refused.selfDeadlocks.Load())
	case "keepwell_writer_queue_depth":
		return p.writer.depth()
	case "keepwell_reader_queue_depth":
		if p.readers != p.writer {
			return p.readers.depth()
		}
	case "keepwell_stopped_total":
		return float64(p.stopsOf(labels))
	case errorsSeries:
		for _, code := range refusalCodes {
			if labelOf(labels, "code") == code.String() {
				return float64(p.refused.of(code).Load())
			}
		}
	}
	return 0
}

// timesOf are the waits for the connections of a role. The only connection of a store is a writer.
func (p *pool) timesOf(labels string) *waitTimes {
	switch {
	case labelOf(labels, "role") == "writer":
		return &p.writer.times
	case p.readers != p.writer:
		return &p.readers.times
	}
	return &waitTimes{}
}

func (p *pool) stopsOf(labels string) uint64 {
	switch {
	case labelOf(labels, "stage") != "queue":
		return 0
	case labelOf(labels, "reason") == "timeout":
		return p.refused.timedOut.Load()
	}
	return p.refused.cancelled.Load()
}

func (s *slots) depth() float64 {
	_, waiting := s.load()
	return float64(waiting)
}

// splitSample takes a line of a text of metrics apart; all is empty for a comment. The library gives every series labels, and no times.
func splitSample(line string) (name, labels, value string) {
	open, end := strings.IndexByte(line, '{'), strings.LastIndex(line, "} ")
	if open < 0 || end < open || line[0] == '#' {
		return "", "", ""
	}
	return line[:open], line[open+1 : end], strings.TrimSuffix(line[end+2:], "\n")
}

func sampleLine(name, labels string, value float64) string {
	return name + "{" + labels + "} " + strconv.FormatFloat(value, 'f', -1, 64) + "\n"
}

// labelOf returns the value of a label other than the first, which is store, and may be any text: quotes in it are escaped.
func labelOf(labels, name string) string {
	_, rest, _ := strings.Cut(labels, ","+name+`="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}
