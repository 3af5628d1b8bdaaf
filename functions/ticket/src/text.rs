//! From a name in any script to glyphs that fit their box: direction, line breaks, shaping, size.
#![allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "widths of glyphs in ems; no money is near")]

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use krilla::text::{GlyphId, KrillaGlyph};
use rustybuzz::{Direction, UnicodeBuffer};
use unicode_bidi::{Level, ParagraphBidiInfo, get_base_direction};
use unicode_linebreak::linebreaks;

use crate::fonts::{Face, FontError, Fonts, Weight};

/// Longer text is cut before anything is measured: no name needs more, and the work stays bounded.
const TEXT_CHARS_MAX: usize = 400;
/// Between baselines, of the size: room for the marks above and below of Thai, Arabic and Devanagari.
pub(crate) const LEADING: f32 = 1.28;
/// Each try at a smaller size is this much of the one before.
const SHRINK: f32 = 0.94;
const ELLIPSIS: &str = "…";

/// Where a text goes and how large it may be, in points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit {
    /// No line is wider.
    pub(crate) width: f32,
    /// There are no more lines,
    pub(crate) lines_max: usize,
    /// and together they are no higher.
    pub(crate) height: f32,
    /// The size to try first.
    pub(crate) size_max: f32,
    /// Below this size the text is cut instead.
    pub(crate) size_min: f32,
    /// How heavy.
    pub(crate) weight: Weight,
}

impl Fit {
    /// One line of any height.
    pub(crate) const fn line(width: f32, size_max: f32, size_min: f32, weight: Weight) -> Self {
        Self { width, lines_max: 1, height: f32::MAX, size_max, size_min, weight }
    }

    /// As many lines as there is room for at `size`; always one.
    fn lines_at(&self, size: f32) -> usize {
        let fitting =
            (1..=self.lines_max).rev().find(|&lines| (lines as f32 - 1.0) * LEADING + 1.0 <= self.height / size);
        fitting.unwrap_or(1)
    }
}

/// Neighbouring glyphs of one font.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The font.
    pub(crate) face: Face,
    /// What it spells, in logical order.
    pub(crate) text: String,
    /// Where that begins in the line's text, in bytes.
    start: usize,
    /// In visual order, measured in ems.
    pub(crate) glyphs: Vec<KrillaGlyph>,
    /// In ems.
    pub(crate) width: f32,
}

/// One line, its runs from left to right.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// From left to right.
    pub(crate) runs: Vec<Run>,
    /// In ems.
    pub(crate) width: f32,
}

/// A text that fits its box.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// From top to bottom.
    pub(crate) lines: Vec<Line>,
    /// In points.
    pub(crate) size: f32,
    /// The text begins at the right.
    pub(crate) rtl: bool,
}

/// `text` in the largest size at which it fits; cut with an ellipsis if it fits at none.
pub(crate) fn fit(fonts: &Fonts, text: &str, fit: Fit) -> Result<Block, FontError> {
    let text = clean(text);
    let rtl = get_base_direction(text.as_str()) == unicode_bidi::Direction::Rtl;
    let shaper = Shaper { fonts, weight: fit.weight, base: if rtl { Level::rtl() } else { Level::ltr() } };
    let words = shaper.words(&text)?;
    let mut size = fit.size_max;
    let ranges = loop {
        if let Some(ranges) = wrap(&words, fit.width / size, fit.lines_at(size)) {
            break balance(&words, fit.width / size, ranges);
        }
        if size <= fit.size_min {
            return Ok(Block { lines: shaper.cut(&text, &fit)?, size: fit.size_min, rtl });
        }
        size = (size * SHRINK).max(fit.size_min);
    };
    let lines = ranges.into_iter().map(|range| shaper.line(text[range].trim_end())).collect::<Result<Vec<_>, _>>()?;
    // Shaping a line may differ by a hair from the sum of its words.
    let widest = lines.iter().map(|line| line.width).fold(0.0, f32::max);
    let size = if widest * size > fit.width { fit.width / widest } else { size };
    Ok(Block { lines, size, rtl })
}

/// One line as it is: for our own short words.
pub(crate) fn line(fonts: &Fonts, text: &str, weight: Weight) -> Result<Line, FontError> {
    Shaper { fonts, weight, base: Level::ltr() }.line(text)
}

/// A part of the text between two places where a line may end.
struct Word {
    range: Range<usize>,
    /// Without the spaces at its end, in ems.
    width: f32,
    /// With them.
    advance: f32,
}

/// The lines that `words` make in a box `width` ems wide; `None` when it takes more than `lines_max`, or a word is
/// wider than the box.
fn wrap(words: &[Word], width: f32, lines_max: usize) -> Option<Vec<Range<usize>>> {
    let mut lines: Vec<Range<usize>> = Vec::new();
    let mut pen = 0.0;
    for word in words {
        if word.width > width {
            return None;
        }
        match lines.last_mut() {
            Some(line) if pen + word.width <= width => line.end = word.range.end,
            _ => {
                lines.push(word.range.clone());
                pen = 0.0;
            }
        }
        pen += word.advance;
    }
    (lines.len() <= lines_max).then_some(lines)
}

/// The same number of lines, as even as they can be: no lone word at the end.
fn balance(words: &[Word], width: f32, lines: Vec<Range<usize>>) -> Vec<Range<usize>> {
    const STEPS: usize = 25;
    let narrower =
        (1..STEPS).map_while(|step| wrap(words, width * (1.0 - step as f32 / STEPS as f32 / 2.0), lines.len()));
    narrower.last().unwrap_or(lines)
}

struct Shaper<'a> {
    fonts: &'a Fonts,
    weight: Weight,
    base: Level,
}

impl Shaper<'_> {
    fn words(&self, text: &str) -> Result<Vec<Word>, FontError> {
        let mut words = Vec::new();
        let mut start = 0;
        for end in line_ends(text) {
            let word = &text[start..end];
            let width = self.line(word.trim_end())?.width;
            let advance = if word.ends_with(' ') { self.line(word)?.width } else { width };
            words.push(Word { range: start..end, width, advance });
            start = end;
        }
        Ok(words)
    }

    /// The first lines of a text that is too long at the smallest size, broken anywhere between clusters; the last one
    /// ends in an ellipsis.
    fn cut(&self, text: &str, fit: &Fit) -> Result<Vec<Line>, FontError> {
        let (width, lines_max) = (fit.width / fit.size_min, fit.lines_at(fit.size_min));
        let mut lines = Vec::new();
        let mut rest = text;
        while !rest.is_empty() && lines.len() < lines_max {
            let last = lines.len() + 1 == lines_max;
            let (line, taken) = self.longest(rest, width, last)?;
            lines.push(line);
            rest = rest[taken..].trim_start();
        }
        Ok(lines)
    }

    /// The longest beginning of `text` that is at most `width` ems wide, with an ellipsis if it is the `last` line and
    /// something is left out; and how many bytes it took.
    fn longest(&self, text: &str, width: f32, last: bool) -> Result<(Line, usize), FontError> {
        let whole = self.line(text)?;
        if whole.width <= width {
            return Ok((whole, text.len()));
        }
        // From the widths in the whole line; shaping the part again is what decides.
        let mut before = 0.0;
        let mut fitting = Vec::new();
        for (start, advance) in clusters(&whole) {
            if start > 0 && before <= width {
                fitting.push(start);
            }
            before += advance;
        }
        let ends = if last { Vec::new() } else { line_ends(text) };
        let preferred = fitting.iter().rev().filter(|&end| ends.contains(end));
        for &end in preferred.chain(fitting.iter().rev()) {
            let mut part = text[..end].trim_end().to_owned();
            if last {
                part.push_str(ELLIPSIS);
            }
            let line = self.line(&part)?;
            if line.width <= width {
                return Ok((line, end));
            }
        }
        // Not even one cluster fits: nothing is drawn rather than something over the edge.
        Ok((Line::default(), text.len()))
    }

    /// The glyphs of one line.
    fn line(&self, text: &str) -> Result<Line, FontError> {
        let mut line = Line::default();
        if text.is_empty() {
            return Ok(line);
        }
        let bidi = ParagraphBidiInfo::new(text, Some(self.base));
        let (levels, ranges) = bidi.visual_runs(0..text.len());
        for range in ranges {
            let rtl = levels[range.start].is_rtl();
            let mut runs = self.runs(text, range, rtl)?;
            if rtl {
                runs.reverse();
            }
            line.runs.extend(runs);
        }
        line.width = line.runs.iter().map(|run| run.width).sum();
        Ok(line)
    }

    /// The `part` of `text`, which has one direction, split where the font changes, in logical order.
    fn runs(&self, text: &str, part: Range<usize>, rtl: bool) -> Result<Vec<Run>, FontError> {
        let mut families: Vec<(usize, Range<usize>)> = Vec::new();
        for (at, c) in text[part.clone()].char_indices() {
            let at = part.start + at;
            let current = families.last().map(|&(family, _)| family);
            let family = self.fonts.choose(c, self.weight, current)?;
            match families.last_mut() {
                Some((last, range)) if *last == family => range.end = at + c.len_utf8(),
                _ => families.push((family, at..at + c.len_utf8())),
            }
        }
        let shaped = families.into_iter().map(|(family, range)| {
            let face = self.fonts.face(family, self.weight)?;
            Ok(Run { start: range.start, ..shape(face, &text[range], rtl) })
        });
        shaped.collect()
    }
}

/// Glyphs of a text of one font and direction.
fn shape(face: &Face, text: &str, rtl: bool) -> Run {
    let mut buffer = UnicodeBuffer::new();
    buffer.push_str(text);
    buffer.guess_segment_properties();
    buffer.set_direction(if rtl { Direction::RightToLeft } else { Direction::LeftToRight });
    let shaped = rustybuzz::shape(face.shaper(), &[], buffer);
    let starts: BTreeSet<usize> = shaped.glyph_infos().iter().map(|info| info.cluster as usize).collect();
    let em = face.font().units_per_em();
    let glyphs = shaped.glyph_infos().iter().zip(shaped.glyph_positions()).map(|(info, position)| {
        let start = info.cluster as usize;
        let end = starts.range(start + 1..).next().copied().unwrap_or(text.len());
        let ems = |units: i32| units as f32 / em;
        KrillaGlyph::new(
            GlyphId::new(info.glyph_id),
            ems(position.x_advance),
            ems(position.x_offset),
            ems(position.y_offset),
            ems(position.y_advance),
            start..end,
            None,
        )
    });
    let glyphs: Vec<KrillaGlyph> = glyphs.collect();
    let width = glyphs.iter().map(|glyph| glyph.x_advance).sum();
    Run { face: face.clone(), text: text.to_owned(), start: 0, glyphs, width }
}

/// The clusters of `line` in logical order: where each starts, and its width in ems. A line is never broken inside one,
/// between a letter and its marks.
fn clusters(line: &Line) -> BTreeMap<usize, f32> {
    let mut clusters = BTreeMap::new();
    for run in &line.runs {
        for glyph in &run.glyphs {
            *clusters.entry(run.start + glyph.text_range.start).or_insert(0.0) += glyph.x_advance;
        }
    }
    clusters
}

/// Where a line may end: Unicode's rules, and before the leading vowels of Thai and Lao, which write no spaces and
/// whose syllables begin there.
fn line_ends(text: &str) -> Vec<usize> {
    let mut ends: BTreeSet<usize> = linebreaks(text).map(|(end, _)| end).collect();
    let leading = |c: char| matches!(c, '\u{e40}'..='\u{e44}' | '\u{ec0}'..='\u{ec4}');
    ends.extend(text.char_indices().filter(|&(at, c)| at > 0 && leading(c)).map(|(at, _)| at));
    ends.into_iter().collect()
}

/// One line without control characters, explicit direction marks (a name must not turn the rest around) and runs of
/// spaces.
fn clean(text: &str) -> String {
    let ignored =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let shown: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|&c| !ignored(c))
        .take(TEXT_CHARS_MAX)
        .collect();
    shown.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FONTS_DIR: &str = concat!(env!("CHECKOUT"), "functions/ticket/fonts");
    const LIMITS: Fit =
        Fit { width: 200.0, lines_max: 3, height: 120.0, size_max: 32.0, size_min: 16.0, weight: Weight::Bold };

    fn check(text: &str) -> Block {
        let block = fit(&Fonts::open(FONTS_DIR), text, LIMITS).unwrap();
        assert!((1..=LIMITS.lines_max).contains(&block.lines.len()) || clean(text).is_empty(), "{text}");
        assert!(block.size <= LIMITS.size_max, "{text}");
        for line in &block.lines {
            assert!(line.width * block.size <= LIMITS.width + 0.01, "{text}: {} pt", line.width * block.size);
        }
        assert!(((block.lines.len().max(1) - 1) as f32 * LEADING + 1.0) * block.size <= LIMITS.height, "{text}");
        block
    }

    fn spelled(block: &Block) -> String {
        block.lines.iter().flat_map(|line| &line.runs).map(|run| run.text.as_str()).collect()
    }

    fn missing(block: &Block) -> usize {
        let glyphs = block.lines.iter().flat_map(|line| &line.runs).flat_map(|run| &run.glyphs);
        glyphs.filter(|glyph| glyph.glyph_id.to_u32() == 0).count()
    }

    #[test]
    fn every_script_has_its_glyphs() {
        let names = [
            "Figaro Ünïcødé ₹€",
            "Μήδεια",
            "Лебединое озеро",
            "Հայաստան",
            "საქართველო",
            "שלום",
            "ليلة",
            "संगीत",
            "রবীন্দ্র",
            "ਪੰਜਾਬ",
            "ગુજરાત",
            "ଓଡ଼ିଶା",
            "சென்னை",
            "తెలుగు",
            "ಕನ್ನಡ",
            "മലയാളം",
            "සිංහල",
            "ไทย",
            "ລາວ",
            "မြန်မာ",
            "ខ្មែរ",
            "千と千尋の神隠し",
            "茶馆國家",
            "방탄소년단",
            "★ ♪ ❤",
            "、。「」！（）～",
        ];
        for name in names {
            assert_eq!(missing(&check(name)), 0, "{name}");
        }
    }

    #[test]
    fn an_unknown_character_prints_as_a_box() {
        let block = check("a \u{1f3b8} b \u{10ffff}");
        assert_eq!(missing(&block), 2);
        assert!(check("\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}").lines[0].width > 0.0);
    }

    #[test]
    fn right_to_left_is_drawn_from_the_right() {
        let block = check("שלום abc");
        assert!(block.rtl);
        let order: Vec<&str> = block.lines[0].runs.iter().map(|run| run.text.trim()).collect();
        assert_eq!(order, ["abc", "שלום"]);
        assert!(!check("abc שלום").rtl);
        let glyphs = &block.lines[0].runs[1].glyphs;
        assert!(glyphs[0].text_range.start > glyphs[glyphs.len() - 1].text_range.start);
    }

    #[test]
    fn names_wrap_shrink_and_are_cut_but_never_overflow() {
        assert!((check("Figaro").size - LIMITS.size_max).abs() < f32::EPSILON);
        let wrapped = check("The Marriage of Figaro");
        assert_eq!((wrapped.lines.len(), wrapped.size), (3, LIMITS.size_max));
        assert!(check("Donaudampfschifffahrtsgesellschaft").size < LIMITS.size_max);
        for endless in
            ["x".repeat(5_000), "word ".repeat(1_000), "漢".repeat(1_000), "ไทย".repeat(1_000), "שלום ".repeat(500)]
        {
            let block = check(&endless);
            assert_eq!(block.lines.len(), 3);
            assert!(spelled(&block).contains(ELLIPSIS), "{}", spelled(&block));
        }
        for nothing in ["", "  \n", "\u{202e}\u{0}", "\u{301}", "\u{200d}"] {
            check(nothing);
        }
    }

    #[test]
    fn a_name_cannot_turn_the_rest_around() {
        assert_eq!(spelled(&check("\u{202e}evil\u{2066}\n\n  name\u{7}")), "evil name");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_fits(text in "\\PC{0,60}") {
            check(&text);
        }
    }
}
