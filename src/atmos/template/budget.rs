//! What one rendering may use, so that no template hangs or fills the memory.

/// How many nodes may be evaluated.
const STEPS: u64 = 2_000_000;
/// How many bytes the values that functions make may have, all together.
const BYTES: usize = 256 << 20;
/// How long the output, or one text, may be.
pub(super) const TEXT: usize = 32 << 20;

const TOO_LONG: &str = "the text grows beyond 32 MiB";

/// Counts down what is left.
#[derive(Debug)]
pub(super) struct Budget {
    steps: u64,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: STEPS, bytes: BYTES }
    }
}

impl Budget {
    /// Takes steps; what a template needs beyond the limit is an error.
    pub(super) fn steps(&mut self, count: usize) -> Result<(), String> {
        match self.steps.checked_sub(count as u64) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(format!("the template takes more than {STEPS} steps"))
            }
        }
    }

    /// Takes memory, before it is used.
    pub(super) fn bytes(&mut self, count: usize) -> Result<(), String> {
        if count > TEXT {
            return Err(TOO_LONG.into());
        }
        match self.bytes.checked_sub(count) {
            Some(left) => {
                self.bytes = left;
                Ok(())
            }
            None => {
                self.bytes = 0;
                Err("the values of the template take more than 256 MiB".into())
            }
        }
    }

    /// Returns how long a text may still be.
    pub(super) fn text(&self) -> usize {
        self.bytes.min(TEXT)
    }
}

/// A text that refuses to grow beyond its limit.
#[derive(Debug)]
pub(super) struct Bounded {
    text: String,
    limit: usize,
}

impl Bounded {
    pub(super) fn new(limit: usize) -> Self {
        Self { text: String::new(), limit }
    }

    pub(super) fn push(&mut self, text: &str) -> Result<(), String> {
        if self.text.len() + text.len() > self.limit {
            return Err(TOO_LONG.into());
        }
        self.text.push_str(text);
        Ok(())
    }

    pub(super) fn into_string(self) -> String {
        self.text
    }
}
