//! Every interleaving of what two or three threads do with one slot, by `loom`; see `src/slots/models.rs`.

use loom::sync::Arc;
use loom::thread::spawn;

use super::*;

#[test]
fn one_of_two_gets_the_slot() {
    loom::model(|| {
        let slot = Arc::new(Slot::new());
        let other = {
            let slot = slot.clone();
            spawn(move || slot.claim())
        };
        let mine = slot.claim();
        let theirs = other.join().unwrap();
        assert!(mine.is_some() != theirs.is_some(), "{mine:?} and {theirs:?}");
    });
}

/// What another thread does with a token of the past, while the slot is freed and taken anew, which does `then` with the new token.
fn late(with_the_old: fn(&Slot, u32), then: fn(&Slot, u32)) {
    loom::model(move || {
        let slot = Arc::new(Slot::new());
        let old = slot.claim().unwrap();
        let late = {
            let slot = slot.clone();
            spawn(move || with_the_old(&slot, old))
        };
        slot.free(old);
        let new = slot.claim().expect("free");
        assert!(new != old && !slot.is_cancelled(new), "a new token is not cancelled");
        then(&slot, new);
        late.join().unwrap();
        assert!(slot.is_live(new) && !slot.is_live(old) && !slot.is_cancelled(old));
        let cancelled = slot.is_cancelled(new);
        slot.free(new);
        let next = slot.claim().unwrap();
        then(&slot, next);
        assert_eq!(slot.is_cancelled(next), cancelled, "as if nobody had come late");
    });
}

#[test]
fn cancelling_late_touches_nothing() {
    late(|slot, old| slot.cancel(old), |_, _| {});
}

#[test]
fn resetting_late_lifts_no_cancellation() {
    late(|slot, old| slot.reset(old), |slot, new| slot.cancel(new));
}

#[test]
fn freeing_twice_frees_nobody_else() {
    late(|slot, old| slot.free(old), |slot, new| slot.cancel(new));
}

#[test]
fn a_cancellation_is_lost_to_nobody_who_cancels_or_looks_at_the_same_time() {
    loom::model(|| {
        let slot = Arc::new(Slot::new());
        let token = slot.claim().unwrap();
        let threads = [(); 2].map(|()| {
            let slot = slot.clone();
            spawn(move || {
                slot.cancel(token);
                assert!(slot.is_cancelled(token));
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(slot.is_cancelled(token) && slot.is_live(token));
        slot.reset(token);
        assert!(!slot.is_cancelled(token), "all of it was before the reset");
    });
}
