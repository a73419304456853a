package keepwell

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"
)

func accounts(t testing.TB, settings ...string) *Store {
	store := openTest(t, settings...)
	mustScript(t, store, `CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0));
		INSERT INTO account VALUES (1, 100), (2, 50)`)
	return store
}

func balance(t testing.TB, q Querier, id int) int {
	t.Helper()
	return one[int](t, q, "SELECT balance FROM account WHERE id = ?", id)
}

func TestATransactionIsSeenWhenItIsCommitted(t *testing.T) {
	store := accounts(t)
	tx, err := store.Begin(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, tx, "UPDATE account SET balance = 70 WHERE id = 1")
	if balance(t, tx, 1) != 70 || balance(t, store, 1) != 100 {
		t.Error("inside 70, outside 100 expected")
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if balance(t, store, 1) != 70 {
		t.Error("the commit is not seen")
	}
	err = tx.Commit()
	wantError(t, err, ErrTxEnded)
	if !errors.Is(err, sql.ErrTxDone) {
		t.Error("not sql.ErrTxDone")
	}
	if err := tx.Rollback(); err != nil {
		t.Errorf("a deferred Rollback after Commit: %v", err)
	}
	if _, err := tx.Exec(bg, "SELECT 1"); err == nil {
		t.Error("an ended transaction runs statements")
	}
}

func TestTransactionRollsBackOnErrorAndPanic(t *testing.T) {
	store := accounts(t)
	own := errors.New("own")
	err := store.Transaction(bg, func(tx *Tx) error {
		mustExec(t, tx, "UPDATE account SET balance = 0")
		return own
	})
	if err != own || balance(t, store, 1) != 100 {
		t.Error(err)
	}
	func() {
		defer func() {
			if recover() != "boo" {
				t.Error("the panic was swallowed")
			}
		}()
		store.Transaction(bg, func(tx *Tx) error {
			mustExec(t, tx, "UPDATE account SET balance = 0")
			panic("boo")
		})
	}()
	if balance(t, store, 1) != 100 {
		t.Error("not rolled back")
	}
}

func TestNestedTransactionsAreSavepoints(t *testing.T) {
	store := accounts(t)
	err := store.Transaction(bg, func(tx *Tx) error {
		mustExec(t, tx, "UPDATE account SET balance = 60 WHERE id = 1")
		err := tx.Transaction(bg, func(inner *Tx) error {
			mustExec(t, inner, "UPDATE account SET balance = 90 WHERE id = 2")
			_, err := inner.Exec(bg, "UPDATE account SET balance = -1 WHERE id = 1")
			return err
		})
		e := wantError(t, err, ErrConstraint, "CHECK")
		if e.EngineCode != 19 || e.ExtendedCode != 275 || e.SQLState != "23000" || e.Retryable() {
			t.Errorf("%+v", e)
		}
		return tx.Transaction(bg, func(inner *Tx) error {
			mustExec(t, inner, "UPDATE account SET balance = 51 WHERE id = 2")
			return nil
		})
	})
	if err != nil || balance(t, store, 1) != 60 || balance(t, store, 2) != 51 {
		t.Error(err, balance(t, store, 1), balance(t, store, 2))
	}
}

func TestAReadOnlyTransactionReadsOneSnapshot(t *testing.T) {
	store := accounts(t)
	tx, err := store.Begin(bg, &TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if balance(t, tx, 1) != 100 {
		t.Error("before")
	}
	mustExec(t, store, "UPDATE account SET balance = 1 WHERE id = 1")
	if balance(t, tx, 1) != 100 || balance(t, store, 1) != 1 {
		t.Error("the snapshot moved")
	}
	_, err = tx.Exec(bg, "DELETE FROM account")
	wantError(t, err, ErrReadOnly)
}

func TestADeferredConstraintFailsTheCommitAndLeavesTheTransactionOpen(t *testing.T) {
	store := openTest(t)
	mustScript(t, store, `CREATE TABLE a(id INTEGER PRIMARY KEY);
		CREATE TABLE b(a INTEGER REFERENCES a DEFERRABLE INITIALLY DEFERRED)`)
	tx, err := store.Begin(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	mustExec(t, tx, "INSERT INTO b VALUES (5)")
	wantError(t, tx.Commit(), ErrConstraint, "FOREIGN KEY")
	mustExec(t, tx, "INSERT INTO a VALUES (5)")
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestTheEngineMayEndATransaction(t *testing.T) {
	store := accounts(t)
	tx, err := store.Begin(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec(bg, "INSERT OR ROLLBACK INTO account VALUES (1, 1)")
	if e := wantError(t, err, ErrConstraint); !e.RolledBack() {
		t.Error("the error does not say that the transaction is gone")
	}
	_, err = tx.Exec(bg, "SELECT 1")
	wantError(t, err, ErrTxEnded)
	wantError(t, tx.Commit(), ErrTxEnded)
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	mustExec(t, store, "DELETE FROM account")
}

func TestAContextThatCarriesTheTransactionCannotWaitForItself(t *testing.T) {
	store := accounts(t)
	err := store.Transaction(bg, func(tx *Tx) error {
		ctx := NewContext(bg, tx)
		if got, ok := FromContext(ctx); !ok || got != tx {
			t.Error("the transaction is not in its context")
		}
		_, err := store.Exec(ctx, "DELETE FROM account")
		wantError(t, err, ErrSelfDeadlock, "its own context")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := FromContext(bg); ok {
		t.Error("a transaction from nowhere")
	}
}

func TestAPinnedConnectionKeepsWhatBelongsToIt(t *testing.T) {
	store := accounts(t)
	conn, err := store.Conn(bg)
	if err != nil {
		t.Fatal(err)
	}
	mustScript(t, conn, "CREATE TEMP TABLE scratch(v); INSERT INTO scratch VALUES (1), (2)")
	if got := one[int](t, conn, "SELECT sum(v) FROM scratch"); got != 3 {
		t.Error(got)
	}
	err = conn.Transaction(bg, func(tx *Tx) error {
		mustExec(t, tx, "INSERT INTO scratch VALUES (3)")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := one[int](t, conn, "SELECT sum(v) FROM scratch"); got != 6 {
		t.Error(got)
	}
	ctx, cancel := context.WithTimeout(bg, 10*time.Millisecond)
	defer cancel()
	_, err = store.Exec(ctx, "DELETE FROM account")
	wantError(t, err, ErrTimeout, "pinned connection")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error("not a context.DeadlineExceeded")
	}
	conn.Close()
	conn.Close()
	if _, err := conn.Exec(bg, "SELECT 1"); err == nil {
		t.Error("a closed connection runs statements")
	}
	_, err = store.Query(bg, "SELECT * FROM scratch")
	wantError(t, err, ErrSQL, "no such table")

	reader, err := store.Conn(bg, ReadOnly())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	_, err = reader.Exec(bg, "DELETE FROM account")
	wantError(t, err, ErrReadOnly)
	mustExec(t, store, "DELETE FROM account WHERE id = 2")
}
