//! The whole platform over HTTP, and rules about the whole tree.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod support;

mod abuse;
mod areas;
mod availability;
mod best;
mod budgets;
mod codes;
mod contract;
mod degraded;
mod events;
mod expiry;
mod front;
mod hold;
mod layers;
mod ledger;
mod limits;
mod live;
mod logs;
mod metrics;
mod on_sale;
mod openapi;
mod orphan;
mod payment;
mod promises;
mod queue;
mod races;
mod reconcile;
mod rehearse;
mod sam_local;
mod scan;
mod security;
mod template;
mod ticket;
mod uploads;
mod waitlist;
mod wire;
