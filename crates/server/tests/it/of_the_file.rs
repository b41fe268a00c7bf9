//! Tests that are about the file of SQLite itself. They stand on it whatever the others stand on, and a run on PostgreSQL leaves them out by the
//! name of this module. All of them, and why:
//!
//! - `a_second_scheduler_on_the_same_folder_is_refused`: one process has the file. On PostgreSQL a second one is a node like the first, which
//!   the store's tests of nodes try.

use crate::house::House;

/// Others ran two schedulers on the same data, and each sent everything. Here the second process is refused and told what to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_scheduler_on_the_same_folder_is_refused() {
    let house = House::empty_on_file().await;
    let told = house.second().unwrap_err();
    assert!(told.contains("in use by another Ringback"), "{told}");
}
