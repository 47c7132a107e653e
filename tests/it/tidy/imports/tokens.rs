//! The words of a Rust file with their lines; comments, and what is in quotes, are left out.

/// A word, `::`, or one character of punctuation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

impl Token {
    /// Whether it is a name, or a keyword.
    pub(super) fn is_word(&self) -> bool {
        self.text
            .starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    }
}

/// All words of a file in order. A text in quotes is one `"`, a character in quotes one `'`.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut reader = Reader { rest: text, line: 1 };
    let mut tokens = Vec::new();
    while let Some(token) = reader.next() {
        tokens.push(token);
    }
    tokens
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<Token> {
        self.skip_blanks_and_comments();
        let line = self.line;
        let token = |text: &str| {
            Some(Token {
                text: text.to_owned(),
                line,
            })
        };
        let first = self.rest.chars().next()?;
        if self.rest.starts_with("::") {
            self.skip(2);
            return token("::");
        }
        if first == '"' {
            self.skip_text();
            return token("\"");
        }
        if first == '\'' {
            return if self.skip_character() {
                token("'")
            } else {
                self.next()
            };
        }
        if !is_of_word(first) {
            self.skip(first.len_utf8());
            return token(&first.to_string());
        }
        let length = self.rest.find(|c| !is_of_word(c)).unwrap_or(self.rest.len());
        let word = self.rest[..length].to_owned();
        self.skip(length);
        if ["r", "br", "cr"].contains(&word.as_str()) && self.rest.starts_with(['#', '"']) {
            let hashes = self.rest.len() - self.rest.trim_start_matches('#').len();
            if !self.rest[hashes..].starts_with('"') {
                // A name that is a keyword elsewhere.
                self.skip(hashes);
                return self.next();
            }
            let end = format!("\"{}", "#".repeat(hashes));
            let from = hashes + 1;
            let length = self.rest[from..].find(&end).unwrap_or(self.rest.len() - from);
            self.skip((from + length + end.len()).min(self.rest.len()));
            return token("\"");
        }
        token(&word)
    }

    fn skip(&mut self, bytes: usize) {
        let (skipped, rest) = self.rest.split_at(bytes);
        self.line += skipped.matches('\n').count();
        self.rest = rest;
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.skip(blank);
            if self.rest.starts_with("//") {
                self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                self.skip_block_comment();
            } else {
                return;
            }
        }
    }

    fn skip_block_comment(&mut self) {
        let mut depth = 0;
        loop {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.skip(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.skip(2);
            } else if let Some(c) = self.rest.chars().next() {
                self.skip(c.len_utf8());
            }
            if depth == 0 || self.rest.is_empty() {
                return;
            }
        }
    }

    fn skip_text(&mut self) {
        let mut escaped = false;
        let end = self.rest[1..].find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        self.skip(end.map_or(self.rest.len(), |end| end + 2));
    }

    /// Skips a character in quotes, or else the lifetime that begins here; says whether it was a character.
    fn skip_character(&mut self) -> bool {
        let mut chars = self.rest[1..].char_indices();
        let (_, first) = chars.next().unwrap_or((0, ' '));
        let second = chars.next();
        let end = match (first, second) {
            // Behind the backslash anything may stand, a quote too.
            ('\\', Some((at, escaped))) => {
                let from = 1 + at + escaped.len_utf8();
                self.rest[from..].find('\'').map(|end| from + end + 1)
            }
            (_, Some((at, '\''))) => Some(at + 2),
            _ => None,
        };
        self.skip(end.unwrap_or(1));
        if end.is_none() {
            let name = self.rest.find(|c| !is_of_word(c)).unwrap_or(self.rest.len());
            self.skip(name);
        }
        end.is_some()
    }
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[test]
fn words_are_found_with_their_lines_and_what_is_in_quotes_or_comments_is_not() {
    let text = r##"use a::b; // use c::d;
/* use e::f; /* nested */
   still */ "text with \" use g::h" r#"raw " use i::j"# r#type
'x' '\'' '\u{1f600}' '"' fn f<'a>(x: &'a str) b"k::l" b'm'
::end"##;
    let found = tokens(text);
    let words: Vec<&str> = found.iter().map(|token| token.text.as_str()).collect();
    let wanted = "use a :: b ; \" \" type ' ' ' ' fn f < > ( x : & str ) b \" b ' :: end";
    assert_eq!(words.join(" "), wanted);
    let line = |word: &str| found.iter().find(|token| token.text == word).unwrap().line;
    assert_eq!((line("use"), line("type"), line("fn"), line("end")), (1, 3, 4, 5));
}
