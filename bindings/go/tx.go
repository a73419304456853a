package keepwell

import (
	"context"
	"runtime"
	"sync/atomic"
)

// TxMode says when a transaction takes the writer's lock of the database.
type TxMode int32

// The modes of transactions.
const (
	TxDefault   TxMode = 0 // immediate
	TxDeferred  TxMode = 1 // at the first write, which may then fail with ErrConflict
	TxImmediate TxMode = 2 // at the beginning
	TxExclusive TxMode = 3 // at the beginning; outside WAL mode it also keeps readers out
)

const txReadOnly = 4

// TxOptions say how a transaction begins.
type TxOptions struct {
	Mode     TxMode
	ReadOnly bool // reads one snapshot on a reader connection; every write is ErrReadOnly
}

// Tx is a transaction. It holds a connection until Commit or Rollback; one that is forgotten is rolled back when it is
// collected. It is for one goroutine at a time: two at once get [ErrMisuse].
type Tx struct {
	target
	state *txState
}

// txState is shared by all values of one transaction, see Tx.With.
type txState struct {
	parent *txState // of the transaction around a savepoint
	guard  *guard   // of the outermost transaction
	lease  *lease
	ended  atomic.Bool
}

func (s *txState) root() *txState {
	for s.parent != nil {
		s = s.parent
	}
	return s
}

// Begin begins a transaction. It waits for the writer, or for a reader when it is read-only, until the context ends; the context
// has no meaning for the transaction afterwards. On a transaction it begins a nested one (a savepoint), which ends with it.
func (t *target) Begin(ctx context.Context, opts *TxOptions) (*Tx, error) {
	return t.begin(ctx, opts, nil)
}

// Begin begins a nested transaction: a savepoint.
func (tx *Tx) Begin(ctx context.Context, opts *TxOptions) (*Tx, error) {
	return tx.begin(ctx, opts, tx.state)
}

func (t *target) begin(ctx context.Context, opts *TxOptions, parent *txState) (*Tx, error) {
	f := takeFrame(t, opBegin)
	defer f.put()
	f.call.mode = int32(TxDefault)
	if opts != nil {
		f.call.mode = int32(opts.Mode)
		if opts.ReadOnly {
			f.call.mode = txReadOnly
		}
	}
	if err := f.start(ctx, t); err != nil {
		return nil, err
	}
	if err := t.crossBegin(f); err != nil {
		return nil, err
	}
	tx := &Tx{target{pool: t.pool, handle: f.call.handle, opts: t.opts, bound: t.bound}, &txState{parent: parent}}
	if t.guard == nil {
		tx.guard = t.pool.newLease(f, tx.handle, "transaction", "", nativeRollback)
	} else {
		tx.guard = t.guard
	}
	tx.state.guard, tx.state.lease = tx.guard, tx.guard.lease
	return tx, nil
}

// crossBegin takes the connection that a transaction on a store needs, and begins.
func (t *target) crossBegin(f *frame) error {
	if t.guard == nil && (f.call.mode == txReadOnly || t.opts.flags&callReadOnly != 0) {
		_, err := t.crossWith(f, "", t.pool.readers)
		return err
	}
	return t.cross(f, "", false)
}

// Commit makes the transaction's changes durable; of a nested one, part of the transaction around it. It cannot be cancelled.
// After an error the transaction is still open unless the error says otherwise ([Error.RolledBack], [Error.Committed]),
// so defer Rollback in any case.
func (tx *Tx) Commit() error {
	if tx.state.ended.Load() {
		return newError(ErrTxEnded, "commit: the transaction has ended already")
	}
	err := tx.end(opCommit)
	if e, ok := err.(*Error); err == nil || ok && (e.Committed() || e.RolledBack()) {
		tx.finish(err == nil)
	}
	return err
}

// Rollback undoes the transaction's changes. On a transaction that has ended it does nothing, so it can be deferred.
func (tx *Tx) Rollback() error {
	if tx.state.ended.Load() {
		return nil
	}
	err := tx.end(opRollback)
	tx.finish(err == nil)
	return err
}

func (tx *Tx) end(op uint32) error {
	f := takeFrame(&tx.target, op)
	defer f.put()
	f.ticking = false
	status := f.run("")
	runtime.KeepAlive(tx)
	if status != 0 {
		return f.call.err.toError(status)
	}
	return nil
}

// finish gives the connection back when the outermost transaction has ended.
func (tx *Tx) finish(handleEnded bool) {
	if !tx.state.ended.CompareAndSwap(false, true) || tx.state.parent != nil || tx.state.lease.handle != tx.handle {
		return
	}
	tx.guard.cleanup.Stop()
	if handleEnded {
		tx.state.lease.finish()
	} else {
		tx.state.lease.close()
	}
}

// Transaction runs fn once in a transaction: it commits when fn returns nil and rolls back when fn returns an error or panics. A fn
// that commits or rolls back itself has decided. [Store.RunTx] also runs fn again when another process was in the way.
//
//	err := store.Transaction(ctx, func(tx *keepwell.Tx) error {
//		_, err := tx.Exec(ctx, "UPDATE …")
//		return err
//	})
//
// On a transaction it runs fn in a nested one.
func (t *target) Transaction(ctx context.Context, fn func(tx *Tx) error) error {
	_, err := runOnce(ctx, nil, fn, t.Begin)
	return err
}

// Transaction runs fn in a nested transaction, see [Store.Transaction].
func (tx *Tx) Transaction(ctx context.Context, fn func(tx *Tx) error) error {
	_, err := runOnce(ctx, nil, fn, tx.Begin)
	return err
}
