package keepwell

import "runtime"

// CacheStats are the numbers of the cache of results. Each query that asked for the cache and succeeded is one of Hits, Misses and Bypasses.
type CacheStats struct {
	Enabled bool // false where cache.enabled is false

	Hits     uint64        // queries answered from the cache
	Misses   uint64        // queries that were run and whose results could be kept
	Bypasses CacheBypasses // queries that were run and whose results could not be kept

	Invalidated uint64 // results that left because something that they rest on had changed
	Expired     uint64 // results that left because of their age
	Evicted     uint64 // results that left for want of room

	Entries    uint64 // results kept now
	Bytes      uint64 // their memory, with what goes with them
	MaxEntries uint64 // cache.size
	MaxBytes   uint64 // cache.max_bytes
}

// CacheBypasses counts by reason the queries that asked for the cache and whose results could not be kept.
type CacheBypasses struct {
	Disabled    uint64 // cache.enabled is false
	Transaction uint64 // in a transaction or on a pinned connection
	Statement   uint64 // no single SELECT
	Function    uint64 // a function whose result may depend on more than its arguments
	Table       uint64 // a table-valued function whose changes nobody can follow
	UnderWay    uint64 // a commit of this store was becoming visible at that moment
	Schema      uint64 // the schema changed while the query was being run
	Size        uint64 // larger than a sixteenth of cache.max_bytes, or read only in part
}

// Total is the sum of all reasons.
func (b CacheBypasses) Total() uint64 {
	return b.Disabled + b.Transaction + b.Statement + b.Function + b.Table + b.UnderWay + b.Schema + b.Size
}

// HitRatio is the part of the queries that asked for the cache which was answered from it: 0 to 1, and 0 when none has asked.
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

// CacheClear forgets all results of the cache. Correctness never asks for it: it gives memory back. Rows that somebody reads stay valid.
func (s *Store) CacheClear() error {
	if s.pool.closed.Load() {
		return newError(ErrClosed, "cache clear: the store is closed")
	}
	err := nativeCacheClear(s.handle)
	runtime.KeepAlive(s.pool)
	return err
}

// glance takes a result from the cache when the call would have to wait for a reader, which a hit does not need. It crosses with a time
// limit that ends any wait in C before it begins, so that a miss keeps no thread; what it comes to then does not matter, as the call is made
// anew in its turn.
func (t *target) glance(f *frame, sql string) bool {
	p := t.pool
	if !t.mayHit(f) || p.readers == p.writer || !p.readers.crowded() {
		return false
	}
	timeout, ticking := f.call.timeoutUS, f.ticking
	f.call.timeoutUS, f.ticking = 1, false
	status := f.run(sql)
	runtime.KeepAlive(p)
	f.call.timeoutUS, f.ticking = timeout, ticking
	if status != 0 {
		return false
	}
	if fetch := &f.call.fetch; fetch.more != 0 && fetch.flags&fetchCached == 0 {
		nativeCloseRows(fetch.more) // the rest would need a connection that is somebody else's
		return false
	}
	return true
}

// mayHit reports whether the frame's call may be answered from the cache.
func (t *target) mayHit(f *frame) bool {
	mode := CacheMode(f.call.cache)
	return f.call.op == opQuery && (mode == CacheUse || mode == CacheDefault && t.pool.caching)
}
