//! The programs themselves: what they are told, how they start and stop, and what is shipped beside them.

mod settings;

mod deploy;
mod dev;

mod logs;
mod stop;
