//! Boxes that are made when needed: a million queued tasks need no memory for values that few tasks have.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

/// A value that takes one pointer while it is empty. It reads and changes like the value itself.
#[derive(Clone)]
pub struct LazyBox<T>(Option<Box<T>>);

/// A type with an empty value, for which a [`LazyBox`] needs no box.
pub trait Empty: Default + PartialEq + 'static {
    /// The default value, to be borrowed.
    const EMPTY: &'static Self;
}

impl<T: Empty> From<T> for LazyBox<T> {
    fn from(value: T) -> LazyBox<T> {
        LazyBox((value != *T::EMPTY).then(|| Box::new(value)))
    }
}

impl<T> Default for LazyBox<T> {
    fn default() -> LazyBox<T> {
        LazyBox(None)
    }
}

impl<T: Empty> Deref for LazyBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::EMPTY)
    }
}

impl<T: Empty> DerefMut for LazyBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T: Empty> PartialEq for LazyBox<T> {
    fn eq(&self, other: &LazyBox<T>) -> bool {
        **self == **other
    }
}

impl<T: Empty + Eq> Eq for LazyBox<T> {}

impl<T: Empty + fmt::Debug> fmt::Debug for LazyBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::AgentId,
        noun::{outcome::Blame, task::Task, tries::Tries},
    };

    /// Together with the two counts of its `Arc` and the word of the allocator, a task is a block of 192 bytes.
    #[test]
    fn a_waiting_task_has_no_room_for_what_few_tasks_have() {
        assert!(size_of::<Task>() <= 168, "{}", size_of::<Task>());
    }

    #[test]
    fn an_empty_value_is_the_same_with_and_without_its_room() {
        let mut tries = LazyBox::from(Tries::default());
        assert_eq!((&*tries, tries.0.is_none()), (&Tries::default(), true));
        tries.charge_failure(Blame::Task, &AgentId::stored("a"));
        assert_eq!(tries.failures, 1);
        tries.failures = 0;
        assert!(tries.0.is_some());
        assert_eq!(tries, LazyBox::default());
    }
}
