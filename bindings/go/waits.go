package keepwell

import (
	"runtime"
	"time"
)

// Goroutines wait for a connection in Go (see slots). The library is told of it, so that its metrics have their waits wherever they go.

// role is what the connections of a line are for. The only connection of a store is a writer.
func (p *pool) role(s *slots) uint32 {
	if s == p.writer {
		return roleWriter
	}
	return roleReader
}

// waiting tells that so many goroutines more, or less, stand in a line.
func (p *pool) waiting(s *slots, change int64) {
	nativeWaiting(p.handle, p.role(s), change)
	runtime.KeepAlive(p)
}

// waited tells of a wait that is over, and how it ended; 0: with a place.
func (p *pool) waited(s *slots, waited time.Duration, ended Code) {
	nativeWaited(p.handle, p.role(s), waited, int32(ended))
	runtime.KeepAlive(p)
}
