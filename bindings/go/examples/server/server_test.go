package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keepwell/keepwell/bindings/go"
)

func serveTest(t *testing.T) (*keepwell.Store, func(method, path, body string) (int, string)) {
	db, err := keepwell.Open(filepath.Join(t.TempDir(), "notes.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := prepare(db); err != nil {
		t.Fatal(err)
	}
	handler := NewHandler(db)
	return db, func(method, path, body string) (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
}

func TestNotesAreAddedAndListed(t *testing.T) {
	_, request := serveTest(t)
	if status, body := request("POST", "/notes", "Milk"); status != http.StatusOK || !strings.Contains(body, `"id":1,"text":"Milk"`) {
		t.Fatal(status, body)
	}
	if status, body := request("GET", "/notes", ""); status != http.StatusOK || !strings.Contains(body, "Milk") {
		t.Error(status, body)
	}
	if status, body := request("GET", "/health", ""); status != http.StatusOK || !strings.Contains(body, `"can_write":true`) {
		t.Error(status, body)
	}
	if status, body := request("GET", "/metrics", ""); status != http.StatusOK || !strings.Contains(body, "keepwell_query_rows_changed_total") {
		t.Error(status, body)
	}
}

func TestABadRequestChangesNothing(t *testing.T) {
	_, request := serveTest(t)
	if status, body := request("POST", "/notes", ""); status != http.StatusBadRequest {
		t.Fatal(status, body)
	}
	if _, body := request("GET", "/notes", ""); strings.TrimSpace(body) != "[]" {
		t.Error(body)
	}
}

func TestAPanicRollsBack(t *testing.T) {
	db, request := serveTest(t)
	handler := WithTransaction(db)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		add(w, r)
		panic("boo")
	}))
	func() {
		defer func() { recover() }()
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/notes", strings.NewReader("lost")))
	}()
	if _, body := request("GET", "/notes", ""); strings.TrimSpace(body) != "[]" {
		t.Error(body)
	}
	if status, body := request("POST", "/notes", "kept"); status != http.StatusOK {
		t.Error(status, body)
	}
}
