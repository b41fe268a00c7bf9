//! The public doors, from outside: forms, tracking, webhooks, unsubscribing. A real server without its socket, a clock that tests move,
//! and a Twilio of our own on a loopback port.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

#[path = "../support/database.rs"]
mod database;

mod faults;
mod forms;
mod gates;
mod hooks;
mod house;
mod lead_pages;
mod message_pages;
mod scoring;
mod stop_race;
mod tracking;
mod unsubscribe;
