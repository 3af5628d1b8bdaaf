//! `cargo xtask package`: the functions as Lambda takes them, in `target/lambda/<name>/`, where the template looks.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use clap::{Args, ValueEnum};
use flate2::{Compression, write::DeflateEncoder};

use crate::{
    run::{root, run, run_with},
    tools,
};

/// Builds for Lambda's system, with zig as the linker.
const CARGO_LAMBDA: &[&str] = &["cargo-lambda==1.9.2", "ziglang==0.17.1"];

/// The largest binary, in bytes: 9 MB.
pub(crate) const BINARY_BYTES_MAX: u64 = 9_000_000;
/// The largest binary once compressed, in bytes: 4 MB. Fonts come on top where there are any.
pub(crate) const ZIP_BYTES_MAX: u64 = 4_000_000;

/// Where examples are. Always chosen along with the functions, so that they share every build.
const EXAMPLES: &str = "edge";
/// What lies beside a binary: the function, and the folder of its own that goes along, licences and all.
const BESIDE: [(&str, &str); 1] = [("ticket", "fonts")];

/// What to build.
#[derive(Args)]
pub(crate) struct Package {
    /// The processor to build for; the template deploys arm64.
    #[arg(long, value_enum, default_value_t = Arch::Arm64)]
    arch: Arch,
    /// The profile of Cargo.toml.
    #[arg(long, default_value = "release")]
    profile: String,
    /// Afterwards builds the last commit once more, from nothing and in another place, and compares every byte. Takes
    /// as long as a first build.
    #[arg(long)]
    verify: bool,
}

/// A processor of Lambda's.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    /// Graviton.
    Arm64,
    /// Everything else.
    #[value(name = "x86-64")]
    X86,
}

impl Arch {
    /// This machine's.
    pub(crate) fn host() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Arm64 } else { Self::X86 }
    }

    fn flag(self) -> &'static str {
        match self {
            Self::Arm64 => "--arm64",
            Self::X86 => "--x86-64",
        }
    }

    /// As the template's parameter `Architecture` has it.
    pub(crate) fn parameter(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86 => "x86_64",
        }
    }

    /// As rustc has it.
    fn target(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::X86 => "x86_64-unknown-linux-gnu",
        }
    }

    /// Says what is missing, instead of changing the machine's toolchain as cargo-lambda would.
    fn demand_library(self) -> Result<(), String> {
        let target = self.target();
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = Command::new(rustc).args(["--print", "target-libdir", "--target", target]).output();
        let output = output.map_err(|why| format!("rustc does not start: {why}"))?;
        if Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir() {
            return Ok(());
        }
        Err(format!(
            "this toolchain lacks the standard library of {target}. Add it once:\n\n    rustup target add {target}\n\n\
             Without it: `cargo xtask package --arch {}` for this machine's own processor, deployed with the template's \
             parameter Architecture={}",
            Self::host().to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default(),
            Self::host().parameter(),
        ))
    }
}

/// One build of all functions.
struct Build<'a> {
    /// The sources.
    checkout: &'a Path,
    /// Where cargo works.
    target: &'a Path,
    /// Where the packages go.
    into: &'a Path,
    arch: Arch,
    profile: &'a str,
}

/// Builds the packages, prints what they weigh, and fails when one is too heavy.
pub(crate) fn package(arguments: &Package) -> Result<(), String> {
    let into = root().join("target/lambda");
    build(&into, arguments.arch, &arguments.profile)?;
    weigh(&into)?;
    if arguments.verify {
        verify(&into, arguments)?;
    }
    Ok(())
}

/// Packages every function into `into/<name>/`.
pub(crate) fn build(into: &Path, arch: Arch, profile: &str) -> Result<(), String> {
    Build { checkout: root(), target: &tools::target(), into, arch, profile }.run()
}

/// Builds an example of the workspace into `into/<name>/`, as functions are built: something to compare them with.
pub(crate) fn build_example(name: &str, into: &Path, arch: Arch, profile: &str) -> Result<(), String> {
    let build = Build { checkout: root(), target: &tools::target(), into, arch, profile };
    build.cargo_lambda(&functions(root())?, &["--example", name])
}

/// The functions: every package below `functions/`.
fn functions(checkout: &Path) -> Result<Vec<String>, String> {
    let folder = checkout.join("functions");
    let mut names = names(&folder)?;
    names.retain(|name| folder.join(name).join("Cargo.toml").exists());
    Ok(names)
}

/// What is in a folder, in order.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, String> {
    let told = |why: io::Error| format!("{}: {why}", folder.display());
    let entries = fs::read_dir(folder).map_err(told)?.collect::<io::Result<Vec<_>>>().map_err(told)?;
    let mut names: Vec<String> = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

impl Build<'_> {
    fn run(&self) -> Result<(), String> {
        self.arch.demand_library()?;
        let functions = functions(self.checkout)?;
        self.cargo_lambda(&functions, &[])?;
        for name in names(self.into)?.iter().filter(|name| !functions.contains(name)) {
            remove(&self.into.join(name))?;
        }
        functions.iter().try_for_each(|name| self.furnish(name))
    }

    /// One run for all functions: what they share is compiled once.
    fn cargo_lambda(&self, functions: &[String], only: &[&str]) -> Result<(), String> {
        let bin = tools::python("cargo-lambda", CARGO_LAMBDA)?;
        fs::create_dir_all(self.into).map_err(|why| format!("{}: {why}", self.into.display()))?;
        let manifest = self.checkout.join("Cargo.toml");
        let (manifest, into) = (manifest.to_string_lossy(), self.into.to_string_lossy());
        let mut arguments = vec!["lambda", "build", "--locked", "--manifest-path", &manifest];
        let packages = functions.iter().map(String::as_str).chain([EXAMPLES]);
        arguments.extend(packages.flat_map(|name| ["--package", name]));
        // Its own check asks rustup, and not every toolchain is rustup's.
        arguments.extend(["--profile", self.profile, self.arch.flag(), "--lambda-dir", &into, "--skip-target-check"]);
        arguments.extend(only);
        let (path, flags) = (path_with(&bin)?, self.flags());
        let target = self.target.to_string_lossy();
        let environment = [("PATH", &*path), ("RUSTFLAGS", &flags), ("CARGO_TARGET_DIR", &target)];
        run_with("functions", bin.join("cargo-lambda"), &arguments, &environment)
    }

    /// The same bytes wherever the checkout, the build and cargo's home are: no path of theirs is in a panic message.
    fn flags(&self) -> String {
        let home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo"))).unwrap_or_default();
        // The last match wins, and the build is often inside the checkout.
        let places = [(self.checkout, "/usher"), (self.target, "/target"), (&home, "/cargo")];
        let flags = places.map(|(place, name)| format!("--remap-path-prefix={}={name}", place.display()));
        flags.join(" ")
    }

    /// Leaves in a function's folder its binary and what belongs beside it.
    fn furnish(&self, name: &str) -> Result<(), String> {
        let folder = self.into.join(name);
        if !folder.join("bootstrap").exists() {
            return Err(format!("{name}: no binary was built"));
        }
        for other in names(&folder)?.iter().filter(|entry| *entry != "bootstrap") {
            remove(&folder.join(other))?;
        }
        for (_, beside) in BESIDE.iter().filter(|(function, _)| *function == name) {
            copy(&self.checkout.join("functions").join(name).join(beside), &folder.join(beside))?;
        }
        Ok(())
    }
}

/// The search path, with the tools' folder first.
fn path_with(bin: &Path) -> Result<String, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let all: Vec<PathBuf> = [bin.to_owned()].into_iter().chain(env::split_paths(&path)).collect();
    let joined: OsString = env::join_paths(all).map_err(|why| why.to_string())?;
    Ok(joined.to_string_lossy().into_owned())
}

fn remove(path: &Path) -> Result<(), String> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(|why| format!("{}: {why}", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let told = |path: &Path, why: io::Error| format!("{}: {why}", path.display());
    fs::create_dir_all(to).map_err(|why| told(to, why))?;
    for name in names(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        fs::copy(&from, &to).map_err(|why| told(&from, why))?;
    }
    Ok(())
}

/// What a function weighs, in bytes.
pub(crate) struct Weight {
    pub(crate) name: String,
    pub(crate) binary: u64,
    /// The binary alone, compressed.
    pub(crate) zip: u64,
    /// The binary and what lies beside it, compressed.
    pub(crate) whole: u64,
}

/// What every package in a folder weighs.
pub(crate) fn weights(into: &Path) -> Result<Vec<Weight>, String> {
    let weight = |name: String| {
        let files = files(&into.join(&name), "")?;
        let binary: Vec<_> = files.iter().filter(|(path, _)| path == "bootstrap").cloned().collect();
        let bytes = binary.iter().map(|(_, content)| content.len() as u64).sum();
        Ok(Weight { name, binary: bytes, zip: zip_bytes(&binary), whole: zip_bytes(&files) })
    };
    names(into)?.into_iter().map(weight).collect()
}

/// Prints what every package weighs.
fn weigh(into: &Path) -> Result<(), String> {
    println!("\n{:<14} {:>12} {:>12} {:>14}", "function", "binary", "its zip", "whole package");
    let mut heavy = Vec::new();
    for Weight { name, binary, zip, whole } in weights(into)? {
        println!("{name:<14} {binary:>12} {zip:>12} {whole:>14}");
        if binary > BINARY_BYTES_MAX || zip > ZIP_BYTES_MAX {
            heavy.push(name);
        }
    }
    println!("{:<14} {BINARY_BYTES_MAX:>12} {ZIP_BYTES_MAX:>12}   bytes, at most", "budget");
    if heavy.is_empty() { Ok(()) } else { Err(format!("above the budget: {}", heavy.join(", "))) }
}

/// Every file of a folder: its path below it, and its content.
fn files(folder: &Path, below: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut found = Vec::new();
    for name in names(folder)? {
        let (path, told) = (folder.join(&name), format!("{below}{name}"));
        if path.is_dir() {
            found.extend(files(&path, &format!("{told}/"))?);
        } else {
            let content = fs::read(&path).map_err(|why| format!("{}: {why}", path.display()))?;
            found.push((told, content));
        }
    }
    Ok(found)
}

/// The size of a zip of these files: their deflated contents, a header and a directory entry for each, and the end.
fn zip_bytes(files: &[(String, Vec<u8>)]) -> u64 {
    const HEADER: u64 = 30;
    const DIRECTORY_ENTRY: u64 = 46;
    const END: u64 = 22;
    let of_file = |(path, content): &(String, Vec<u8>)| {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        io::Write::write_all(&mut encoder, content).expect("memory takes every byte");
        let deflated = encoder.finish().expect("memory takes every byte");
        HEADER + DIRECTORY_ENTRY + 2 * path.len() as u64 + deflated.len() as u64
    };
    END + files.iter().map(of_file).sum::<u64>()
}

/// Builds the last commit from nothing elsewhere and compares it with `packages`.
fn verify(packages: &Path, arguments: &Package) -> Result<(), String> {
    let elsewhere = tools::target().join("verify");
    if elsewhere.exists() {
        remove(&elsewhere)?;
    }
    let checkout = elsewhere.join("checkout");
    let text = checkout.to_string_lossy();
    run("another checkout", "git", &["worktree", "add", "--force", "--detach", &text, "HEAD"])?;
    let (target, into) = (elsewhere.join("target"), elsewhere.join("lambda"));
    let again =
        Build { checkout: &checkout, target: &target, into: &into, arch: arguments.arch, profile: &arguments.profile };
    let outcome = again.run().and_then(|()| compare(packages, &into));
    run("remove it", "git", &["worktree", "remove", "--force", &text])?;
    remove(&elsewhere)?;
    outcome
}

/// Fails when the two folders differ in any byte.
fn compare(one: &Path, other: &Path) -> Result<(), String> {
    let (one, other) = (files(one, "")?, files(other, "")?);
    let differ = |file: &&(String, Vec<u8>)| !other.contains(file);
    let mut different: Vec<&str> = one.iter().filter(differ).map(|(path, _)| path.as_str()).collect();
    different.extend(other.iter().filter(|file| !one.contains(file)).map(|(path, _)| path.as_str()));
    different.sort_unstable();
    different.dedup();
    if different.is_empty() {
        println!("\n{} files, built twice in two places: the same bytes", one.len());
        return Ok(());
    }
    Err(format!("built again (is everything committed?), these differ: {}", different.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_of_the_template_is_packaged_where_it_looks() {
        let template = fs::read_to_string(root().join("template.yaml")).unwrap();
        let uris = template.lines().filter_map(|line| line.trim().strip_prefix("CodeUri: target/lambda/"));
        let mut wanted: Vec<&str> = uris.map(|uri| uri.trim_end_matches('/')).collect();
        wanted.sort_unstable();
        assert!(!wanted.is_empty());
        assert_eq!(functions(root()).unwrap(), wanted);
    }

    #[test]
    fn a_zip_weighs_what_zip_makes_of_it() {
        // One stored byte deflates to three; python3 -m zipfile makes 117 bytes of it.
        let file = |path: &str| (path.to_owned(), b"a".to_vec());
        assert_eq!(zip_bytes(&[file("a")]), 22 + 30 + 46 + 2 + 3);
        assert_eq!(zip_bytes(&[]), 22);
    }
}
