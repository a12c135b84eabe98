//! Splits the text of a header into comments, directives and words of code.

#![forbid(unsafe_code)]

/// A piece of a file, by its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// A comment, or a run of `//` comments on lines that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Where it stands.
    pub span: Span,
    /// Its text without delimiters, leading stars and slashes, line by line.
    pub text: String,
    /// Whether code or a directive stands before it on its line.
    pub trailing: bool,
}

/// A preprocessor directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Where it stands.
    pub span: Span,
    /// Its name, such as `include`; empty for a lone `#`.
    pub name: String,
    /// What follows, comments removed, one space between words.
    pub rest: String,
}

/// A word or a sign of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where it stands.
    pub span: Span,
    /// Its text.
    pub text: String,
}

/// What a file is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Comments in order.
    pub comments: Vec<Comment>,
    /// Directives in order.
    pub directives: Vec<Directive>,
    /// Words of code in order, those of directives left out.
    pub words: Vec<Word>,
}

/// The line of a byte, from 1.
#[must_use]
pub fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

/// Splits a text; it need not be sound C.
#[must_use]
pub fn split(text: &str) -> Pieces {
    let mut lexer = Lexer { text, at: 0, fresh: true, pieces: Pieces::default() };
    while lexer.at < text.len() {
        lexer.step();
    }
    lexer.pieces
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// Whether nothing but blanks and comments stands before on this line.
    fresh: bool,
    pieces: Pieces,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn step(&mut self) {
        let rest = self.rest();
        let first = rest.chars().next().unwrap_or(' ');
        if first == '\n' {
            self.fresh = true;
            self.at += 1;
        } else if first.is_whitespace() || first == '\u{feff}' {
            self.at += first.len_utf8();
        } else if let Some(end) = comment_end(rest) {
            self.comment(end);
        } else if self.fresh && (first == '#' || rest.starts_with("%:")) {
            self.directive(if first == '#' { 1 } else { 2 });
        } else {
            self.fresh = false;
            let end = self.at + word_length(rest);
            self.pieces
                .words
                .push(Word { span: Span { start: self.at, end }, text: self.text[self.at..end].to_owned() });
            self.at = end;
        }
    }

    fn comment(&mut self, length: usize) {
        let span = Span { start: self.at, end: self.at + length };
        let raw = &self.text[span.start..span.end];
        let trailing = !self.fresh;
        let line = raw.starts_with("//");
        let text = bare(raw);
        self.at = span.end;
        if line
            && !trailing
            && let Some(last) = self.pieces.comments.last_mut()
            && !last.trailing
            && self.text[..last.span.end]
                .lines()
                .next_back()
                .is_some_and(|l| l.trim_start().starts_with("//"))
            && self.text[last.span.end..span.start].trim().is_empty()
            && self.text[last.span.end..span.start].matches('\n').count() == 1
        {
            last.span.end = span.end;
            last.text.push('\n');
            last.text.push_str(&text);
            return;
        }
        self.pieces.comments.push(Comment { span, text, trailing });
    }

    fn directive(&mut self, sign: usize) {
        let start = self.at;
        self.at += sign;
        let mut line = String::new();
        while self.at < self.text.len() {
            let rest = self.rest();
            if rest.starts_with("\\\n") || rest.starts_with("\\\r\n") {
                line.push(' ');
                self.at += if rest.starts_with("\\\n") { 2 } else { 3 };
            } else if rest.starts_with('\n') {
                break;
            } else if let Some(end) = comment_end(rest) {
                let span = Span { start: self.at, end: self.at + end };
                let text = bare(&rest[..end]);
                self.pieces.comments.push(Comment { span, text, trailing: true });
                line.push(' ');
                self.at += end;
            } else {
                let end = word_length(rest).max(1);
                line.push_str(&self.text[self.at..self.at + end]);
                self.at += end;
            }
        }
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let name: String = line.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let rest = line[name.len()..].trim().to_owned();
        self.fresh = false;
        self.pieces.directives.push(Directive { span: Span { start, end: self.at }, name, rest });
    }
}

/// The length of the comment that a text begins with.
fn comment_end(text: &str) -> Option<usize> {
    if let Some(inside) = text.strip_prefix("/*") {
        return Some(inside.find("*/").map_or(text.len(), |end| end + 4));
    }
    if !text.starts_with("//") {
        return None;
    }
    let mut end = 0;
    loop {
        let line = text[end..].find('\n').map_or(text.len(), |at| end + at);
        // A backslash at the end of the line makes the next one part of the comment.
        if line < text.len() && text[..line].trim_end_matches('\r').ends_with('\\') {
            end = line + 1;
        } else {
            return Some(line);
        }
    }
}

/// The length of the word, literal or sign that a text begins with; blanks are words of one character.
fn word_length(text: &str) -> usize {
    let first = text.chars().next().unwrap_or(' ');
    if first == '"' || first == '\'' {
        let mut escaped = false;
        for (at, c) in text.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '\n' => return at,
                _ if c == first => return at + 1,
                _ => {}
            }
        }
        return text.len();
    }
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    if part(first) {
        return text.find(|c| !part(c) && c != '.').unwrap_or(text.len());
    }
    first.len_utf8()
}

/// A comment without its delimiters and the decoration of its lines.
fn bare(raw: &str) -> String {
    let inner = match raw.strip_prefix("/*") {
        Some(block) => block.strip_suffix("*/").unwrap_or(block),
        None => raw,
    };
    // `///<` and its like point back; elsewhere the sign is part of the text.
    let back = ["/**<", "/*!<", "///<", "//!<"].iter().any(|begin| raw.starts_with(begin));
    let lines = inner.lines().enumerate().map(|(number, line)| {
        let line = line.trim();
        let line = line.trim_start_matches('/').trim_start_matches('*').trim_start_matches('!');
        let line = if back && number == 0 { line.strip_prefix('<').unwrap_or(line) } else { line };
        line.trim().trim_end_matches('*').trim_end()
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_directives_and_words_are_told_apart() {
        let text = "/** A b.\n * c */\n#ifdef X /* y */\n# define F(a) \\\n  a // z\nint f(\"/*x*/\"); ///< t\n//one\n//two\n";
        let pieces = split(text);
        let comments: Vec<(&str, bool)> =
            pieces.comments.iter().map(|c| (c.text.as_str(), c.trailing)).collect();
        assert_eq!(
            comments,
            [("A b.\nc", false), ("y", true), ("z", true), ("t", true), ("one\ntwo", false)]
        );
        let directives: Vec<(&str, &str)> =
            pieces.directives.iter().map(|d| (d.name.as_str(), d.rest.as_str())).collect();
        assert_eq!(directives, [("ifdef", "X"), ("define", "F(a) a")]);
        let words: Vec<&str> = pieces.words.iter().map(|w| w.text.as_str()).collect();
        assert_eq!(words, ["int", "f", "(", "\"/*x*/\"", ")", ";"]);
    }

    #[test]
    fn any_text_can_be_split() {
        for text in ["/*", "//", "//\\\n", "\"", "'\\", "#", "#\\", "%:", "é#\u{feff}", "/* é */é\r\n#é"]
        {
            assert!(split(text).words.len() < 9);
        }
    }
}
