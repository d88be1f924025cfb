//! The modules of a crate and which of them uses which, read from its sources. What is for tests alone is left out.

use std::collections::BTreeMap;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// A module, and what it says of others.
struct Module {
    /// Its names from the crate's root on, which has none.
    path: Vec<String>,
    parent: usize,
    /// Its file, relative to `src`.
    file: String,
    children: BTreeMap<String, usize>,
    /// What a `use` brings into it, each name with the path that the `use` has for it.
    imports: BTreeMap<String, Vec<String>>,
    /// The paths in it, with their lines.
    mentions: Vec<(Vec<String>, usize)>,
}

/// That one module uses what another one defines.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) from: Vec<String>,
    pub(crate) to: Vec<String>,
    /// The file and its line.
    pub(crate) place: String,
}

/// The modules of one crate; the first is its root.
pub(crate) struct Tree<'s> {
    modules: Vec<Module>,
    source: &'s dyn Fn(&str) -> Option<String>,
}

impl<'s> Tree<'s> {
    /// Reads the crate whose root is `root`, `lib.rs` or `main.rs`. `source` has the text of a file, by its path in `src`.
    ///
    /// # Panics
    /// If a file is missing, or is not Rust.
    pub(crate) fn read(root: &str, source: &'s dyn Fn(&str) -> Option<String>) -> Self {
        let mut tree = Self { modules: Vec::new(), source };
        tree.read_file(Vec::new(), 0, &[root.to_owned()]);
        tree
    }

    fn read_file(&mut self, path: Vec<String>, parent: usize, files: &[String]) -> usize {
        let found = files.iter().find_map(|file| Some((file.clone(), (self.source)(file)?)));
        let (file, text) = found.unwrap_or_else(|| panic!("there is none of {files:?}"));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        self.read_items(path, parent, file, &parsed.items)
    }

    fn read_items(&mut self, path: Vec<String>, parent: usize, file: String, items: &[Item]) -> usize {
        let module = self.modules.len();
        let (children, imports) = (BTreeMap::new(), BTreeMap::new());
        self.modules.push(Module { path, parent, file, children, imports, mentions: Vec::new() });
        let mut reader = Reader { tree: self, module };
        for item in items {
            reader.visit_item(item);
        }
        module
    }

    /// Each use of another module's items.
    pub(crate) fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::new();
        for (number, module) in self.modules.iter().enumerate() {
            for (mention, line) in &module.mentions {
                // Who names a module alone uses nothing of it yet.
                if let Some((target, false)) = self.definition(number, mention, 0)
                    && self.modules[target].file != module.file
                {
                    let (from, to) = (module.path.clone(), self.modules[target].path.clone());
                    uses.push(Use { from, to, place: format!("{}:{line}", module.file) });
                }
            }
        }
        uses
    }

    /// The module that defines what `path` means within `module`, whatever it is imported by on the way, and whether it is that
    /// module itself. `None` for what other crates define.
    fn definition(&self, module: usize, path: &[String], depth: usize) -> Option<(usize, bool)> {
        let mut at = module;
        for (position, name) in path.iter().enumerate() {
            let here = &self.modules[at];
            match name.as_str() {
                "crate" => at = 0,
                "self" => {}
                "super" => at = here.parent,
                name => match (here.children.get(name), here.imports.get(name)) {
                    (Some(child), _) => at = *child,
                    (None, Some(import)) if depth < 16 => match self.definition(at, import, depth + 1)? {
                        (module, true) => at = module,
                        item => return Some(item),
                    },
                    _ if position == 0 => return None,
                    _ => return Some((at, false)),
                },
            }
        }
        Some((at, true))
    }
}

/// Reads the items of one module.
struct Reader<'t, 's> {
    tree: &'t mut Tree<'s>,
    module: usize,
}

impl Reader<'_, '_> {
    fn mention(&mut self, path: Vec<String>, span: Span) {
        if path.len() > 1 {
            self.tree.modules[self.module].mentions.push((path, span.start().line));
        }
    }

    fn import(&mut self, mut path: Vec<String>, tree: &UseTree) {
        let mut name = |path: Vec<String>, name: String, span| {
            self.tree.modules[self.module].imports.entry(name).or_insert_with(|| path.clone());
            self.mention(path, span);
        };
        match tree {
            UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.import(path, &part.tree);
            }
            UseTree::Name(part) if part.ident == "self" => {
                let last = path.last().expect("a group has a path").clone();
                name(path, last, part.ident.span());
            }
            UseTree::Name(part) => {
                path.push(part.ident.to_string());
                name(path, part.ident.to_string(), part.ident.span());
            }
            UseTree::Rename(part) => {
                if part.ident != "self" {
                    path.push(part.ident.to_string());
                }
                name(path, part.rename.to_string(), part.ident.span());
            }
            UseTree::Glob(part) => {
                path.push("*".to_owned());
                self.mention(path, part.star_token.spans[0]);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(path.clone(), tree)),
        }
    }

    /// The paths among the tokens of a macro's call.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut start, mut colons) = (Span::call_site(), 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.mention(std::mem::take(&mut path), start);
                        start = ident.span();
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.mention(std::mem::take(&mut path), start);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.scan(group.stream());
                    }
                }
            }
        }
        self.mention(path, start);
    }
}

impl<'a> Visit<'a> for Reader<'_, '_> {
    fn visit_item(&mut self, item: &'a Item) {
        if !for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        if !for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        let parent = &self.tree.modules[self.module];
        let path = [&parent.path[..], &[item.ident.to_string()]].concat();
        let file = parent.file.clone();
        let child = if let Some((_, items)) = &item.content {
            self.tree.read_items(path, self.module, file, items)
        } else {
            let stem = path.join("/");
            self.tree.read_file(path, self.module, &[format!("{stem}.rs"), format!("{stem}/mod.rs")])
        };
        self.tree.modules[self.module].children.insert(item.ident.to_string(), child);
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        if item.leading_colon.is_none() {
            self.import(Vec::new(), &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.leading_colon.is_none() {
            let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.mention(names, path.segments[0].ident.span());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        self.visit_path(&call.path);
        self.scan(call.tokens.clone());
    }
}

fn for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let tokens = attribute.meta.require_list().map(|list| list.tokens.to_string());
        attribute.path().is_ident("cfg") && tokens.is_ok_and(|tokens| tokens == "test")
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
