//! The form of a golden path: what is filled in, what it would come to, and where its question stands.
//!
//! What it would come to is asked for while somebody types: files and problems as soon as the typing rests, price and
//! verdict of a real plan once it has rested longer. Neither is waited for, and an answer about what stood there before
//! is shown as that.

pub mod beside;
pub mod draw;
pub mod field;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::types::Preview;
use crate::domain::golden_path::GoldenPath;
use crate::domain::request::{RequestKind, Wish};
use crate::tui::message::Trouble;

use field::{Field, Kind};

/// What was filled in and not sent, so that nothing is lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Draft {
    /// What was typed, by input.
    pub inputs: BTreeMap<String, String>,
    /// Why it is needed.
    pub reason: String,
    /// The request that it is a new revision of.
    pub revises: Option<u64>,
}

/// A part of the form that can have the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// An input.
    Field(usize),
    /// What shows or hides the settings that a newcomer needs not see.
    More,
}

/// What a plan said about what was filled in.
#[derive(Debug, Clone)]
pub struct Planned {
    /// After how many changes.
    pub serial: u64,
    /// What it said, or why there is none.
    pub outcome: Result<Box<Preview>, Trouble>,
}

/// A form.
#[derive(Debug)]
pub struct Form {
    /// What is asked for.
    pub path: GoldenPath,
    /// Its inputs, in order; the last one says why.
    pub fields: Vec<Field>,
    /// What has the keys.
    pub at: Stop,
    /// Whether all settings are shown.
    pub unfolded: bool,
    /// How often something was changed.
    pub serial: u64,
    /// The answer without a plan, and after how many changes it was asked for.
    pub preview: Option<(u64, Result<Box<Preview>, Trouble>)>,
    /// The question without a plan that is under way.
    pub asked: Option<u64>,
    /// The newest answer with a plan.
    pub planned: Option<Planned>,
    /// The question with a plan that is under way.
    pub planning: Option<u64>,
    /// The request that it is a new revision of.
    pub revises: Option<u64>,
    /// Whether it is on its way.
    pub sending: bool,
    /// Why it was not taken.
    pub trouble: Option<Trouble>,
}

impl Form {
    /// Makes an empty form with the defaults in it; `team` is who looks' own, where that is known.
    #[must_use]
    pub fn new(path: GoldenPath, team: Option<&str>) -> Self {
        let mut fields: Vec<Field> =
            path.properties().map(|(name, schema)| Field::new(name, schema, path.requires(name))).collect();
        if let (Some(team), Some(field)) = (team, fields.iter_mut().find(|field| field.name == "team")) {
            field.fill(team);
        }
        // A template that names nothing simple has nothing to hide.
        if !fields.iter().any(|field| field.simple) {
            fields.iter_mut().for_each(|field| field.simple = true);
        }
        // What must be given is never hidden.
        fields
            .iter_mut()
            .filter(|field| field.required && field.text().is_empty())
            .for_each(|field| field.simple = true);
        fields.push(Field::reason());
        let at = fields.iter().position(|field| field.simple).map_or(Stop::More, Stop::Field);
        Form {
            path,
            fields,
            at,
            unfolded: false,
            serial: 1,
            preview: None,
            asked: None,
            planned: None,
            planning: None,
            revises: None,
            sending: false,
            trouble: None,
        }
    }

    /// Goes on with what was filled in before.
    pub fn resume(&mut self, draft: &Draft) {
        for field in &mut self.fields {
            let kept = if field.name.is_empty() { Some(&draft.reason) } else { draft.inputs.get(&field.name) };
            if let Some(kept) = kept.filter(|kept| **kept != field.text()) {
                field.fill(kept);
                field.touched = true;
            }
        }
        self.revises = draft.revises;
    }

    /// Returns what is filled in, to go on with later.
    #[must_use]
    pub fn draft(&self) -> Draft {
        let inputs = self.fields.iter().filter(|field| !field.name.is_empty());
        Draft {
            inputs: inputs.map(|field| (field.name.clone(), field.text())).collect(),
            reason: self.reason(),
            revises: self.revises,
        }
    }

    /// Tells whether somebody filled something in.
    #[must_use]
    pub fn is_touched(&self) -> bool {
        self.fields.iter().any(|field| field.touched)
    }

    fn reason(&self) -> String {
        self.fields.iter().find(|field| field.name.is_empty()).map(Field::text).unwrap_or_default()
    }

    /// Returns what is asked for.
    #[must_use]
    pub fn wish(&self) -> Wish {
        let given = |field: &&Field| !field.name.is_empty() && !field.text().is_empty();
        let inputs: Map<String, Value> = self
            .fields
            .iter()
            .filter(given)
            .map(|field| (field.name.clone(), self.path.typed(&field.name, &field.text())))
            .collect();
        let reason = self.reason();
        Wish {
            kind: RequestKind::Provision,
            title: None,
            golden_path: Some(self.path.name.clone()),
            instance: None,
            inputs,
            workflow: None,
            run: None,
            reason: (!reason.is_empty()).then_some(reason),
            bounds: None,
        }
    }

    /// Returns how many settings a newcomer needs not see.
    #[must_use]
    pub fn further(&self) -> usize {
        self.fields.iter().filter(|field| !field.simple).count()
    }

    /// Returns everything that can have the keys, from the top.
    #[must_use]
    pub fn stops(&self) -> Vec<Stop> {
        let of = |simple: bool| {
            let fields = self.fields.iter().enumerate().filter(move |(_, field)| field.simple == simple);
            fields.map(|(at, _)| Stop::Field(at))
        };
        let mut stops: Vec<Stop> = of(true).collect();
        if self.further() > 0 {
            stops.push(Stop::More);
        }
        if self.unfolded {
            stops.extend(of(false));
        }
        stops
    }

    /// Moves to the next or the previous part, around.
    pub fn step(&mut self, by: isize) {
        let stops = self.stops();
        let len = stops.len().cast_signed();
        let at = stops.iter().position(|stop| *stop == self.at).unwrap_or(0);
        self.at = stops[(at.cast_signed() + by).rem_euclid(len.max(1)).cast_unsigned()];
    }

    /// Returns the input that has the keys.
    pub fn field(&mut self) -> Option<&mut Field> {
        match self.at {
            Stop::Field(at) => self.fields.get_mut(at),
            Stop::More => None,
        }
    }

    /// Returns what is wrong with an input, where the newest answer says so and somebody has been there.
    #[must_use]
    pub fn problem(&self, field: &Field) -> Option<&str> {
        let problems = &self.preview.as_ref()?.1.as_ref().ok()?.problems;
        let about = problems.iter().find(|problem| problem.input == field.name && !field.name.is_empty())?;
        let seen = field.touched || self.trouble.is_some();
        seen.then_some(about.message.as_str())
    }

    /// Tells whether what the platform said last, without a plan, is about what stands there now.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.preview.as_ref().is_some_and(|(serial, _)| *serial == self.serial)
    }

    /// Puts text where the keys go.
    pub fn insert(&mut self, content: &str) -> bool {
        let Some(field) = self.field() else { return false };
        match &mut field.kind {
            Kind::Line(area) => {
                area.insert_str(content.lines().next().unwrap_or_default());
            }
            Kind::Text(area) => {
                area.insert_str(content);
            }
            Kind::Choice { .. } => return false,
        }
        field.touched = true;
        true
    }
}

#[cfg(test)]
mod flow_tests;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path() -> GoldenPath {
        serde_json::from_value(
            json!({"name": "db", "title": "Database", "description": "", "owner": null, "tier": null,
            "service": "database", "file": "t.yaml", "inputs": {"type": "object", "required": ["name", "team"],
            "properties": {"name": {"type": "string", "simple": true}, "team": {"enum": ["orders", "payments"]},
                "gb": {"type": "integer", "default": 20}, "tags": {"type": "array", "default": []}}}}),
        )
        .unwrap()
    }

    #[test]
    fn simple_inputs_come_first_and_what_must_be_given_is_never_hidden() {
        let mut form = Form::new(path(), None);
        assert_eq!(form.stops(), [Stop::Field(0), Stop::Field(1), Stop::Field(4), Stop::More]);
        form.unfolded = true;
        assert_eq!(form.stops()[4..], [Stop::Field(2), Stop::Field(3)]);
        form.step(-1);
        assert_eq!(form.at, Stop::Field(3));
        form.step(1);
        assert_eq!(form.at, Stop::Field(0));
    }

    #[test]
    fn what_is_filled_in_is_what_is_asked_for_and_survives_as_a_draft() {
        let mut form = Form::new(path(), Some("payments"));
        assert!(form.insert("fares\nmore") && form.is_touched());
        form.fields[4].fill("a new\nproduct");
        let wish = form.wish();
        assert_eq!(Value::Object(wish.inputs), json!({"name": "fares", "team": "payments", "gb": 20}));
        assert_eq!(wish.reason.as_deref(), Some("a new\nproduct"));
        let mut again = Form::new(path(), None);
        again.resume(&form.draft());
        assert_eq!(again.wish(), form.wish());
    }
}
