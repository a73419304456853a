package keepwell

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// RunTx runs fn in a transaction and commits, and runs the whole of it again when another process's or store's commit was in the way:
// when an error that says that the statement or the transaction may succeed if it is run again, and is no timeout, comes out of fn or
// of the commit. What fn does outside of the database has to bear that. Every other error, and a panic, rolls back and comes out.
//
//	err := store.RunTx(ctx, &keepwell.TxOptions{Mode: keepwell.TxDeferred}, func(tx *keepwell.Tx) error {
//		…
//	})
//
// Between two runs the connection is given back for a short random pause, so that others get in; a deferred transaction is begun
// immediate from the second run on, which rules the conflict out.
//
// The context is for everything: the wait to begin, each call on tx whatever its own context, and the pauses. When it ends after a
// first failure, the error is that of the context joined with the last one. Without a deadline no run begins later than 5 seconds
// after the first failure. Errors of the beginning are final, and nothing ends a commit early.
//
// A fn that commits or rolls back itself has decided and is not run again.
func (t *target) RunTx(ctx context.Context, opts *TxOptions, fn func(tx *Tx) error) error {
	ctx, cancel := t.whole(ctx)
	defer cancel()
	var o TxOptions
	if opts != nil {
		o = *opts
	}
	var r replay
	for {
		began := false
		again, err := runOnce(ctx, &o, fn, func(ctx context.Context, opts *TxOptions) (*Tx, error) {
			tx, err := t.Begin(ctx, opts)
			if began = err == nil; began && ctx.Done() != nil {
				tx.bound = ctx
			}
			return tx, err
		})
		if !began {
			return r.after(err)
		}
		if !again || !r.due(ctx, err) {
			return err
		}
		if err := r.pause(ctx); err != nil {
			return err
		}
		if o.Mode == TxDeferred {
			o.Mode = TxImmediate
		}
	}
}

// RunTx runs fn once in a nested transaction, with options: the error of one that has to be run again goes to the outermost RunTx, which
// runs all of it again. See [Store.RunTx].
func (tx *Tx) RunTx(ctx context.Context, opts *TxOptions, fn func(tx *Tx) error) error {
	_, err := runOnce(ctx, opts, fn, tx.Begin)
	return err
}

// runOnce runs fn in one transaction. It reports whether fn left the end to it, so that nothing remains after an error.
func runOnce(ctx context.Context, opts *TxOptions, fn func(*Tx) error, begin func(context.Context, *TxOptions) (*Tx, error)) (bool, error) {
	tx, err := begin(ctx, opts)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	err = fn(tx)
	if tx.state.ended.Load() {
		return false, err
	}
	if err == nil {
		err = tx.Commit()
	}
	return true, err
}

// whole is ctx for all that belongs to one run: it ends with the context and the timeout of the target too.
func (t *target) whole(ctx context.Context) (context.Context, context.CancelFunc) {
	cancels := []func(){}
	if t.opts.timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, t.opts.timeout)
		ctx, cancels = limited, append(cancels, cancel)
	}
	if t.bound != nil {
		if deadline, ok := t.bound.Deadline(); ok {
			limited, cancel := context.WithDeadline(ctx, deadline)
			ctx, cancels = limited, append(cancels, cancel)
		}
		both, cancel := context.WithCancelCause(ctx)
		stop := context.AfterFunc(t.bound, func() {
			if t.bound.Err() == context.Canceled {
				cancel(context.Cause(t.bound))
			}
		})
		ctx, cancels = both, append(cancels, func() { stop(); cancel(nil) })
	}
	return ctx, func() {
		for _, cancel := range cancels {
			cancel()
		}
	}
}

const (
	patience     = 5 * time.Second // without a deadline, from the first failure to the last beginning
	firstPause   = time.Millisecond
	longestPause = 50 * time.Millisecond
)

// replay is what is known of the runs of one function.
type replay struct {
	failures int
	first    time.Time
	last     error
}

// due notes a failure and reports whether it asks for another run that is worth a try.
func (r *replay) due(ctx context.Context, err error) bool {
	if r.failures++; r.failures == 1 {
		r.first = time.Now()
	}
	r.last = err
	var e *Error
	if !errors.As(err, &e) || e.flags&(flagRetryStatement|flagRetryTransaction) == 0 || e.flags&(flagTimedOut|flagCancelled|flagCommitted) != 0 {
		return false
	}
	_, limited := ctx.Deadline()
	return limited || time.Since(r.first) < patience
}

// pause sleeps until the next run, or until the context ends.
func (r *replay) pause(ctx context.Context) error {
	limit := min(firstPause<<min(r.failures-1, 16), longestPause)
	timer := time.NewTimer(rand.N(limit))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return r.after(contextError(ctx, "transaction"))
	}
	return nil
}

// after adds what failed before to an error that ends the runs.
func (r *replay) after(err error) error {
	if r.last == nil {
		return err
	}
	return errors.Join(err, r.last)
}
