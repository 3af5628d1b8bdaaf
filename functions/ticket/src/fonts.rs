//! Which font draws which character. Fonts are files beside the binary, read when a text first needs them.

use std::{
    fmt,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use krilla::text::Font;

/// How heavy a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Running text.
    Regular,
    /// What the eye should find first.
    Bold,
}

/// A font that should be there is not, or is none.
#[derive(Debug, thiserror::Error)]
pub enum FontError {
    /// The file cannot be read.
    #[error("the font {path} cannot be read: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is no font.
    #[error("{0} is not a font")]
    NotAFont(PathBuf),
}

/// One design for some scripts: its files, and the characters it is asked for first.
struct Family {
    regular: &'static str,
    bold: Option<&'static str>,
    blocks: &'static [RangeInclusive<u32>],
}

const fn family(regular: &'static str, bold: Option<&'static str>, blocks: &'static [RangeInclusive<u32>]) -> Family {
    Family { regular, bold, blocks }
}

/// Latin, Greek, Cyrillic and general punctuation; its empty box stands for what no font has.
const BASE: usize = 0;
/// Chinese, Japanese, Korean, and many symbols.
const CJK: usize = 1;
/// Symbols and some pictographs, in two fonts.
const SYMBOLS: [usize; 2] = [2, 3];

/// Blocks are Unicode's. Where none is listed, `BASE`, `CJK` and `SYMBOLS` are asked in this order.
static FAMILIES: [Family; 22] = [
    family("NotoSans-Regular.ttf", Some("NotoSans-Bold.ttf"), &[0x0000..=0x052f, 0x1ab0..=0x1aff, 0x1d00..=0x20cf]),
    family(
        "DroidSansFallback.ttf",
        None,
        &[0x1100..=0x11ff, 0x2e80..=0xa4cf, 0xac00..=0xd7ff, 0xf900..=0xfaff, 0xff00..=0xffef, 0x20000..=0x2fa1f],
    ),
    family("NotoSansSymbols2-Regular.ttf", None, &[0x1f000..=0x1faff]),
    family("NotoSansSymbols-Regular.ttf", None, &[]),
    family("NotoSansArmenian-Regular.ttf", None, &[0x0531..=0x058f, 0xfb13..=0xfb17]),
    family("NotoSansHebrew-Regular.ttf", Some("NotoSansHebrew-Bold.ttf"), &[0x0590..=0x05ff, 0xfb1d..=0xfb4f]),
    family(
        "NotoSansArabic-Regular.ttf",
        Some("NotoSansArabic-Bold.ttf"),
        &[0x0600..=0x06ff, 0x0750..=0x077f, 0x08a0..=0x08ff, 0xfb50..=0xfdff, 0xfe70..=0xfeff],
    ),
    family(
        "NotoSansDevanagari-Regular.ttf",
        Some("NotoSansDevanagari-Bold.ttf"),
        &[0x0900..=0x097f, 0x1cd0..=0x1cff, 0xa8e0..=0xa8ff],
    ),
    family("NotoSansBengali-Regular.ttf", Some("NotoSansBengali-Bold.ttf"), &[0x0980..=0x09ff]),
    family("NotoSansGurmukhi-Regular.ttf", None, &[0x0a00..=0x0a7f]),
    family("NotoSansGujarati-Regular.ttf", None, &[0x0a80..=0x0aff]),
    family("NotoSansOriya-Regular.ttf", None, &[0x0b00..=0x0b7f]),
    family("NotoSansTamil-Regular.ttf", Some("NotoSansTamil-Bold.ttf"), &[0x0b80..=0x0bff]),
    family("NotoSansTelugu-Regular.ttf", None, &[0x0c00..=0x0c7f]),
    family("NotoSansKannada-Regular.ttf", None, &[0x0c80..=0x0cff]),
    family("NotoSansMalayalam-Regular.ttf", None, &[0x0d00..=0x0d7f]),
    family("NotoSansSinhala-Regular.ttf", None, &[0x0d80..=0x0dff]),
    family("NotoSansThai-Regular.ttf", Some("NotoSansThai-Bold.ttf"), &[0x0e00..=0x0e7f]),
    family("NotoSansLao-Regular.ttf", None, &[0x0e80..=0x0eff]),
    family("NotoSansMyanmar-Regular.ttf", None, &[0x1000..=0x109f, 0xa9e0..=0xa9ff, 0xaa60..=0xaa7f]),
    family("NotoSansGeorgian-Regular.ttf", None, &[0x10a0..=0x10ff, 0x1c90..=0x1cbf, 0x2d00..=0x2d2f]),
    family("NotoSansKhmer-Regular.ttf", None, &[0x1780..=0x17ff, 0x19e0..=0x19ff]),
];

/// A font that has been read.
#[derive(Clone)]
pub struct Face {
    /// Parsed once: to read a font's tables takes longer than to shape a line with them.
    shaper: Arc<rustybuzz::Face<'static>>,
    font: Font,
    /// Bold was asked for and the family has none: strokes are thickened instead.
    pub(crate) embolden: bool,
}

impl Face {
    /// What the PDF embeds (only the glyphs used).
    pub(crate) const fn font(&self) -> &Font {
        &self.font
    }

    /// What shapes text.
    pub(crate) fn shaper(&self) -> &rustybuzz::Face<'static> {
        &self.shaper
    }

    fn draws(&self, c: char) -> bool {
        self.shaper.glyph_index(c).is_some()
    }
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Face").field("font", &self.font).field("embolden", &self.embolden).finish_non_exhaustive()
    }
}

/// The fonts of a folder.
#[derive(Debug)]
pub struct Fonts {
    dir: PathBuf,
    /// Per family, regular then bold.
    faces: [[OnceLock<Face>; 2]; FAMILIES.len()],
}

impl Fonts {
    /// The fonts in `dir`. Reads nothing yet.
    #[must_use]
    pub fn open(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), faces: Default::default() }
    }

    /// Reads the font of every ticket, so that a wrong folder is found at the start and not at the first sale.
    ///
    /// # Errors
    /// [`FontError`] when it is not there.
    pub fn check(&self) -> Result<(), FontError> {
        self.face(BASE, Weight::Regular).map(drop)
    }

    /// The face that draws `c`, for a text of `weight`; `current` is the one of the character before.
    pub(crate) fn choose(&self, c: char, weight: Weight, current: Option<usize>) -> Result<usize, FontError> {
        if let Some(current) = current.filter(|_| goes_along(c)) {
            return Ok(current);
        }
        let listed = FAMILIES.iter().position(|family| family.blocks.iter().any(|block| block.contains(&u32::from(c))));
        for family in listed.into_iter().chain([BASE, CJK]).chain(SYMBOLS) {
            if self.face(family, weight)?.draws(c) {
                return Ok(family);
            }
        }
        Ok(BASE)
    }

    /// The face of a family, read at its first use.
    pub(crate) fn face(&self, family: usize, weight: Weight) -> Result<&Face, FontError> {
        let cell = &self.faces[family][usize::from(weight == Weight::Bold)];
        if let Some(face) = cell.get() {
            return Ok(face);
        }
        let files = &FAMILIES[family];
        let bold = files.bold.filter(|_| weight == Weight::Bold);
        let path = self.dir.join(bold.unwrap_or(files.regular));
        let face = read(&path, weight == Weight::Bold && bold.is_none())?;
        Ok(cell.get_or_init(|| face))
    }
}

fn read(path: &Path, embolden: bool) -> Result<Face, FontError> {
    let bytes = std::fs::read(path).map_err(|source| FontError::Unreadable { path: path.to_owned(), source })?;
    // A file is read once, and used for as long as the process lives.
    let data: &'static [u8] = bytes.leak();
    let not_a_font = || FontError::NotAFont(path.to_owned());
    let shaper = Arc::new(rustybuzz::Face::from_slice(data, 0).ok_or_else(not_a_font)?);
    let font = Font::new(data.into(), 0).ok_or_else(not_a_font)?;
    Ok(Face { shaper, font, embolden })
}

/// Spaces, marks and joiners belong to what they follow.
fn goes_along(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{fe00}'..='\u{fe0f}')
}
