//! The paths that a Rust file names: its `use` trees leaf by leaf, and the paths in its code. Tests are left out.

use super::tokens::{Token, tokens};

/// The modules and paths that one file names.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Its modules that are files of their own, each with the modules of this file around it.
    pub(super) files: Vec<Vec<String>>,
    /// The leaves of its `use` trees.
    pub(super) uses: Vec<Use>,
    /// Paths in its code.
    pub(super) paths: Vec<Place>,
}

/// A path where it stands.
#[derive(Debug)]
pub(super) struct Place {
    /// Its words, without `::`.
    pub(super) path: Vec<String>,
    pub(super) line: usize,
    /// The modules of this file around it.
    pub(super) inside: Vec<String>,
}

/// A leaf of a `use` tree.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) place: Place,
    /// Its name in the file; none for `*` and `_`.
    pub(super) name: Option<String>,
}

/// Reads a file.
pub(super) fn named(text: &str) -> Named {
    let mut reader = Reader {
        tokens: tokens(text),
        at: 0,
        depth: 0,
        modules: Vec::new(),
        named: Named::default(),
    };
    reader.read();
    reader.named
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// The modules around what is read, each with the depth outside it.
    modules: Vec<(String, usize)>,
    named: Named,
}

/// The first words of items, behind their visibility.
const ITEMS: [&str; 16] = [
    "async",
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "let",
    "macro_rules",
    "mod",
    "static",
    "struct",
    "trait",
    "type",
    "union",
    "unsafe",
    "use",
];

impl Reader {
    fn text(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |token| &token.text)
    }

    fn before(&self, back: usize) -> &str {
        let at = self.at.checked_sub(back);
        at.map_or("", |at| &self.tokens[at].text)
    }

    fn inside(&self) -> Vec<String> {
        self.modules.iter().map(|(name, _)| name.clone()).collect()
    }

    fn read(&mut self) {
        while let Some(token) = self.tokens.get(self.at) {
            let is_word = token.is_word();
            match self.text(0) {
                "#" if self.is_test_attribute() => self.skip_item(),
                "mod" if self.text(2) == ";" => {
                    let mut path = self.inside();
                    path.push(self.text(1).to_owned());
                    self.named.files.push(path);
                    self.at += 3;
                }
                "mod" if self.text(2) == "{" => {
                    self.modules.push((self.text(1).to_owned(), self.depth));
                    self.depth += 1;
                    self.at += 3;
                }
                // Not the one that says what a type captures.
                "use" if self.text(1) != "<" => {
                    self.at += 1;
                    self.read_tree(Vec::new());
                }
                "{" => {
                    self.depth += 1;
                    self.at += 1;
                }
                "}" => {
                    self.depth = self.depth.saturating_sub(1);
                    self.modules.retain(|&(_, outside)| outside < self.depth);
                    self.at += 1;
                }
                _ if is_word && self.text(1) == "::" && self.before(1) != "::" => self.read_path(),
                _ => self.at += 1,
            }
        }
    }

    /// One `use` tree, behind this path.
    fn read_tree(&mut self, mut path: Vec<String>) {
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        loop {
            match self.text(0) {
                "::" => self.at += 1,
                "{" => {
                    self.at += 1;
                    while !["}", ""].contains(&self.text(0)) {
                        self.read_tree(path.clone());
                        if self.text(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                ";" | "," | "}" | "as" | "" => break,
                word => {
                    path.push(word.to_owned());
                    self.at += 1;
                }
            }
        }
        let renamed = (self.text(0) == "as").then(|| self.text(1).to_owned());
        if renamed.is_some() {
            self.at += 2;
        }
        let is_glob = path.last().is_some_and(|word| word == "*");
        if is_glob || path.last().is_some_and(|word| word == "self") && path.len() > 1 {
            path.pop();
        }
        let name = renamed.or_else(|| path.last().filter(|_| !is_glob).cloned());
        self.named.uses.push(Use {
            name: name.filter(|name| name != "_"),
            place: Place {
                path,
                line,
                inside: self.inside(),
            },
        });
    }

    /// A path in code. One that says how far something can be seen is none.
    fn read_path(&mut self) {
        let is_visibility = self.before(1) == "in" && self.before(2) == "(";
        let line = self.tokens[self.at].line;
        let mut path = vec![self.text(0).to_owned()];
        self.at += 1;
        while self.text(0) == "::" && self.tokens.get(self.at + 1).is_some_and(Token::is_word) {
            path.push(self.text(1).to_owned());
            self.at += 2;
        }
        if !is_visibility {
            let inside = self.inside();
            self.named.paths.push(Place { path, line, inside });
        }
    }

    /// Whether an attribute begins here that leaves its item to tests.
    fn is_test_attribute(&self) -> bool {
        if self.text(1) != "[" || self.text(2) != "cfg" {
            return false;
        }
        let words = &self.tokens[self.at..self.end_of_group(self.at + 1)];
        let is_test = |at: usize| words[at].text == "test" && words[at - 2].text != "not";
        (2..words.len()).any(is_test)
    }

    /// The place behind the group whose bracket stands at `open`.
    fn end_of_group(&self, open: usize) -> usize {
        let mut depth = 0;
        for (at, token) in self.tokens.iter().enumerate().skip(open) {
            match token.text.as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return at + 1;
            }
        }
        self.tokens.len()
    }

    /// Skips the attributes that begin here, and what they are about.
    fn skip_item(&mut self) {
        while self.text(0) == "#" {
            self.at = self.end_of_group(self.at + 1);
        }
        if self.text(0) == "pub" {
            self.at += 1;
            if self.text(0) == "(" {
                self.at = self.end_of_group(self.at);
            }
        }
        let is_item = ITEMS.contains(&self.text(0));
        // A function ends with its block, and whatever is worth a value with a semicolon.
        let is_value = match self.text(0) {
            "use" | "static" | "type" | "let" => true,
            "const" => !["fn", "unsafe", "async", "extern"].contains(&self.text(1)),
            _ => false,
        };
        while self.at < self.tokens.len() {
            match self.text(0) {
                // The item around this one ends.
                "}" | ")" | "]" => return,
                ";" => {
                    self.at += 1;
                    return;
                }
                // A field, or an arm.
                "," if !is_item => {
                    self.at += 1;
                    return;
                }
                "{" => {
                    self.at = self.end_of_group(self.at);
                    if is_item && !is_value {
                        return;
                    }
                }
                "(" | "[" => self.at = self.end_of_group(self.at),
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leaves of the `use` trees, and the paths, each as `line: inside | path as name`.
    fn seen(text: &str) -> Vec<String> {
        let named = named(text);
        let place = |place: &Place| {
            let inside = place.inside.concat();
            format!("{}:{inside} {}", place.line, place.path.join("::"))
        };
        let uses = named.uses.iter().map(|each| {
            let name = each.name.as_deref().unwrap_or("-");
            format!("{} as {name}", place(&each.place))
        });
        uses.chain(named.paths.iter().map(place)).collect()
    }

    #[test]
    fn each_leaf_of_a_use_tree_is_a_path_with_its_line_and_name() {
        let text = "pub(crate) use crate::{\n a::{self, B as C},\n d::*,\n super_::E as _,\n};\nuse f;";
        let wanted = [
            "2: crate::a as a",
            "2: crate::a::B as C",
            "3: crate::d as -",
            "4: crate::super_::E as -",
            "6: f as f",
        ];
        assert_eq!(seen(text), wanted);
    }

    #[test]
    fn paths_in_code_attributes_and_macros_are_seen() {
        let text = "#[arg(value_parser = crate::a::parse)]\nfn f(x: super::B) -> impl C + use<'_> {\n\
                    let _ = vec![self::d::<crate::E>()];\n::std::f();\n}\npub(in crate::g) struct H;";
        let wanted = ["1: crate::a::parse", "2: super::B", "3: self::d", "3: crate::E"];
        assert_eq!(seen(text), wanted);
    }

    #[test]
    fn what_only_tests_are_built_with_is_not_seen() {
        let text = "#[cfg(test)]\nmod tests;\n#[cfg(test)]\n#[derive(Debug)]\nuse crate::{a, b};\n\
                    struct S {\n#[cfg(test)] pub x: crate::c::D,\ny: crate::E,\n}\n\
                    #[cfg(all(test, unix))]\npub(super) fn f(g: [u8; 2]) -> crate::h::I { crate::j() }\n\
                    #[cfg(not(test))]\nuse crate::k;\n\
                    #[cfg(test)]\nconst L: M = M { n: crate::o() };\nmod p;\n\
                    #[cfg(test)]\nmod q { use crate::r; }";
        assert_eq!(seen(text), ["13: crate::k as k", "8: crate::E"]);
        assert_eq!(named(text).files, [["p"]]);
    }

    #[test]
    fn a_module_within_the_file_is_around_its_paths() {
        let text = "mod a { use super::b; mod c; fn f() { if x { d::e() } } }\nuse g::h;";
        assert_eq!(seen(text), ["1:a super::b as b", "2: g::h as h", "1:a d::e"]);
        assert_eq!(named(text).files, [["a", "c"]]);
    }
}
