//! QR codes, as squares of modules and as what a web page draws.

use std::fmt::Write as _;

use qrcode::{EcLevel, QrCode};

/// White modules around a QR code, as its standard asks for.
pub const QUIET_ZONE_MODULES: usize = 4;

/// A QR code at error correction level M, as a square of modules without its quiet zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qr {
    width: usize,
    dark: Vec<bool>,
}

impl Qr {
    /// The smallest code that spells `text`; `None` when no code is large enough.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        Some(Self {
            width: code.width(),
            dark: code.to_colors().iter().map(|&color| color == qrcode::Color::Dark).collect(),
        })
    }

    /// Modules along one side.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// The dark modules as horizontal bars `(x, y, length)`, in modules: fewer shapes than modules, and no hairlines
    /// between neighbours.
    pub fn bars(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        self.dark.chunks(self.width).enumerate().flat_map(|(y, row)| {
            let mut x = 0;
            std::iter::from_fn(move || {
                x += row[x..].iter().position(|&dark| dark)?;
                let length = row[x..].iter().take_while(|&&dark| dark).count();
                let bar = (x, y, length);
                x += length;
                Some(bar)
            })
        })
    }

    /// An SVG element with its quiet zone, one user unit a module.
    #[must_use]
    pub fn svg(&self) -> String {
        let side = self.width + 2 * QUIET_ZONE_MODULES;
        let mut bars = String::new();
        for (x, y, length) in self.bars() {
            let (x, y) = (x + QUIET_ZONE_MODULES, y + QUIET_ZONE_MODULES);
            // Writing to a string cannot fail.
            let _ = write!(bars, "M{x} {y}h{length}v1h-{length}z");
        }
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" shape-rendering="crispEdges" role="img" aria-label="Ticket code"><path fill="#fff" d="M0 0h{side}v{side}H0z"/><path d="{bars}"/></svg>"##
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::{
        CODE_CHARS_MAX, Ticket,
        tests::{claim, key, seat},
    };

    #[test]
    fn a_seat_is_a_small_qr_code_and_the_longest_id_still_one() {
        let width = |text: &str| Ticket::new(&key(), claim(seat(text))).qr().width();
        let version = |width: usize| (width - 17) / 4;
        assert!(version(width("stalls:12:27")) <= 8);
        let longest = "x".repeat(32);
        let ticket = Ticket::new(&key(), claim(seat(&format!("{longest}:{longest}:{longest}"))));
        assert!(ticket.code().len() <= CODE_CHARS_MAX);
        assert!(version(ticket.qr().width()) <= 11);
        assert!(Qr::new(&"A".repeat(CODE_CHARS_MAX)).is_some_and(|qr| version(qr.width()) <= 12));
    }

    #[test]
    fn a_scanner_reads_what_was_drawn() {
        const SCALE: usize = 3;
        let ticket = Ticket::new(&key(), claim(seat("stalls:12:27")));
        let qr = ticket.qr();
        let side = (qr.width() + 2 * QUIET_ZONE_MODULES) * SCALE;
        let mut luma = vec![255u8; side * side];
        for (x, y, length) in qr.bars() {
            let (x, y) = ((x + QUIET_ZONE_MODULES) * SCALE, (y + QUIET_ZONE_MODULES) * SCALE);
            for row in y..y + SCALE {
                luma[row * side + x..row * side + x + length * SCALE].fill(0);
            }
        }
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| luma[y * side + x]);
        let grids = image.detect_grids();
        let (_, text) = grids[0].decode().unwrap();
        assert_eq!(text, ticket.code());
        assert_eq!(key().verifying_key().verify(&text).as_ref(), Ok(ticket.claim()));
    }

    #[test]
    fn the_svg_draws_every_dark_module_once() {
        let qr = Ticket::new(&key(), claim(seat("A:1:1"))).qr();
        let drawn: usize = qr.bars().map(|(_, _, length)| length).sum();
        assert_eq!(drawn, qr.dark.iter().filter(|&&dark| dark).count());
        let svg = qr.svg();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"), "{svg}");
        assert_eq!(svg.matches("v1h-").count(), qr.bars().count());
    }
}
