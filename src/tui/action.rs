//! The one table of actions.
//!
//! Owns the names: a row declares an action, and dispatch, key hints, help, palette and the README's key table are
//! computed from that row. Leaves keys to [`super::keymap`] and what an action does to [`super::update`].

use super::app::App;
use super::enabled;

/// Where an action applies, and the name of the section of a keymap file that binds its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// On every screen.
    Anywhere,
    /// The view of stacks.
    Stacks,
    /// The view of services.
    Catalog,
    /// The view of runs.
    Runs,
    /// The log of a run; what is bound in [`Place::Runs`] works here too.
    Log,
    /// The view of requests.
    Requests,
    /// A form; nothing else is bound while something is filled in.
    Form,
    /// The view of budgets.
    Budgets,
    /// The view of events.
    Events,
}

impl Place {
    /// Every place, in the order in which help lists them.
    pub const ALL: [Place; 9] = [
        Place::Stacks,
        Place::Catalog,
        Place::Runs,
        Place::Log,
        Place::Requests,
        Place::Form,
        Place::Budgets,
        Place::Events,
        Place::Anywhere,
    ];

    /// Returns the section's name in a keymap file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Place::Anywhere => "anywhere",
            Place::Stacks => "stacks",
            Place::Catalog => "catalog",
            Place::Runs => "runs",
            Place::Log => "log",
            Place::Requests => "requests",
            Place::Form => "form",
            Place::Budgets => "budgets",
            Place::Events => "events",
        }
    }

    /// Returns the places whose bindings hold here, the most specific first.
    #[must_use]
    pub fn chain(self) -> &'static [Place] {
        match self {
            Place::Anywhere => &[Place::Anywhere],
            Place::Stacks => &[Place::Stacks, Place::Anywhere],
            Place::Catalog => &[Place::Catalog, Place::Anywhere],
            Place::Runs => &[Place::Runs, Place::Anywhere],
            Place::Log => &[Place::Log, Place::Runs, Place::Anywhere],
            Place::Requests => &[Place::Requests, Place::Anywhere],
            Place::Form => &[Place::Form],
            Place::Budgets => &[Place::Budgets, Place::Anywhere],
            Place::Events => &[Place::Events, Place::Anywhere],
        }
    }
}

/// What an action does to the world outside the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Changes what is shown, or copies and saves what is shown.
    Screen,
    /// Starts or steers a process that leaves the world as it is (a plan).
    Reads,
    /// May change the world; always asks first.
    Changes,
    /// Keeps its key while it is not built: says so, and stands in no list.
    Reserved,
}

/// Whether an action can be done now: `Err` says why not, in a few words.
pub type Enabled = Result<(), &'static str>;

macro_rules! actions {
    ($($variant:ident $name:literal $about:literal [$($place:ident)+] $reach:ident $when:path;)+) => {
        /// Everything a key can do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $(#[doc = $about] $variant,)+
        }

        impl Action {
            /// Every action, in the order of the table.
            pub const ALL: &[Action] = &[$(Action::$variant),+];

            /// Returns the name that keymap files use.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Action::$variant => $name,)+ }
            }

            /// Returns what it does, in one line.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Action::$variant => $about,)+ }
            }

            /// Returns where it applies.
            #[must_use]
            pub fn places(self) -> &'static [Place] {
                match self { $(Action::$variant => &[$(Place::$place),+],)+ }
            }

            /// Returns what it does to the world.
            #[must_use]
            pub fn reach(self) -> Reach {
                match self { $(Action::$variant => Reach::$reach,)+ }
            }

            /// Tells whether it can be done now, and why not.
            ///
            /// # Errors
            ///
            /// The reason, in a few words, where it cannot.
            pub fn enabled(self, app: &App) -> Enabled {
                match self { $(Action::$variant => $when(app),)+ }
            }
        }
    };
}

actions! {
    // Instances and stacks.
    Plan            "plan"             "Plan what is selected or marked"                        [Stacks Catalog Runs] Reads enabled::on_instance;
    Apply           "apply"            "Plan, show the plan, ask, apply exactly it"             [Stacks Catalog Runs] Changes enabled::on_instance;
    Destroy         "destroy"          "Plan the end of it, ask, destroy"                       [Stacks] Changes enabled::on_instance;
    Workflow        "workflow"         "Choose a workflow and run it"                           [Stacks Runs] Changes enabled::has_workflows;
    Command         "command"          "Run any other Atmos command"                            [Stacks Runs] Changes enabled::live;
    Diff            "diff"             "Compare the two marked, or with the last one looked at" [Stacks] Screen enabled::two_to_compare;
    DiffRef         "diff-ref"         "Compare the estate with a Git ref"                      [Stacks] Screen enabled::live;
    Affected        "affected"         "List what a change since a Git ref reaches"             [Stacks] Screen enabled::live;
    Trust           "trust"            "Trust the estate, so that what needs it is evaluated"   [Anywhere] Changes enabled::needs_trust;
    OnlyDifferences "only-differences" "Show all lines of a comparison, or differences only"    [Stacks] Screen enabled::comparing;
    SideBySide      "side-by-side"     "Compare side by side, or one below the other"           [Stacks] Screen enabled::comparing;
    Evaluate        "evaluate"         "Have Atmos evaluate templates and functions here"       [Stacks] Reads enabled::can_evaluate;
    Edit            "edit"             "Open the line in $EDITOR"                               [Stacks Catalog] Screen enabled::has_source;
    Group           "group"            "Group the list another way"                             [Stacks Catalog] Screen enabled::always;
    Abstract        "abstract"         "Show or hide abstract components"                       [Stacks] Screen enabled::always;
    Problems        "problems"         "List every problem of the estate"                       [Anywhere] Screen enabled::has_problems;
    Search          "search"           "Search every key and value of the estate"               [Anywhere] Screen enabled::live;
    // Runs.
    Confirm         "confirm"          "Apply exactly the plan this run shows"                  [Runs] Changes enabled::waits_for_yes;
    Cancel          "cancel"           "Interrupt the run"                                      [Runs] Changes enabled::run_alive;
    Retry           "retry"            "Start the same run again"                               [Runs] Changes enabled::run_ended;
    Resolve         "resolve"          "Settle a run that was lost while it applied"            [Runs] Changes enabled::run_unknown;
    Type            "type"             "Type a line into a run that asks"                       [Runs] Changes enabled::run_reads;
    Since           "since"            "Show what changed since the last successful apply"      [Runs] Screen enabled::on_run_of_instance;
    FindInLog       "find-in-log"      "Search the log"                                         [Runs] Screen enabled::has_log;
    FilterLog       "filter-log"       "Show only lines that match, with context"               [Runs] Screen enabled::has_log;
    NextError       "next-error"       "Go to the next error"                                   [Runs] Screen enabled::has_log;
    PreviousError   "previous-error"   "Go to the previous error"                               [Runs] Screen enabled::has_log;
    Follow          "follow"           "Follow the end of the log, or stay"                     [Runs] Screen enabled::has_log;
    Wrap            "wrap"             "Wrap long lines, or not"                                [Runs] Screen enabled::has_log;
    Times           "times"            "Show when each line came, its number, or neither"       [Runs] Screen enabled::has_log;
    NextStep        "next-step"        "Go to the next step in the log"                         [Runs] Screen enabled::has_log;
    Save            "save"             "Save the whole log to a file"                           [Runs] Screen enabled::has_log;
    // Requests.
    NewRequest      "new-request"      "Ask for something new, or for what is selected"         [Anywhere] Screen enabled::can_ask;
    AskChange       "ask-change"       "Ask for other values of the instance"                   [Stacks Catalog] Screen enabled::can_ask_about;
    AskRun          "ask-run"          "Ask for an apply, a destroy or a workflow"              [Stacks Catalog] Screen enabled::can_ask_for_run;
    AskRetire       "ask-retire"       "Ask for the end of the instance and its configuration"  [Stacks Catalog] Screen enabled::can_ask_about;
    AskBudget       "ask-budget"       "Ask for another amount, or an exception from the limit" [Budgets Requests] Screen enabled::can_ask_for_budget;
    Approve         "approve"          "Agree to exactly what the request shows"                [Requests] Changes enabled::can_decide;
    Reject          "reject"           "Refuse the request, and say why"                        [Requests] Changes enabled::can_decide;
    Comment         "comment"          "Say something about the request"                        [Requests] Changes enabled::on_request;
    Withdraw        "withdraw"         "Take the request back"                                  [Requests] Changes enabled::can_withdraw;
    BreakGlass      "break-glass"      "Set the rules of approvals aside: it cannot wait"        [Requests] Changes enabled::can_break_glass;
    SecondReview    "second-review"    "Say that you looked at what went ahead with less"       [Requests] Changes enabled::can_review;
    Continue        "continue"         "Go on with what is applied in part"                     [Requests] Changes enabled::can_continue;
    Revert          "revert"           "Have what was applied of the request undone"            [Requests] Changes enabled::can_revert;
    Submit          "submit"           "Send a draft, or one that came back"                    [Requests] Changes enabled::can_submit;
    Revise          "revise"           "Write the request anew, as its next revision"           [Requests] Screen enabled::can_revise;
    RequestRun      "request-run"      "Go to the run that plans or carries out the request"    [Requests] Screen enabled::request_has_run;
    Send            "send"             "Send what is filled in"                                 [Form] Changes enabled::in_form;
    ShowFiles       "show-files"       "Show the lines that it would change"                    [Form] Screen enabled::in_form;
    PlanNow         "plan-now"         "Plan what is filled in, for its price and verdict"      [Form] Reads enabled::in_form;
    // Budgets.
    Unallocated     "unallocated"      "What nobody pays for, why, and the command that changes it"  [Budgets] Screen enabled::has_budgets;
    Savings         "savings"          "What could be saved"                                    [Budgets] Screen enabled::has_budgets;
    Accept          "accept"           "Say that a suggestion will be done"                     [Budgets] Changes enabled::on_recommendation;
    Dismiss         "dismiss"          "Say why a suggestion will not be done"                  [Budgets] Changes enabled::on_recommendation;
    Snooze          "snooze"           "Put a suggestion off until a day"                       [Budgets] Changes enabled::on_recommendation;
    Export          "export"           "Write the month's report to a file"                     [Budgets] Screen enabled::has_budgets;
    // Anywhere.
    Filter          "filter"           "Filter the list"                                        [Anywhere] Screen enabled::always;
    NextMatch       "next-match"       "Go to the next match"                                   [Anywhere] Screen enabled::always;
    PreviousMatch   "previous-match"   "Go to the previous match"                               [Anywhere] Screen enabled::always;
    Mark            "mark"             "Mark or unmark"                                         [Stacks] Screen enabled::markable;
    ClearMarks      "clear-marks"      "Unmark everything"                                      [Stacks] Screen enabled::has_marks;
    Copy            "copy"             "Copy what is selected"                                  [Anywhere] Screen enabled::always;
    CopyCommand     "copy-command"     "Copy the exact command"                                 [Anywhere] Screen enabled::has_command;
    Open            "open"             "Open, unfold or go to what is selected"                 [Anywhere] Screen enabled::always;
    Up              "up"               "Up a line"                                              [Anywhere] Screen enabled::always;
    Down            "down"             "Down a line"                                            [Anywhere] Screen enabled::always;
    Left            "left"             "Fold, or scroll left"                                   [Anywhere] Screen enabled::always;
    Right           "right"            "Unfold, or scroll right"                                [Anywhere] Screen enabled::always;
    PageUp          "page-up"          "Up a page"                                              [Anywhere] Screen enabled::always;
    PageDown        "page-down"        "Down a page"                                            [Anywhere] Screen enabled::always;
    Top             "top"              "To the first line"                                      [Anywhere] Screen enabled::always;
    Bottom          "bottom"           "To the last line"                                       [Anywhere] Screen enabled::always;
    NextTab         "next-tab"         "Next tab"                                               [Anywhere] Screen enabled::has_tabs;
    PreviousTab     "previous-tab"     "Previous tab"                                           [Anywhere] Screen enabled::has_tabs;
    NextPane        "next-pane"        "Next pane"                                              [Anywhere] Screen enabled::always;
    PreviousPane    "previous-pane"    "Previous pane"                                          [Anywhere] Screen enabled::always;
    Zoom            "zoom"             "Give this pane the whole screen, or not"                [Anywhere] Screen enabled::always;
    Grow            "grow"             "Make the list wider"                                    [Anywhere] Screen enabled::always;
    Shrink          "shrink"           "Make the list narrower"                                 [Anywhere] Screen enabled::always;
    ViewStacks      "view-stacks"      "Stacks: configuration and where it comes from"          [Anywhere] Screen enabled::always;
    ViewCatalog     "view-catalog"     "Catalog: services, owners, inputs and outputs"          [Anywhere] Screen enabled::always;
    ViewRuns        "view-runs"        "Runs: what runs and what ran, with logs"                [Anywhere] Screen enabled::always;
    ViewRequests    "view-requests"    "Requests: what is asked for, and what waits for you"    [Anywhere] Screen enabled::always;
    ViewBudgets     "view-budgets"     "Budgets: what is spent, promised, and where it will end" [Anywhere] Screen enabled::always;
    ViewEvents      "view-events"      "Events: the live stream and the audit trail"            [Anywhere] Screen enabled::always;
    ViewHealth      "view-health"      "Health"                                                 [Anywhere] Reserved enabled::not_built_health;
    Palette         "palette"          "Find any action by its name"                            [Anywhere] Screen enabled::always;
    Help            "help"             "What works here, and with which key"                    [Anywhere] Screen enabled::always;
    Refresh         "refresh"          "Ask the platform for everything again"                  [Anywhere] Screen enabled::always;
    NextTheme       "next-theme"       "Use the next theme"                                     [Anywhere] Screen enabled::always;
    Mouse           "mouse"            "Let the mouse work here, or leave it to the terminal"   [Anywhere] Screen enabled::always;
    Redraw          "redraw"           "Draw the screen anew"                                   [Anywhere] Screen enabled::always;
    Suspend         "suspend"          "Leave for the shell; fg comes back"                     [Anywhere] Screen enabled::always;
    Back            "back"             "Close, unfilter, or go back"                            [Anywhere] Screen enabled::always;
    Leave           "leave"            "Leave; runs go on without the dashboard"                [Anywhere] Screen enabled::always;
    Interrupt       "interrupt"        "Close what is open; never ends a run"                   [Anywhere] Screen enabled::always;
}

impl Action {
    /// Finds an action by its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Action> {
        Action::ALL.iter().copied().find(|action| action.name() == name)
    }

    /// Tells whether lists of actions (help, palette, README) show it.
    #[must_use]
    pub fn is_built(self) -> bool {
        self.reach() != Reach::Reserved
    }

    /// Tells whether it applies in this place, or in one whose bindings hold there.
    #[must_use]
    pub fn applies_in(self, place: Place) -> bool {
        self.places().iter().any(|own| place.chain().contains(own))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_descriptions_are_unique_and_in_form() {
        let names: BTreeSet<_> = Action::ALL.iter().map(|a| a.name()).collect();
        let abouts: BTreeSet<_> = Action::ALL.iter().map(|a| a.about()).collect();
        assert_eq!(names.len(), Action::ALL.len());
        assert_eq!(abouts.len(), Action::ALL.len());
        for action in Action::ALL {
            assert!(action.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", action.name());
            assert!(action.about().len() <= 60, "{}: the palette has 60 columns for it", action.name());
            assert!(!action.about().ends_with('.'), "{}", action.name());
        }
    }

    #[test]
    fn every_name_finds_its_action() {
        for action in Action::ALL {
            assert_eq!(Action::named(action.name()), Some(*action));
        }
        assert_eq!(Action::named("aprove"), None);
    }
}
