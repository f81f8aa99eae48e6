//! The image has no runtime: its entry is the function that calls everything.

fn main() {
    println!("cargo::rustc-link-arg-bins=--entry=exercise");
    println!("cargo::rustc-link-arg-bins=--gc-sections");
}
