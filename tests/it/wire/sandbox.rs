//! At the embedded platform's own provider.

use super::{
    bank::Bank,
    story::{Story, survives},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_at_the_sandbox_survives_every_lie_of_the_line() {
    survives(&Bank::sandbox().await, Story::Sale).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_at_the_sandbox_survives_every_lie_of_the_line() {
    survives(&Bank::sandbox().await, Story::Refund).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_at_the_sandbox_survives_every_lie_of_the_line() {
    survives(&Bank::sandbox().await, Story::Challenge).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_payment_at_the_sandbox_survives_every_lie_of_the_line() {
    survives(&Bank::sandbox().await, Story::Late).await;
}
