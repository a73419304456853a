package keepwell

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Store is an open database: one writer connection, several readers, statements, transactions. It is for any number of
// goroutines at once.
type Store struct {
	target
}

// Open opens a store on a data source: a path ("app.db"), a URI ("file:app.db?mode=rwc"), ":memory:", or the path of a
// configuration file, which ends in ".yaml" or ".yml". Close it when it is no longer needed.
func Open(source string) (*Store, error) {
	if strings.HasSuffix(source, ".yaml") || strings.HasSuffix(source, ".yml") {
		return OpenConfig(Config{File: source})
	}
	return OpenConfig(Config{DataSource: source})
}

// OpenConfig opens a store as the configuration says.
func OpenConfig(config Config) (*Store, error) {
	if err := checkABI(); err != nil {
		return nil, err
	}
	c, err := config.build()
	if err != nil {
		return nil, err
	}
	defer nativeFreeConfig(c)
	handle, err := nativeOpen(c)
	if err != nil {
		return nil, err
	}
	return newStore(handle)
}

// newStore makes the Go side of a store that it closes when nobody has it any more.
func newStore(handle uint64) (*Store, error) {
	store, err := storeOf(handle)
	if err != nil {
		nativeClose(handle, 0)
		return nil, err
	}
	runtime.AddCleanup(store.pool, func(handle uint64) { nativeClose(handle, 0) }, handle)
	return store, nil
}

// storeOf makes the Go side of an open store, with the defaults for what waits in Go.
func storeOf(handle uint64) (*Store, error) {
	s, err := settingsOf(handle)
	if err != nil {
		return nil, err
	}
	return &Store{target{pool: newPool(handle, s), handle: handle, opts: options{timeout: s.timeout}}}, nil
}

// Config returns the value of one key that the store was opened with, such as "pool.wait_timeout", as text in the key's unit. Defaults are
// included.
func (s *Store) Config(key string) (string, error) {
	if s.pool.closed.Load() {
		return "", newError(ErrClosed, "config: the store is closed")
	}
	value, err := nativeSetting(s.handle, key)
	runtime.KeepAlive(s.pool)
	return value, err
}

// orClosed makes an error say that the store is closed, when it was closed after the call had looked whether it was.
func (p *pool) orClosed(err error, operation string) error {
	if p.closed.Load() && errors.Is(err, ErrInvalidHandle) {
		return newError(ErrClosed, "%s: the store is closed", operation)
	}
	return err
}

// Close closes the store: it admits no new calls, lets those under way finish for the configured drain time, ends what is left,
// and closes the database. Closing a closed store does nothing.
func (s *Store) Close() error { return s.close(-1) }

// Shutdown closes the store like Close, but lets calls, transactions and streams under way finish until the context ends.
// What is open then is ended and rolled back, and the context's error is returned.
func (s *Store) Shutdown(ctx context.Context) error {
	p := s.pool
	p.closeSlots()
	err := p.drained(ctx)
	drain := time.Duration(0)
	if err == nil {
		drain = -1
	}
	if closing := s.close(drain); closing != nil {
		return closing
	}
	return err
}

func (p *pool) closeSlots() {
	p.writer.close()
	p.readers.close()
}

// drained waits until every place has come back.
func (p *pool) drained(ctx context.Context) error {
	for _, s := range []*slots{p.writer, p.readers} {
		select {
		case <-s.idle:
		case <-ctx.Done():
			return contextError(ctx, "shutdown")
		}
	}
	return nil
}

func (s *Store) close(drain time.Duration) error {
	if !s.pool.closed.CompareAndSwap(false, true) {
		return nil
	}
	s.pool.closeSlots()
	instance.CompareAndSwap(instance.Load().of(s.pool), nil)
	err := nativeClose(s.handle, drain)
	runtime.KeepAlive(s.pool)
	return err
}

// Stats are the numbers of a store: of this moment, and counted since it was opened.
type Stats struct {
	MaxOpen int // connections there may be
	Open    int // connections there are
	InUse   int // lent at this moment
	Idle    int // ready to be lent
	Waiting int // goroutines that wait for a connection

	Waits          uint64        // waits for a connection
	WaitTime       time.Duration // of all waits together
	Opened         uint64        // connections opened
	ClosedMaxIdle  uint64        // closed because there were more idle ones than max_idle
	ClosedIdleTime uint64        // closed because they were idle for long
	ClosedLifetime uint64        // closed because they were old
	ClosedBroken   uint64        // closed because they were broken
	Resets         uint64        // leases that came back with something open, which was undone
	Discards       uint64        // connections that came back changed and were closed
	Exhausted      uint64        // calls that got no connection within pool.wait_timeout
	Checkpoints    uint64        // times the log was copied into the database
	LogFrames      uint64        // pages in the log now
	Groups         uint64        // transactions that single writes of several callers shared
	GroupedWrites  uint64        // the writes in them
	ReplayedWrites uint64        // writes that were run again because another one ended their transaction
}

// Stats returns the store's numbers.
func (s *Store) Stats() (Stats, error) {
	if s.pool.closed.Load() {
		return Stats{}, newError(ErrClosed, "stats: the store is closed")
	}
	return nativeStats(s.handle)
}

// CacheStats are the numbers of a store's cache of results. Each query that asked for the cache and succeeded is a hit, a miss, or one of
// the bypasses.
type CacheStats struct {
	Enabled  bool // false where the configuration disables it
	Hits     uint64
	Misses   uint64        // queries that were run and whose results could be kept
	Bypasses CacheBypasses // queries that were run and whose results could not

	Invalidated uint64 // results that left because something that they rest on had changed
	Expired     uint64 // because of their age
	Evicted     uint64 // for want of room

	Entries    uint64 // results kept now
	Bytes      uint64 // their memory, with what goes with them
	MaxEntries uint64
	MaxBytes   uint64
}

// CacheBypasses count queries that went past the cache, by reason.
type CacheBypasses struct {
	Disabled    uint64 // the configuration disables the cache
	Transaction uint64 // inside a transaction or on a pinned connection
	Statement   uint64 // no single SELECT
	Function    uint64 // a function whose result may depend on more than its arguments
	Table       uint64 // a table-valued function whose changes nobody can follow
	UnderWay    uint64 // a commit of this store was becoming visible at that moment
	Schema      uint64 // the schema changed while the query was being run
	Size        uint64 // the result is too large, or was read only in part
}

// Total returns how many there were.
func (b CacheBypasses) Total() uint64 {
	return b.Disabled + b.Transaction + b.Statement + b.Function + b.Table + b.UnderWay + b.Schema + b.Size
}

// HitRatio returns the part of the queries that asked for the cache and were answered from it; 0 when none asked.
func (s CacheStats) HitRatio() float64 {
	asked := s.Hits + s.Misses + s.Bypasses.Total()
	if asked == 0 {
		return 0
	}
	return float64(s.Hits) / float64(asked)
}

// CacheStats returns the numbers of the cache of results.
func (s *Store) CacheStats() (CacheStats, error) {
	if s.pool.closed.Load() {
		return CacheStats{}, newError(ErrClosed, "cache stats: the store is closed")
	}
	stats, err := nativeCacheStats(s.handle)
	runtime.KeepAlive(s.pool)
	return stats, err
}

// CacheClear forgets the results in the cache. Only memory is a reason for it: results that do not hold any more are never given out. Rows
// that are being read stay as they are.
func (s *Store) CacheClear() error {
	if s.pool.closed.Load() {
		return newError(ErrClosed, "cache clear: the store is closed")
	}
	err := nativeCacheClear(s.handle)
	runtime.KeepAlive(s.pool)
	return err
}

// Warnings returns what in the configuration was accepted but has no effect or is risky, and what was noticed since the store was
// opened, such as a second SQLite library of this process on its file. Each begins with the key that it is about, as in
// "options.second_sqlite: …". The list only grows.
func (s *Store) Warnings() ([]string, error) {
	if s.pool.closed.Load() {
		return nil, newError(ErrClosed, "warnings: the store is closed")
	}
	warnings, err := nativeWarnings(s.handle)
	runtime.KeepAlive(s.pool)
	return warnings, err
}

// instance is the process-wide store.
var (
	instance   atomic.Pointer[Store]
	instanceMu sync.Mutex
)

// of returns the store if it belongs to p.
func (s *Store) of(p *pool) *Store {
	if s != nil && s.pool == p {
		return s
	}
	return nil
}

// Initialize opens the process-wide store, which [Instance] then returns everywhere, in the other languages of the process too.
// A second call is an [ErrAlreadyInitialized] until the store is closed.
func Initialize(config Config) error {
	if err := checkABI(); err != nil {
		return err
	}
	c, err := config.build()
	if err != nil {
		return err
	}
	defer nativeFreeConfig(c)
	instanceMu.Lock()
	defer instanceMu.Unlock()
	if err := nativeInitialize(c); err != nil {
		return err
	}
	store, err := newInstance()
	if err != nil {
		return err
	}
	instance.Store(store)
	return nil
}

// Instance returns the process-wide store, or [ErrNotInitialized]. All callers share it; closing it closes it for all.
func Instance() (*Store, error) {
	if s := instance.Load(); s != nil {
		return s, nil
	}
	instanceMu.Lock()
	defer instanceMu.Unlock()
	if s := instance.Load(); s != nil {
		return s, nil
	}
	if err := checkABI(); err != nil {
		return nil, err
	}
	s, err := newInstance()
	if err == nil {
		instance.Store(s)
	}
	return s, err
}

// newInstance makes the Go side of the process-wide store, which may have been opened by another language.
func newInstance() (*Store, error) {
	handle, err := nativeInstance()
	if err != nil {
		return nil, err
	}
	return storeOf(handle)
}
