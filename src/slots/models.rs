//! Every interleaving of two or three threads, by `loom`: run with `RUSTFLAGS="--cfg loom" cargo test --release --lib models`.

use super::*;

fn forever() -> Result<Duration, ()> {
    Ok(Duration::MAX)
}

fn never() -> Result<Duration, ()> {
    Err(())
}

/// Takes, makes sure that nobody else has the thing, and gives it back.
fn turn(slots: &Slots<u8>, inside: &loom::sync::atomic::AtomicUsize) {
    use loom::sync::atomic::Ordering::SeqCst;
    slots.take(|_| false, forever).unwrap();
    assert_eq!(inside.fetch_add(1, SeqCst), 0, "two have the one thing");
    inside.fetch_sub(1, SeqCst);
    slots.put(1);
}

#[test]
fn one_thing_is_held_by_one_and_reaches_everyone() {
    loom::model(|| {
        let slots = Arc::new(Slots::<u8>::new(1));
        let inside = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (slots, inside) = (slots.clone(), inside.clone());
                loom::thread::spawn(move || turn(&slots, &inside))
            })
            .collect();
        turn(&slots, &inside);
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(slots.load(), Load { capacity: 1, total: 1, idle: 1, waiting: 0 });
    });
}

#[test]
fn who_gives_up_loses_nothing_that_was_given_meanwhile() {
    loom::model(|| {
        let slots = Arc::new(Slots::<u8>::new(1));
        slots.take(|_| false, forever).unwrap();
        let impatient = {
            let slots = slots.clone();
            loom::thread::spawn(move || match slots.take(|_| false, never) {
                Ok(Taken::Ready(thing)) => drop(slots.put(thing)),
                Ok(Taken::Vacant) => slots.discard(),
                Err(refusal) => assert!(matches!(refusal, Refusal::Impatient((), _)), "{refusal:?}"),
            })
        };
        slots.put(1);
        impatient.join().unwrap();
        let load = slots.load();
        assert_eq!((load.total, load.idle, load.waiting), (1, 1, 0), "the thing is idle, not lost");
    });
}

#[test]
fn a_vacancy_is_passed_on_and_never_counted_twice() {
    loom::model(|| {
        let slots = Arc::new(Slots::<u8>::new(1));
        slots.take(|_| false, forever).unwrap();
        let next = {
            let slots = slots.clone();
            loom::thread::spawn(move || {
                assert_eq!(slots.take(|_| false, forever), Ok(Taken::Vacant));
                slots.put(2);
            })
        };
        slots.discard();
        next.join().unwrap();
        assert_eq!(slots.load(), Load { capacity: 1, total: 1, idle: 1, waiting: 0 });
    });
}

/// Ends a thing that a closed container does not take back.
fn bury(slots: &Slots<u8>) {
    assert_eq!(slots.put(1), Some(1));
    slots.discard();
}

#[test]
fn closing_wakes_everyone_and_takes_nothing_back() {
    loom::model(|| {
        let slots = Arc::new(Slots::<u8>::new(1));
        slots.take(|_| false, forever).unwrap();
        let waiter = {
            let slots = slots.clone();
            loom::thread::spawn(move || match slots.take(|_| false, forever) {
                Ok(_) => bury(&slots),
                Err(refusal) => assert_eq!(refusal, Refusal::Closed),
            })
        };
        assert!(slots.close().is_empty());
        bury(&slots);
        waiter.join().unwrap();
        assert_eq!(slots.load().total, 0);
    });
}

/// Does the jobs of others while holding the thing, then gives it back.
fn serve(slots: &Slots<u8, u8>) -> usize {
    let served = std::iter::from_fn(|| slots.start_job()).count();
    slots.put(1);
    served
}

/// A waiter with a job, whose patience is `patience`; how often the job was done here or given up.
fn owner(slots: &Arc<Slots<u8, u8>>, patience: fn() -> Result<Duration, ()>) -> loom::thread::JoinHandle<usize> {
    let slots = slots.clone();
    loom::thread::spawn(move || match slots.take_or_be_served(|_| false, || Some(1), patience) {
        Ok(Turn::Served) => 0,
        Ok(Turn::Taken(_)) => 1 + serve(&slots),
        Err(refusal) => {
            assert!(matches!(refusal, Refusal::Impatient((), _)), "{refusal:?}");
            1
        }
    })
}

#[test]
fn a_job_is_done_by_its_owner_or_by_another_and_never_by_both() {
    loom::model(|| {
        let slots = Arc::new(Slots::<u8, u8>::new(1));
        slots.take(|_| false, forever).unwrap();
        let owner = owner(&slots, forever);
        let by_others = serve(&slots);
        assert_eq!(by_others + owner.join().unwrap(), 1);
        assert_eq!(slots.load(), Load { capacity: 1, total: 1, idle: 1, waiting: 0 });
    });
}

#[test]
fn who_gives_up_has_left_the_line_or_waits_for_the_end_of_its_job() {
    loom::model(|| {
        let slots = Arc::new(Slots::<u8, u8>::new(1));
        slots.take(|_| false, forever).unwrap();
        let owner = owner(&slots, never);
        let by_others = serve(&slots);
        assert_eq!(by_others + owner.join().unwrap(), 1, "left undone, done here, or done there: one of them");
        assert_eq!(slots.load(), Load { capacity: 1, total: 1, idle: 1, waiting: 0 });
    });
}

#[test]
fn of_two_jobs_and_one_that_leaves_each_is_done_or_left_once() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let slots = Arc::new(Slots::<u8, u8>::new(1));
        slots.take(|_| false, forever).unwrap();
        let owners = [owner(&slots, forever), owner(&slots, never)];
        let mut done = serve(&slots);
        done += owners.into_iter().map(|owner| owner.join().unwrap()).sum::<usize>();
        assert_eq!(done, 2);
        assert_eq!(slots.load(), Load { capacity: 1, total: 1, idle: 1, waiting: 0 });
    });
}

#[test]
fn a_job_that_was_started_ends_although_everything_closes() {
    loom::model(|| {
        let slots = Arc::new(Slots::<u8, u8>::new(1));
        slots.take(|_| false, forever).unwrap();
        let owner = {
            let slots = slots.clone();
            loom::thread::spawn(move || slots.take_or_be_served(|_| false, || Some(1), forever))
        };
        let started = slots.start_job();
        assert!(slots.close().is_empty());
        let served = started.is_some();
        drop(started);
        assert!(slots.start_job().is_none(), "closing has emptied the line");
        assert_eq!(slots.put(1), Some(1));
        slots.discard();
        assert_eq!(owner.join().unwrap(), if served { Ok(Turn::Served) } else { Err(Refusal::Closed) });
        assert_eq!(slots.load().total, 0);
    });
}

#[test]
fn who_waits_for_company_hears_of_who_joins() {
    loom::model(|| {
        let slots = Arc::new(Slots::<u8, u8>::new(1));
        slots.take(|_| false, forever).unwrap();
        let owner = owner(&slots, forever);
        slots.await_company(Duration::MAX);
        assert!(slots.has_job());
        assert_eq!(serve(&slots) + owner.join().unwrap(), 1);
    });
}

#[test]
fn who_waits_for_company_hears_of_the_end() {
    loom::model(|| {
        let slots = Arc::new(Slots::<u8, u8>::new(1));
        slots.take(|_| false, forever).unwrap();
        let closer = {
            let slots = slots.clone();
            loom::thread::spawn(move || assert!(slots.close().is_empty()))
        };
        slots.await_company(Duration::MAX);
        assert_eq!(slots.take(|_| false, forever), Err(Refusal::Closed));
        assert_eq!(slots.put(1), Some(1));
        closer.join().unwrap();
    });
}

#[test]
fn a_vacancy_goes_to_the_job_at_the_head() {
    loom::model(|| {
        let slots = Arc::new(Slots::<u8, u8>::new(1));
        slots.take(|_| false, forever).unwrap();
        let next = {
            let slots = slots.clone();
            loom::thread::spawn(move || {
                assert_eq!(slots.take_or_be_served(|_| false, || Some(1), forever), Ok(Turn::Taken(Taken::Vacant)));
                slots.put(2);
            })
        };
        slots.discard();
        next.join().unwrap();
        assert_eq!(slots.load(), Load { capacity: 1, total: 1, idle: 1, waiting: 0 });
    });
}

#[test]
fn who_gives_up_with_a_vacancy_in_its_hands_passes_it_on() {
    loom::model(|| {
        let slots = Arc::new(Slots::<u8, u8>::new(1));
        slots.take(|_| false, forever).unwrap();
        let owner = {
            let slots = slots.clone();
            loom::thread::spawn(move || match slots.take_or_be_served(|_| false, || Some(1), never) {
                Ok(Turn::Taken(_)) => slots.discard(),
                Ok(Turn::Served) => panic!("by whom?"),
                Err(refusal) => assert!(matches!(refusal, Refusal::Impatient((), _)), "{refusal:?}"),
            })
        };
        slots.discard();
        owner.join().unwrap();
        assert_eq!(slots.load(), Load { capacity: 1, total: 0, idle: 0, waiting: 0 });
    });
}

#[test]
fn a_job_given_back_undone_is_done_by_its_owner_or_left_undone() {
    for patience in [forever, never] {
        loom::model(move || {
            let slots = Arc::new(Slots::<u8, u8>::new(1));
            slots.take(|_| false, forever).unwrap();
            let owner = {
                let slots = slots.clone();
                loom::thread::spawn(move || match slots.take_or_be_served(|_| false, || Some(1), patience) {
                    Ok(turn) => {
                        assert!(matches!(turn, Turn::Taken(_)), "nobody else has done it");
                        slots.put(1);
                    }
                    Err(refusal) => assert!(matches!(refusal, Refusal::Impatient((), _)), "{refusal:?}"),
                })
            };
            if let Some(started) = slots.start_job() {
                slots.return_job(started);
            }
            slots.put(1);
            owner.join().unwrap();
            assert_eq!(slots.load(), Load { capacity: 1, total: 1, idle: 1, waiting: 0 });
        });
    }
}
