//! What `cargo xtask package` left in `target/lambda`.

use super::{Budget, Row};
use crate::{
    package::{self, BINARY_BYTES_MAX, Weight, ZIP_BYTES_MAX},
    run::root,
};

/// What the table says where nothing is built.
const NOT_BUILT: &str = "not built: cargo xtask package";

/// The largest binary and the largest zip of the last build.
pub(super) fn rows() -> Result<Vec<Row>, String> {
    let folder = root().join("target/lambda");
    let weights = if folder.exists() { package::weights(&folder)? } else { Vec::new() };
    Ok(vec![
        row("release binary", BINARY_BYTES_MAX, &weights, |weight| weight.binary),
        row("release binary, zipped", ZIP_BYTES_MAX, &weights, |weight| weight.zip),
    ])
}

fn row(what: &str, most: u64, weights: &[Weight], of: impl Fn(&Weight) -> u64) -> Row {
    let budget = Budget::AtMost(megabytes(most));
    match weights.iter().max_by_key(|weight| of(weight)) {
        Some(largest) => Row::new(format!("{what}, MB, the largest: {}", largest.name), budget, megabytes(of(largest))),
        None => Row { measure: format!("{what}, MB, the largest"), budget, measured: Err(NOT_BUILT) },
    }
}

/// Bytes as megabytes of 10⁶.
fn megabytes(bytes: u64) -> f64 {
    std::time::Duration::from_micros(bytes).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_counts() {
        let weight = |name: &str, binary, zip| Weight { name: name.to_owned(), binary, zip, whole: zip };
        let weights = [weight("hold", 8_300_000, 3_500_000), weight("browse", 8_200_000, 4_100_000)];
        let told = row("it", 9_000_000, &weights, |weight| weight.binary);
        assert_eq!(told, Row::new("it, MB, the largest: hold", Budget::AtMost(9.0), 8.3));
        assert!(!row("it", 4_000_000, &weights, |weight| weight.zip).is_kept());
        assert_eq!(row("it", 1, &[], |weight| weight.zip).measured, Err(NOT_BUILT));
    }
}
