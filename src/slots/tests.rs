//! Orders and hand-overs, one schedule a test.

use super::*;

fn now() -> Result<Duration, ()> {
    Err(())
}

#[test]
fn things_are_reused_last_in_first_out_unless_one_is_preferred() {
    let slots = Slots::<i32>::new(3);
    for _ in 0..3 {
        assert_eq!(slots.take(|_| false, now), Ok(Taken::Vacant));
    }
    for thing in [1, 2, 3] {
        slots.put(thing);
    }
    assert_eq!(slots.take(|_| false, now), Ok(Taken::Ready(3)));
    assert_eq!(slots.take(|thing| *thing == 1, now), Ok(Taken::Ready(1)));
    assert_eq!(slots.take(|_| false, now), Ok(Taken::Ready(2)));
    assert_eq!(slots.take(|_| false, now), Err(Refusal::Impatient((), 0)));
}

#[test]
fn waiters_are_served_in_the_order_of_their_arrival() {
    let slots = Arc::new(Slots::<i32>::new(1));
    assert_eq!(slots.take(|_| false, now), Ok(Taken::Vacant));
    let order = Arc::new(Mutex::new(Vec::new()));
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let (slots2, order) = (slots.clone(), order.clone());
            let thread = std::thread::spawn(move || {
                let taken = slots2.take(|_| false, || Ok::<_, ()>(Duration::from_secs(10)));
                assert_eq!(taken, Ok(Taken::Ready(7)));
                order.lock().push(number);
                slots2.put(7);
            });
            while slots.load().waiting != number + 1 {
                std::thread::yield_now();
            }
            thread
        })
        .collect();
    slots.put(7);
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(*order.lock(), (0..8).collect::<Vec<_>>());
}

#[test]
fn closing_wakes_who_waits_and_what_comes_back_later_is_not_taken() {
    let slots = Arc::new(Slots::<i32>::new(1));
    slots.put_after_making(5);
    assert_eq!(slots.take(|_| false, now), Ok(Taken::Ready(5)));
    let waiter = {
        let slots = slots.clone();
        std::thread::spawn(move || slots.take(|_| false, || Ok::<_, ()>(Duration::from_secs(10))))
    };
    while slots.load().waiting == 0 {
        std::thread::yield_now();
    }
    assert!(slots.close().is_empty());
    assert_eq!(waiter.join().unwrap(), Err(Refusal::Closed));
    assert_eq!(slots.put(5), Some(5));
    assert_eq!(slots.load().total, 1, "it is not gone yet");
    slots.discard();
    assert_eq!(slots.load().total, 0);
}

#[test]
fn a_discarded_thing_lets_the_oldest_waiter_make_another() {
    let slots = Arc::new(Slots::<u8>::new(1));
    assert_eq!(slots.take(|_| false, now), Ok(Taken::Vacant));
    let waiter = {
        let slots = slots.clone();
        std::thread::spawn(move || slots.take(|_| false, || Ok::<_, ()>(Duration::from_secs(10))))
    };
    while slots.load().waiting == 0 {
        std::thread::yield_now();
    }
    slots.discard();
    assert_eq!(waiter.join().unwrap(), Ok(Taken::Vacant));
    assert_eq!(slots.load().total, 1);
}

#[test]
fn a_waiter_that_panics_leaves_the_line_and_passes_on_what_it_was_given() {
    let slots = Arc::new(Slots::<i32>::new(1));
    for given in [None, Some(7)] {
        assert!(slots.take(|_| false, now).is_ok());
        let waiter = {
            let slots = slots.clone();
            std::thread::spawn(move || {
                slots.take(
                    |_| false,
                    || -> Result<Duration, ()> {
                        if let Some(thing) = given {
                            slots.put(thing);
                        }
                        std::panic::resume_unwind(Box::new("out of patience"))
                    },
                )
            })
        };
        assert!(waiter.join().is_err());
        assert_eq!(slots.load().waiting, 0);
        if given.is_none() {
            slots.put(7);
        }
        assert_eq!(slots.load(), Load { capacity: 1, total: 1, idle: 1, waiting: 0 });
    }
}

/// Takes the only thing and lets `count` threads queue behind it, one after another, those of `jobs` with their number as a job. Each thread
/// answers how its wait ended and gives back what it got.
fn queue_behind(slots: &Arc<Slots<i32, usize>>, count: usize, jobs: &'static [usize]) -> Vec<std::thread::JoinHandle<Turn<i32>>> {
    assert_eq!(slots.take(|_| false, now), Ok(Taken::Vacant));
    (0..count)
        .map(|number| {
            let line = slots.clone();
            let thread = std::thread::spawn(move || {
                let job = || jobs.contains(&number).then_some(number);
                let turn = line.take_or_be_served(|_| false, job, || Ok::<_, ()>(Duration::from_secs(10))).unwrap();
                if let Turn::Taken(Taken::Ready(thing)) = turn {
                    line.put(thing);
                }
                turn
            });
            while slots.load().waiting != number + 1 {
                std::thread::yield_now();
            }
            thread
        })
        .collect()
}

#[test]
fn jobs_are_started_in_their_turn_and_never_past_a_waiter_without_one() {
    let slots = Arc::new(Slots::<i32, usize>::new(1));
    let threads = queue_behind(&slots, 4, &[0, 1, 3]);
    let first = slots.start_job().unwrap();
    let second = slots.start_job().unwrap();
    assert_eq!((*first.job(), *second.job()), (0, 1));
    assert!(slots.start_job().is_none(), "the third in line wants the thing itself");
    drop((first, second));
    slots.put(7);
    let turns: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let ready = || Turn::Taken(Taken::Ready(7));
    assert_eq!(turns, [Turn::Served, Turn::Served, ready(), ready()]);
}

#[test]
fn a_job_given_back_undone_is_its_owners_again_and_first_in_line() {
    let slots = Arc::new(Slots::<i32, usize>::new(1));
    let threads = queue_behind(&slots, 3, &[0, 1, 2]);
    drop(slots.start_job().unwrap());
    slots.return_job(slots.start_job().unwrap());
    let again = slots.start_job().unwrap();
    assert_eq!(*again.job(), 1);
    slots.return_job(again);
    slots.put(7);
    let turns: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let ready = || Turn::Taken(Taken::Ready(7));
    assert_eq!(turns, [Turn::Served, ready(), ready()]);
}

#[test]
fn a_job_given_back_to_a_closed_container_ends_as_one_in_line() {
    let slots = Arc::new(Slots::<i32, u8>::new(1));
    assert_eq!(slots.take(|_| false, now), Ok(Taken::Vacant));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| slots.take_or_be_served(|_| false, || Some(1), || Ok::<_, ()>(Duration::from_secs(10))));
        let started = loop {
            match slots.start_job() {
                Some(started) => break started,
                None => std::thread::yield_now(),
            }
        };
        assert!(slots.close().is_empty());
        slots.return_job(started);
        assert_eq!(waiter.join().unwrap(), Err(Refusal::Closed));
    });
}

#[test]
fn a_waiter_without_patience_leaves_the_line_unless_its_job_was_started() {
    let slots = Arc::new(Slots::<i32, u8>::new(1));
    assert_eq!(slots.take(|_| false, now), Ok(Taken::Vacant));
    assert_eq!(slots.take_or_be_served(|_| false, || Some(1), now), Err(Refusal::Impatient((), 0)));
    assert!(slots.start_job().is_none());
    let waiter = {
        let slots = slots.clone();
        // Its patience ends after one short sleep; by then its job may be under way or not.
        let mut patience = vec![Err(()), Ok(Duration::from_secs(10))];
        std::thread::spawn(move || slots.take_or_be_served(|_| false, || Some(2), move || patience.pop().unwrap_or(Err(()))))
    };
    let started = loop {
        match slots.start_job() {
            Some(started) => break started,
            None => std::thread::yield_now(),
        }
    };
    assert_eq!(*started.job(), 2);
    drop(started);
    assert_eq!(waiter.join().unwrap(), Ok(Turn::Served));
}

impl Slots<i32> {
    fn put_after_making(&self, thing: i32) {
        assert!(matches!(self.take(|_| false, now), Ok(Taken::Vacant)));
        self.put(thing);
    }
}
