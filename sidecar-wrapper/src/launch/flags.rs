/// The words of `ISTIO_AGENT_FLAGS`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentFlags(Vec<String>);

impl AgentFlags {
    /// The variable.
    pub const VARIABLE: &'static str = "ISTIO_AGENT_FLAGS";

    /// Splits as a shell does, without expanding anything; `None` if a quote is never closed or a backslash ends the text.
    #[must_use]
    pub fn split(text: &str) -> Option<Self> {
        shlex::split(text).map(Self)
    }

    /// The words.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.0
    }

    /// Whether the flag is given, in any form.
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|word| word == flag || value_in(word, flag).is_some())
    }

    /// The value of a flag that has one; the last counts, as it does for pilot-agent.
    #[must_use]
    pub fn value(&self, flag: &str) -> Option<&str> {
        let separate = |index: usize| self.0.get(index + 1).map(String::as_str);
        let mut values = self.0.iter().enumerate().rev();
        values.find_map(|(index, word)| if word == flag { separate(index) } else { value_in(word, flag) })
    }
}

fn value_in<'a>(word: &'a str, flag: &str) -> Option<&'a str> {
    word.strip_prefix(flag)?.strip_prefix('=')
}

#[cfg(test)]
mod tests {
    use super::AgentFlags;

    #[test]
    fn splits_as_a_shell_does_and_finds_values() {
        let flags =
            AgentFlags::split(r#"--meshConfig a  --meshConfig='b c' --log_as_json "x y" $HOME"#).expect("closed");
        assert_eq!(flags.words(), ["--meshConfig", "a", "--meshConfig=b c", "--log_as_json", "x y", "$HOME"]);
        assert_eq!(flags.value("--meshConfig"), Some("b c"));
        assert_eq!(flags.value("--mesh"), None);
        assert!(flags.has("--log_as_json") && !flags.has("--log"));
        assert_eq!(AgentFlags::split("'x"), None);
    }
}
