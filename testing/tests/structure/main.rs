//! The plan of the house: no module leads back to itself, what tests share is used, and what the pages name is there.

mod circles;
mod modules;
mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use circles::circles;
use modules::Tree;
use proc_macro2::{TokenStream, TokenTree};
use syn::Visibility;
use syn::visit::{self, Visit};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The circles of the crate whose files are `files`.
fn circles_of(root: &str, files: &[(&str, &str)]) -> Vec<String> {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let source = |file: &str| files.get(file).map(|text| (*text).to_owned());
    circles(&Tree::read(root, &source).uses())
}

#[test]
fn no_module_of_a_crate_leads_back_to_itself() {
    let mut found = Vec::new();
    for name in [
        "contract",
        "service",
        "store",
        "backend",
        "systems",
        "observer",
        "frontend",
        "client",
        "e2e",
        "exercises",
        "proof",
        "hostile",
        "testing",
    ] {
        let folder = root().join(name).join("src");
        let source = |file: &str| fs::read_to_string(folder.join(file)).ok();
        for file in ["lib.rs", "main.rs"].into_iter().filter(|file| folder.join(file).exists()) {
            let circles = circles(&Tree::read(file, &source).uses());
            found.extend(circles.into_iter().map(|circle| format!("{name}: {circle}")));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// By the list of docs/architecture.md, in which each module of the gateway has its layer.
#[test]
fn each_layer_of_the_gateway_knows_only_those_below() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let entries = page.lines().filter_map(|line| line.strip_prefix("- ")?.split_once(": "));
    let layers: Vec<Vec<&str>> = entries
        .map(|(names, _)| names.split('`').filter_map(|name| name.strip_prefix("frontend/src/")).collect())
        .collect();
    let layer = |path: &[String]| {
        let room = path.first().map_or("lib", String::as_str);
        let found = layers.iter().position(|names| names.iter().any(|name| name.trim_end_matches(".rs") == room));
        found.unwrap_or_else(|| panic!("docs/architecture.md has no layer for {room}"))
    };
    let source = |file: &str| fs::read_to_string(root().join("frontend/src").join(file)).ok();
    for one in Tree::read("lib.rs", &source).uses().iter().filter(|one| one.from.first() != one.to.first()) {
        assert!(layer(&one.from) > layer(&one.to), "{}: {:?} must not know {:?}", one.place, one.from, one.to);
    }
}

/// In the order of service/src/lib.rs.
#[test]
fn each_layer_of_a_server_knows_only_those_before_it() {
    let source = |file: &str| fs::read_to_string(root().join("service/src").join(file)).ok();
    let list = source("lib.rs").unwrap();
    let modules = list.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.split_once(';'));
    let layers: Vec<&str> = modules.map(|(name, _)| name).collect();
    let layer = |path: &[String]| layers.iter().position(|name| path.first().is_some_and(|room| room == name));
    for one in Tree::read("lib.rs", &source).uses().iter().filter(|one| one.from.first() != one.to.first()) {
        assert!(layer(&one.from) > layer(&one.to), "{}: {:?} must not know {:?}", one.place, one.from, one.to);
    }
}

#[test]
fn a_circle_is_told_with_its_places_however_the_modules_name_each_other() {
    let a = "a.rs";
    for (there, back) in [
        ("use crate::b::B;", "fn f() -> crate::a::A { A }"),
        ("use super::b::{self, B as C};", "fn f() { super::a::g(); }"),
        ("use crate::b;\nfn f() { b::g() }", "fn f() { println!(\"{}\", crate::a::A) }"),
        ("impl crate::b::B for u8 {}", "mod inner { fn f(a: super::super::a::A) {} }"),
    ] {
        let found = circles_of("lib.rs", &[("lib.rs", "mod a; mod b;"), (a, there), ("b.rs", back)]);
        let [circle] = &found[..] else { panic!("{there} {back}: {found:?}") };
        assert!(circle.starts_with("a -> b -> a (a.rs:"), "{circle}");
    }
    let files = [("main.rs", "mod a;\nmod b;\nmod c;"), (a, "use crate::b::B;"), ("b.rs", "\nuse crate::c::C;")];
    let files = [&files[..], &[("c/mod.rs", "use crate::a::A;")]].concat();
    assert_eq!(circles_of("main.rs", &files), ["a -> b -> c -> a (a.rs:1, b.rs:2, c/mod.rs:1)"]);
}

#[test]
fn folders_and_a_module_with_its_children_make_circles_too() {
    let lib = ("lib.rs", "mod a; mod b;");
    let folders = [("a/mod.rs", "mod x; mod y;"), ("b/mod.rs", "mod z; mod w;"), ("a/y.rs", ""), ("b/z.rs", "")];
    let rooms = [("a/x.rs", "use crate::b::z::Z;"), ("b/w.rs", "use crate::a::y::Y;")];
    let found = circles_of("lib.rs", &[&[lib][..], &folders, &rooms].concat());
    assert_eq!(found, ["a -> b -> a (a/x.rs:1, b/w.rs:1)"]);

    let (parent, child) = (("a.rs", "mod x;\nuse x::X;"), ("a/x.rs", "use super::A;"));
    let found = circles_of("lib.rs", &[("lib.rs", "mod a;"), parent, child]);
    assert_eq!(found, ["a/mod -> a/x -> a/mod (a.rs:2, a/x.rs:1)"]);
    let found = circles_of("lib.rs", &[("lib.rs", "mod a;\nuse a::A;\nstruct B;"), ("a.rs", "use crate::B;")]);
    assert_eq!(found, ["a -> the root -> a (a.rs:1, lib.rs:2)"]);
}

#[test]
fn what_only_seems_to_lead_back_is_no_circle() {
    for (what, b) in [
        ("a test's use", "#[cfg(test)]\nmod tests { use crate::a::A; }\n#[cfg(test)]\nuse crate::a::A;"),
        ("another crate's module", "use ::a::A;\nuse http::a;\nfn f() { a::g() }"),
        ("a name of its own", "mod a { pub struct A; }\nuse a::A;"),
        ("what is only handed on", "use crate::a::D;"),
        ("how far something is seen", "pub(in crate::a) struct E;"),
    ] {
        let files = [("lib.rs", "mod a; mod b; mod d;"), ("a.rs", "use crate::b::B;\npub use crate::d::D;")];
        let files = [&files[..], &[("b.rs", b), ("b/a.rs", ""), ("d.rs", "pub struct D;")]].concat();
        assert_eq!(circles_of("lib.rs", &files), [""; 0], "{what}");
    }
}

/// The names of what a file offers to others.
#[derive(Default)]
struct Offered(Vec<String>);

impl<'a> Visit<'a> for Offered {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.offer(&item.vis, &item.sig.ident);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.offer(&item.vis, &item.sig.ident);
    }

    fn visit_item_const(&mut self, item: &'a syn::ItemConst) {
        self.offer(&item.vis, &item.ident);
    }

    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        self.offer(&item.vis, &item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_field(&mut self, field: &'a syn::Field) {
        field.ident.iter().for_each(|name| self.offer(&field.vis, name));
    }
}

impl Offered {
    fn offer(&mut self, visibility: &Visibility, name: &syn::Ident) {
        if matches!(visibility, Visibility::Public(_)) {
            self.0.push(name.to_string());
        }
    }
}

/// The Rust files below `folder`, at any depth.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let below = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = below.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

/// Adds each name of the Rust files below `folder` to `names`.
fn names_below(folder: &Path, names: &mut BTreeSet<String>) {
    fn add(tokens: TokenStream, names: &mut BTreeSet<String>) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => drop(names.insert(ident.to_string())),
                TokenTree::Group(group) => add(group.stream(), names),
                _ => {}
            }
        }
    }
    for path in rust_files(folder) {
        add(fs::read_to_string(&path).unwrap().parse().unwrap(), names);
    }
}

/// Of the public types' names, and of those that would be taken for one another even where only their crate knows them.
#[test]
fn one_word_is_one_thing() {
    const WORDS: [&str; 7] = ["Connection", "Endpoint", "Failure", "Refusal", "Route", "Target", "Terms"];
    // Never without what it is of.
    const ALLOWED: [(&str, &str); 5] = [
        ("Address", "the store's, a crate of its own, or the database's"),
        ("Bounds", "the tunnels' or the queue's"),
        ("Config", "each program's own"),
        ("Credentials", "those that the gateway asks for, or the observer's for the Kubernetes API"),
        ("Settings", "each part's own"),
    ];
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in ["contract", "service", "store", "backend", "systems", "observer", "frontend", "client"] {
        for path in rust_files(&root().join(name).join("src")) {
            let text = fs::read_to_string(&path).unwrap();
            for line in text.split("#[cfg(test)]\nmod ").next().unwrap().lines() {
                let words: Vec<&str> = line.split_whitespace().collect();
                let (scope, rest) = match &words[..] {
                    [scope, rest @ ..] if scope.starts_with("pub") => (*scope, rest),
                    rest => ("", rest),
                };
                let ["struct" | "enum" | "trait", word, ..] = rest else { continue };
                let word = word.split(|c: char| !c.is_alphanumeric()).next().unwrap();
                if scope == "pub" || WORDS.contains(&word) {
                    places.entry(word.to_owned()).or_default().push(path.display().to_string());
                }
            }
        }
    }
    places.retain(|_, places| places.len() > 1);
    assert!(places.keys().map(String::as_str).eq(ALLOWED.map(|(word, _)| word)), "{places:#?}");
}

/// The compiler finds what nobody uses only where it is not public.
#[test]
fn what_tests_share_is_used_by_a_test() {
    let mut names = BTreeSet::new();
    for name in ["service", "backend", "systems", "observer", "frontend"] {
        names_below(&root().join(name), &mut names);
    }
    for entry in fs::read_dir(root().join("testing/src")).unwrap() {
        let path = entry.unwrap().path();
        let mut offered = Offered::default();
        offered.visit_file(&syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap());
        for name in offered.0 {
            assert!(names.contains(&name), "{}: no test uses {name}", path.display());
        }
    }
}

#[test]
fn no_program_is_built_with_what_tests_share() {
    for entry in fs::read_dir(root()).unwrap() {
        let Ok(manifest) = fs::read_to_string(entry.unwrap().path().join("Cargo.toml")) else { continue };
        let built_with = manifest.split("\n[dev-dependencies]").next().unwrap();
        assert!(!built_with.contains("\ntesting"), "{manifest}");
    }
}

/// A crate that `.dockerignore` leaves out is one without which nothing compiles there.
#[test]
fn each_crate_of_the_workspace_gets_into_an_image_s_build() {
    let kept = fs::read_to_string(root().join(".dockerignore")).unwrap();
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = [")?.strip_suffix(']')).unwrap();
    for member in members.split(", ").map(|member| member.trim_matches('"')) {
        assert!(kept.lines().any(|line| line.strip_prefix('!') == Some(member)), "{member} is not in .dockerignore");
    }
}

#[test]
fn what_the_pages_name_is_there() {
    let root = root();
    let ignored = fs::read_to_string(root.join(".gitignore")).unwrap();
    let entries = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let top: Vec<String> = entries.filter(|entry| !ignored.contains(&format!("/{entry}/"))).collect();
    let mut found = BTreeSet::from(["README.md".to_owned(), "CONTRIBUTING.md".to_owned()]);
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            found.insert(format!("docs/{}", path.file_name().unwrap().display()));
        }
    }
    let mut missing = Vec::new();
    for page in found {
        let folder = page.rsplit_once('/').map_or(".", |(folder, _)| folder);
        for (line, path) in pages::paths(&fs::read_to_string(root.join(&page)).unwrap(), folder, &top) {
            // Of a pattern, the folder that it is about.
            let path = path.split_once('*').map_or(&*path, |(before, _)| before.rsplit_once('/').unwrap().0);
            if !root.join(path).exists() {
                missing.push(format!("{page}:{line}: there is no {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

/// They are not run: they are for a change that is not there yet.
#[test]
fn what_contributing_types_is_there() {
    let root = root();
    let page = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let makefile = fs::read_to_string(root.join("Makefile")).unwrap();
    let behind = |words: &[&str], flag: &str| {
        let at = words.iter().position(|word| *word == flag)?;
        words.get(at + 1).map(|word| (*word).to_owned())
    };
    let commands = pages::commands(&page);
    assert!(commands.len() >= 5, "{commands:?}");
    for (line, command) in commands {
        let words: Vec<&str> = command.split(' ').collect();
        let is_there = match words[..] {
            ["cargo", "test", ..] => {
                let package = root.join(behind(&words, "-p").unwrap());
                behind(&words, "--test").is_none_or(|test| {
                    let folder = package.join("tests");
                    folder.join(format!("{test}.rs")).exists() || folder.join(test).join("main.rs").exists()
                }) && package.join("Cargo.toml").exists()
            }
            ["make", target, ..] => makefile.contains(&format!("\n{target}:")),
            [program, ..] => root.join(program).exists(),
            [] => false,
        };
        assert!(is_there, "CONTRIBUTING.md:{line}: {command}");
    }
}

#[test]
fn a_path_is_told_from_what_looks_like_one() {
    let page = "`service/src/old.rs`, `gone/src/lib.rs`, `/proxy/items`, `text/plain`, [page](gateway.md#routes),\n\
                ```sh\nls `service/none`\n```\n`chart/values.yaml` [out](https://example.org/a) [here](#here) `chart/`";
    let top = ["service".to_owned(), "chart".to_owned()];
    let expected = [
        (1, "service/src/old.rs"),
        (1, "gone/src/lib.rs"),
        (1, "docs/gateway.md"),
        (5, "chart/values.yaml"),
        (5, "chart/"),
    ];
    assert_eq!(pages::paths(page, "docs", &top), expected.map(|(line, path)| (line, path.to_owned())));
}
