//! The smallest HTTP function there is in Rust: `cargo xtask budgets` compares the start of ours with its.

use lambda_http::{Error, Request, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let greet = |_: Request| async { Ok::<_, Error>("Hello, world!") };
    lambda_http::run(service_fn(greet)).await
}
