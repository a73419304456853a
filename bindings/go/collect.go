package keepwell

import (
	"context"
	"iter"
	"reflect"
	"unsafe"
)

// All runs a query and returns its rows as values of T:
//
//   - a struct, or a pointer to one: columns go into fields by the tag `db:"name"` or the field's name, letter case ignored;
//     embedded structs lend their fields; a column without a field is an error;
//   - a map[string]any: by column name; a []any: in order;
//   - any other type that [Rows.Scan] knows: the only column.
//
// No row gives an empty slice and no error.
func All[T any](ctx context.Context, q Querier, sql string, args ...any) ([]T, error) {
	return Collect[T](q.Query(ctx, sql, args...))
}

// One runs a query and returns its first row as a T, like [All]; [ErrNoRows] when there is none.
func One[T any](ctx context.Context, q Querier, sql string, args ...any) (T, error) {
	for value, err := range Each[T](ctx, q, sql, args...) {
		return value, err
	}
	var none T
	return none, ErrNoRows
}

// Each runs a query and iterates over its rows as values of T, like [All], without keeping them. An error comes last, with a zero T.
//
//	for user, err := range keepwell.Each[User](ctx, store, "SELECT * FROM users") {
//		if err != nil {
//			return err
//		}
//	}
func Each[T any](ctx context.Context, q Querier, sql string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			var none T
			yield(none, err)
			return
		}
		defer rows.Close()
		into := newReader[T](rows)
		for rows.Next() {
			var value T
			err := into.read(&value)
			if !yield(value, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			var none T
			yield(none, err)
		}
	}
}

// Collect returns all rows of a result as values of T, like [All], and closes it. It takes what Query returns:
//
//	users, err := keepwell.Collect[User](statement.Query(ctx, 30))
func Collect[T any](rows *Rows, err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	into := newReader[T](rows)
	all := make([]T, 0, rows.rows)
	for rows.Next() {
		var none T
		all = append(all, none)
		if err := into.read(&all[len(all)-1]); err != nil {
			return nil, err
		}
	}
	return all, rows.Err()
}

// reader copies the current row into a T.
type reader[T any] struct {
	rows *Rows
	row  reflect.Type // the struct type that takes a row; nil when T is another
	ptr  bool         // T is a pointer to it
	plan *structPlan
}

func newReader[T any](rows *Rows) reader[T] {
	r := reader[T]{rows: rows}
	if rows.set == nil {
		return r
	}
	t := reflect.TypeFor[T]()
	if isRow(t) {
		r.row = t
	} else if t.Kind() == reflect.Pointer && isRow(t.Elem()) {
		r.row, r.ptr = t.Elem(), true
	}
	if r.row != nil {
		r.plan = rows.set.plan(r.row)
	}
	return r
}

func (r *reader[T]) read(to *T) error {
	if r.row != nil {
		return r.readStruct(unsafe.Pointer(to))
	}
	switch to := any(to).(type) {
	case *map[string]any:
		*to = make(map[string]any, r.rows.columns)
		for i, name := range r.rows.Columns() {
			(*to)[name] = r.rows.f.value(r.cell(i))
		}
		return nil
	case *[]any:
		*to = make([]any, r.rows.columns)
		for i := range *to {
			(*to)[i] = r.rows.f.value(r.cell(i))
		}
		return nil
	}
	if r.rows.columns != 1 {
		return newError(ErrType, "a %s takes one column, the query has %d", reflect.TypeFor[T](), r.rows.columns)
	}
	if err := r.rows.f.scan(r.cell(0), to); err != nil {
		return r.rows.columnError(0, err)
	}
	return nil
}

func (r *reader[T]) cell(i int) *cell { return &r.rows.f.cells[r.rows.first+i] }

func (r *reader[T]) readStruct(to unsafe.Pointer) error {
	if r.plan.err != nil {
		return r.plan.err
	}
	if r.ptr {
		p := reflect.New(r.row).UnsafePointer()
		*(*unsafe.Pointer)(to) = p
		to = p
	}
	rows := r.rows
	cells := rows.f.cells[rows.first : rows.first+rows.columns]
	for i := range cells {
		if err := r.plan.fields[i].set(rows.f, &cells[i], to); err != nil {
			return rows.columnError(i, err)
		}
	}
	return nil
}
