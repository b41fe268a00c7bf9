//! Small worlds in virtual time: the real rules (`ringback-core`) and the real store (`ringback-store`), with providers, people, clients
//! and clocks that misbehave as one seed has it, and a server that dies at every step. Afterwards three records are compared: what
//! clients were told, what providers saw, and what the store says.

pub mod campaign;
pub mod check;
pub mod dice;
pub mod faults;
pub mod history;
pub mod houses;
pub mod people;
pub mod providers;
pub mod requests;
pub mod twin;
pub mod world;
