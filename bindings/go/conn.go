package keepwell

import "context"

// Conn is a connection taken out of the store, for what belongs to one connection: PRAGMA, ATTACH, temporary tables,
// transactions by hand. Close gives it back, cleaned. It is for one goroutine at a time.
type Conn struct {
	target
}

// Conn takes the writer connection out of the store, or a reader with the option [ReadOnly]. It waits until the context ends.
func (s *Store) Conn(ctx context.Context, opts ...Option) (*Conn, error) {
	t := s.target
	t.opts = s.opts.with(opts)
	f := takeFrame(&t, opPin)
	defer f.put()
	if err := f.start(ctx, &t); err != nil {
		return nil, err
	}
	from := s.pool.writer
	if t.opts.flags&callReadOnly != 0 {
		from = s.pool.readers
	}
	if _, err := t.crossWith(f, "", from); err != nil {
		return nil, err
	}
	t.handle = f.call.handle
	t.guard = s.pool.newLease(f, t.handle, "pinned connection", "", nativeUnpin)
	return &Conn{t}, nil
}

// Close gives the connection back to the store. A second call does nothing.
func (c *Conn) Close() error {
	c.guard.cleanup.Stop()
	c.guard.lease.close()
	return nil
}
