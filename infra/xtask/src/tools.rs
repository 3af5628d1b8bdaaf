//! Tools that the commands bring along: each pinned, in a folder of its own beside the build's output, installed once.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
};

use crate::run::{root, run};

/// Where cargo builds, and where the tools are kept: as long as the build's own output is.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A Python environment with exactly these requirements (`name==version`), as the folder of its programs.
///
/// Tools that pin different versions of one library get environments of their own.
pub(crate) fn python(name: &str, requirements: &[&str]) -> Result<PathBuf, String> {
    install(&folder(name, requirements), |folder| {
        let folder = folder.to_string_lossy();
        run(name, "python3", &["-m", "venv", "--clear", &folder])?;
        let pip = ["install", "--quiet", "--disable-pip-version-check"];
        run(name, format!("{folder}/bin/pip"), &[&pip, requirements].concat())
    })
    .map(|folder| folder.join("bin"))
}

/// The contents of an npm package, as its folder. Nothing of it is run.
pub(crate) fn npm(package: &str, version: &str) -> Result<PathBuf, String> {
    let wanted = format!("{package}@{version}");
    install(&folder(package, &[&wanted]), |folder| {
        let text = folder.to_string_lossy();
        run(package, "npm", &["pack", "--silent", "--pack-destination", &text, &wanted])?;
        let archive = format!("{text}/{package}-{version}.tgz");
        run(package, "tar", &["--extract", "--gzip", "--directory", &text, "--file", &archive])?;
        fs::remove_file(&archive).map_err(|why| format!("{archive}: {why}"))
    })
    .map(|folder| folder.join("package"))
}

/// A program of a crate.
pub(crate) fn cargo(package: &str, version: &str) -> Result<PathBuf, String> {
    install(&folder(package, &[version]), |folder| {
        let arguments = ["install", package, "--version", version, "--locked", "--root", &folder.to_string_lossy()];
        run(package, "cargo", &arguments)
    })
    .map(|folder| folder.join("bin").join(package))
}

/// A folder for each set of versions: changing one installs anew and never upgrades in place.
fn folder(name: &str, versions: &[&str]) -> PathBuf {
    let mut digest = DefaultHasher::new();
    versions.hash(&mut digest);
    target().join("tools").join(format!("{name}-{:016x}", digest.finish()))
}

/// Fills `folder` unless it is there. A half-filled one is never taken for a whole: the mark comes last.
fn install(folder: &Path, fill: impl FnOnce(&Path) -> Result<(), String>) -> Result<PathBuf, String> {
    let mark = folder.join(".installed");
    if !mark.exists() {
        fs::create_dir_all(folder).map_err(|why| format!("{}: {why}", folder.display()))?;
        fill(folder)?;
        fs::write(&mark, "").map_err(|why| format!("{}: {why}", mark.display()))?;
    }
    Ok(folder.to_owned())
}
