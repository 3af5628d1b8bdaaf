//! The colours of price categories.

/// Colours for categories that name none: distinguishable on white, also with the common colour-vision deficiencies.
const PALETTE: [&str; 8] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#8f7a00", "#5d4b8c"];

/// `color` as `#rrggbb`, if it is a CSS hex colour (`#rgb`, `#rrggbb`, or with an alpha, which is dropped).
///
/// Names and functions (`red`, `rgba(…)`) are not understood: the map, the ticket and the mail would each have to
/// agree on them. They get a colour of the palette instead.
pub(super) fn hex(color: &str) -> Option<String> {
    let digits = color.trim().strip_prefix('#')?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let color = match digits.len() {
        3 | 4 => digits.chars().take(3).fold("#".to_owned(), |text, c| format!("{text}{c}{c}")),
        6 | 8 => format!("#{}", &digits[..6]),
        _ => return None,
    };
    Some(color.to_ascii_lowercase())
}

/// A colour of the palette that none of `used` is, or, once all are used, the one whose turn it is; now used.
pub(super) fn take(used: &mut Vec<String>) -> String {
    let unused = PALETTE.into_iter().find(|color| used.iter().all(|other| other != color));
    let color = unused.unwrap_or(PALETTE[used.len() % PALETTE.len()]).to_owned();
    used.push(color.clone());
    color
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_colours_are_kept_and_others_replaced() {
        for (color, expected) in [
            ("#7F4A91", Some("#7f4a91")),
            ("#fA0", Some("#ffaa00")),
            (" #fff8 ", Some("#ffffff")),
            ("#12345678", Some("#123456")),
            ("red", None),
            ("rgba(0, 0, 0, 0.5)", None),
            ("#12345", None),
            ("#xyz", None),
            ("#ää", None),
            ("", None),
        ] {
            assert_eq!(hex(color).as_deref(), expected, "{color}");
        }
    }

    #[test]
    fn palette_colours_differ_while_they_last() {
        let mut used = vec![PALETTE[1].to_owned()];
        for _ in 0..20 {
            take(&mut used);
        }
        let first: std::collections::BTreeSet<_> = used[..PALETTE.len()].iter().collect();
        assert_eq!(first.len(), PALETTE.len());
    }
}
