//! What the three programs share: how they are set up, looked at by their doctors, and documented.

pub mod settings;

pub mod doctor;

pub mod completions;
pub mod manual;

pub mod words;
