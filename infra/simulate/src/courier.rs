//! Carries the provider's news to the webhook: late, in any order, more than once, or never.

use std::{sync::Arc, time::Duration};

use domain::time::Clock as _;
use outbound::payments::{
    METADATA_BOOKING,
    webhook::{SIGNATURE_HEADER, sign},
};
use serde_json::json;
use testkit::dice::Dice;
use tokio::sync::mpsc;
use usher::assembly::Assembly;

use crate::{
    options::Kind,
    run::WEBHOOK_SECRET,
    world::{News, World},
};

/// How long news take, in milliseconds, at most.
const WAY_MS_MAX: u64 = 4_000;
/// How long late ones do.
const LATE_MS_MAX: u64 = 300_000;
/// Times one is delivered until it is acknowledged.
const TRIES_MAX: u32 = 7;
/// Before the second try; doubled before each further one.
const AGAIN: Duration = Duration::from_secs(3);

/// Delivers until nobody sends any more.
pub(crate) async fn deliver(world: Arc<World>, house: Arc<Assembly>, mut news: mpsc::UnboundedReceiver<News>) {
    let dice = Dice::about(world.options.seed, "courier");
    let mut number = 0_u64;
    while let Some((what, intent, booking)) = news.recv().await {
        number += 1;
        let befalls = |kind| {
            let is_hit = dice.below(1000) < world.options.rate(kind);
            is_hit && !world.is_healed()
        };
        let (lost, late, twice) = (befalls(Kind::WebhookLost), befalls(Kind::WebhookLate), befalls(Kind::Twice));
        let (soon, later) = (dice.below(WAY_MS_MAX), dice.below(if late { LATE_MS_MAX } else { WAY_MS_MAX }));
        let waits = [if dice.in_hundred(50) { later } else { soon }, later];
        if lost {
            continue;
        }
        let body = json!({
            "id": format!("evt_{number}"),
            "type": what,
            "data": {"object": {"id": intent, "object": "payment_intent", "metadata": {METADATA_BOOKING: booking}}},
        });
        for wait_ms in waits.into_iter().skip(usize::from(!twice)) {
            let (house, world, body) = (Arc::clone(&house), Arc::clone(&world), body.to_string());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                bring(&house, &world, body).await;
            });
        }
    }
}

/// One notification, until it is acknowledged.
async fn bring(house: &Assembly, world: &World, body: String) {
    let mut wait = AGAIN;
    for _ in 0..TRIES_MAX {
        let signature = sign(WEBHOOK_SECRET, body.as_bytes(), world.clock.now());
        let request =
            http::Request::builder().method("POST").uri("/v1/webhooks/payments").header("host", "usher.local");
        let request = request.header(SIGNATURE_HEADER, signature).body(body.clone()).expect("a request");
        let status = house.call(request).await.status().as_u16();
        world.trace.note(format!("{} webhook {status}", world.clock.elapsed_ms()));
        if status == 200 {
            return;
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
}
