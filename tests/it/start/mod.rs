//! The programs themselves: what they are told, how they start and stop, and what is shipped beside them.

mod settings;

mod clock;
mod deploy;
mod dev;

mod log_readers;
mod log_words;
mod logs;
mod ports;
mod stop;
