package keepwell

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func (p *player) place(s string) string { return strings.ReplaceAll(s, "{dir}", p.dir) }

// config makes the configuration of a store; its own datasource wins.
func (p *player) config(settings map[string]string) Config {
	config := Config{DataSource: p.dir + "/case.db", Options: map[string]any{}}
	for key, value := range settings {
		if key == "datasource" {
			config.DataSource = ""
		}
		config.Options[key] = p.place(value)
	}
	return config
}

func (p *player) open(name string, config Config) error {
	store, err := OpenConfig(config)
	if err != nil {
		return err
	}
	p.conf[name] = config
	p.keep(name, store)
	return nil
}

func (p *player) keep(name string, made any) {
	p.named[name] = made
	p.order = append(p.order, made)
}

// closeAll closes what is open, newest first.
func (p *player) closeAll() (first error) {
	slices.Reverse(p.order)
	for _, made := range p.order {
		var err error
		switch made := made.(type) {
		case *Tx:
			err = made.Rollback()
		case interface{ Close() error }:
			err = made.Close()
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// target is what a step works on, with the step's options attached.
func (p *player) target(s *step) (Querier, error) {
	name := s.On
	if name == "" {
		name = "store"
	}
	opts := s.Options.list()
	switch t := p.named[name].(type) {
	case *Store:
		return t.With(opts...), nil
	case *Tx:
		return t.With(opts...), nil
	case *Conn:
		return t.With(opts...), nil
	}
	return nil, differ("%q is no target", name)
}

// do plays one step.
func (p *player) do(s *step) (*outcome, error) {
	ctx := s.Options.context()
	switch s.Do {
	case "query", "stream":
		rows, err := p.query(ctx, s)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		return readRows(rows, -1)
	case "open_rows":
		rows, err := p.query(ctx, s)
		if err != nil {
			return nil, err
		}
		p.keep(s.As, rows)
		return &outcome{columns: rows.Columns(), fromCache: rows.FromCache()}, nil
	case "read", "close_rows":
		return p.useRows(s)
	case "execute":
		return p.execute(ctx, s)
	case "execute_many", "script", "begin":
		return p.onTarget(ctx, s)
	case "commit", "rollback":
		return nil, p.end(s)
	case "pin", "unpin", "prepare", "finalize", "derive":
		return nil, p.handles(ctx, s)
	case "open":
		return nil, p.open(s.As, p.config(s.Config))
	case "close", "reopen":
		return nil, p.closeStore(s)
	case "write_file":
		return nil, p.file(os.WriteFile(filepath.FromSlash(p.place(s.Path)), []byte(s.Text), 0o600))
	case "make_dir":
		return nil, p.file(os.MkdirAll(filepath.FromSlash(p.place(s.Path)), 0o700))
	}
	return nil, differ("unknown step %q", s.Do)
}

func (p *player) file(err error) error {
	if err != nil {
		return differ("%v", err)
	}
	return nil
}

func (p *player) sql(s *step) string {
	if s.SQL == nil {
		return ""
	}
	return p.place(string(*s.SQL))
}

func (p *player) query(ctx context.Context, s *step) (*Rows, error) {
	q, err := p.target(s)
	if err != nil {
		return nil, err
	}
	if s.Statement != "" {
		return p.named[s.Statement].(*Stmt).On(q).Query(ctx, s.arguments()...)
	}
	return q.Query(ctx, p.sql(s), s.arguments()...)
}

func (p *player) execute(ctx context.Context, s *step) (*outcome, error) {
	q, err := p.target(s)
	if err != nil {
		return nil, err
	}
	var result Result
	if s.Statement != "" {
		result, err = p.named[s.Statement].(*Stmt).On(q).Exec(ctx, s.arguments()...)
	} else {
		result, err = q.Exec(ctx, p.sql(s), s.arguments()...)
	}
	return &outcome{result: &result}, err
}

func (p *player) onTarget(ctx context.Context, s *step) (*outcome, error) {
	q, err := p.target(s)
	if err != nil {
		return nil, err
	}
	var result Result
	switch s.Do {
	case "script":
		result, err = q.ExecScript(ctx, p.sql(s))
	case "begin":
		return nil, p.begin(ctx, q, s)
	default:
		var sets [][]any
		for range max(1, s.ManyTimes) {
			for _, set := range s.Many {
				sets = append(sets, plain(set))
			}
		}
		result, err = q.ExecMany(ctx, p.sql(s), sets)
	}
	return &outcome{result: &result}, err
}

func (p *player) begin(ctx context.Context, q Querier, s *step) error {
	modes := map[string]TxOptions{"": {}, "default": {}, "deferred": {Mode: TxDeferred}, "immediate": {Mode: TxImmediate},
		"exclusive": {Mode: TxExclusive}, "read_only": {ReadOnly: true}}
	opts, ok := modes[s.Mode]
	if !ok {
		return differ("unknown mode %q", s.Mode)
	}
	tx, err := q.Begin(ctx, &opts)
	if err != nil {
		return err
	}
	p.keep(s.As, tx)
	return nil
}

func (p *player) end(s *step) error {
	tx, ok := p.named[s.On].(*Tx)
	switch {
	case !ok:
		return differ("%q is no transaction", s.On)
	case s.Do == "commit":
		return tx.Commit()
	}
	return tx.Rollback()
}

func (p *player) useRows(s *step) (*outcome, error) {
	rows, ok := p.named[s.On].(*Rows)
	if !ok {
		return nil, differ("%q is no stream", s.On)
	}
	if s.Do == "close_rows" {
		return nil, rows.Close()
	}
	return readRows(rows, s.Count)
}

// readRows takes the next count rows, all for a negative one.
func readRows(rows *Rows, count int) (*outcome, error) {
	got := &outcome{columns: rows.Columns(), fromCache: rows.FromCache()}
	for ; count != 0 && rows.Next(); count-- {
		row := make([]any, len(got.columns))
		dest := make([]any, len(row))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		got.rows = append(got.rows, row)
	}
	return got, rows.Err()
}

// handles makes and ends pinned connections, statements and derived targets.
func (p *player) handles(ctx context.Context, s *step) error {
	switch s.Do {
	case "unpin":
		conn, ok := p.named[s.On].(*Conn)
		if !ok {
			return differ("%q is no connection", s.On)
		}
		return conn.Close()
	case "finalize":
		statement, ok := p.named[s.On].(*Stmt)
		if !ok {
			return differ("%q is no statement", s.On)
		}
		return statement.Close()
	}
	q, err := p.target(s)
	if err != nil {
		return err
	}
	switch s.Do {
	case "prepare":
		statement, err := q.(interface {
			Prepare(context.Context, string) (*Stmt, error)
		}).Prepare(ctx, p.sql(s))
		if err == nil {
			p.keep(s.As, statement)
		}
		return err
	case "pin":
		store, ok := q.(*Store)
		if !ok {
			return differ("%q is no store", s.On)
		}
		conn, err := store.Conn(ctx)
		if err == nil {
			p.keep(s.As, conn)
		}
		return err
	}
	p.named[s.As] = derive(q, ctx, s.Options.Cancelled)
	return nil
}

func derive(q Querier, ctx context.Context, bound bool) any {
	if !bound {
		return q
	}
	switch q := q.(type) {
	case *Store:
		return q.WithContext(ctx)
	case *Tx:
		return q.WithContext(ctx)
	}
	return q.(*Conn).WithContext(ctx)
}

func (p *player) closeStore(s *step) error {
	name := s.On
	if name == "" {
		name = "store"
	}
	store, ok := p.named[name].(*Store)
	if !ok {
		return differ("%q is no store", name)
	}
	if err := store.Close(); err != nil || s.Do == "close" {
		return err
	}
	config := p.conf[name]
	if s.Config != nil {
		config = p.config(s.Config)
	}
	return p.open(name, config)
}
