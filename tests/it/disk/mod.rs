//! What is on disk: nothing acknowledged is lost, whatever dies, fails, fills up or is damaged.

mod writes;

mod crashes;
mod durability;
mod killed;
mod restored;
mod verbs;

mod failing_disk;
mod full_disk;

mod flipped_store;
mod older_data;
mod rebuild;
mod sealed;

mod eviction;
