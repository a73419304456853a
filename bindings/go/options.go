package keepwell

import (
	"context"
	"time"
)

// options are the defaults that a target gives to its calls.
type options struct {
	timeout   time.Duration // 0: the store's; negative: none
	own       bool          // the timeout was asked for, it is not the store's
	flags     uint32
	cache     int32
	batchRows uint32
	cacheTTL  int64 // milliseconds
}

// Option changes how calls run; see [Store.With].
type Option func(*options)

// Timeout ends a call that takes longer, waiting included; negative: no timeout, not even the store's default. The earlier of
// this and the context's deadline counts.
func Timeout(d time.Duration) Option { return func(o *options) { o.timeout, o.own = d, true } }

// ReadOnly lets the engine refuse every write with [ErrReadOnly].
func ReadOnly() Option { return func(o *options) { o.flags |= callReadOnly } }

// Unprepared keeps statements that are run once out of the cache of prepared statements.
func Unprepared() Option { return func(o *options) { o.flags |= callUnprepared } }

// BatchRows sets how many rows of a large result the library fetches at a time; 0: 256.
func BatchRows(n int) Option { return func(o *options) { o.batchRows = uint32(max(0, n)) } }

// CacheMode says how a query uses the cache of results.
type CacheMode int32

// The ways to use the cache of results. In transactions and on pinned connections, and in stores whose configuration disables the cache,
// they change nothing.
const (
	CacheDefault CacheMode = 0 // as the store's configuration says
	CacheUse     CacheMode = 1 // take the result from there if it holds, else run the query and keep what it gives
	CacheSkip    CacheMode = 2 // neither look nor keep
	CacheRefresh CacheMode = 3 // run the query and replace what is kept
)

// Cache says how queries use the cache of results, and how old a result from there may be (0: as configured). A result from the cache is
// never stale, whoever wrote; see [Rows.FromCache].
func Cache(mode CacheMode, ttl time.Duration) Option {
	milliseconds := ttl.Milliseconds()
	if ttl > 0 {
		milliseconds = max(1, milliseconds)
	}
	return func(o *options) { o.cache, o.cacheTTL = int32(mode), milliseconds }
}

func (o options) with(opts []Option) options {
	for _, change := range opts {
		change(&o)
	}
	return o
}

// With returns the same store with other defaults for its calls:
//
//	store.With(keepwell.Timeout(time.Second), keepwell.ReadOnly()).Query(ctx, …)
//
// It is cheap, and closing either store closes both.
func (s *Store) With(opts ...Option) *Store {
	derived := &Store{s.target}
	derived.opts = s.opts.with(opts)
	return derived
}

// WithContext returns the same store bound to a context: its calls end when either this context or their own ends.
func (s *Store) WithContext(ctx context.Context) *Store {
	derived := &Store{s.target}
	derived.bound = ctx
	return derived
}

// With returns the same transaction with other defaults for its calls.
func (tx *Tx) With(opts ...Option) *Tx {
	derived := &Tx{tx.target, tx.state}
	derived.opts = tx.opts.with(opts)
	return derived
}

// WithContext returns the same transaction bound to a context: its calls end when either this context or their own ends.
func (tx *Tx) WithContext(ctx context.Context) *Tx {
	derived := &Tx{tx.target, tx.state}
	derived.bound = ctx
	return derived
}

// With returns the same pinned connection with other defaults for its calls.
func (c *Conn) With(opts ...Option) *Conn {
	derived := &Conn{c.target}
	derived.opts = c.opts.with(opts)
	return derived
}

// WithContext returns the same pinned connection bound to a context: its calls end when either this context or their own ends.
func (c *Conn) WithContext(ctx context.Context) *Conn {
	derived := &Conn{c.target}
	derived.bound = ctx
	return derived
}
