use super::{Assignment, Fault, Position, SyntaxError, cursor::Cursor};

pub(super) fn parse(content: &[u8]) -> Result<Vec<Assignment>, Vec<SyntaxError>> {
    let text = String::from_utf8_lossy(content);
    let mut parser =
        Parser { cursor: Cursor::new(&text), assignments: Vec::new(), errors: encoding_errors(content), suspect: None };
    parser.file();
    if parser.errors.is_empty() {
        return Ok(parser.assignments);
    }
    parser.errors.sort_by_key(|error| error.position);
    // A file with Windows line ends has them everywhere; that is one mistake.
    let mut carriage_returns = 0;
    parser.errors.retain(|error| {
        carriage_returns += u32::from(error.fault == Fault::CarriageReturn);
        error.fault != Fault::CarriageReturn || carriage_returns == 1
    });
    Err(parser.errors)
}

/// NULs and bytes that are not UTF-8, the first of each line.
fn encoding_errors(content: &[u8]) -> Vec<SyntaxError> {
    let mut errors: Vec<SyntaxError> = Vec::new();
    let mut position = Position::START;
    let mut record = |position: Position, fault| {
        if errors.last().is_none_or(|last| last.position.line != position.line) {
            errors.push(SyntaxError { position, fault });
        }
    };
    for chunk in content.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\0' {
                record(position, Fault::Nul);
            }
            position = position.after(c);
        }
        if !chunk.invalid().is_empty() {
            record(position, Fault::NotUtf8);
            // The lossy text that is parsed has one character in its place.
            position = position.after(char::REPLACEMENT_CHARACTER);
        }
    }
    errors
}

/// An error after which the rest of the line makes no sense.
struct Stop<'a> {
    error: SyntaxError,
    /// The next line that is read is the one after this place.
    resume: Cursor<'a>,
}

/// What stands before a word in its line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Assignment,
    /// `NAME=`
    EmptyAssignment,
    Export,
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    assignments: Vec<Assignment>,
    errors: Vec<SyntaxError>,
    suspect: Option<Position>,
}

impl<'a> Parser<'a> {
    fn file(&mut self) {
        if self.cursor.peek() == Some('\u{feff}') {
            self.record(self.cursor.position(), Fault::ByteOrderMark);
            self.cursor.next();
        }
        while self.cursor.peek().is_some() {
            if let Err(Stop { error, resume }) = self.line() {
                self.errors.push(error);
                self.cursor = resume;
                self.cursor.skip_line();
            }
        }
    }

    fn record(&mut self, position: Position, fault: Fault) {
        self.errors.push(SyntaxError { position, fault });
    }

    fn line(&mut self) -> Result<(), Stop<'a>> {
        let mut before = Before::Nothing;
        loop {
            self.blanks();
            match self.cursor.peek() {
                None => return Ok(()),
                Some('\n') => {
                    self.cursor.next();
                    return Ok(());
                }
                Some('#') => self.cursor.skip_line(),
                Some(_) => before = self.word(before)?,
            }
        }
    }

    /// Spaces, tabs and continued lines.
    fn blanks(&mut self) {
        loop {
            self.cursor.take_while(is_blank);
            if !self.cursor.starts_with("\\\n") {
                return;
            }
            self.cursor.next();
            self.cursor.next();
        }
    }

    fn word(&mut self, before: Before) -> Result<Before, Stop<'a>> {
        let start = self.cursor;
        let name = self.cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        let next = self.cursor.peek();
        let is_name = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
        if is_name && next == Some('=') {
            self.cursor.next();
            let empty = self.at_word_end();
            let value = self.value(before)?;
            self.assignments.push(Assignment { name: name.to_owned(), value, position: start.position() });
            return Ok(match before {
                Before::Export => Before::Export,
                _ if empty => Before::EmptyAssignment,
                _ => Before::Assignment,
            });
        }
        if let Some(fault) = next.and_then(|_| shell_only(&self.cursor)) {
            return Err(stop(self.cursor, fault));
        }
        if name == "export" && before == Before::Nothing && next.is_some_and(is_blank) && self.has_operand() {
            return Ok(Before::Export);
        }
        // What is exported is already set, or not set at all: nothing changes.
        if is_name && before == Before::Export && self.at_word_end() {
            return Ok(Before::Export);
        }
        let spaced = before == Before::EmptyAssignment
            || (name.is_empty() && next == Some('='))
            || (is_name && self.blanks_then_equals());
        Err(stop(start, if spaced { Fault::BlankAroundEquals } else { Fault::NotAnAssignment }))
    }

    fn at_word_end(&self) -> bool {
        self.cursor.peek().is_none_or(|c| is_blank(c) || c == '\n')
    }

    /// Whether more words follow in the line. `export` alone prints every variable.
    fn has_operand(&mut self) -> bool {
        self.blanks();
        self.cursor.peek().is_some_and(|c| c != '\n' && c != '#')
    }

    fn blanks_then_equals(&mut self) -> bool {
        self.blanks();
        self.cursor.peek() == Some('=')
    }

    fn value(&mut self, before: Before) -> Result<String, Stop<'a>> {
        let mut value = String::new();
        while !self.at_word_end() {
            let start = self.cursor;
            if let Some(fault) = shell_only(&start) {
                return Err(stop(start, fault));
            }
            match self.cursor.next() {
                Some('\'') => self.single_quoted(start, &mut value)?,
                Some('"') => self.double_quoted(start, &mut value)?,
                Some('\\') => match self.cursor.next() {
                    None => return Err(stop(start, Fault::TrailingBackslash)),
                    Some('\n') => {}
                    Some('\r') => return Err(stop(start, Fault::CarriageReturn)),
                    Some(c) => value.push(c),
                },
                // Shells differ in whether `=` counts as well.
                Some('~') if value.is_empty() || value.ends_with([':', '=']) => return Err(stop(start, Fault::Tilde)),
                // bash expands braces in the operands of `export`, older shells match patterns there.
                Some(c @ ('*' | '?' | '[' | '{')) if before == Before::Export => {
                    return Err(stop(start, Fault::Pattern(c)));
                }
                Some(c) => value.push(c),
                None => {}
            }
        }
        Ok(value)
    }

    fn single_quoted(&mut self, open: Cursor<'a>, value: &mut String) -> Result<(), Stop<'a>> {
        let text = self.cursor.take_while(|c| c != '\'');
        if self.cursor.next().is_none() {
            return Err(self.unterminated('\'', open));
        }
        value.push_str(text);
        self.closed(open);
        Ok(())
    }

    fn double_quoted(&mut self, open: Cursor<'a>, value: &mut String) -> Result<(), Stop<'a>> {
        loop {
            let start = self.cursor;
            match self.cursor.next() {
                None => return Err(self.unterminated('"', open)),
                Some('"') => break,
                Some('`') => return Err(stop(start, Fault::CommandSubstitution)),
                Some('$') if self.cursor.peek() == Some('(') => return Err(stop(start, Fault::CommandSubstitution)),
                // The closing quote is still to be found: what follows is read on.
                Some('$') => self.record(start.position(), Fault::Expansion),
                Some('\\') => match self.cursor.next() {
                    None => return Err(self.unterminated('"', open)),
                    Some('\n') => {}
                    Some(c @ ('$' | '`' | '"' | '\\')) => value.push(c),
                    Some(c) => value.extend(['\\', c]),
                },
                Some(c) => value.push(c),
            }
        }
        self.closed(open);
        Ok(())
    }

    fn closed(&mut self, open: Cursor<'a>) {
        if self.cursor.position().line > open.position().line {
            self.suspect.get_or_insert(open.position());
        }
    }

    fn unterminated(&self, quote: char, open: Cursor<'a>) -> Stop<'a> {
        stop(open, Fault::UnterminatedQuote { quote, suspect: self.suspect })
    }
}

const fn stop(at: Cursor<'_>, fault: Fault) -> Stop<'_> {
    Stop { error: SyntaxError { position: at.position(), fault }, resume: at }
}

/// Blanks of the POSIX locale.
const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// What an unquoted character means to a shell only.
fn shell_only(at: &Cursor<'_>) -> Option<Fault> {
    match at.peek()? {
        '$' if at.starts_with("$(") => Some(Fault::CommandSubstitution),
        '`' => Some(Fault::CommandSubstitution),
        '$' => Some(Fault::Expansion),
        '\r' => Some(Fault::CarriageReturn),
        c @ (';' | '&' | '|' | '<' | '>' | '(' | ')') => Some(Fault::Operator(c)),
        _ => None,
    }
}
