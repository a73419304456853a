//! What a store has to say that is no error: a list that grows and never shrinks, each sentence once.

use once_cell::race::OnceBox;

/// Sentences beyond those that the configuration gave; more are dropped, so that nothing grows without end.
const ROOM: usize = 16;

/// Warnings in the order in which they came up. A sentence stays where it is as long as the list lives.
///
/// Law: the places that are taken are at the front.
#[derive(Debug)]
pub struct Warnings(Box<[OnceBox<String>]>);

impl Warnings {
    /// A list that begins with `first`.
    pub fn new(first: Vec<String>) -> Self {
        let free = std::iter::repeat_with(OnceBox::new).take(ROOM);
        Warnings(first.into_iter().map(|text| OnceBox::with_value(Box::new(text))).chain(free).collect())
    }

    /// Adds a sentence unless it is there already, and says whether it was new.
    pub fn add(&self, text: &str) -> bool {
        for place in &self.0 {
            // Who loses the race for a place finds the winner's sentence there, which may be the same one.
            let mut new = false;
            let there = place.get_or_init(|| {
                new = true;
                Box::new(text.to_owned())
            });
            if there == text {
                return new;
            }
        }
        false
    }

    /// The sentence at `index`, counted from 0.
    pub fn get(&self, index: usize) -> Option<&str> {
        self.0.get(index)?.get().map(String::as_str)
    }

    /// All there are now.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map_while(OnceBox::get).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sentence_is_there_once_and_in_order() {
        let warnings = Warnings::new(vec!["a".into(), "b".into()]);
        let new: Vec<bool> = ["c", "a", "c", "d"].iter().map(|text| warnings.add(text)).collect();
        assert_eq!(new, [true, false, false, true]);
        assert_eq!(warnings.iter().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert_eq!((warnings.get(3), warnings.get(4), warnings.get(99)), (Some("d"), None, None));
    }

    #[test]
    fn the_list_is_bounded_and_keeps_what_came_first() {
        let warnings = Warnings::new(vec!["first".into()]);
        (0..100).for_each(|n| {
            warnings.add(&n.to_string());
        });
        assert_eq!(warnings.iter().count(), 1 + ROOM);
        assert_eq!((warnings.get(0), warnings.get(ROOM)), (Some("first"), Some("15")));
    }

    #[test]
    fn threads_that_say_the_same_say_it_once() {
        let warnings = Warnings::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    (0..ROOM).for_each(|n| {
                        warnings.add(&n.to_string());
                    })
                });
            }
        });
        let mut all: Vec<_> = warnings.iter().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), ROOM);
    }
}
