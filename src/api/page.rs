//! Lists: `limit`, an opaque `cursor`, `{"items": […], "next": …}`.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;

/// How many items a page has unless asked otherwise.
pub const DEFAULT_LIMIT: u32 = 200;
/// How many items a page has at most.
pub const MAX_LIMIT: u32 = 10_000;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page; null at the end.
    pub next: Option<String>,
}

/// What a cursor holds: which list it belongs to, which state of that list, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    /// The list, such as `instances`, so that a cursor of another list is refused.
    #[serde(rename = "l")]
    list: String,
    /// The revision of what is listed; 0 where the list only grows.
    #[serde(rename = "r")]
    revision: u64,
    /// How far: an offset in a snapshot, or the last sequence.
    #[serde(rename = "p")]
    position: u64,
}

/// Returns the limit that was asked for, or the default.
///
/// # Errors
///
/// 400 where it is 0 or too large.
pub fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(limit) => {
            Err(Problem::bad_request("bad-limit", format!("limit is {limit}, and must be from 1 to {MAX_LIMIT}")))
        }
    }
}

/// Makes the cursor of a list at a position.
#[must_use]
pub fn encode(list: &str, revision: u64, position: u64) -> String {
    let cursor = Cursor { list: list.to_owned(), revision, position };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
}

/// Reads the position of a cursor.
///
/// # Errors
///
/// 400 where it is no cursor or one of another list; 409 where what it lists has changed since.
pub fn decode(list: &str, revision: u64, text: &str) -> Result<u64, Problem> {
    let cursor = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| serde_json::from_slice::<Cursor>(&bytes).ok());
    let Some(cursor) = cursor.filter(|cursor| cursor.list == list) else {
        return Err(Problem::bad_request("bad-cursor", format!("the cursor is not one that the list of {list} gave"))
            .hint("take it from `next` of the page before, as it is"));
    };
    if cursor.revision != revision {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "cursor-outdated",
            format!("the {list} have changed since the cursor was given"),
        )
        .hint("list again from the beginning"));
    }
    Ok(cursor.position)
}

/// Cuts one page out of a snapshot's list.
///
/// # Errors
///
/// As [`limit`] and [`decode`].
pub fn cut<T>(
    list: &str,
    revision: u64,
    items: Vec<T>,
    asked: Option<u32>,
    cursor: Option<&str>,
) -> Result<Page<T>, Problem> {
    let limit = limit(asked)? as usize;
    let start = cursor.map(|cursor| decode(list, revision, cursor)).transpose()?.unwrap_or_default();
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let more = items.len().saturating_sub(start) > limit;
    let items = items.into_iter().skip(start).take(limit).collect();
    Ok(Page { items, next: more.then(|| encode(list, revision, (start + limit) as u64)) })
}

/// Makes a page of a list that only grows, from one item more than the page has where there are more.
#[must_use]
pub fn grown<T>(list: &str, limit: u32, mut items: Vec<T>, position: impl Fn(&T) -> u64) -> Page<T> {
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| more).map(|last| encode(list, 0, position(last)));
    Page { items, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_to_the_whole_list() {
        let all: Vec<u32> = (0..25).collect();
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let page = cut("numbers", 3, all.clone(), Some(7), cursor.as_deref()).expect("a page");
            assert!(page.items.len() <= 7);
            seen.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
        let exact = cut("numbers", 3, all, Some(25), None).expect("a page");
        assert_eq!((exact.items.len(), exact.next), (25, None));
    }

    #[test]
    fn a_cursor_of_something_else_is_refused() {
        let cursor = encode("stacks", 1, 5);
        let code = |list, revision, text: &str| decode(list, revision, text).map_err(|problem| problem.code);
        assert_eq!(code("stacks", 1, &cursor), Ok(5));
        assert_eq!(code("instances", 1, &cursor), Err("bad-cursor".to_owned()));
        assert_eq!(code("stacks", 2, &cursor), Err("cursor-outdated".to_owned()));
        for text in ["", "x", "!!", "e30", &cursor[1..], &format!("{cursor}A")] {
            assert_eq!(code("stacks", 1, text), Err("bad-cursor".to_owned()), "{text:?}");
        }
        for limit in [0, MAX_LIMIT + 1] {
            assert_eq!(cut("stacks", 1, vec![1], Some(limit), None).map_err(|p| p.code), Err("bad-limit".to_owned()));
        }
    }
}
