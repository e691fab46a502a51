use super::Position;

/// What is wrong at one place of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {fault}")]
pub struct SyntaxError {
    /// The first character that is wrong.
    pub position: Position,
    /// What is wrong there.
    pub fault: Fault,
}

/// The kinds of mistakes. None of them shows the file's text, which may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// `$NAME`, `${NAME}`, or any other `$`.
    #[error("`$` asks for an expansion, and no shell reads this file")]
    Expansion,
    /// `$(...)` or backticks.
    #[error("a command substitution needs a shell, and none reads this file")]
    CommandSubstitution,
    /// An unquoted character that ends a command, opens a subshell or redirects.
    #[error("`{0}` outside quotes is an operator of the shell, and none reads this file")]
    Operator(char),
    /// `~` where a shell puts a home directory.
    #[error("`~` stands for a home directory here, and no shell reads this file")]
    Tilde,
    /// A pattern or braces after `export`.
    #[error("after `export`, shells differ in what they make of an unquoted `{0}`")]
    Pattern(char),
    /// A word that is neither `export` nor an assignment.
    #[error("this word is no assignment")]
    NotAnAssignment,
    /// `NAME = value`, `NAME= value`
    #[error("blanks around `=`")]
    BlankAroundEquals,
    /// A quote without its partner.
    #[error("the quote {quote} that opens here is never closed")]
    UnterminatedQuote {
        /// `'` or `"`
        quote: char,
        /// The first quoted text of the file that runs over several lines.
        suspect: Option<Position>,
    },
    /// A `\` with nothing behind it.
    #[error("the file ends after a backslash")]
    TrailingBackslash,
    /// Windows line ends.
    #[error("a carriage return outside quotes")]
    CarriageReturn,
    /// U+FEFF at the start.
    #[error("the file begins with a byte order mark")]
    ByteOrderMark,
    /// No environment variable can hold one.
    #[error("a NUL character")]
    Nul,
    /// Bytes of another encoding.
    #[error("not UTF-8")]
    NotUtf8,
}

impl Fault {
    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Expansion => "write the value itself, or put it in single quotes to keep the `$`",
            Self::CommandSubstitution => "write the value itself, or put it in single quotes to keep it as text",
            Self::Operator(_) => {
                "put the whole value in single quotes; assignments are separated by blanks or newlines"
            }
            Self::Tilde => "write the directory in full, or put the value in single quotes to keep the `~`",
            Self::Pattern(_) => "put the value in single quotes",
            Self::NotAnAssignment => {
                "write NAME='value', with all of a value that has blanks inside the quotes; commands are not run"
            }
            Self::BlankAroundEquals => "write NAME='value' without blanks around `=`",
            Self::UnterminatedQuote { suspect: Some(suspect), .. } => {
                return Some(format!(
                    "the quoted text that opens at {suspect} runs over several lines: should it have been closed in its own?"
                ));
            }
            Self::UnterminatedQuote { quote: '\'', suspect: None } => {
                r"a single quote inside single quotes is written '\''"
            }
            Self::UnterminatedQuote { suspect: None, .. } => "a double quote inside double quotes is written \\\"",
            Self::CarriageReturn => r"the file has Windows line ends: `sed -i 's/\r$//' FILE` mends it",
            Self::ByteOrderMark => "save the file as UTF-8 without a byte order mark",
            Self::NotUtf8 => "save the file as UTF-8",
            Self::TrailingBackslash | Self::Nul => return None,
        };
        Some(hint.to_owned())
    }
}
