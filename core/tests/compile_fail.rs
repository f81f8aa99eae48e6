//! What must not compile does not, and the compiler says why.
//!
//! A bad model is found by `cargo check` already; an arena that is too small is found when `Session::embedded` is
//! instantiated, by `cargo build`. So each case is a binary of a package beside the build products, and is built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

mod tiny;

/// A program that embeds `FILE` and has an arena of `BYTES`.
const PROGRAM: &str = r#"
use cxr_core::{embed::EmbeddedModel, session::Session};

cxr_core::embed_model!(pub struct Tiny, "FILE");

fn main() {
    let mut arena = [0; BYTES];
    let mut session = Session::embedded::<Tiny, _>(&mut arena);
    for _ in 0..Tiny::MODEL.input().height {
        session.push_row(&[0; Tiny::ROW_LEN]).unwrap();
    }
    println!("{} {}", Tiny::ARENA_BYTES, session.finish().unwrap().logits().len());
}
"#;

/// A package that depends on cxr-core, outside the workspace.
struct Package(PathBuf);

impl Package {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile-fail");
        let core = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir_all(folder.join("src/bin")).unwrap();
        let manifest = format!(
            "[package]\nname = \"compile-fail\"\nedition = \"2024\"\n[dependencies]\ncxr-core = {{ path = {core:?} }}\n[workspace]\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        // The workspace's versions are downloaded already.
        fs::copy(core.join("../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        Self(folder)
    }

    /// Builds, or runs, a program with a model and an arena.
    fn cargo(&self, subcommand: &str, name: &str, model: &[u8], arena: &str) -> Output {
        let program = PROGRAM.replace("FILE", &format!("{name}.cxr")).replace("[0; BYTES]", &format!("[0; {arena}]"));
        fs::write(self.0.join("src/bin").join(name).with_extension("cxr"), model).unwrap();
        fs::write(self.0.join("src/bin").join(name).with_extension("rs"), program).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([subcommand, "--quiet", "--offline", "--color=never", "--bin", name]).current_dir(&self.0);
        cargo.env("CARGO_TARGET_DIR", self.0.join("target")).env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("RUSTFLAGS");
        cargo.output().unwrap()
    }
}

#[test]
fn the_compiler_says_why() {
    let package = Package::new();
    let good = tiny::model(16, 16, 3);
    let change = |at: usize, value: u8| {
        let mut file = good.clone();
        file[at] = value;
        file
    };
    let exact = "Tiny::ARENA_BYTES";

    // Without this, the others might fail for another reason.
    for (arena, name) in [(exact, "exact_arena"), ("Tiny::ARENA_BYTES + 1", "longer_arena")] {
        let output = package.cargo("run", name, &good, arena);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let arena = cxr_core::format::Model::parse(&good).unwrap().arena_bytes();
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{arena} 3\n"), "{stderr}");
    }

    let mut field = change(16, 0); // the input's height
    let crc = cxr_testkit::CRC32.checksum(&field[16..]);
    field[12..16].copy_from_slice(&crc.to_le_bytes());
    for (name, model, arena, message) in [
        ("bad_magic", change(0, b'X'), exact, "not a .cxr model file"),
        ("truncated", good[..good.len() - 1].to_vec(), exact, "the model file is truncated"),
        ("empty", Vec::new(), exact, "the model file is truncated"),
        ("damaged", change(good.len() - 20, 99), exact, "the model file is damaged: wrong checksum"),
        ("version", change(4, 77), exact, "unsupported model file version: export it again"),
        ("field", field, exact, "input shape"),
        ("small_arena", good.clone(), "Tiny::ARENA_BYTES - 1", "the arena is smaller than the model's ARENA_BYTES"),
        ("no_arena", good.clone(), "0", "the arena is smaller than the model's ARENA_BYTES"),
    ] {
        let output = package.cargo("build", name, &model, arena);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{name} compiles");
        let first = stderr.lines().find(|line| line.starts_with("error")).unwrap_or_default();
        println!("{name}: {first}");
        assert_eq!(first, format!("error[E0080]: evaluation panicked: {message}"), "{name}: {stderr}");
    }
}
