//! Cancellation at random moments, with every answer checked against the file: what was done is there once, what was stopped is not there
//! and does not come later, and a stop strikes the operation that it was meant for and no other.
//!
//! `KEEPWELL_RACE_OPERATIONS` says how many operations (default 20,000), `KEEPWELL_RACE_SEED` repeats the choices of a run.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use keepwell::cancel::{Caller, CancelToken, Op};
use keepwell::driver::Mode;

use keepwell::options::Timeout;
use keepwell::{Config, Kind, Matrix, Params, QueryOptions, Store, TxMode, Value, ValueRef};

const WORKERS: usize = 12;
const CANCELLERS: usize = 2;
/// No operation of any worker takes this long.
const HANG: Duration = Duration::from_secs(60);

/// Xorshift: the choices of one thread.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// What the cancelling threads see of a worker. They strike only what is armed, inside the lock, so that a worker knows of each of its
/// operations whether it was struck.
#[derive(Default)]
struct Target {
    aim: Mutex<Aim>,
    /// For the watchdog: operations begun, and what the last one is.
    begun: AtomicU64,
    doing: AtomicU32,
}

#[derive(Default)]
struct Aim {
    armed: Option<CancelToken>,
    struck: bool,
    /// Tokens that are free again: striking them must do nothing.
    freed: Vec<CancelToken>,
}

/// How one operation may be stopped.
struct Stops<'a> {
    token: Option<CancelToken>,
    timeout: Option<Duration>,
    caller: Option<&'a Ticks>,
}

impl Stops<'_> {
    fn options(&self) -> QueryOptions<'_> {
        let timeout = self.timeout.map_or(Timeout::Default, Timeout::After);
        QueryOptions { timeout, cancel: self.token, caller: self.caller.map(|caller| caller as _), ..QueryOptions::default() }
    }
}

/// A caller whose tick cancels, or that cancels the token itself when it is told for the n-th time that the call waits or runs long.
struct Ticks {
    ticks: bool,
    ticked: AtomicBool,
    left: AtomicU32,
    token: Option<CancelToken>,
    struck: AtomicBool,
}

impl Caller for Ticks {
    fn tick(&self) -> bool {
        self.ticked.fetch_or(self.ticks, Ordering::Relaxed) || self.ticks
    }

    fn before_wait(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            if let Some(token) = self.token {
                self.struck.store(true, Ordering::Relaxed);
                token.cancel();
            }
        }
    }
}

/// The numbers of an operation's rows, and whether they are to be in the file.
#[derive(Clone, Copy)]
struct Entry {
    first: i64,
    rows: i64,
    present: bool,
}

/// The kinds of operations, with how often in a hundred.
const KINDS: [(&str, u64, i64); 12] = [
    ("insert", 34, 1),
    ("insert returning", 12, 1),
    ("read", 10, 0),
    ("transaction", 8, 2),
    ("transaction rolled back", 2, 2),
    ("many steps", 5, 40),
    ("steps without a jump", 6, 1),
    ("execute_many", 3, 300),
    ("script", 5, 2),
    ("insert or rollback that fails", 6, 1),
    ("update", 8, 0),
    ("endless", 1, 1),
];

struct Race {
    store: Store,
    targets: Vec<Target>,
    numbers: AtomicI64,
    left: AtomicI64,
    over: AtomicBool,
    straight: String,
}

#[derive(Default)]
struct Tally {
    entries: Vec<Entry>,
    updates: i64,
    done: u64,
    cancelled: u64,
    timed_out: u64,
}

type Outcome<T> = keepwell::Result<T>;

impl Race {
    fn new(store: Store, operations: i64) -> Race {
        let workers: Vec<String> = (0..WORKERS).map(|worker| format!("({worker}, 0)")).collect();
        let tables = format!(
            "CREATE TABLE t(n INTEGER PRIMARY KEY, who); CREATE TABLE sums(who INTEGER PRIMARY KEY, v);
             CREATE TABLE taken(s TEXT UNIQUE); INSERT INTO taken VALUES ('x'); INSERT INTO sums VALUES {}",
            workers.join(", ")
        );
        store.execute_script(&tables, &QueryOptions::default()).unwrap();
        Race {
            store,
            targets: (0..WORKERS).map(|_| Target::default()).collect(),
            numbers: AtomicI64::new(1),
            left: AtomicI64::new(operations),
            over: AtomicBool::new(false),
            // SQLite looks at the progress handler after the last step, when the statement is committed.
            straight: format!("INSERT INTO t SELECT ?1, ?2 + 0 * length({})", vec!["abs(random())"; 900].join(" || ")),
        }
    }

    /// Runs the operations and checks all that they answered.
    fn run(&self, seed: u64) {
        let began = Instant::now();
        let tallies: Vec<Tally> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..WORKERS)
                .map(|worker| {
                    scope.spawn(move || {
                        let _alarm = Alarm(self);
                        self.work(worker, &mut Dice::new(seed + worker as u64))
                    })
                })
                .collect();
            let strike = |number| scope.spawn(move || self.strike(&mut Dice::new(seed + 1000 + number as u64)));
            let mut others: Vec<_> = (0..CANCELLERS).map(strike).collect();
            others.push(scope.spawn(|| self.watch()));
            let tallies = workers.into_iter().map(|worker| worker.join().expect("a worker found an answer wrong")).collect();
            self.over.store(true, Ordering::Relaxed);
            others.into_iter().for_each(|other| other.join().unwrap());
            tallies
        });
        self.compare(&tallies);
        let sum = |pick: fn(&Tally) -> u64| tallies.iter().map(pick).sum::<u64>();
        let (done, cancelled, timed_out) = (sum(|t| t.done), sum(|t| t.cancelled), sum(|t| t.timed_out));
        println!("seed {seed}: {done} done, {cancelled} cancelled, {timed_out} timed out, {:.1} s", began.elapsed().as_secs_f32());
        let stats = self.store.stats();
        println!("groups {}, writes in them {}, run again {}, discards {}", stats.groups, stats.grouped, stats.replayed, stats.discards);
        assert!(cancelled > 0 && timed_out > 0, "the race took place");
    }

    fn work(&self, worker: usize, dice: &mut Dice) -> Tally {
        let mut tally = Tally::default();
        let mut token = CancelToken::new().unwrap();
        while self.left.fetch_sub(1, Ordering::Relaxed) > 0 {
            self.operation(worker, &mut token, dice, &mut tally);
        }
        token.free();
        tally
    }

    fn operation(&self, worker: usize, token: &mut CancelToken, dice: &mut Dice, tally: &mut Tally) {
        let kind = pick(dice);
        let rows = KINDS[kind].2;
        let first = self.numbers.fetch_add(rows, Ordering::Relaxed);
        self.targets[worker].doing.store(kind as u32, Ordering::Relaxed);
        self.targets[worker].begun.fetch_add(1, Ordering::Relaxed);
        let endless = KINDS[kind].0 == "endless";
        let caller = ticks(dice, *token, endless);
        let cancels = dice.roll(10) < 6 || caller.token.is_some();
        let stops = Stops {
            token: cancels.then_some(*token),
            timeout: (dice.roll(4) == 0 || endless).then(|| Duration::from_micros(dice.roll(3_000))),
            caller: (caller.ticks || caller.token.is_some()).then_some(&caller),
        };
        self.aim(worker, stops.token);
        let outcome = self.act(kind, first, worker as i64, &stops, tally);
        let struck = self.disarm(worker) || caller.struck.load(Ordering::Relaxed) || caller.ticked.load(Ordering::Relaxed);
        let present = self.judge(KINDS[kind].0, outcome, struck, &stops, tally);
        if rows > 0 {
            self.look(Entry { first, rows, present });
            tally.entries.push(Entry { first, rows, present });
        }
        self.renew(worker, token, dice);
    }

    /// The same token for the next operation, or another one: strikes meant for this operation are over.
    fn renew(&self, worker: usize, token: &mut CancelToken, dice: &mut Dice) {
        if dice.roll(4) > 0 {
            return token.reset();
        }
        token.free();
        self.targets[worker].aim.lock().unwrap().freed.push(*token);
        *token = CancelToken::new().unwrap();
    }

    fn aim(&self, worker: usize, token: Option<CancelToken>) {
        let mut aim = self.targets[worker].aim.lock().unwrap();
        (aim.armed, aim.struck) = (token, false);
    }

    fn disarm(&self, worker: usize) -> bool {
        let mut aim = self.targets[worker].aim.lock().unwrap();
        aim.armed = None;
        aim.struck
    }

    /// Whether the rows are to be there. Any error but those that the operation asked for ends the test.
    fn judge(&self, name: &str, outcome: Outcome<bool>, struck: bool, stops: &Stops<'_>, tally: &mut Tally) -> bool {
        match outcome {
            Ok(present) => {
                tally.done += 1;
                present
            }
            Err(error) if error.kind() == Kind::Cancelled && struck => {
                tally.cancelled += 1;
                false
            }
            Err(error) if error.kind() == Kind::Timeout && stops.timeout.is_some() => {
                tally.timed_out += 1;
                false
            }
            Err(error) => panic!("{name}: struck: {struck}, timeout: {:?}: {error:?}", stops.timeout),
        }
    }

    /// Runs one operation; whether it succeeded in writing its rows.
    fn act(&self, kind: usize, first: i64, worker: i64, stops: &Stops<'_>, tally: &mut Tally) -> Outcome<bool> {
        let (store, options) = (&self.store, &stops.options());
        let values = [ValueRef::Integer(first), ValueRef::Integer(worker)];
        match KINDS[kind].0 {
            "insert" => {
                let changes = store.execute(INSERT, &values, options)?;
                assert_eq!((changes.last_insert_id, changes.rows_affected), (first, 1));
            }
            "insert returning" => {
                let rows = store.query("INSERT INTO t VALUES (?1, ?2) RETURNING n, who", &values, options)?.collect()?;
                assert_eq!(rows, [[Value::Integer(first), Value::Integer(worker)]]);
            }
            "read" => {
                let rows = store.query("SELECT n FROM t WHERE n <= ?1 ORDER BY n DESC LIMIT 300", &values[..1], options)?.collect()?;
                assert!(rows.windows(2).all(|pair| number(&pair[0]) > number(&pair[1])));
            }
            "transaction" => return self.transaction(first, worker, options, true),
            "transaction rolled back" => return self.transaction(first, worker, options, false),
            "many steps" => assert_eq!(store.execute(STEPS, &values, options)?.rows_affected, 40),
            "steps without a jump" => assert_eq!(store.execute(&self.straight, &values, options)?.last_insert_id, first),
            "execute_many" => {
                let matrix: Vec<_> = (first..first + 300).flat_map(|n| [ValueRef::Integer(n), ValueRef::Integer(worker)]).collect();
                assert_eq!(store.execute_many(INSERT, Matrix::new(&matrix, 2, 300)?, options)?.rows_affected, 300);
            }
            "script" => {
                let script = format!("INSERT INTO t VALUES ({first}, 0); INSERT INTO t VALUES ({first} + 1, 0)");
                assert_eq!(store.execute_script(&script, options)?.rows_affected, 2);
            }
            "insert or rollback that fails" => {
                let fails = "INSERT OR ROLLBACK INTO taken SELECT 'x' WHERE ?1 + ?2 IS NOT NULL";
                let error = store.execute(fails, &values, options).unwrap_err();
                return if error.kind() == Kind::Constraint { Ok(false) } else { Err(error) };
            }
            "update" => {
                store.execute("UPDATE sums SET v = v + 1 WHERE who = ?1", &values[1..], options)?;
                tally.updates += 1;
            }
            _ => panic!("it ended: {:?}", store.execute(ENDLESS, &values, options)?),
        }
        Ok(true)
    }

    fn transaction(&self, first: i64, worker: i64, options: &QueryOptions<'_>, commits: bool) -> Outcome<bool> {
        let tx = self.store.begin(TxMode::Write(Mode::Immediate), options)?;
        for n in [first, first + 1] {
            tx.execute(INSERT, &[ValueRef::Integer(n), ValueRef::Integer(worker)], options)?;
        }
        if commits {
            tx.commit()?;
        } else {
            tx.rollback()?;
        }
        Ok(commits)
    }

    /// The rows are there as soon as the answer is, or not at all.
    fn look(&self, entry: Entry) {
        let range = [ValueRef::Integer(entry.first), ValueRef::Integer(entry.first + entry.rows)];
        let sql = "SELECT count(*) FROM t WHERE n >= ?1 AND n < ?2";
        let rows = self.store.query(sql, &range, &QueryOptions::default()).unwrap().collect().unwrap();
        assert_eq!(number(&rows[0]), if entry.present { entry.rows } else { 0 }, "rows from {}", entry.first);
    }

    /// Strikes whoever is armed at a random moment, and what is not to be struck: tokens of the past.
    fn strike(&self, dice: &mut Dice) {
        while !self.over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_micros(dice.roll(200)));
            (0..dice.roll(2_000)).for_each(|_| std::hint::spin_loop());
            let mut aim = self.targets[dice.roll(WORKERS as u64) as usize].aim.lock().unwrap();
            if let Some(token) = aim.armed {
                token.cancel();
                aim.struck = true;
            }
            let freed = std::mem::take(&mut aim.freed);
            drop(aim);
            freed.into_iter().for_each(CancelToken::cancel);
        }
    }

    /// Ends the process, with who hangs where, when a worker makes no progress.
    fn watch(&self) {
        let mut before = vec![(0, Instant::now()); WORKERS];
        while !self.over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(100));
            for (target, (begun, since)) in self.targets.iter().zip(&mut before) {
                let now = target.begun.load(Ordering::Relaxed);
                if now != *begun {
                    (*begun, *since) = (now, Instant::now());
                } else if since.elapsed() > HANG && self.left.load(Ordering::Relaxed) > 0 {
                    let doing: Vec<_> = self.targets.iter().map(|t| KINDS[t.doing.load(Ordering::Relaxed) as usize].0).collect();
                    eprintln!("a worker hangs; they do {doing:?}; {:?}", self.store.stats());
                    std::process::abort();
                }
            }
        }
    }

    /// What is in the file is what was answered, after everything is over.
    fn compare(&self, tallies: &[Tally]) {
        let mut expected: Vec<Entry> = tallies.iter().flat_map(|tally| &tally.entries).filter(|entry| entry.present).copied().collect();
        expected.sort_by_key(|entry| entry.first);
        let mut expected = expected.iter().flat_map(|entry| entry.first..entry.first + entry.rows);
        let mut rows = self.store.query("SELECT n FROM t ORDER BY n", Params::NONE, &QueryOptions::default()).unwrap();
        while let Some(batch) = rows.next_batch(&Op::unbounded()).unwrap() {
            for row in 0..batch.rows() {
                assert_eq!(batch.row(row).next().unwrap().as_i64(), expected.next());
            }
        }
        assert_eq!(expected.next(), None, "a row that was answered is missing");
        let sums = self.store.query("SELECT v FROM sums ORDER BY who", Params::NONE, &QueryOptions::default()).unwrap().collect().unwrap();
        let updates: Vec<i64> = tallies.iter().map(|tally| tally.updates).collect();
        assert_eq!(sums.iter().map(|row| number(row)).collect::<Vec<_>>(), updates, "each update took place once");
    }
}

/// Ends the race when a worker has found something wrong.
struct Alarm<'a>(&'a Race);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.left.store(0, Ordering::Relaxed);
            self.0.over.store(true, Ordering::Relaxed);
        }
    }
}

const INSERT: &str = "INSERT INTO t VALUES (?1, ?2)";
/// Some hundred looks of the progress handler.
const STEPS: &str = "INSERT INTO t WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < 39)
    SELECT ?1 + i, ?2 + 0 * (WITH RECURSIVE d(j) AS (SELECT 0 UNION ALL SELECT j + 1 FROM d WHERE j < 200 + i) SELECT max(j) FROM d) FROM c";
const ENDLESS: &str =
    "INSERT INTO t WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c) SELECT ?1 + 0 * i, ?2 FROM c WHERE i < 0";

fn pick(dice: &mut Dice) -> usize {
    let mut roll = dice.roll(KINDS.iter().map(|kind| kind.1).sum());
    KINDS
        .iter()
        .position(|kind| {
            roll < kind.1 || {
                roll -= kind.1;
                false
            }
        })
        .unwrap()
}

/// Now and then a caller that cancels by its tick, or by the token in the middle of the call.
fn ticks(dice: &mut Dice, token: CancelToken, endless: bool) -> Ticks {
    let chosen = dice.roll(10);
    Ticks {
        ticks: chosen == 0 || (endless && chosen < 5),
        ticked: AtomicBool::new(false),
        left: AtomicU32::new(1 + dice.roll(3) as u32),
        token: (chosen > 7).then_some(token),
        struck: AtomicBool::new(false),
    }
}

fn number(row: &[Value]) -> i64 {
    row[0].as_ref().as_i64().unwrap()
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect(name))
}

fn race(settings: &[(&str, &str)], share: i64) {
    let folder = temp_dir::TempDir::new().unwrap();
    let mut config = Config::new();
    config.set("datasource", &folder.path().join("t.db").to_string_lossy()).unwrap();
    settings.iter().for_each(|(key, value)| config.set(key, value).unwrap());
    let operations = setting("KEEPWELL_RACE_OPERATIONS").unwrap_or(20_000) as i64;
    let nanos = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos().into();
    let seed = setting("KEEPWELL_RACE_SEED").unwrap_or_else(nanos);
    Race::new(Store::open(&config).unwrap(), operations / share).run(seed);
}

#[test]
fn a_stop_strikes_its_own_operation_and_leaves_nothing_of_it() {
    race(&[], 1);
}

#[test]
fn a_stop_strikes_its_own_operation_where_groups_wait_for_company() {
    race(&[("writer.group_delay", "1ms"), ("writer.group_max", "5")], 4);
}

#[test]
fn a_stop_strikes_its_own_operation_on_the_one_connection() {
    race(&[("pool.max_open", "1")], 4);
}
