//! The verbs, in a folder for each thing that people do: each file has its flags and what it does.

pub mod doctor;
pub mod own;

pub mod files;
pub mod submit;

pub mod change;
pub mod hold;
pub mod look;
