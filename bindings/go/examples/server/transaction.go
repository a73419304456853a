package main

import (
	"log"
	"net/http"

	"github.com/keepwell/keepwell/bindings/go"
)

// Middleware wraps a handler.
type Middleware func(http.Handler) http.Handler

// WithTransaction runs each request in a transaction, which handlers find with keepwell.FromContext. An answer below 400 commits,
// any other and a panic roll back. The answer is held back until the commit has succeeded, so nobody is told of what is not durable.
func WithTransaction(db *keepwell.Store) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tx, err := db.Begin(r.Context(), nil)
			if err != nil {
				log.Print(err)
				http.Error(w, "failed to start transaction", http.StatusServiceUnavailable)
				return
			}
			defer tx.Rollback()

			held := &heldAnswer{header: w.Header(), status: http.StatusOK}
			next.ServeHTTP(held, r.WithContext(keepwell.NewContext(r.Context(), tx)))

			if held.status < 400 {
				if err := tx.Commit(); err != nil {
					log.Print(err)
					http.Error(w, "failed to commit transaction", http.StatusInternalServerError)
					return
				}
			}
			held.sendTo(w)
		})
	}
}

// heldAnswer keeps an answer in memory.
type heldAnswer struct {
	header http.Header
	status int
	body   []byte
}

func (h *heldAnswer) Header() http.Header    { return h.header }
func (h *heldAnswer) WriteHeader(status int) { h.status = status }

func (h *heldAnswer) Write(b []byte) (int, error) {
	h.body = append(h.body, b...)
	return len(b), nil
}

func (h *heldAnswer) sendTo(w http.ResponseWriter) {
	w.WriteHeader(h.status)
	w.Write(h.body)
}
