//! The same code that swaps on AWS, on a local cluster. The whole rehearsal is a step of `cargo local test --long`.

use rts_deploy::rehearse::{Rehearsal, run};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_loses_anything_through_a_swap_and_a_swap_back() {
    run(Rehearsal::SMALL, &|line| println!("{line}")).await.unwrap();
}
