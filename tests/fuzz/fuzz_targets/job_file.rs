//! See `swarm_tests::fuzz`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| swarm_tests::fuzz::run("job_file", bytes));
