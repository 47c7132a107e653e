//! The verbs, in folders by purpose. A verb's file has its flags and its work.

pub mod doctor;
pub mod own;

pub mod files;
pub mod submit;

pub mod change;
pub mod hold;
pub mod look;
