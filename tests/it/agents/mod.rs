//! What agents do: they obey, keep to their leases, come back after an absence, leave without taking more, and leave no
//! process behind.

mod cancelling;
mod dying;
mod full_disk;
mod given_up;
mod leaving;
mod obeying;
mod sharding;
mod sick;
mod slowed;

mod absence;
mod fencing;
mod twins;

mod orphans;
mod trees;
