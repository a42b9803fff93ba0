//! The modules of a crate, and the imports between their files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, File, Item, ItemUse, Meta, UseTree, Visibility};

use crate::cycles::Imports;

/// A path of module names, without `crate`.
type Names = Vec<String>;

/// The modules of a crate: each with its file and its re-exports.
#[derive(Default)]
struct Modules {
    files: BTreeMap<Names, String>,
    reexports: BTreeMap<Names, Vec<(String, Names)>>,
}

/// Returns the imports between the files below `src`.
pub(crate) fn imports(src: &Path) -> Imports {
    let mut parsed = Vec::new();
    let mut modules = Modules::default();
    for path in sources(src) {
        let text = std::fs::read_to_string(src.join(&path)).expect("a source file can be read");
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let module = module_of(&path);
        modules.files.insert(module.clone(), path);
        parsed.push((module, file));
    }
    for (module, file) in &parsed {
        let reexports = uses(file).filter(|item| !matches!(item.vis, Visibility::Inherited));
        let named = reexports.flat_map(|item| flat(&item.tree));
        let absolute = named.map(|(names, alias)| (alias, modules.absolute(module, names)));
        let reexports = absolute.filter_map(|(alias, names)| names.map(|names| (alias, names))).collect();
        modules.reexports.insert(module.clone(), reexports);
    }
    let of =
        |(module, file): &(Names, File)| (modules.files[module].clone(), modules.imports_of(module, file));
    parsed.iter().map(of).collect()
}

/// Returns the paths of the source files, relative to `src`. Programs are separate crates.
fn sources(src: &Path) -> Vec<String> {
    let mut open = vec![src.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).expect("a source folder can be read") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "bin") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(src).expect("it is below src");
                found.push(relative.to_string_lossy().into_owned());
            }
        }
    }
    found
}

fn module_of(path: &str) -> Names {
    let path = path.trim_end_matches(".rs");
    let names = path.split('/').filter(|name| *name != "mod" && *name != "lib");
    names.map(str::to_owned).collect()
}

/// Returns the `use` items of a file, without those of its tests.
fn uses(file: &File) -> impl Iterator<Item = &ItemUse> {
    file.items.iter().filter_map(|item| match item {
        Item::Use(item) if !is_test(&item.attrs) => Some(item),
        _ => None,
    })
}

/// Returns each path of a `use`, with the name that it introduces.
fn flat(tree: &UseTree) -> Vec<(Names, String)> {
    match tree {
        UseTree::Path(path) => {
            let rest = flat(&path.tree).into_iter();
            rest.map(|(names, alias)| ([vec![path.ident.to_string()], names].concat(), alias)).collect()
        }
        UseTree::Name(name) => vec![(vec![name.ident.to_string()], name.ident.to_string())],
        UseTree::Rename(rename) => vec![(vec![rename.ident.to_string()], rename.rename.to_string())],
        UseTree::Glob(_) => vec![(vec!["*".to_owned()], "*".to_owned())],
        UseTree::Group(group) => group.items.iter().flat_map(flat).collect(),
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string().contains("test"),
        _ => false,
    })
}

impl Modules {
    /// Returns the path from the root of the crate; `None` for a path of another crate.
    fn absolute(&self, module: &Names, mut names: Names) -> Option<Names> {
        let mut start = match names.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => module.clone(),
            child => {
                let path = [module.clone(), vec![child.to_owned()]].concat();
                return self.files.contains_key(&path).then(|| [module.clone(), names].concat());
            }
        };
        while names.first().is_some_and(|name| name == "super") {
            start.pop();
            names.remove(0);
        }
        if names.first().is_some_and(|name| name == "crate" || name == "self") {
            names.remove(0);
        }
        Some([start, names].concat())
    }

    /// Returns the files in which the names of a path are defined.
    fn files_of(&self, path: &[String]) -> BTreeSet<&str> {
        let mut module = Vec::new();
        for (at, name) in path.iter().enumerate() {
            let child = [module.clone(), vec![name.clone()]].concat();
            if self.files.contains_key(&child) {
                module = child;
                continue;
            }
            let rest = &path[at + 1..];
            let reexports = self.reexports.get(&module).into_iter().flatten();
            if name == "*" {
                let all = reexports.flat_map(|(_, target)| self.files_of(target));
                return all.chain(self.files.get(&module).map(String::as_str)).collect();
            }
            if let Some((_, target)) = reexports.into_iter().find(|(alias, _)| alias == name) {
                return self.files_of(&[target, rest].concat());
            }
            break;
        }
        self.files.get(&module).map(String::as_str).into_iter().collect()
    }

    fn imports_of(&self, module: &Names, file: &File) -> BTreeSet<String> {
        let mut paths = Paths(Vec::new());
        paths.visit_file(file);
        let private = uses(file).filter(|item| matches!(item.vis, Visibility::Inherited));
        let named = private.flat_map(|item| flat(&item.tree)).map(|(names, _)| names);
        let absolute = named.chain(paths.0).filter_map(|names| self.absolute(module, names));
        let own = self.files[module].as_str();
        let files = absolute.flat_map(|names| self.files_of(&names).into_iter().collect::<Vec<_>>());
        files.filter(|file| *file != own).map(str::to_owned).collect()
    }
}

/// The paths in code, without those in tests and in `use` items.
struct Paths(Vec<Names>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Use(_) => return,
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Const(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }
}
