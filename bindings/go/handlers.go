package keepwell

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// healthPatience is how long a look at the health may take that is asked for by HTTP, where the store has no [Timeout] of its own.
const healthPatience = time.Second

// MetricsHandler serves the metrics of a store for Prometheus and what reads its formats: OpenMetrics for who prefers that by its Accept
// header, the text format of Prometheus else.
//
//	http.Handle("GET /metrics", keepwell.MetricsHandler(store))
//
// It answers 503 when the store is closed. A program with a registry of its own uses the collector of the package keepwellprom instead.
func MetricsHandler(store *Store) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isRead(w, r) {
			return
		}
		format := preferredFormat(r.Header.Values("Accept"))
		text, err := store.MetricsText(format)
		if err != nil {
			http.Error(w, err.Error(), statusOf(err))
			return
		}
		answer(w, r, http.StatusOK, format.ContentType(), text)
	})
}

// HealthHandler serves the health of a store as JSON (see [Health]): 200 while it does what it was opened for, 503 while it does not or is
// closed. A check takes a second at most, or the [Timeout] of the store that is given.
//
//	http.Handle("GET /health", keepwell.HealthHandler(store))
//
// Each request takes the writer for a moment and waits for it. The answer names files and errors: it is for the operators, not for the world.
func HealthHandler(store *Store) http.Handler {
	if !store.opts.own {
		store = store.With(Timeout(healthPatience))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isRead(w, r) {
			return
		}
		health, err := store.Health(r.Context())
		if err != nil {
			health = Health{Message: err.Error()}
		}
		status := http.StatusOK
		if !health.Healthy {
			status = http.StatusServiceUnavailable
		}
		text, err := json.Marshal(health)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, r, status, "application/json", string(text)+"\n")
	})
}

// isRead refuses what is neither GET nor HEAD.
func isRead(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "GET and HEAD only", http.StatusMethodNotAllowed)
	return false
}

func answer(w http.ResponseWriter, r *http.Request, status int, contentType, text string) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(text)))
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		io.WriteString(w, text)
	}
}

func statusOf(err error) int {
	if errors.Is(err, ErrClosed) {
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// preferredFormat is the form that an Accept header likes best (RFC 9110, section 12.5.1): that of Prometheus unless OpenMetrics is named
// and liked as much.
func preferredFormat(accept []string) MetricsFormat {
	var open, plain float64
	for _, part := range strings.Split(strings.Join(accept, ","), ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		liking, err := strconv.ParseFloat(params["q"], 64)
		if err != nil {
			liking = 1
		}
		switch version := params["version"]; name {
		case "application/openmetrics-text":
			if version == "" || version == "1.0.0" {
				open = max(open, liking)
			}
		case "text/plain":
			if version == "" || version == "0.0.4" {
				plain = max(plain, liking)
			}
		}
	}
	if open > 0 && open >= plain {
		return MetricsOpenMetrics
	}
	return MetricsPrometheus
}
