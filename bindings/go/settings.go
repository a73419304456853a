package keepwell

import (
	"strconv"
	"strings"
	"time"
)

// settings is what Go itself needs to know of a store's configuration, because calls wait in Go before they cross.
type settings struct {
	maxOpen  int           // connections, as the library counts them: a memory database has one
	patience time.Duration // pool.wait_timeout; 0: without end
	timeout  time.Duration // query.timeout; 0: none
	sharing  int           // single writes in one crossing; less than 2: each crosses alone
	caching  bool          // cache.enabled is true, and query.use_cache
}

// settingsOf reads the configuration of an open store, however it was written: fields, options, YAML, another language's.
func settingsOf(store uint64) (s settings, err error) {
	stats, err := nativeStats(store)
	if err != nil {
		return s, err
	}
	r := settingsReader{store: store}
	s.maxOpen = stats.MaxOpen
	s.patience = r.seconds("pool.wait_timeout")
	s.timeout = r.seconds("query.timeout")
	if r.flag("writer.group_commit") && !r.flag("query.read_only") {
		s.sharing = min(r.number("writer.group_max"), largestGroup)
	}
	s.caching = r.text("cache.enabled") == "true" && r.flag("query.use_cache")
	return s, r.err
}

// settingsReader reads one key after the other and keeps the first error.
type settingsReader struct {
	store uint64
	err   error
}

func (r *settingsReader) text(key string) string {
	text, err := nativeSetting(r.store, key)
	if r.err == nil {
		r.err = err
	}
	return text
}

func (r *settingsReader) keep(key string, err error) {
	if err != nil && r.err == nil {
		r.err = newError(ErrABI, "%s: the library's value cannot be read: %v; install the library of this package's version", key, err)
	}
}

// seconds reads a time: a plain number is in seconds, a small one may be in nanoseconds and says so.
func (r *settingsReader) seconds(key string) time.Duration {
	text := r.text(key)
	if !strings.HasSuffix(text, "s") {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	r.keep(key, err)
	return d
}

func (r *settingsReader) number(key string) int {
	n, err := strconv.Atoi(r.text(key))
	r.keep(key, err)
	return n
}

func (r *settingsReader) flag(key string) bool {
	on, err := strconv.ParseBool(r.text(key))
	r.keep(key, err)
	return on
}
