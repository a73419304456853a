package keepwell

import "context"

type txKey struct{}

// NewContext returns a context that carries a transaction, for handlers further down; see [FromContext].
//
// A call on the store itself under this context, while the transaction holds the writer that the call needs, is an
// [ErrSelfDeadlock] instead of a wait that cannot end.
func NewContext(ctx context.Context, tx *Tx) context.Context {
	return context.WithValue(ctx, txKey{}, tx)
}

// FromContext returns the transaction that the context carries.
func FromContext(ctx context.Context) (*Tx, bool) {
	tx, ok := ctx.Value(txKey{}).(*Tx)
	return tx, ok
}
