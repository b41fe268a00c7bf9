//! What providers send back (H1): proven before it is parsed, answered after the commit, worked off by the turns.

mod routes;

pub(crate) use routes::routes;
