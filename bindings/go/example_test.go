package keepwell_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/keepwell/keepwell/bindings/go"
)

// must keeps the examples short.
func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func exampleStore() (context.Context, *keepwell.Store) {
	ctx := context.Background()
	store := must(keepwell.Open(":memory:"))
	must(store.ExecScript(ctx, `CREATE TABLE user(id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, age INTEGER);
		INSERT INTO user VALUES (1, 'Ada', 36), (2, 'Grace', NULL), (3, 'Linus', 21)`))
	return ctx, store
}

func Example() {
	ctx := context.Background()
	store, err := keepwell.Open(":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	_, err = store.ExecScript(ctx, "CREATE TABLE fruit(name TEXT, price REAL)")
	if err != nil {
		log.Fatal(err)
	}
	_, err = store.Exec(ctx, "INSERT INTO fruit VALUES (?, ?)", "apple", 0.5)
	if err != nil {
		log.Fatal(err)
	}
	var price float64
	err = store.QueryRow(ctx, "SELECT price FROM fruit WHERE name = ?", "apple").Scan(&price)
	fmt.Println(price, err)
	// Output: 0.5 <nil>
}

func ExampleAll() {
	ctx, store := exampleStore()
	defer store.Close()

	type User struct {
		ID   int
		Name string `db:"name"`
		Age  *int
	}
	users, err := keepwell.All[User](ctx, store, "SELECT id, name, age FROM user WHERE id < ? ORDER BY id", 3)
	for _, u := range users {
		fmt.Println(u.ID, u.Name, u.Age != nil)
	}
	names, _ := keepwell.All[string](ctx, store, "SELECT name FROM user ORDER BY name")
	fmt.Println(names, err)
	// Output:
	// 1 Ada true
	// 2 Grace false
	// [Ada Grace Linus] <nil>
}

func ExampleEach() {
	ctx, store := exampleStore()
	defer store.Close()

	for name, err := range keepwell.Each[string](ctx, store, "SELECT name FROM user ORDER BY id") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(name)
	}
	// Output:
	// Ada
	// Grace
	// Linus
}

func ExampleRows() {
	ctx, store := exampleStore()
	defer store.Close()

	rows, err := store.Query(ctx, "SELECT id, name FROM user ORDER BY id DESC")
	if err != nil {
		log.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			log.Fatal(err)
		}
		fmt.Println(id, name)
	}
	fmt.Println(rows.Err())
	// Output:
	// 3 Linus
	// 2 Grace
	// 1 Ada
	// <nil>
}

func ExampleTx() {
	ctx, store := exampleStore()
	defer store.Close()

	err := store.Transaction(ctx, func(tx *keepwell.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO user(name) VALUES ('Ken')"); err != nil {
			return err
		}
		// A nested transaction that fails takes back only itself.
		err := tx.Transaction(ctx, func(inner *keepwell.Tx) error {
			_, err := inner.Exec(ctx, "INSERT INTO user(name) VALUES ('Ada')")
			return err
		})
		fmt.Println(errors.Is(err, keepwell.ErrConstraint))
		return nil
	})
	count, _ := keepwell.One[int](ctx, store, "SELECT count(*) FROM user")
	fmt.Println(err, count)
	// Output:
	// true
	// <nil> 4
}

func ExampleStore_RunTx() {
	ctx, store := exampleStore()
	defer store.Close()

	// The next free ticket: read, then write. Another process that commits in between makes RunTx run the function again, within the
	// context's deadline.
	must(store.ExecScript(ctx, "CREATE TABLE roll(next INTEGER NOT NULL); INSERT INTO roll VALUES (1)"))
	take := func() (ticket int, err error) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		err = store.RunTx(ctx, &keepwell.TxOptions{Mode: keepwell.TxDeferred}, func(tx *keepwell.Tx) error {
			if err := tx.QueryRow(ctx, "SELECT next FROM roll").Scan(&ticket); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "UPDATE roll SET next = ?", ticket+1)
			return err
		})
		return ticket, err
	}
	fmt.Println(take())
	fmt.Println(take())
	// Output:
	// 1 <nil>
	// 2 <nil>
}

func ExampleStore_ExecMany() {
	ctx, store := exampleStore()
	defer store.Close()

	result, err := store.ExecMany(ctx, "INSERT INTO user(name, age) VALUES (?, ?)", [][]any{{"Rob", 40}, {"Russ", nil}})
	n, _ := result.RowsAffected()
	fmt.Println(n, err)

	ages := slices.Values([]int{50, 51})
	result, err = store.ExecSeq(ctx, "INSERT INTO user(name, age) VALUES (?, ?)", func(yield func([]any) bool) {
		for age := range ages {
			if !yield([]any{fmt.Sprint("user ", age), age}) {
				return
			}
		}
	})
	n, _ = result.RowsAffected()
	fmt.Println(n, err)
	// Output:
	// 2 <nil>
	// 2 <nil>
}

func ExampleError() {
	ctx, store := exampleStore()
	defer store.Close()

	_, err := store.Exec(ctx, "INSERT INTO user(name) VALUES ('Ada')")
	var e *keepwell.Error
	if errors.As(err, &e) {
		fmt.Println(e.Code, e.EngineCode, e.ExtendedCode, e.SQLState, e.Retryable())
	}

	ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err = store.Query(ctx, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")
	fmt.Println(errors.Is(err, context.DeadlineExceeded), errors.Is(err, keepwell.ErrTimeout))
	// Output:
	// KW_CONSTRAINT 19 2067 23000 false
	// true true
}

func ExampleNamed() {
	ctx, store := exampleStore()
	defer store.Close()

	name, err := keepwell.One[string](ctx, store, "SELECT name FROM user WHERE age BETWEEN :low AND :high",
		keepwell.Named("low", 30), keepwell.Named("high", 40))
	fmt.Println(name, err)
	// Output: Ada <nil>
}

func ExampleStore_With() {
	ctx, store := exampleStore()
	defer store.Close()

	careful := store.With(keepwell.ReadOnly(), keepwell.Timeout(time.Second))
	_, err := careful.Query(ctx, "DELETE FROM user RETURNING id")
	fmt.Println(errors.Is(err, keepwell.ErrReadOnly))
	// Output: true
}

func ExampleCache() {
	ctx, store := exampleStore()
	defer store.Close()
	cached := store.With(keepwell.Cache(keepwell.CacheUse, 0))
	ask := func() {
		rows := must(cached.Query(ctx, "SELECT name FROM user WHERE age > 30"))
		names := must(keepwell.Collect[string](rows, nil))
		fmt.Println(names, rows.FromCache())
	}
	ask()
	ask()
	must(store.Exec(ctx, "UPDATE user SET age = 40 WHERE id = 3"))
	ask()
	stats := must(store.CacheStats())
	fmt.Printf("%d hit, %d misses\n", stats.Hits, stats.Misses)
	// Output:
	// [Ada] false
	// [Ada] true
	// [Ada Linus] false
	// 1 hit, 2 misses
}

func ExampleStmt() {
	ctx, store := exampleStore()
	defer store.Close()

	byAge, err := store.Prepare(ctx, "SELECT name FROM user WHERE age > ? ORDER BY age")
	if err != nil {
		log.Fatal(err)
	}
	defer byAge.Close()
	names, err := keepwell.Collect[string](byAge.Query(ctx, 20))
	fmt.Println(names, err)
	// Output: [Linus Ada] <nil>
}

func ExampleStore_Migrations() {
	ctx := context.Background()
	store := must(keepwell.Open(":memory:"))
	defer store.Close()

	// A program embeds its folder: keepwell.MigrationFS(files, "migrations").
	migrations, err := store.Migrations(keepwell.MigrationList(
		keepwell.Migration{Version: 1, Description: "people", Up: "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT)", Down: "DROP TABLE person"},
		keepwell.Migration{Version: 2, Description: "first", Up: "INSERT INTO person VALUES (1, 'Ada')", Down: "DELETE FROM person"},
	))
	if err != nil {
		log.Fatal(err)
	}
	defer migrations.Close()

	report, err := migrations.Up(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range report.Migrations {
		fmt.Println(m.Version, m.Description, m.State, m.RowsChanged)
	}
	report = must(migrations.Down(ctx))
	fmt.Println(*report.Version, report.Pending)
	// Output:
	// 1 people applied 0
	// 2 first applied 1
	// 1 1
}

func ExampleStore_RebuildTable() {
	ctx, store := exampleStore()
	defer store.Close()

	report, err := store.RebuildTable(ctx, "user",
		"CREATE TABLE user(id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, age INTEGER NOT NULL)",
		map[string]string{"age": "coalesce(age, 0)"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*report.Tables[0].Before, *report.Tables[0].After)
	// Output: 3 3
}

func ExampleStore_WriteMetrics() {
	ctx, store := exampleStore()
	defer store.Close()

	must(keepwell.All[string](ctx, store, "SELECT name FROM user"))
	var text strings.Builder
	if err := store.WriteMetrics(&text, keepwell.MetricsPrometheus); err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		if strings.HasPrefix(line, "keepwell_query_rows_returned_total") {
			fmt.Print(line)
		}
	}
	// Output: keepwell_query_rows_returned_total{store=":memory:"} 3
}

func ExampleMetricsHandler() {
	_, store := exampleStore()
	defer store.Close()

	mux := http.NewServeMux()
	mux.Handle("GET /metrics", keepwell.MetricsHandler(store))
	mux.Handle("GET /health", keepwell.HealthHandler(store))

	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest("GET", "/health", nil))
	fmt.Println(answer.Code, strings.Contains(answer.Body.String(), `"healthy":true`))
	// Output: 200 true
}

func ExampleStore_Health() {
	ctx, store := exampleStore()
	defer store.Close()

	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	health, err := store.Health(ctx)
	fmt.Println(health.Healthy, health.CanRead, health.CanWrite, health.Pool.InUse, health.Message, err)
	// Output: true true true 0  <nil>
}

func ExampleForwardLogs() {
	// A program gives slog.Default().Handler(). Here the time is left out, and all but a few attributes.
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if slices.Contains([]string{slog.LevelKey, "target", "sql", "params", "plan", "rows_returned"}, a.Key) {
			return a
		}
		return slog.Attr{}
	}})

	stop, err := keepwell.ForwardLogs(handler, keepwell.LogOptions{Level: slog.LevelWarn})
	if err != nil {
		log.Fatal(err)
	}
	store := must(keepwell.OpenConfig(keepwell.Config{DataSource: ":memory:", Options: map[string]any{"metrics.slow_query": "1us"}}))
	must(keepwell.All[int](context.Background(), store, "SELECT value FROM json_each(?)", "[1, 2, 3]"))
	store.Close()
	stop()
	// Output: level=WARN target=keepwell::slow params="1: text of 9 bytes" plan="SCAN json_each VIRTUAL TABLE INDEX 1:" rows_returned=3 sql="SELECT value FROM json_each(?)"
}

func ExampleStore_StatementReport() {
	ctx, store := exampleStore()
	defer store.Close()

	if err := store.ResetStatementReport(); err != nil {
		log.Fatal(err)
	}
	for id := range 10 {
		store.QueryRow(ctx, "SELECT name FROM user WHERE id = ?", id).Err()
	}
	must(keepwell.All[string](ctx, store, "SELECT name FROM user WHERE age > ?", 30))
	for _, cost := range must(store.StatementReport(keepwell.ByCalls, 2)) {
		fmt.Println(cost.Calls, cost.Rows, cost.FullScans, cost.Mean > 0, cost.SQL)
	}
	// Output:
	// 10 3 0 true SELECT name FROM user WHERE id = ?
	// 1 1 1 true SELECT name FROM user WHERE age > ?
}

func ExampleStore_Explain() {
	ctx, store := exampleStore()
	defer store.Close()

	plan, err := store.Explain(ctx, "SELECT name FROM user WHERE age > ? ORDER BY name")
	fmt.Println(plan, err)
	// Output:
	// `--SCAN user USING INDEX sqlite_autoindex_user_1 <nil>
}

func ExampleStore_Advise() {
	ctx, store := exampleStore()
	defer store.Close()

	for _, advice := range must(store.Advise(ctx, "SELECT name FROM user WHERE age = ?")) {
		fmt.Println(advice.IndexSQL)
		fmt.Println(advice.Before)
		fmt.Println(advice.After)
	}
	// Output:
	// CREATE INDEX "user_age" ON "user"("age")
	// SCAN user
	// SEARCH user USING INDEX user_age (age=?)
}
