//! Reads server-sent events: the data of each, out of bytes that are cut anywhere.

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};

use super::ClientError;

/// Takes bytes in, gives the data of whole messages out.
#[derive(Debug, Default)]
struct Reader {
    rest: Vec<u8>,
    data: Option<String>,
}

impl Reader {
    /// Takes the next bytes; returns the data of the messages that they end.
    fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(bytes);
        let mut messages = Vec::new();
        let mut begin = 0;
        while let Some(end) = memchr::memchr(b'\n', &self.rest[begin..]) {
            let line = &self.rest[begin..begin + end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                messages.extend(self.data.take());
            } else if let Some(value) = line.strip_prefix(b"data:") {
                let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
                match &mut self.data {
                    // Several data lines are one text with newlines.
                    Some(data) => {
                        data.push('\n');
                        data.push_str(&value);
                    }
                    None => self.data = Some(value.into_owned()),
                }
            }
            begin += end + 1;
        }
        self.rest.drain(..begin);
        messages
    }
}

/// Turns a body into the data of its messages.
pub(super) fn messages<S>(bytes: S) -> impl Stream<Item = Result<String, ClientError>>
where
    S: Stream<Item = Result<Bytes, ClientError>>,
{
    let mut reader = Reader::default();
    bytes.flat_map(move |piece| {
        let messages = match piece {
            Ok(piece) => reader.take(&piece).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        };
        stream::iter(messages)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_whole_wherever_the_bytes_are_cut() {
        let text = ": hello\n\nid: 1\nevent: a\ndata: {\"ü\": 1}\n\r\nid: 2\ndata:one\ndata: two\n\ndata: unfinished";
        for cut in 0..text.len() {
            let mut reader = Reader::default();
            let mut messages = reader.take(&text.as_bytes()[..cut]);
            messages.extend(reader.take(&text.as_bytes()[cut..]));
            assert_eq!(messages, ["{\"ü\": 1}", "one\ntwo"], "cut at {cut}");
        }
    }
}
