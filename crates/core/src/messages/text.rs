//! Cleaning of text that strangers wrote.
