package keepwell

import (
	"context"
	"encoding/json"
	"runtime"
	"time"
)

// Health is the outcome of a health check, with what an operator asks first. As JSON it has the form that it has in every language.
type Health struct {
	Healthy  bool   `json:"healthy"` // it does what it was opened for, and there is no problem
	CanRead  bool   `json:"can_read"`
	CanWrite bool   `json:"can_write"`
	Message  string `json:"problem"` // what is wrong, empty when nothing is

	Pool          PoolHealth `json:"pool"`
	SchemaVersion *int64     `json:"schema_version"` // the newest migration that is applied; nil: there is no history, or nobody looks
	DatabaseBytes *int64     `json:"database_bytes"` // nil: there is no file, or nobody looks (metrics.collect_interval is 0)
	LogBytes      *int64     `json:"wal_bytes"`
	LastError     *LastError `json:"last_error"` // the error that a call ended with last, however long ago; nil: there was none
}

// PoolHealth says how full the pool was when the check began.
type PoolHealth struct {
	MaxOpen int `json:"max_open"` // connections there may be
	Open    int `json:"open"`     // connections there are
	InUse   int `json:"in_use"`   // lent
	Idle    int `json:"idle"`     // ready to be lent
	Waiting int `json:"waiting"`  // goroutines, and callers in other languages, that wait for a connection
}

// LastError is an error of the past.
type LastError struct {
	Code    Code
	Message string
	At      time.Time
}

// lastErrorJSON is a LastError in the form of all languages.
type lastErrorJSON struct {
	Code    int32  `json:"code"`
	Name    string `json:"name"`
	Message string `json:"message"`
	AtMS    int64  `json:"at_ms"`
}

// MarshalJSON gives code, name, message and at_ms, milliseconds since 1970.
func (e LastError) MarshalJSON() ([]byte, error) {
	return json.Marshal(lastErrorJSON{int32(e.Code), e.Code.String(), e.Message, e.At.UnixMilli()})
}

// UnmarshalJSON reads what MarshalJSON gives.
func (e *LastError) UnmarshalJSON(text []byte) error {
	var raw lastErrorJSON
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	*e = LastError{Code(raw.Code), raw.Message, time.UnixMilli(raw.AtMS)}
	return nil
}

// Health tries the store: it reads, and it begins a write and rolls it back. A store opened to read only is not expected to write.
//
// It blocks until the context ends, or for pool.wait_timeout without a deadline, while the connections are in use: give it a deadline. It
// waits inside the library, where it needs no place in Go's lines, and so it can tell what of the two did not work. A deadline that
// passes is no error but an answer: what could not be done until then is not healthy. The tries are counted in no metric.
//
// Errors: [ErrClosed], [ErrSelfDeadlock] under a context that carries the transaction that holds the writer, and that of a context that has
// ended before the check or was cancelled.
func (s *Store) Health(ctx context.Context) (Health, error) {
	if s.pool.closed.Load() {
		return Health{}, newError(ErrClosed, "health: the store is closed")
	}
	f := takeFrame(&s.target, opHealth)
	defer f.put()
	if err := f.start(ctx, &s.target); err != nil {
		return Health{}, err
	}
	if err := s.pool.selfDeadlock(f, s.pool.writer); err != nil {
		return Health{}, err
	}
	text, err := f.health()
	runtime.KeepAlive(s.pool)
	if err != nil {
		return Health{}, s.pool.orClosed(err, "health")
	}
	if ended := f.ended(); ended != nil && ended.Err() == context.Canceled {
		return Health{}, contextError(ended, "health")
	}
	return readHealth(text)
}

func readHealth(text string) (health Health, err error) {
	if err := json.Unmarshal([]byte(text), &health); err != nil {
		return Health{}, newError(ErrABI, "health: the library's answer cannot be read: %v; install the library of this package's version", err)
	}
	return health, nil
}
