package main

import "github.com/keepwell/keepwell/bindings/go"

// own is keepwell's Go API.
type own struct {
	store *keepwell.Store
	keys  keys
}

func (o *own) name() string { return "keepwell" }
func (o *own) close()       { check(o.store.Close()) }

func (o *own) version() (version string) {
	check(o.store.QueryRow(background, "SELECT sqlite_version()").Scan(&version))
	return version
}

func (o *own) points(n int)       { o.pointsBy(n, o.store, o.keys.next) }
func (o *own) cachedPoints(n int) { o.pointsBy(n, o.cached(), o.keys.few) }

func (o *own) pointsBy(n int, store *keepwell.Store, key func() int64) {
	var r record
	for range n {
		check(store.QueryRow(background, pointSQL, key()).Scan(&r.ID, &r.A, &r.R, &r.S, &r.T, &r.N))
	}
}

// cached is the store whose queries use the cache of results.
func (o *own) cached() *keepwell.Store {
	return o.store.With(keepwell.Cache(keepwell.CacheUse, 0))
}

func (o *own) pointsTx(n int) {
	check(o.store.Transaction(background, func(tx *keepwell.Tx) error {
		var r record
		for range n {
			check(tx.QueryRow(background, pointSQL, o.keys.next()).Scan(&r.ID, &r.A, &r.R, &r.S, &r.T, &r.N))
		}
		return nil
	}))
}

func (o *own) hundreds(n int)       { o.hundredsBy(n, o.store, o.keys.next) }
func (o *own) cachedHundreds(n int) { o.hundredsBy(n, o.cached(), o.keys.few) }

func (o *own) hundredsBy(n int, store *keepwell.Store, key func() int64) {
	for range n {
		rows, err := store.Query(background, rangeSQL, key())
		check(err)
		drain(rows, 100)
	}
}

func (o *own) structs(n int) {
	for range n {
		all, err := keepwell.All[record](background, o.store, rangeSQL, o.keys.next())
		check(err)
		expect(len(all), 100)
	}
}

func (o *own) scan(n int) {
	for range n {
		rows, err := o.store.Query(background, scanSQL)
		check(err)
		drain(rows, *count)
	}
}

func (o *own) inserts(n int) {
	for i := range n {
		a, r, s, t, v := values(i)
		_, err := o.store.Exec(background, insertSQL, a, r, s, t, v)
		check(err)
	}
	o.clear()
}

func (o *own) insertMany(n int) {
	set := make([]any, 5)
	_, err := o.store.ExecSeq(background, insertSQL, func(yield func([]any) bool) {
		for i := range n {
			a, r, s, t, v := values(i)
			set[0], set[1], set[2], set[3], set[4] = a, r, s, t, v
			if !yield(set) {
				return
			}
		}
	})
	check(err)
	o.clear()
}

func (o *own) clear() {
	_, err := o.store.Exec(background, clearSQL)
	check(err)
}
