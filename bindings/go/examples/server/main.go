// Command server is a small web service on keepwell: the store of the process, one transaction per request, and a shutdown that loses
// nothing.
//
//	go run ./examples/server -data notes.db
//	curl -d 'Milk and bread' localhost:8080/notes
//	curl localhost:8080/notes
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/keepwell/keepwell/bindings/go"
)

func main() {
	data := flag.String("data", "notes.db", "the database")
	address := flag.String("address", "localhost:8080", "where to listen")
	flag.Parse()

	config := keepwell.Config{DataSource: *data, Options: map[string]any{"query.timeout": "5s"}}
	if err := keepwell.Initialize(config); err != nil {
		log.Fatal(err)
	}
	db, err := keepwell.Instance()
	if err != nil {
		log.Fatal(err)
	}
	if err := prepare(db); err != nil {
		log.Fatal(err)
	}
	if err := serve(db, *address); err != nil {
		log.Fatal(err)
	}
}

func prepare(db *keepwell.Store) error {
	_, err := db.ExecScript(context.Background(), `CREATE TABLE IF NOT EXISTS note(
		id INTEGER PRIMARY KEY, text TEXT NOT NULL CHECK (text <> ''), written_at TEXT NOT NULL)`)
	return err
}

// serve runs until the process is interrupted, then lets running requests finish, and closes the store.
func serve(db *keepwell.Store, address string) error {
	server := &http.Server{Addr: address, Handler: NewHandler(db)}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		server.Shutdown(grace)
		if err := db.Shutdown(grace); err != nil {
			log.Print(err)
		}
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// NewHandler routes the requests. Reads take the store; writes run in a transaction of their own.
func NewHandler(db *keepwell.Store) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /notes", list(db))
	mux.Handle("POST /notes", WithTransaction(db)(http.HandlerFunc(add)))
	mux.Handle("GET /health", keepwell.HealthHandler(db))
	mux.Handle("GET /metrics", keepwell.MetricsHandler(db))
	return mux
}

// Note is a row of the table.
type Note struct {
	ID      int64     `json:"id"`
	Text    string    `json:"text"`
	Written time.Time `json:"written" db:"written_at"`
}

func list(db *keepwell.Store) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		notes, err := keepwell.All[Note](r.Context(), db, "SELECT id, text, written_at FROM note ORDER BY id DESC LIMIT 100")
		answer(w, notes, err)
	}
}

// add works on the transaction that WithTransaction put into the context.
func add(w http.ResponseWriter, r *http.Request) {
	tx, _ := keepwell.FromContext(r.Context())
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64*1024))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	note, err := keepwell.One[Note](r.Context(), tx, "INSERT INTO note(text, written_at) VALUES (?, ?) RETURNING id, text, written_at",
		string(text), time.Now())
	answer(w, note, err)
}

func answer(w http.ResponseWriter, value any, err error) {
	switch {
	case errors.Is(err, keepwell.ErrConstraint):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case errors.Is(err, keepwell.ErrExhausted), errors.Is(err, keepwell.ErrTimeout):
		http.Error(w, "busy, try again", http.StatusServiceUnavailable)
	case err != nil:
		log.Print(err)
		http.Error(w, "internal error", http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(value)
	}
}
