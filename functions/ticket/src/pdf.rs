//! The ticket on paper and on a phone: one A5 page a place. Drawn from plain data, the same bytes for the same data.
#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "points on a page and counts of a few dozen; no money is near"
)]

use domain::{
    Timestamp,
    ids::BookingId,
    money::Money,
    ticket::{Position, Qr, short_reference},
    time::local,
};
use jiff::{Zoned, tz::TimeZone};
use krilla::{
    Document,
    color::rgb,
    geom::{PathBuilder, Point, Rect},
    metadata::{DateTime, Metadata},
    num::NormalizedF32,
    page::PageSettings,
    paint::{Fill, FillRule, LineCap, Paint, Stroke, StrokeDash},
    surface::Surface,
};

use crate::{
    fonts::{FontError, Fonts, Weight},
    text::{Block, Fit, LEADING, Line, fit, line},
};

/// One page.
#[derive(Clone, Debug)]
pub struct SheetPlace {
    /// Where.
    pub position: Position,
    /// The price category's name.
    pub category: String,
    /// The category's colour in the plan, `#rrggbb`.
    pub color: String,
    /// What was paid for it.
    pub price: Money,
    /// What its holder should know: a wheelchair place, a restricted view.
    pub notes: Vec<&'static str>,
    /// The code that admits.
    pub qr: Qr,
}

/// A booking's tickets, as they are printed.
#[derive(Clone, Debug)]
pub struct TicketSheet {
    /// What is performed.
    pub title: String,
    /// Who performs.
    pub artists: Vec<String>,
    /// The venue's name.
    pub venue: String,
    /// Its city.
    pub city: String,
    /// When the show starts.
    pub starts_at: Timestamp,
    /// The venue's IANA time zone.
    pub time_zone: String,
    /// One page each.
    pub places: Vec<SheetPlace>,
    /// To whom the tickets were sent, if known.
    pub buyer: Option<String>,
    /// Which booking.
    pub booking: BookingId,
    /// What was paid in all.
    pub total: Money,
    /// When it was paid: the document's date.
    pub paid_at: Timestamp,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    /// A font is missing.
    #[error(transparent)]
    Font(#[from] FontError),
    /// The document could not be written.
    #[error("the PDF could not be written: {0}")]
    Unwritable(String),
}

// A5, portrait, in points: it fills a phone's width, and a sheet of A4 takes two of them.
const PAGE_WIDTH: f32 = 419.53;
const PAGE_HEIGHT: f32 = 595.28;
const MARGIN: f32 = 32.0;
const CONTENT_WIDTH: f32 = PAGE_WIDTH - 2.0 * MARGIN;
const BAND_HEIGHT: f32 = 188.0;
/// The title's lowest baseline, and where its highest letters may reach.
const TITLE_BOTTOM: f32 = BAND_HEIGHT - 22.0;
const TITLE_TOP: f32 = 50.0;
const TEAR_Y: f32 = 318.0;
const QR_TOP: f32 = 404.0;
const QR_SIDE: f32 = 152.0;
const ASIDE_X: f32 = MARGIN + QR_SIDE + 28.0;
const ASIDE_WIDTH: f32 = PAGE_WIDTH - MARGIN - ASIDE_X;
const ROW_X: f32 = 230.0;
const SEAT_X: f32 = 312.0;
/// Stroke of a letter whose font has no bold, of the size.
const EMBOLDEN: f32 = 0.028;

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Color(u8, u8, u8);

impl From<Color> for Paint {
    fn from(Color(red, green, blue): Color) -> Self {
        rgb::Color::new(red, green, blue).into()
    }
}

const INK: Color = Color(0x15, 0x18, 0x1e);
const MUTED: Color = Color(0x6a, 0x71, 0x7d);
const HAIRLINE: Color = Color(0xc9, 0xcd, 0xd4);
const WARNING: Color = Color(0xa1, 0x48, 0x06);
const WHITE: Color = Color(0xff, 0xff, 0xff);
/// Where the plan's colour does not read.
const SLATE: Color = Color(0x33, 0x41, 0x55);

const TERMS: [&str; 2] = [
    "Admits one person, once: the first scan of this code counts, so keep it to yourself.",
    "Bring this page on paper or on a phone. The time is the local time at the venue.",
];

/// The document.
///
/// # Errors
/// [`PdfError`] when a font is missing.
pub fn render(fonts: &Fonts, sheet: &TicketSheet) -> Result<Vec<u8>, PdfError> {
    let mut document = Document::new();
    document.set_metadata(metadata(sheet));
    let shared = Shared::of(fonts, sheet)?;
    for (index, place) in sheet.places.iter().enumerate() {
        let size = PageSettings::from_wh(PAGE_WIDTH, PAGE_HEIGHT).expect("A5 has an area");
        let mut page = document.start_page_with(size);
        let mut surface = page.surface();
        let mut pen = Pen { fonts, surface: &mut surface };
        draw_page(&mut pen, sheet, &shared, index, place)?;
        surface.finish();
        page.finish();
    }
    document.finish().map_err(|error| PdfError::Unwritable(format!("{error:?}")))
}

fn metadata(sheet: &TicketSheet) -> Metadata {
    let paid: Zoned = sheet.paid_at.to_zoned(TimeZone::UTC);
    let part = |value: i8| u8::try_from(value).unwrap_or(0);
    let date = DateTime::new(u16::try_from(paid.year()).unwrap_or(0))
        .month(part(paid.month()))
        .day(part(paid.day()))
        .hour(part(paid.hour()))
        .minute(part(paid.minute()))
        .second(part(paid.second()))
        .utc_offset_hour(0);
    Metadata::new()
        .title(format!("{}: tickets", sheet.title))
        .creator("Usher".to_owned())
        .document_id(sheet.booking.to_string())
        .creation_date(date)
}

/// What every page of a booking shows, measured once.
struct Shared {
    title: Block,
    artists: Option<Block>,
    date: Block,
    time: Block,
    venue: Block,
    city: Block,
    reference: Block,
    total: Block,
    buyer: Option<Block>,
}

impl Shared {
    fn of(fonts: &Fonts, sheet: &TicketSheet) -> Result<Self, FontError> {
        let one_line =
            |text: &str, weight, width, size_max| fit(fonts, text, Fit::line(width, size_max, size_max * 0.6, weight));
        let starts = local(sheet.starts_at, &sheet.time_zone);
        let artists = sheet.artists.join(", ");
        let artists_fit = Fit::line(CONTENT_WIDTH, 13.0, 9.0, Weight::Regular);
        let artists = (!artists.is_empty()).then(|| fit(fonts, &artists, artists_fit)).transpose()?;
        let height = TITLE_BOTTOM - TITLE_TOP - artists.as_ref().map_or(0.0, artists_height);
        let title =
            Fit { width: CONTENT_WIDTH, lines_max: 3, height, size_max: 32.0, size_min: 17.0, weight: Weight::Bold };
        let buyer = sheet.buyer.as_ref().map(|buyer| one_line(buyer, Weight::Regular, ASIDE_WIDTH, 9.0)).transpose()?;
        Ok(Self {
            title: fit(fonts, &sheet.title, title)?,
            artists,
            date: one_line(&starts.date, Weight::Bold, SEAT_X - MARGIN - 44.0, 15.0)?,
            time: one_line(&starts.time, Weight::Bold, PAGE_WIDTH - MARGIN - 280.0, 15.0)?,
            venue: one_line(&sheet.venue, Weight::Bold, CONTENT_WIDTH, 15.0)?,
            city: one_line(&sheet.city, Weight::Regular, CONTENT_WIDTH, 11.0)?,
            reference: one_line(&short_reference(sheet.booking), Weight::Bold, ASIDE_WIDTH, 13.0)?,
            total: one_line(&format!("of {} in all", sheet.total), Weight::Regular, ASIDE_WIDTH, 9.0)?,
            buyer,
        })
    }
}

fn draw_page(
    pen: &mut Pen<'_, '_>,
    sheet: &TicketSheet,
    shared: &Shared,
    index: usize,
    place: &SheetPlace,
) -> Result<(), FontError> {
    let color = parse_color(&place.color);
    draw_band(pen, shared, color, index + 1, sheet.places.len())?;
    pen.label("DATE", MARGIN, 214.0)?;
    pen.block(&shared.date, MARGIN, 232.0, CONTENT_WIDTH, Align::Left, INK);
    pen.label("TIME", 280.0, 214.0)?;
    pen.block(&shared.time, 280.0, 232.0, CONTENT_WIDTH, Align::Left, INK);
    pen.label("VENUE", MARGIN, 260.0)?;
    pen.block(&shared.venue, MARGIN, 278.0, CONTENT_WIDTH, Align::Left, INK);
    pen.block(&shared.city, MARGIN, 294.0, CONTENT_WIDTH, Align::Left, MUTED);
    draw_tear(pen);
    draw_position(pen, &place.position)?;
    draw_qr(pen, &place.qr);
    draw_aside(pen, sheet, shared, place, color)?;
    for (index, terms) in TERMS.iter().enumerate() {
        let terms = line(pen.fonts, terms, Weight::Regular)?;
        pen.line(&terms, MARGIN, 577.0 + index as f32 * 9.0, 6.8, MUTED);
    }
    Ok(())
}

/// The colour band with the title, which stands on the band's bottom.
fn draw_band(
    pen: &mut Pen<'_, '_>,
    shared: &Shared,
    color: Color,
    number: usize,
    count: usize,
) -> Result<(), FontError> {
    let ink = readable_on(color);
    // A point wider than the page: no white hair at the edge of a rounded raster.
    pen.rect(0.0, 0.0, PAGE_WIDTH + 1.0, BAND_HEIGHT, color);
    let band = rect_path(0.0, 0.0, PAGE_WIDTH + 1.0, BAND_HEIGHT);
    pen.surface.push_clip_path(&band, &FillRule::NonZero);
    pen.circle(PAGE_WIDTH - 38.0, 8.0, 118.0, WHITE, 0.09);
    pen.circle(PAGE_WIDTH - 4.0, 132.0, 84.0, WHITE, 0.08);
    pen.surface.pop();
    if is_pale(color) {
        pen.rect(0.0, BAND_HEIGHT - 0.7, PAGE_WIDTH, 0.7, HAIRLINE);
    }
    let wordmark = tracked(line(pen.fonts, "USHER", Weight::Bold)?, 0.18);
    pen.line(&wordmark, MARGIN, 36.0, 10.0, ink);
    let count = line(pen.fonts, &format!("Ticket {number} of {count}"), Weight::Regular)?;
    pen.line(&count, PAGE_WIDTH - MARGIN - count.width * 9.0, 36.0, 9.0, ink);
    let mut bottom = TITLE_BOTTOM;
    if let Some(artists) = &shared.artists {
        pen.block(artists, MARGIN, bottom, CONTENT_WIDTH, Align::Start, ink);
        bottom -= artists_height(artists);
    }
    let title = &shared.title;
    let above = title.size * LEADING * (title.lines.len().saturating_sub(1)) as f32;
    pen.block(title, MARGIN, bottom - above, CONTENT_WIDTH, Align::Start, ink);
    Ok(())
}

/// What the artists' line takes from the title's room.
fn artists_height(artists: &Block) -> f32 {
    artists.size * LEADING + 8.0
}

/// Where the part that the door keeps would be torn off.
fn draw_tear(pen: &mut Pen<'_, '_>) {
    let mut path = PathBuilder::new();
    path.move_to(18.0, TEAR_Y);
    path.line_to(PAGE_WIDTH - 18.0, TEAR_Y);
    let dash = Some(StrokeDash { array: vec![1.0, 5.0], offset: 0.0 });
    let stroke = Stroke { paint: HAIRLINE.into(), width: 1.6, dash, line_cap: LineCap::Round, ..Stroke::default() };
    pen.surface.set_fill(None);
    pen.surface.set_stroke(Some(stroke));
    if let Some(path) = path.finish() {
        pen.surface.draw_path(&path);
    }
    pen.surface.set_stroke(None);
    for x in [0.0, PAGE_WIDTH] {
        pen.circle(x, TEAR_Y, 9.0, HAIRLINE, 1.0);
        pen.circle(x, TEAR_Y, 8.0, Color(0xf1, 0xf2, 0xf5), 1.0);
    }
}

fn draw_position(pen: &mut Pen<'_, '_>, position: &Position) -> Result<(), FontError> {
    match position {
        Position::Seat { section, row, seat } => {
            pen.place("SECTION", section, MARGIN, ROW_X - 14.0)?;
            pen.place("ROW", row, ROW_X, SEAT_X - 10.0)?;
            pen.place("SEAT", seat, SEAT_X, PAGE_WIDTH - MARGIN)
        }
        Position::Area { area, number } => {
            pen.place("AREA", area, MARGIN, SEAT_X - 14.0)?;
            pen.place("PLACE", &format!("No. {number}"), SEAT_X, PAGE_WIDTH - MARGIN)
        }
    }
}

/// Vector squares, sharp in any printer and on any screen. The quiet zone is the white around them, which nothing else
/// enters.
fn draw_qr(pen: &mut Pen<'_, '_>, qr: &Qr) {
    let module = QR_SIDE / qr.width() as f32;
    let mut path = PathBuilder::new();
    for (x, y, length) in qr.bars() {
        let (left, top) = (MARGIN + x as f32 * module, QR_TOP + y as f32 * module);
        if let Some(bar) = Rect::from_xywh(left, top, length as f32 * module, module) {
            path.push_rect(bar);
        }
    }
    pen.fill(Color(0, 0, 0), 1.0);
    if let Some(path) = path.finish() {
        pen.surface.draw_path(&path);
    }
}

/// Beside the code: category, price, booking.
fn draw_aside(
    pen: &mut Pen<'_, '_>,
    sheet: &TicketSheet,
    shared: &Shared,
    place: &SheetPlace,
    color: Color,
) -> Result<(), FontError> {
    const SWATCH: f32 = 9.0;
    let top = QR_TOP + 6.0;
    pen.label("CATEGORY", ASIDE_X, top)?;
    pen.rect(ASIDE_X, top + 9.0, SWATCH, SWATCH, color);
    let width = ASIDE_WIDTH - SWATCH - 6.0;
    let name = Fit::line(width, 13.0, 8.0, Weight::Bold);
    pen.block(&fit(pen.fonts, &place.category, name)?, ASIDE_X + SWATCH + 6.0, top + 18.0, width, Align::Left, INK);
    if !place.notes.is_empty() {
        let notes = Fit::line(ASIDE_WIDTH, 8.5, 6.0, Weight::Bold);
        pen.block(
            &fit(pen.fonts, &place.notes.join(" · "), notes)?,
            ASIDE_X,
            top + 31.0,
            ASIDE_WIDTH,
            Align::Left,
            WARNING,
        );
    }
    pen.label(&format!("PRICE ({})", place.price.currency), ASIDE_X, top + 54.0)?;
    let price = Fit::line(ASIDE_WIDTH, 19.0, 9.0, Weight::Bold);
    pen.block(&fit(pen.fonts, &place.price.to_string(), price)?, ASIDE_X, top + 76.0, ASIDE_WIDTH, Align::Left, INK);
    if sheet.places.len() > 1 {
        pen.block(&shared.total, ASIDE_X, top + 88.0, ASIDE_WIDTH, Align::Left, MUTED);
    }
    pen.label("BOOKING", ASIDE_X, top + 114.0)?;
    pen.block(&shared.reference, ASIDE_X, top + 131.0, ASIDE_WIDTH, Align::Left, INK);
    if let Some(buyer) = &shared.buyer {
        pen.block(buyer, ASIDE_X, top + 145.0, ASIDE_WIDTH, Align::Left, MUTED);
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    /// Where the script begins: right for Arabic and Hebrew.
    Start,
}

/// Draws on one page. The origin is the top left corner; y of a text is its baseline.
struct Pen<'a, 'b> {
    fonts: &'a Fonts,
    surface: &'a mut Surface<'b>,
}

impl Pen<'_, '_> {
    fn fill(&mut self, color: Color, opacity: f32) {
        let opacity = NormalizedF32::new(opacity).unwrap_or(NormalizedF32::ONE);
        self.surface.set_stroke(None);
        self.surface.set_fill(Some(Fill { paint: color.into(), opacity, rule: FillRule::NonZero }));
    }

    fn rect(&mut self, x: f32, y: f32, width: f32, height: f32, color: Color) {
        self.fill(color, 1.0);
        self.surface.draw_path(&rect_path(x, y, width, height));
    }

    fn circle(&mut self, x: f32, y: f32, radius: f32, color: Color, opacity: f32) {
        // A quarter of a circle as one cubic curve.
        let k = radius * 0.552_284_8;
        let mut path = PathBuilder::new();
        path.move_to(x + radius, y);
        path.cubic_to(x + radius, y + k, x + k, y + radius, x, y + radius);
        path.cubic_to(x - k, y + radius, x - radius, y + k, x - radius, y);
        path.cubic_to(x - radius, y - k, x - k, y - radius, x, y - radius);
        path.cubic_to(x + k, y - radius, x + radius, y - k, x + radius, y);
        path.close();
        self.fill(color, opacity);
        if let Some(path) = path.finish() {
            self.surface.draw_path(&path);
        }
    }

    fn line(&mut self, line: &Line, x: f32, y: f32, size: f32, color: Color) {
        let mut x = x;
        for run in &line.runs {
            self.fill(color, 1.0);
            if run.face.embolden {
                self.surface.set_stroke(Some(Stroke {
                    paint: color.into(),
                    width: size * EMBOLDEN,
                    ..Stroke::default()
                }));
            }
            self.surface.draw_glyphs(
                Point::from_xy(x, y),
                &run.glyphs,
                run.face.font().clone(),
                &run.text,
                size,
                false,
            );
            x += run.width * size;
        }
        self.surface.set_stroke(None);
    }

    fn block(&mut self, block: &Block, x: f32, y: f32, width: f32, align: Align, color: Color) {
        for (index, line) in block.lines.iter().enumerate() {
            let indent = if align == Align::Start && block.rtl { width - line.width * block.size } else { 0.0 };
            self.line(line, x + indent, y + index as f32 * block.size * LEADING, block.size, color);
        }
    }

    /// The small grey word above a value.
    fn label(&mut self, text: &str, x: f32, y: f32) -> Result<(), FontError> {
        let label = tracked(line(self.fonts, text, Weight::Bold)?, 0.09);
        self.line(&label, x, y, 7.0, MUTED);
        Ok(())
    }

    /// A part of the position: a label and its large value, from `x` to `right`.
    fn place(&mut self, name: &str, value: &str, x: f32, right: f32) -> Result<(), FontError> {
        const BASELINE: f32 = 377.0;
        self.label(name, x, 344.0)?;
        let width = right - x;
        let one = fit(self.fonts, value, Fit::line(width, 27.0, 15.0, Weight::Bold))?;
        let cut = one.size <= 15.0;
        let two = Fit { width, lines_max: 2, height: f32::MAX, size_max: 15.0, size_min: 8.0, weight: Weight::Bold };
        let value = if cut { fit(self.fonts, value, two)? } else { one };
        let baseline = if value.lines.len() > 1 { BASELINE - 11.0 } else { BASELINE - (27.0 - value.size) * 0.3 };
        self.block(&value, x, baseline, width, Align::Left, INK);
        Ok(())
    }
}

fn rect_path(x: f32, y: f32, width: f32, height: f32) -> krilla::geom::Path {
    let mut path = PathBuilder::new();
    path.push_rect(Rect::from_xywh(x, y, width, height).expect("every box of the design has an area"));
    path.finish().expect("a box is a path")
}

/// `line` with its letters further apart, by ems.
fn tracked(mut line: Line, ems: f32) -> Line {
    for run in &mut line.runs {
        for glyph in &mut run.glyphs {
            glyph.x_advance += ems;
            run.width += ems;
            line.width += ems;
        }
    }
    line
}

/// `#rrggbb`.
fn parse_color(text: &str) -> Color {
    let hex = text.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.is_ascii());
    let part = |hex: &str, at: usize| u8::from_str_radix(&hex[at..at + 2], 16).ok();
    let color = hex.and_then(|hex| Some(Color(part(hex, 0)?, part(hex, 2)?, part(hex, 4)?)));
    color.unwrap_or(SLATE)
}

/// Relative luminance as WCAG 2 defines it, 0 to 1.
fn luminance(color: Color) -> f32 {
    let linear = |channel: u8| {
        let c = f32::from(channel) / 255.0;
        if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(color.0) + 0.7152 * linear(color.1) + 0.0722 * linear(color.2)
}

/// Whichever of white and ink has the higher contrast; white wins while it is readable at the title's size.
fn readable_on(color: Color) -> Color {
    if 1.05 / (luminance(color) + 0.05) >= 3.0 { WHITE } else { INK }
}

fn is_pale(color: Color) -> bool {
    luminance(color) > 0.8
}
