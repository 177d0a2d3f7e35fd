//! Ids in use: which question in flight on a socket has which id.

use super::flights::QuestionId;

/// Places to begin with. All of them are read and written at random, so they are to fit into the processor's cache.
const FIRST: usize = 512;

/// One id and its question.
#[derive(Clone, Copy)]
struct Place {
    question: QuestionId,
    id: u16,
}

const EMPTY: Place = Place { question: QuestionId::NONE, id: 0 };

/// A table of ids. At most half of its places are taken, so that the next free one is near; ids are random already.
pub(super) struct Ids {
    places: Vec<Place>,
    used: usize,
}

impl Ids {
    pub(super) fn new() -> Self {
        Self { places: vec![EMPTY; FIRST], used: 0 }
    }

    /// How many are in use.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// The question of this id, or none.
    pub(super) fn find(&self, id: u16) -> QuestionId {
        self.places[self.place(id)].question
    }

    /// Gives a question this id, unless another has it.
    pub(super) fn enter(&mut self, id: u16, question: QuestionId) -> bool {
        if self.used * 2 >= self.places.len() {
            self.grow();
        }
        let at = self.place(id);
        if self.places[at].question != QuestionId::NONE {
            return false;
        }
        self.places[at] = Place { question, id };
        self.used += 1;
        true
    }

    /// Frees an id.
    pub(super) fn leave(&mut self, id: u16) {
        let mut gap = self.place(id);
        if self.places[gap].question == QuestionId::NONE {
            return;
        }
        self.used -= 1;
        // Those behind it move up, as far as none of them gets in front of where its search begins.
        let mask = self.mask();
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let place = self.places[at];
            if place.question == QuestionId::NONE {
                break;
            }
            let from_home = at.wrapping_sub(usize::from(place.id)) & mask;
            if from_home >= at.wrapping_sub(gap) & mask {
                self.places[gap] = place;
                gap = at;
            }
        }
        self.places[gap] = EMPTY;
    }

    /// Frees every id but those of control questions.
    pub(super) fn clear(&mut self) -> Vec<QuestionId> {
        let mut cleared = Vec::with_capacity(self.used);
        let size = self.places.len();
        for place in std::mem::replace(&mut self.places, vec![EMPTY; size]) {
            if place.question == QuestionId::CONTROL {
                let at = self.place(place.id);
                self.places[at] = place;
            } else if place.question != QuestionId::NONE {
                cleared.push(place.question);
            }
        }
        self.used -= cleared.len();
        cleared
    }

    fn mask(&self) -> usize {
        self.places.len() - 1
    }

    /// Where an id is, or where it would be.
    fn place(&self, id: u16) -> usize {
        let mask = self.mask();
        let mut at = usize::from(id) & mask;
        while self.places[at].question != QuestionId::NONE && self.places[at].id != id {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        let size = self.places.len() * 2;
        for place in std::mem::replace(&mut self.places, vec![EMPTY; size]) {
            if place.question != QuestionId::NONE {
                let at = self.place(place.id);
                self.places[at] = place;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Ids close to each other, at both ends of the table, so that searches run into each other and around.
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((any::<bool>(), 0..40_u16, 0..3_u16), 1..400)) {
            let (mut ids, mut map) = (Ids::new(), HashMap::new());
            for (number, (enters, low, high)) in (0..).zip(steps) {
                let id = low.wrapping_sub(20).wrapping_add(high * 512);
                if enters {
                    let is_free = !map.contains_key(&id);
                    prop_assert_eq!(ids.enter(id, QuestionId(number)), is_free);
                    map.entry(id).or_insert(QuestionId(number));
                } else {
                    ids.leave(id);
                    map.remove(&id);
                }
                prop_assert_eq!(ids.used(), map.len());
            }
            for id in 0..=u16::MAX {
                prop_assert_eq!(ids.find(id), map.get(&id).copied().unwrap_or(QuestionId::NONE));
            }
        }
    }

    #[test]
    fn all_ids_can_be_in_use() {
        let mut ids = Ids::new();
        for id in 0..=u16::MAX {
            let question = if id == 77 { QuestionId::CONTROL } else { QuestionId(u32::from(id)) };
            assert!(ids.enter(id, question));
            assert!(!ids.enter(id, QuestionId(0)));
        }
        assert_eq!((ids.used(), ids.find(4_000)), (1 << 16, QuestionId(4_000)));
        assert_eq!(ids.clear().len(), (1 << 16) - 1);
        assert_eq!((ids.used(), ids.find(77), ids.find(78)), (1, QuestionId::CONTROL, QuestionId::NONE));
    }
}
