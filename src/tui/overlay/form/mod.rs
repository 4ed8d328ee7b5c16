//! The form of a request: what is filled in, what it would come to, and where its question stands.
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
use crate::domain::request::{RequestForm, RequestKind, Wish};
use crate::tui::app::App;
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

/// Returns under which name what is filled in for such a request is kept.
#[must_use]
pub fn key(wish: &Wish, revises: Option<u64>) -> String {
    let mut parts: Vec<String> = match &wish.golden_path {
        Some(path) => vec![path.clone()],
        None => vec![wish.kind.to_string()],
    };
    parts.extend(wish.run.map(|run| run.to_string()));
    parts.extend(wish.instance.as_ref().map(ToString::to_string));
    parts.extend(
        wish.workflow.iter().flat_map(|of| [Some(of.file.clone()), Some(of.name.clone()), of.stack.clone()]).flatten(),
    );
    if wish.kind == RequestKind::Budget {
        let named = ["team", "budget", "exception"].into_iter().filter_map(|name| wish.inputs.get(name));
        parts.extend(named.map(ToString::to_string));
    }
    match revises {
        Some(number) => format!("{}#{number}", parts.join(" ")),
        None => parts.join(" "),
    }
}

/// A form.
#[derive(Debug)]
pub struct Form {
    /// What is asked for.
    pub asks: RequestForm,
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
    pub fn new(asks: RequestForm, team: Option<&str>) -> Self {
        let mut fields: Vec<Field> = asks
            .inputs
            .properties()
            .map(|(name, schema)| Field::new(name, schema, asks.inputs.requires(name)))
            .collect();
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
            asks,
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
        // What nobody changed is what it is by then.
        let inputs = self.fields.iter().filter(|field| !field.name.is_empty() && field.is_changed());
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
        let changes = self.asks.wish.kind == RequestKind::Change;
        let mut inputs: Map<String, Value> = self.asks.wish.inputs.clone();
        for field in self.fields.iter().filter(|field| !field.name.is_empty()) {
            inputs.shift_remove(&field.name);
            let text = field.text();
            match (changes, text.is_empty()) {
                // Of an instance only what differs is asked for; an emptied line takes a value away.
                (true, _) if !field.is_changed() => {}
                (true, true) => drop(inputs.insert(field.name.clone(), Value::Null)),
                (false, true) => {}
                (_, false) => drop(inputs.insert(field.name.clone(), self.asks.inputs.typed(&field.name, &text))),
            }
        }
        let reason = self.reason();
        Wish { inputs, reason: (!reason.is_empty()).then_some(reason), ..self.asks.wish.clone() }
    }

    /// Tells whether it asks for other values and none differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.asks.wish.kind == RequestKind::Change
            && !self.fields.iter().any(|field| !field.name.is_empty() && field.is_changed())
    }

    /// Returns under which name what is filled in is kept.
    #[must_use]
    pub fn key(&self) -> String {
        key(&self.asks.wish, self.revises)
    }

    /// Returns whose budget it counts against: the team that is filled in, or the one that owns the instance.
    #[must_use]
    pub fn team(&self, app: &App) -> Option<String> {
        let field = self.fields.iter().find(|field| field.name == "team").map(Field::text);
        let at = self.asks.wish.instance.as_ref();
        let owner = || {
            let mut instances = app.instances.items().iter();
            let own = instances.find(|one| at.is_some_and(|at| one.component == at.component && one.stack == at.stack));
            own.and_then(|one| one.team.clone())
        };
        field.or_else(owner).filter(|team| !team.is_empty())
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
mod kinds_tests;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asks(wish: &Value, inputs: &Value) -> RequestForm {
        serde_json::from_value(json!({"title": "Database", "description": "", "wish": wish, "inputs": inputs})).unwrap()
    }

    fn path() -> RequestForm {
        asks(
            &json!({"kind": "provision", "golden_path": "db"}),
            &json!({"type": "object", "required": ["name", "team"],
            "properties": {"name": {"type": "string", "simple": true}, "team": {"enum": ["orders", "payments"]},
                "gb": {"type": "integer", "default": 20}, "tags": {"type": "array", "default": []}}}),
        )
    }

    #[test]
    fn a_change_asks_for_what_differs_and_an_emptied_line_takes_away() {
        let wish =
            json!({"kind": "change", "instance": {"component": "db", "stack": "dev"}, "inputs": {"vars.gb": 30}});
        let inputs = json!({"type": "object", "properties": {"vars.gb": {"type": "number", "default": 20},
            "vars.size": {"type": "string", "default": "small"}, "vars.zone": {"type": "string", "default": "a"}}});
        let mut form = Form::new(asks(&wish, &inputs), None);
        assert_eq!(Value::Object(form.wish().inputs), json!({}), "what it is now is no change");
        form.fields[0].fill("50");
        form.fields[2].fill("");
        assert_eq!(Value::Object(form.wish().inputs), json!({"vars.gb": 50, "vars.zone": null}));
        let kept = form.draft();
        assert_eq!(kept.inputs.keys().collect::<Vec<_>>(), ["vars.gb", "vars.zone"]);
        assert_eq!((form.key().as_str(), form.wish().instance), ("change db@dev", form.asks.wish.instance.clone()));
    }

    #[test]
    fn what_is_known_of_a_budget_is_sent_with_what_is_filled_in() {
        let wish = json!({"kind": "budget", "inputs": {"team": "orders"}});
        let inputs = json!({"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}});
        let mut form = Form::new(asks(&wish, &inputs), None);
        form.fields[0].fill("4500");
        assert_eq!(Value::Object(form.wish().inputs), json!({"team": "orders", "amount": 4500}));
        assert_eq!(form.key(), "budget \"orders\"");
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
