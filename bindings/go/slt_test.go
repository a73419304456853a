package keepwell

import (
	"bufio"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// testData finds the folder of test data, which is no part of the project, or skips.
func testData(t *testing.T) string {
	dir := os.Getenv("KEEPWELL_TEST_DATA")
	if dir == "" {
		dir = "../../../shared/data"
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no test data at %s; set KEEPWELL_TEST_DATA", dir)
	}
	return dir
}

func TestTheChinookScript(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(testData(t), "chinook.sql"))
	if err != nil {
		t.Skip(err)
	}
	store := openTest(t)
	mustScript(t, store, string(script))
	for table, want := range map[string]int{"Track": 3503, "InvoiceLine": 2240, "Artist": 275} {
		if got := one[int](t, store, "SELECT count(*) FROM "+table); got != want {
			t.Errorf("%s: %d rows, wanted %d", table, got, want)
		}
	}
	type sale struct {
		Name  string
		Total float64
	}
	best, err := All[sale](bg, store, `SELECT a.Name, round(sum(l.UnitPrice * l.Quantity), 2) AS total FROM Artist a
		JOIN Album b USING (ArtistId) JOIN Track t USING (AlbumId) JOIN InvoiceLine l USING (TrackId) GROUP BY 1 ORDER BY 2 DESC LIMIT 1`)
	if err != nil || len(best) != 1 || best[0] != (sale{"Iron Maiden", 138.6}) {
		t.Errorf("%+v, %v", best, err)
	}
}

func TestSQLLogic(t *testing.T) {
	var files []string
	filepath.WalkDir(filepath.Join(testData(t), "slt"), func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".test") {
			files = append(files, path)
		}
		return nil
	})
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".test"), func(t *testing.T) {
			store := openTest(t)
			conn, err := store.Conn(bg)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			file, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			logic := &logicFile{t: t, conn: conn, lines: bufio.NewScanner(file), labels: map[string]string{}}
			logic.lines.Buffer(nil, 1<<20)
			logic.play()
			t.Logf("%d records", logic.records)
		})
	}
}

// logicFile plays one sqllogictest file.
type logicFile struct {
	t         *testing.T
	conn      *Conn
	lines     *bufio.Scanner
	number    int
	threshold int
	labels    map[string]string // label → hash of its first result
	records   int
}

// record reads the lines up to the next empty one.
func (l *logicFile) record() []string {
	var lines []string
	for l.lines.Scan() {
		l.number++
		line := strings.TrimRight(l.lines.Text(), "\r")
		if line == "" {
			if len(lines) > 0 {
				return lines
			}
			continue
		}
		if strings.HasPrefix(line, "#") && len(lines) == 0 {
			continue
		}
		lines = append(lines, line)
	}
	return lines
}

func (l *logicFile) play() {
	for lines := l.record(); lines != nil; lines = l.record() {
		skip := false
		words := strings.Fields(lines[0])
		for words[0] == "skipif" || words[0] == "onlyif" {
			skip = skip || (words[0] == "skipif") == (words[1] == "sqlite")
			if lines = lines[1:]; len(lines) == 0 {
				break
			}
			words = strings.Fields(lines[0])
		}
		if skip || len(lines) == 0 {
			continue
		}
		l.records++
		switch words[0] {
		case "halt":
			return
		case "hash-threshold":
			l.threshold, _ = strconv.Atoi(words[1])
		case "statement":
			l.statement(words[1], strings.Join(lines[1:], "\n"))
		case "query":
			l.query(words[1:], lines[1:])
		default:
			l.t.Fatalf("line %d: unknown record %q", l.number, lines[0])
		}
	}
}

func (l *logicFile) statement(want, sql string) {
	_, err := l.conn.ExecScript(bg, sql)
	if (err != nil) != (want == "error") {
		l.t.Errorf("line %d: %s: wanted %s, got %v", l.number, sql, want, err)
	}
}

// query plays a query: words are types, sort mode and label; lines the SQL, "----", and what is expected.
func (l *logicFile) query(words, lines []string) {
	at := slices.Index(lines, "----")
	var expected []string
	if at >= 0 {
		lines, expected = lines[:at], lines[at+1:]
	}
	sql := strings.Join(lines, "\n")
	rows, err := l.run(sql, words[0])
	if err != nil {
		if len(expected) > 0 {
			l.t.Errorf("line %d: %s: %v", l.number, sql, err)
		}
		return
	}
	values := sorted(rows, append(words, "nosort")[1])
	hash := md5.Sum([]byte(strings.Join(append(slices.Clone(values), ""), "\n")))
	sum := hex.EncodeToString(hash[:])
	if len(words) > 2 {
		if first, ok := l.labels[words[2]]; ok && first != sum {
			l.t.Errorf("line %d: label %s: the results differ", l.number, words[2])
		}
		l.labels[words[2]] = sum
	}
	if at < 0 {
		return
	}
	if len(expected) == 1 && strings.Contains(expected[0], " values hashing to ") {
		values = []string{fmt.Sprintf("%d values hashing to %s", len(values), sum)}
	}
	if !slices.Equal(values, expected) {
		l.t.Errorf("line %d: %s: wanted %.200q, got %.200q", l.number, sql, expected, values)
	}
}

// run runs a query and prints its cells.
func (l *logicFile) run(sql, types string) ([][]string, error) {
	rows, err := All[[]any](bg, l.conn, sql)
	if err != nil {
		return nil, err
	}
	printed := make([][]string, len(rows))
	for i, row := range rows {
		if len(row) != len(types) {
			return nil, fmt.Errorf("%d columns in place of %d", len(row), len(types))
		}
		for column, v := range row {
			printed[i] = append(printed[i], l.print(types[column], v))
		}
	}
	return printed, nil
}

func (l *logicFile) print(typ byte, v any) string {
	if v == nil {
		return "NULL"
	}
	switch typ {
	case 'I':
		if i, ok := v.(int64); ok {
			return strconv.FormatInt(i, 10)
		}
		return one[string](l.t, l.conn, "SELECT CAST(CAST(? AS INTEGER) AS TEXT)", v)
	case 'R':
		return one[string](l.t, l.conn, "SELECT printf('%.3f', ?)", v)
	}
	text := one[[]byte](l.t, l.conn, "SELECT CAST(? AS TEXT)", v)
	if len(text) == 0 {
		return "(empty)"
	}
	for i, c := range text {
		if c < ' ' || c > '~' {
			text[i] = '@'
		}
	}
	return string(text)
}

func sorted(rows [][]string, mode string) []string {
	if mode == "rowsort" {
		slices.SortFunc(rows, slices.Compare)
	}
	values := slices.Concat(rows...)
	if mode == "valuesort" {
		slices.Sort(values)
	}
	return values
}
