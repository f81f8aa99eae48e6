//! A crate as files: what each defines, under which names it passes others on, and which names it uses.

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::{Attribute, Item, UseTree};

/// What each file imports, with a name for the reason.
pub type Imports = BTreeMap<String, BTreeMap<String, String>>;

/// Path of a module or item, from the crate's root.
type Names = Vec<String>;

/// A module: a file, or a block of one.
#[derive(Default)]
struct Module {
    file: PathBuf,
    children: BTreeSet<String>,
    defined: BTreeSet<String>,
    /// Name here -> where it leads; true if it is passed on (`pub use`).
    uses: Vec<(String, Names, bool)>,
    /// What is taken whole (`use path::*`).
    globs: Vec<(Names, bool)>,
    /// Paths in code.
    paths: BTreeSet<Names>,
}

/// The modules of a crate.
pub struct Crate {
    name: String,
    modules: BTreeMap<Names, Module>,
}

impl Crate {
    /// Reads the file at `root` and every module below it but tests.
    pub fn read(root: &Path) -> Result<Self> {
        let folder = root.parent().context("a source lies in a folder")?;
        let mut all = Self { name: String::new(), modules: BTreeMap::new() };
        all.file(root, folder, Vec::new())?;
        // A binary names its package's library: another crate.
        all.name = "crate".to_owned();
        Ok(all)
    }

    /// Its files.
    pub fn files(&self) -> BTreeSet<&Path> {
        self.modules.values().map(|module| &*module.file).collect()
    }

    fn file(&mut self, path: &Path, folder: &Path, names: Names) -> Result<()> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let file = syn::parse_file(&text).with_context(|| format!("{}: not parsed", path.display()))?;
        self.items(file.items, path, folder, names)
    }

    fn items(&mut self, items: Vec<Item>, path: &Path, folder: &Path, names: Names) -> Result<()> {
        let mut module = Module { file: path.to_owned(), ..Module::default() };
        let mut below = Vec::new();
        for item in items {
            if tested(attributes(&item)) {
                continue;
            }
            match item {
                Item::Mod(inner) => {
                    let name = inner.ident.to_string();
                    module.children.insert(name.clone());
                    below.push((name, inner));
                }
                Item::Use(used) => {
                    let public = !matches!(used.vis, syn::Visibility::Inherited);
                    tree(&used.tree, &mut Vec::new(), public, &mut module);
                }
                other => {
                    module.defined.extend(defined(&other));
                    paths(other.to_token_stream(), &mut module.paths);
                }
            }
        }
        self.modules.insert(names.clone(), module);
        for (name, inner) in below {
            let names: Names = names.iter().cloned().chain([name.clone()]).collect();
            let inside = folder.join(&name);
            match inner.content {
                Some((_, items)) => self.items(items, path, &inside, names)?,
                None => {
                    let (flat, nested) = (folder.join(format!("{name}.rs")), inside.join("mod.rs"));
                    let file = named(&inner.attrs).map(|file| path.parent().unwrap_or(folder).join(file));
                    self.file(&file.unwrap_or(if flat.is_file() { flat } else { nested }), &inside, names)?;
                }
            }
        }
        Ok(())
    }

    /// What each file takes from others.
    pub fn imports(&self) -> Imports {
        let mut all = Imports::new();
        for (names, module) in &self.modules {
            let from = module.file.display().to_string();
            let arrows = all.entry(from.clone()).or_default();
            let used = module.uses.iter().filter(|(.., public)| !public).map(|(_, path, _)| path);
            let globs = module.globs.iter().filter(|(_, public)| !public).map(|(path, _)| path);
            for path in used.chain(&module.paths).chain(globs) {
                if let Some((to, item)) = self.resolve(names, path, 0)
                    && item
                    && to != module.file
                {
                    arrows.entry(to.display().to_string()).or_insert_with(|| path.join("::"));
                }
            }
        }
        all
    }

    /// The file in which `path`, as written in `module`, is defined, and whether it names an item, not a whole module.
    fn resolve(&self, module: &Names, path: &Names, depth: usize) -> Option<(&Path, bool)> {
        let first = path.first()?;
        if depth > 16 {
            return None;
        }
        let (mut at, mut rest) = match first.as_str() {
            first if first == self.name => (Vec::new(), &path[1..]),
            "self" => (module.clone(), &path[1..]),
            "super" => (module.split_last()?.1.to_vec(), &path[1..]),
            _ => (module.clone(), &path[..]),
        };
        while let Some((next, after)) = rest.split_first() {
            let here = self.modules.get(&at)?;
            if next == "super" {
                at.pop()?;
            } else if here.children.contains(next) {
                at.push(next.clone());
            } else if let Some((_, leads, _)) = here.uses.iter().find(|(name, ..)| name == next) {
                let further: Names = leads.iter().chain(after).cloned().collect();
                return if further == *path && at == *module { None } else { self.resolve(&at, &further, depth + 1) };
            } else if here.defined.contains(next) {
                return Some((&here.file, true));
            } else {
                let through = |glob: &Names| {
                    let further: Names = glob.iter().chain(rest).cloned().collect();
                    self.resolve(&at, &further, depth + 1).filter(|(_, item)| *item)
                };
                return here.globs.iter().find_map(|(glob, _)| through(glob));
            }
            rest = after;
        }
        Some((&self.modules.get(&at)?.file, false))
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(i) => &i.attrs,
        Item::Enum(i) => &i.attrs,
        Item::Fn(i) => &i.attrs,
        Item::Impl(i) => &i.attrs,
        Item::Macro(i) => &i.attrs,
        Item::Mod(i) => &i.attrs,
        Item::Static(i) => &i.attrs,
        Item::Struct(i) => &i.attrs,
        Item::Trait(i) => &i.attrs,
        Item::Type(i) => &i.attrs,
        Item::Use(i) => &i.attrs,
        _ => &[],
    }
}

/// `#[cfg(test)]`, alone or among others.
fn tested(attributes: &[Attribute]) -> bool {
    let words = |attribute: &Attribute| attribute.to_token_stream().to_string();
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && {
            let text = words(attribute);
            text.contains("(test") && !text.contains("not (test") && !text.contains("any (test")
        }
    })
}

/// The file of `#[path = "file"]`, which may hang on a condition: of several, the first.
fn named(attributes: &[Attribute]) -> Option<String> {
    let text: String = attributes.iter().map(|attribute| attribute.to_token_stream().to_string()).collect();
    text.split_once("path = \"")?.1.split('"').next().map(str::to_owned)
}

fn defined(item: &Item) -> Vec<String> {
    let name = match item {
        Item::Const(i) => &i.ident,
        Item::Enum(i) => &i.ident,
        Item::Fn(i) => &i.sig.ident,
        Item::Static(i) => &i.ident,
        Item::Struct(i) => &i.ident,
        Item::Trait(i) => &i.ident,
        Item::Type(i) => &i.ident,
        Item::Union(i) => &i.ident,
        Item::Macro(i) => return i.ident.iter().map(ToString::to_string).collect(),
        _ => return Vec::new(),
    };
    vec![name.to_string()]
}

fn tree(tree: &UseTree, path: &mut Names, public: bool, module: &mut Module) {
    match tree {
        UseTree::Path(inner) => {
            path.push(inner.ident.to_string());
            self::tree(&inner.tree, path, public, module);
            path.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            let last = path.last().cloned().unwrap_or_default();
            module.uses.push((last, path.clone(), public));
        }
        UseTree::Name(name) => {
            let leads = path.iter().cloned().chain([name.ident.to_string()]).collect();
            module.uses.push((name.ident.to_string(), leads, public));
        }
        UseTree::Rename(name) => {
            let leads = path.iter().cloned().chain([name.ident.to_string()]).collect();
            module.uses.push((name.rename.to_string(), leads, public));
        }
        UseTree::Glob(_) => module.globs.push((path.clone(), public)),
        UseTree::Group(group) => group.items.iter().for_each(|item| self::tree(item, path, public, module)),
    }
}

/// Every `a::b::c` of two names or more.
fn paths(tokens: TokenStream, into: &mut BTreeSet<Names>) {
    let mut path: Names = Vec::new();
    let mut colons = 0;
    let mut close = |path: &mut Names| {
        if path.len() > 1 {
            into.insert(std::mem::take(path));
        }
        path.clear();
    };
    let mut groups = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                if colons != 2 {
                    close(&mut path);
                }
                path.push(name.to_string());
                colons = 0;
            }
            TokenTree::Punct(mark) if mark.as_char() == ':' && !path.is_empty() => colons += 1,
            TokenTree::Group(group) => {
                close(&mut path);
                colons = 0;
                groups.push(group.stream());
            }
            _ => {
                close(&mut path);
                colons = 0;
            }
        }
    }
    close(&mut path);
    for group in groups {
        paths(group, into);
    }
}
