//! Rules about the sources that a machine can check: what must be absent, which part may know which, and whether what
//! documents name is there.

mod absences;
mod architecture;
mod arrows;
mod columns;
mod commands;
mod floors;
mod imports;
mod lock;
mod planted;
mod programs;
mod promises;
mod requests;
mod source;
