//! How far an apply has come, read from Terraform's lines as they arrive.

use memchr::memmem;

use crate::tui::log::LogBuffer;

/// How many rows are read before the next key has its turn.
const STEP: u64 = 20_000;

/// How many resources were begun and done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    read: u64,
    /// How many were begun.
    pub begun: u32,
    /// How many are done.
    pub done: u32,
}

impl Progress {
    /// Reads on; tells whether more is there to read.
    pub fn step(&mut self, log: &LogBuffer) -> bool {
        let until = log.rows().min(self.read + STEP);
        while self.read < until {
            let Some(row) = log.row(self.read) else { break };
            if self.read + 1 == log.rows() && !row.bytes.ends_with(b"\n") {
                return false;
            }
            self.line(row.bytes);
            self.read += 1;
        }
        self.read < log.rows() && self.read == until
    }

    fn line(&mut self, line: &[u8]) {
        let has = |what: &[u8]| memmem::find(line, what).is_some();
        // `network: Creating...`, `network: Creation complete after 1s [id=…]`; `Still creating...` is no new one.
        if has(b" complete after ") {
            let verbs: [&[u8]; 3] = [b": Creation", b": Modifications", b": Destruction"];
            self.done += u32::from(verbs.iter().any(|verb| has(verb)));
        } else if has(b"ing...") {
            let verbs: [&[u8]; 3] = [b": Creating...", b": Modifying...", b": Destroying..."];
            self.begun += u32::from(verbs.iter().any(|verb| has(verb)));
        }
    }

    /// Writes how far it has come, of so many in the plan.
    #[must_use]
    pub fn text(&self, planned: Option<u32>) -> Option<String> {
        if self.begun == 0 {
            return None;
        }
        let flight = self.begun.saturating_sub(self.done);
        let done = match planned.filter(|planned| *planned >= self.done) {
            Some(planned) => format!("done {} of {planned}", self.done),
            None => format!("done {}", self.done),
        };
        Some(if flight > 0 { format!("in flight {flight} · {done}") } else { done })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terraforms_lines_tell_how_far_it_is() {
        let mut log = LogBuffer::default();
        log.take(
            0,
            b"\x1b[0m\x1b[1mterraform_data.a: Creating...\x1b[0m\n\
              terraform_data.b: Destroying... [id=1]\n\
              terraform_data.a: Still creating... [10s elapsed]\n\
              terraform_data.a: Creation complete after 10s [id=2]\nterraform_data.b: Destruction comp",
        );
        let mut progress = Progress::default();
        assert!(!progress.step(&log));
        assert_eq!(progress.text(Some(3)).unwrap(), "in flight 1 · done 1 of 3");
        log.take(log.received(), b"lete after 0s\n");
        progress.step(&log);
        assert_eq!(progress.text(None).unwrap(), "done 2");
    }
}
