//! The end of a pool. First nobody is admitted any more, then readers go as they come back, and last the writer, which cuts the log.

use super::{Item, Pool};
use crate::driver::Role;
use crate::process;

/// The writer's connection in a closed pool: the last one to go.
#[derive(Default)]
pub enum Last {
    /// It has not come back.
    #[default]
    Away,
    Back(Box<Item>),
    /// The farewell is over: a writer that comes back now goes without one.
    Over,
}

impl Pool {
    /// Admits nobody any more, wakes who waits, and closes the readers that are idle. What is lent comes back as ever.
    /// In a forked child it does nothing.
    pub fn close(&self) {
        if self.age != process::age() {
            return;
        }
        let readers = self.readers.close();
        let writers = self.writer.close();
        drop(readers);
        writers.into_iter().for_each(|item| self.part_with(item, Role::Writer));
    }

    /// Puts a connection back. In a closed pool it counts as lent until it is closed, so that nobody takes the pool for empty before.
    pub(super) fn put(&self, item: Box<Item>, role: Role) {
        let slots = self.slots(role);
        if let Some(item) = slots.put(item) {
            self.part_with(item, role);
            slots.discard();
        }
    }

    fn part_with(&self, item: Box<Item>, role: Role) {
        if role == Role::Writer {
            let mut last = self.last.lock();
            if !matches!(*last, Last::Over) {
                *last = Last::Back(item);
            }
        }
    }

    /// Closes the connection of the log's keeper, and the writer's as the last one. To be called when the maintenance has stopped and nothing
    /// is lent any more: while somebody reads, the log can not be cut. In a forked child it does nothing.
    pub fn bid_farewell(&self) {
        if self.age != process::age() {
            return;
        }
        self.keeper.close();
        let last = std::mem::replace(&mut *self.last.lock(), Last::Over);
        if let Last::Back(mut item) = last {
            item.connection.farewell();
        }
    }
}
