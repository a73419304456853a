package keepwell

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func ask(handler http.Handler, method, accept string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, "/", nil)
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

func TestMetricsAreServedInTheFormThatIsLiked(t *testing.T) {
	handler := MetricsHandler(openTest(t))
	const plain, open = "text/plain; version=0.0.4; charset=utf-8", "application/openmetrics-text; version=1.0.0; charset=utf-8"
	for accept, want := range map[string]string{
		"":                             plain,
		"*/*":                          plain,
		"text/html, ///":               plain,
		"application/openmetrics-text": open,
		"application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2":                                                 open,
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.2": open,
		"text/plain;version=0.0.4, application/openmetrics-text;q=0.5": plain,
		"text/plain, application/openmetrics-text":                     open,
		"application/openmetrics-text;version=2.0.0":                   plain,
		"application/openmetrics-text;q=0":                             plain,
	} {
		answer := ask(handler, "GET", accept)
		if got := answer.Header().Get("Content-Type"); got != want || answer.Code != 200 {
			t.Errorf("%q: %d %s", accept, answer.Code, got)
		}
		if ends := strings.HasSuffix(answer.Body.String(), "# EOF\n"); ends != (want == open) || len(seriesOf(t, answer.Body.String())) < 50 {
			t.Errorf("%q: %s", accept, answer.Body)
		}
	}
}

func TestHealthIsServedWithItsStatus(t *testing.T) {
	store := accounts(t)
	handler := HealthHandler(store)
	healthy := func() (Health, int) {
		t.Helper()
		answer := ask(handler, "GET", "")
		var health Health
		if err := json.Unmarshal(answer.Body.Bytes(), &health); err != nil || answer.Header().Get("Content-Type") != "application/json" {
			t.Fatal(err, answer)
		}
		return health, answer.Code
	}
	if health, status := healthy(); status != 200 || !health.Healthy {
		t.Errorf("%d %+v", status, health)
	}
	tx, err := store.Begin(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	handler = HealthHandler(store.With(Timeout(10 * time.Millisecond)))
	if health, status := healthy(); status != 503 || health.Healthy || !health.CanRead || health.CanWrite || health.Message == "" {
		t.Errorf("%d %+v", status, health)
	}
	tx.Rollback()
	if health, status := healthy(); status != 200 || !health.Healthy {
		t.Errorf("%d %+v", status, health)
	}
	store.Close()
	if health, status := healthy(); status != 503 || health.Healthy || !strings.Contains(health.Message, "closed") {
		t.Errorf("%d %+v", status, health)
	}
	if answer := ask(MetricsHandler(store), "GET", ""); answer.Code != 503 || !strings.Contains(answer.Body.String(), "closed") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

func TestHandlersAreForReading(t *testing.T) {
	store := openTest(t)
	for name, handler := range map[string]http.Handler{"metrics": MetricsHandler(store), "health": HealthHandler(store)} {
		if answer := ask(handler, "POST", ""); answer.Code != 405 || answer.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d", name, answer.Code)
		}
		if answer := ask(handler, "HEAD", ""); answer.Code != 200 || answer.Body.Len() != 0 || answer.Header().Get("Content-Length") == "0" {
			t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
		}
	}
}
