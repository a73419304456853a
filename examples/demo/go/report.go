package main

import (
	"context"
	"fmt"
	"strings"

	keepwell "github.com/keepwell/keepwell/bindings/go"
)

var questions = []struct {
	sql   string
	limit int
}{
	{`SELECT licence.name AS licence, count(*) AS packages FROM package JOIN licence ON licence.id = licence_id
	  GROUP BY licence.id ORDER BY packages DESC, licence LIMIT ?`, 4},
	{`SELECT name || ' ' || version AS "most depended upon",
	         (SELECT count(DISTINCT package_id) FROM edge WHERE dependency_id = package.id) AS directly, count(*) AS "in all"
	  FROM needs JOIN package ON package.id = needs.dependency_id
	  GROUP BY package.id ORDER BY "in all" DESC, directly DESC, name LIMIT ?`, 4},
	{`WITH RECURSIVE chain(id, steps, path) AS (
	    SELECT id, 0, name FROM package UNION ALL
	    SELECT dependency_id, steps + 1, path || ' > ' || package.name
	    FROM chain JOIN edge ON edge.package_id = chain.id JOIN package ON package.id = dependency_id)
	  SELECT steps, path AS "deepest chain" FROM chain ORDER BY steps DESC, path LIMIT ?`, 1},
}

// report asks all questions at the same time; one store serves every goroutine.
func report(ctx context.Context, store *keepwell.Store) error {
	answers := make([]string, len(questions))
	err := parallel(len(questions), func(i int) error {
		rows, err := store.Query(ctx, questions[i].sql, questions[i].limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		answers[i], err = table(rows)
		return err
	})
	if err == nil {
		fmt.Println(strings.Join(answers, "\n"))
	}
	return err
}

// table lays the rows out as a table, numbers to the right.
func table(rows *keepwell.Rows) (string, error) {
	names := rows.Columns()
	lines, widths, right := [][]string{names}, make([]int, len(names)), make([]bool, len(names))
	values, pointers := make([]any, len(names)), make([]any, len(names))
	for i, name := range names {
		widths[i], pointers[i] = len(name), &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			return "", err
		}
		line := make([]string, len(names))
		for i, value := range values {
			_, right[i] = value.(int64)
			line[i] = fmt.Sprint(value)
			widths[i] = max(widths[i], len(line[i]))
		}
		lines = append(lines, line)
	}
	var out strings.Builder
	for _, line := range lines {
		var text strings.Builder
		for i, value := range line {
			if right[i] {
				fmt.Fprintf(&text, "  %*s", widths[i], value)
			} else {
				fmt.Fprintf(&text, "  %-*s", widths[i], value)
			}
		}
		fmt.Fprintln(&out, strings.TrimRight(text.String(), " "))
	}
	return out.String(), rows.Err()
}
