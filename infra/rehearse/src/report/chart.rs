//! Curves and bars as SVG and HTML, in whole numbers: a viewBox of 7,200 by 2,400.

use std::fmt::Write as _;

use super::{escaped, time};
use crate::history::Micros;

/// The drawing.
const WIDTH: u64 = 7_200;
const HEIGHT: u64 = 2_400;
/// Room for numbers at the left and below.
const LEFT: u64 = 900;
const BELOW: u64 = 260;
const ABOVE: u64 = 80;
/// Lines across, beside the ground.
const LEVELS: u64 = 4;
/// Times below.
const TIMES: u64 = 6;
/// Colours that tell curves apart.
const COLOURS: usize = 5;

/// One curve.
pub(super) struct Curve<'a> {
    /// What it shows.
    pub(super) name: &'a str,
    /// Its values, one for each point in time.
    pub(super) values: &'a [u64],
}

/// A title and what is said beside it.
pub(super) struct Title<'a>(pub(super) &'a str, pub(super) &'a str);

/// A chart of curves over time.
pub(super) fn lines(title: &Title<'_>, curves: &[Curve<'_>], every: Micros, told: impl Fn(u64) -> String) -> String {
    let Title(name, note) = title;
    let mut svg = format!(
        "<figure><figcaption>{name} <span class=\"note\">{}</span></figcaption><ul class=\"legend\">",
        escaped(note)
    );
    for (number, curve) in curves.iter().enumerate() {
        let _ = write!(svg, "<li><i class=\"b{}\"></i>{}</li>", number % COLOURS, escaped(curve.name));
    }
    let _ = write!(svg, "</ul><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{name}\">");
    let points = curves.iter().map(|curve| curve.values.len()).max().unwrap_or(0);
    let top = ceiling(curves.iter().flat_map(|curve| curve.values).copied().max().unwrap_or(0));
    let last = u64::try_from(points).unwrap_or(u64::MAX).saturating_sub(1).max(1);
    let x = |point: u64| LEFT + (WIDTH - LEFT) * point / last;
    let y = |value: u64| HEIGHT - BELOW - (HEIGHT - BELOW - ABOVE) * value.min(top) / top;
    for level in 0..=LEVELS {
        let value = top * level / LEVELS;
        let at = y(value);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at}\" y2=\"{at}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LEFT - 60,
            at + 40,
            told(value)
        );
    }
    for mark in 0..=TIMES {
        let point = last * mark / TIMES;
        let anchor = if mark == TIMES { "end" } else { "middle" };
        let at = x(point);
        let _ = write!(
            svg,
            "<text x=\"{at}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            HEIGHT - 20,
            seconds(point * every)
        );
    }
    for (number, curve) in curves.iter().enumerate() {
        let _ = write!(svg, "<polyline class=\"curve s{}\" points=\"", number % COLOURS);
        for (point, value) in (0..).zip(curve.values) {
            let _ = write!(svg, "{},{} ", x(point), y(*value));
        }
        svg.push_str("\"/>");
    }
    hovers(&mut svg, curves, points, every, &x, &told);
    svg.push_str("</svg></figure>");
    svg
}

/// What is read when the pointer rests on a moment.
fn hovers(
    svg: &mut String,
    curves: &[Curve<'_>],
    points: usize,
    every: Micros,
    x: &impl Fn(u64) -> u64,
    told: &impl Fn(u64) -> String,
) {
    let half = ((WIDTH - LEFT) / u64::try_from(points).unwrap_or(1).max(1) / 2).max(1);
    for (point, index) in (0..).zip(0..points) {
        let _ = write!(
            svg,
            "<rect class=\"hover\" x=\"{}\" y=\"{ABOVE}\" width=\"{}\" height=\"{}\"><title>{}",
            x(point).saturating_sub(half),
            2 * half,
            HEIGHT - BELOW - ABOVE,
            time(point * every)
        );
        for curve in curves {
            let value = curve.values.get(index).copied().unwrap_or(0);
            let _ = write!(svg, "\n{}: {}", escaped(curve.name), told(value));
        }
        svg.push_str("</title></rect>");
    }
}

/// Bars, one below the other.
pub(super) fn bars(rows: &[(&str, u64)], told: impl Fn(u64) -> String) -> String {
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let mut html = "<div class=\"bars\">".to_owned();
    for (name, count) in rows {
        let _ = write!(
            html,
            "<span>{}</span><div class=\"bar\" style=\"width:{}%\"></div><span>{}</span>",
            escaped(name),
            count * 100 / most,
            told(*count)
        );
    }
    html.push_str("</div>");
    html
}

/// Whole seconds.
fn seconds(at: Micros) -> String {
    format!("{} s", at / 1_000_000)
}

/// A round number that is not below `value`, and divides into the levels.
fn ceiling(value: u64) -> u64 {
    // 4, 8, 20, 40, 80, 200, …: each level is round, and the top is not far away.
    let (mut unit, mut step) = (LEVELS, 0);
    while unit * 5 < value {
        unit = if step % 3 == 1 { unit / 2 * 5 } else { unit * 2 };
        step += 1;
    }
    value.max(1).div_ceil(unit) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_value_is_below_the_highest_line() {
        assert_eq!([0, 4, 5, 41, 500, 3_163].map(ceiling), [4, 4, 8, 60, 600, 3_200]);
    }

    #[test]
    fn a_curve_ends_at_the_right_and_at_its_value() {
        let svg =
            lines(&Title("t", "n"), &[Curve { name: "a", values: &[0, 4] }], 1_000_000, |value| value.to_string());
        assert!(svg.contains(&format!("points=\"{LEFT},{} {WIDTH},{ABOVE} \"", HEIGHT - BELOW)), "{svg}");
    }
}
